"""Notices of a run's end and of new best trials."""
