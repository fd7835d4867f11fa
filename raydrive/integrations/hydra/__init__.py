"""Hydra's sweeper: `hydra/sweeper=raydrive`; the plugin that Hydra finds stands in `hydra_plugins`."""
