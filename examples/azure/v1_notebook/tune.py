"""The code of a HyperDrive notebook, unchanged: raydrive run-script tune.py, or raydrive run-notebook tune.ipynb."""

from azureml.core import ComputeTarget, Environment, Experiment, ScriptRunConfig, Workspace
from azureml.train.hyperdrive import (
    BanditPolicy,
    HyperDriveConfig,
    PrimaryMetricGoal,
    RandomParameterSampling,
    choice,
    uniform,
)
from azureml.widgets import RunDetails

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="hyperdrive-example")
compute_target = ComputeTarget(workspace=ws, name="cpu-cluster")
env = Environment.from_conda_specification(name="train-env", file_path="conda.yml")

src = ScriptRunConfig(
    source_directory="src",
    script="train.py",
    arguments=["--epochs", 6],
    compute_target=compute_target,
    environment=env,
)

param_sampling = RandomParameterSampling(
    {
        "learning_rate": uniform(0.05, 0.1),
        "keep_probability": uniform(0.05, 0.1),
        "batch_size": choice(16, 32, 64, 128),
    }
)
early_termination_policy = BanditPolicy(slack_factor=0.1, evaluation_interval=1, delay_evaluation=2)

hd_config = HyperDriveConfig(
    run_config=src,
    hyperparameter_sampling=param_sampling,
    policy=early_termination_policy,
    primary_metric_name="accuracy",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
    max_total_runs=4,
    max_concurrent_runs=2,
)

hyperdrive_run = experiment.submit(hd_config)
RunDetails(hyperdrive_run).show()
hyperdrive_run.wait_for_completion(show_output=True)
assert hyperdrive_run.get_status() == "Completed"

best_run = hyperdrive_run.get_best_run_by_primary_metric()
best_run_metrics = best_run.get_metrics()
parameter_values = best_run.get_details()["runDefinition"]["arguments"]
print("Best Run Id:", best_run.id)
print("Accuracy:", best_run_metrics["accuracy"])
print("batch size:", parameter_values[3])

model = best_run.register_model(model_name="example", model_path="outputs/model.txt")
print(model.name, model.version)
