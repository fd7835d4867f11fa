"""Hydra's sweeper: `hydra/sweeper=raydrive`; the plugin that Hydra finds is in `hydra_plugins`."""
