"""Carries decisions out: the driver, trial actors, the processes below them, and runners without Ray."""
