"""Several nodes, one trial: which of them fit where."""
