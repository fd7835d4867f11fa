"""Sampling by the interval: a model of learning curves that chooses which trial continues, and for how long."""
