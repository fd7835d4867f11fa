"""Tasks of kinds that a sampler may be weak at, in two sets: ``choose.py`` to judge changes by, ``check.py`` afterwards."""
