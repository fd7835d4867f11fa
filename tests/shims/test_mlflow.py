"""MLflow in training scripts: an old one in an old Python without raydrive, and the newest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from script_runs import RunScript

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "azure"
IRIS = str(EXAMPLES / "data" / "iris.csv")


@pytest.fixture(params=["old", "new"])
def python(request: pytest.FixtureRequest) -> str:
    """Both Pythons with their MLflow."""
    return request.getfixturevalue("old_python") if request.param == "old" else sys.executable


FLUENT = """
import mlflow
mlflow.log_param("lr", 0.1)
for k in range(3): mlflow.log_metric("accuracy", k / 4, step=k)
for k in range(2): mlflow.log_metric("same", 1.0)  # without a step, at the same moment: two calls all the same
mlflow.log_metrics({"a b": 1.0, "c-d": 2.0}, step=2)
mlflow.set_tag("fold", "2")
with open("plain.txt", "w") as file: file.write("kept")
mlflow.log_artifact("plain.txt"); mlflow.log_artifact("plain.txt", "a folder")
with mlflow.start_run(nested=True, run_name="fold-1"):
    mlflow.log_metric("accuracy", 9.0); mlflow.log_param("part", 1)
client = mlflow.tracking.MlflowClient()
run = mlflow.active_run()
assert run.info.run_id == "iris-1_7", run.info.run_id
kept = client.get_run(run.info.run_id)
assert kept.data.metrics["accuracy"] == 0.5 and kept.data.params == {"lr": "0.1"}
assert kept.data.tags["raydrive.trial"] == "iris-1_7"
assert [m.value for m in client.get_metric_history(run.info.run_id, "accuracy")] == [0, 0.25, 0.5]
again = client.get_metric_history(run.info.run_id, "accuracy")
client.log_batch(run.info.run_id, metrics=again[1:])  # the same rows once more
mlflow.end_run()
mlflow.set_experiment("by any name")
with mlflow.start_run(run_name="evaluation"):
    mlflow.log_metric("accuracy", 7.0); mlflow.log_metric("test accuracy", 0.75)
print("done", mlflow.__version__)
"""


def test_what_scripts_log(run_script: RunScript, python: str) -> None:
    done = run_script(FLUENT, python=python)
    assert "done" in done.output
    assert done.metrics["accuracy"] == [
        0,
        0.25,
        0.5,
    ]  # neither the nested run's, nor the second one's, nor the repetition
    assert done.metrics["fold-1/accuracy"] == [9.0]
    assert done.metrics["evaluation/accuracy"] == [7.0]
    assert done.metrics["test accuracy"] == [0.75]  # nobody else has that name
    assert done.metrics["same"] == [1.0, 1.0]
    assert {"a b": 1.0, "c-d": 2.0} in [message.get("m") for message in done.messages]  # logged together
    assert [m.get("s") for m in done.messages if "accuracy" in m.get("m", {})] == [0, 1, 2]
    assert done.tags == {"params/lr": "0.1", "fold": "2", "fold-1/params/part": "1"}
    assert done.names() == ["outputs/artifacts/a folder/plain.txt", "outputs/artifacts/plain.txt"]
    assert "is kept as 'evaluation/accuracy'" in done.output


OWN_SERVER = """
import os, mlflow
mlflow.set_tracking_uri("file:" + os.path.abspath("mine"))
with mlflow.start_run(run_name="outer"):
    mlflow.log_param("lr", 0.1)
    for k in range(2): mlflow.log_metric("accuracy", k / 4, step=k)
    mlflow.log_metrics({"a": 1}); mlflow.set_tag("fold", "2")
    with mlflow.start_run(nested=True, run_name="inner"): mlflow.log_metric("accuracy", 9.0)
    if hasattr(mlflow, "flush_async_logging"):
        mlflow.log_metric("later", 1.0, synchronous=False); mlflow.flush_async_logging()
    else:
        mlflow.log_metric("later", 1.0)
client = mlflow.tracking.MlflowClient()
runs = {run.data.tags["mlflow.runName"]: run for run in client.search_runs(["0"])}
assert runs["outer"].data.metrics == {"accuracy": 0.25, "a": 1.0, "later": 1.0}, runs["outer"].data.metrics
assert runs["outer"].data.params == {"lr": "0.1"} and runs["outer"].data.tags["fold"] == "2"
assert runs["inner"].data.metrics == {"accuracy": 9.0} and runs["inner"].data.tags["raydrive.run"] == "iris-1"
assert len(client.get_metric_history(runs["outer"].info.run_id, "accuracy")) == 2
"""


@pytest.mark.parametrize("how", ["in the script", "in the environment"])
def test_a_tracking_store_of_their_own_gets_everything_and_the_trial_too(
    run_script: RunScript, python: str, how: str, tmp_path: Path
) -> None:
    env, script = {"MLFLOW_ALLOW_FILE_STORE": "true"}, OWN_SERVER
    if how == "in the environment":
        env["MLFLOW_TRACKING_URI"] = f"file:{tmp_path}/theirs"
        script = OWN_SERVER.replace("mlflow.set_tracking_uri", "print")
    done = run_script(script, python=python, env=env)
    assert done.metrics == {"accuracy": [0, 0.25], "a": [1.0], "inner/accuracy": [9.0], "later": [1.0]}
    assert done.tags == {"params/lr": "0.1", "fold": "2"}


MODELS = """
import mlflow, mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
X, y = load_iris(return_X_y=True)
with mlflow.start_run() as run:
    model = LogisticRegression(max_iter=200).fit(X, y)
    mlflow.log_metric("accuracy", 0.5)
    mlflow.sklearn.log_model(model, "iris", registered_model_name="iris-model", serialization_format="pickle")
    mlflow.log_metric("accuracy", 0.75)
loaded = mlflow.sklearn.load_model("runs:/%s/iris" % run.info.run_id)
assert (loaded.predict(X) == model.predict(X)).all()
"""


def test_a_model_is_kept_registered_and_can_be_loaded(run_script: RunScript, python: str) -> None:
    done = run_script(MODELS, python=python)
    assert done.metrics["accuracy"] == [0.5, 0.75]  # MLflow 3 sends the first one again, linked to the model
    assert {"outputs/artifacts/iris/MLmodel", "outputs/artifacts/iris/model.pkl"} <= {*done.names()}
    (model,) = json.loads((done.files / "outputs" / "registered_models.json").read_text())
    assert (model["name"], model["version"], model["path"]) == ("iris-model", 1, "outputs/artifacts/iris")


def test_the_example_with_mlflow(run_script: RunScript, python: str) -> None:
    done = run_script(EXAMPLES / "mlflow_script" / "main.py", "--iris_csv", IRIS, "--epochs", "3", python=python)
    assert len(done.metrics["val-accuracy"]) == len(done.metrics["train accuracy"]) == 3
    assert done.names() == ["outputs/artifacts/model/model.joblib"]


def test_the_example_with_autologging(run_script: RunScript, python: str) -> None:
    done = run_script(EXAMPLES / "autolog" / "train.py", "--max-depth", "2", python=python)
    (score,) = done.metrics["training_accuracy_score"]
    assert score > 0.9
    assert done.tags["params/max_depth"] == "2"


def test_the_example_with_lightgbm(run_script: RunScript) -> None:
    arguments = ("--iris_csv", IRIS, "--num_iterations", "5", "--learning_rate", "0.3")
    done = run_script(EXAMPLES / "lightgbm" / "main.py", *arguments)
    losses = done.metrics["test-multi_logloss"]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    assert done.tags["params/learning_rate"] == "0.3"
