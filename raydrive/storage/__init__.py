"""Where runs are kept: folders behind paths and URIs, the journal, code, trial files. Knows nothing of Ray."""
