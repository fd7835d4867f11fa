"""Decisions and sampling: pure functions of their arguments, without Ray, files, clocks or threads."""
