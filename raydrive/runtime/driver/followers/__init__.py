"""What tells of a run elsewhere while it continues: notices of its end, and trackers."""
