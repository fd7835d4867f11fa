"""Configurations that are tried several times: groups of trials, their means, and which may still be best."""
