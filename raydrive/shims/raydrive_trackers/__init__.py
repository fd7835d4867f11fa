"""Other tools' trackers in training scripts: what they log reaches the trial, and their configuration is its own."""
