"""Tasks of kinds that a sampler may be weak at: ``choose.py`` to judge changes by, ``check.py`` for afterwards."""
