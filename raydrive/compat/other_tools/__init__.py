"""Sweep files of other tools, written as sweep files of raydrive's: ``raydrive convert``."""
