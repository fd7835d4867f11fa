"""Warm start and trials that go on, in the words of HyperDrive's documentation: raydrive run-script tune.py."""

from azureml.core import Experiment, ScriptRunConfig, Workspace
from azureml.core.run import Run
from azureml.train.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    PrimaryMetricGoal,
    uniform,
)

workspace = Workspace.from_config()
experiment = Experiment(workspace, "warm-start-example")
script_run_config = ScriptRunConfig(source_directory=".", script="train.py", arguments=["--epochs", 3])
settings = {
    "run_config": script_run_config,
    "hyperparameter_sampling": BayesianParameterSampling({"learning_rate": uniform(0.01, 0.1)}),
    "primary_metric_name": "accuracy",
    "primary_metric_goal": PrimaryMetricGoal.MAXIMIZE,
    "max_concurrent_runs": 2,
}
first = experiment.submit(HyperDriveConfig(max_total_runs=3, **settings))
first.wait_for_completion()
first_best = first.get_best_run_by_primary_metric()

warmstart_parents_to_resume_from = [HyperDriveRun(experiment, first.id)]
child_runs_to_resume = [Run(experiment, first_best.id)]
second = experiment.submit(
    HyperDriveConfig(
        resume_from=warmstart_parents_to_resume_from,
        resume_child_runs=child_runs_to_resume,
        policy=BanditPolicy(slack_factor=0.5, evaluation_interval=1, delay_evaluation=10),
        max_total_runs=2,
        **settings,
    )
)
second.wait_for_completion(show_output=True)
best_run = second.get_best_run_by_primary_metric()
print("first:", first_best.id, max(first_best.get_metrics()["accuracy"]))
print("best:", best_run.id, max(best_run.get_metrics()["accuracy"]))
