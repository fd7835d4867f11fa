"""Python environments of trials: built once per node, or thrown away with their trial."""
