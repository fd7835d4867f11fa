"""The configuration of a run: what is trained, how it is called, and what its limits are."""
