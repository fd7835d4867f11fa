"""Search spaces: distributions, the ways to write them, and their unit cube."""
