"""Contract suites that every sampler and policy must pass: inherit one, say how to make yours, and pytest does the rest."""
