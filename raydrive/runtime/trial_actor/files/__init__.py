"""The files of an attempt on its node: working directory, log, checkpoints, and their way to the storage."""
