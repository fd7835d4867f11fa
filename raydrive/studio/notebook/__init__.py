"""A run in a notebook cell."""
