"""What tells of a run elsewhere while it goes on: notices of its end, and trackers."""
