"""Trackers that follow a run live: each is a separate process that reads the run's journal."""
