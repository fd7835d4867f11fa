"""Sampling by the interval: a model of learning curves that chooses which trial trains on, and for how long."""
