"""Contract suites that samplers, policies and others must pass: inherit one, and pytest does the rest."""
