"""Commands that change a run while it continues, and tell what was changed."""
