"""A run for other tools: tables, Optuna, TensorBoard, MLflow."""
