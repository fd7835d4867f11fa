"""Commands that change a run while it goes on, and tell what was changed."""
