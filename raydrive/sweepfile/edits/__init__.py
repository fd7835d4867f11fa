"""Edits of a run, and configurations for it, in the words of a sweep file."""
