"""Delivers the notices of a run."""
