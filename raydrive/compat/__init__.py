"""What ran on Azure ML: v2 sweep files, and later v1 imports and MLflow."""
