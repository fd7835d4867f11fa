"""Trials that run out of memory: how that is recognised, and what happens next."""
