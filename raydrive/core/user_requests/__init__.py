"""Steering of a run: what users ask for, checked and answered, and what they did, in words."""
