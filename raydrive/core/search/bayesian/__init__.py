"""Bayesian sampling: the data a model is trained on, the Gaussian process, TPE, and the acquisition of points."""
