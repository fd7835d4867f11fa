"""Trackers that follow a run live: each is a process of its own that reads the run's journal."""
