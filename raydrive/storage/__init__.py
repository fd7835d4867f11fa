"""Where runs are stored: folders behind paths and URIs, the journal, code, trial files. Independent of Ray."""
