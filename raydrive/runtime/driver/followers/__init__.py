"""Sends an active run's progress elsewhere: notices and trackers."""
