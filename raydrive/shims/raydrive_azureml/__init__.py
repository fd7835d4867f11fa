"""What is behind the ``azureml`` of a training script; standard library only, Python 3.8 and up."""
