"""How runs are shown by the Python API: on a terminal, in a notebook, as plotly figures."""
