"""A sweep file drafted from a training script: ``raydrive init``."""
