"""Search: what a sampler is asked and answers, random and grid sampling, and the Bayesian samplers."""
