"""Whom a run tells of its end, and of new bests."""
