"""Scripts written for other tuners, Ray Tune and Optuna: what they tune becomes a run, and their trials run the script."""
