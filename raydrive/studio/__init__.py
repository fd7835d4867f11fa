"""Seeing a run: the report, the live studio and the notebook cell. Everything here reads storage only."""
