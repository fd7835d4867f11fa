"""Population based training: members of a run that take over each other's training, with changed hyperparameters."""
