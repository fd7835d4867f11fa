"""The Python API: workspaces, experiments, runs, ``tune()``."""
