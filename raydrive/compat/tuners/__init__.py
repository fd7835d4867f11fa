"""Scripts of Ray Tune and Optuna: what they tune becomes a run, and its trials run the script."""
