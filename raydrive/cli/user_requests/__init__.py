"""Commands that change an active run, and show what was changed."""
