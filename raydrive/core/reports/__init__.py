"""Reports: messages of a training process, and lines that it prints, made into recorded values."""
