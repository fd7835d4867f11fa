"""Ray Train inside a trial: two workers train on half of the samples each, and what rank 0 reports is the trial's."""

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import raydrive
from raydrive import Resources, Run, log_range


def loop(config):
    """What each worker runs; with torch it would be the loop of a TorchTrainer."""
    import ray.train

    context = ray.train.get_context()
    X, X_valid, y, y_valid = train_test_split(*load_digits(return_X_y=True), random_state=0)
    mine = slice(context.get_world_rank(), None, context.get_world_size())
    model = SGDClassifier(alpha=config["alpha"], random_state=0)
    for epoch in range(1, 6):
        model.partial_fit(X[mine] / 16, y[mine], classes=np.unique(y))
        ray.train.report({"accuracy": model.score(X_valid / 16, y_valid), "epoch": epoch})


def train(params):
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from raydrive.integrations.ray_train import RaydriveCallback

    ray.init()  # the run's cluster
    Run.get_context().release_placement_group()  # the trainer makes one of its own
    DataParallelTrainer(
        loop,
        train_loop_config=params,
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.5}),
        run_config=RunConfig(storage_path=os.path.abspath("trainer"), callbacks=[RaydriveCallback(step="epoch")]),
    ).fit()


if __name__ == "__main__":
    os.environ["RAY_TRAIN_V2_ENABLED"] = "1"
    run = raydrive.tune(
        train,
        {"alpha": log_range(1e-6, 1)},
        metric="accuracy",
        max_total_runs=2,
        max_concurrent_runs=1,
        resources=Resources(cpus=1),
        distribution="ray",
        show_output=False,
    )
    for trial in run.get_children():
        print(f"trial {trial.number}: {len(trial.get_metrics()['accuracy'])} epochs, {trial.get_status()}")
