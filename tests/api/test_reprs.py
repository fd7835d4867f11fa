"""What a notebook, a debugger and a log show of raydrive's objects: one line, the call that makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorded import PARAMS, config, create, record, write
from recorded import by_hand as by_hand_lines

import raydrive
from raydrive import (
    AutoPolicy,
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    MedianStoppingPolicy,
    RandomParameterSampling,
    ScriptRunConfig,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from raydrive.compat.optuna import OptunaParameterSampling

SPACE = {"lr": loguniform(-9, -1), "units": choice(16, 32)}
MADE = [
    uniform(0, 1),
    quniform(1, 9, 2),
    loguniform(-9.25, -1),
    qloguniform(0, 3, 1),
    normal(0, 1),
    qnormal(0, 1, 0.5),
    lognormal(0, 1),
    qlognormal(0, 1, 0.5),
    randint(5),
    choice("sgd", None, 1.5),
    choice({"kind": "adam", "beta": uniform(0.8, 1)}, {"kind": "sgd"}),
    BanditPolicy(slack_factor=0.1, delay_evaluation=5),
    AutoPolicy(),
    MedianStoppingPolicy(evaluation_interval=2),
    RandomParameterSampling(SPACE),
    RandomParameterSampling(SPACE, rule="sobol", seed=3),
    GridParameterSampling({"units": choice(16, 32)}),
    BayesianParameterSampling(SPACE, algorithm="tpe", points_to_evaluate=[{"lr": 0.1, "units": 16}]),
    OptunaParameterSampling(SPACE, sampler="TPESampler"),
]


def train(params: dict[str, Any]) -> float:
    return float(params["lr"])


@pytest.mark.parametrize("made", MADE, ids=lambda one: type(one).__name__)
def test_what_is_shown_makes_an_equal_object(made: Any) -> None:
    names = {**vars(raydrive), **{name: getattr(raydrive, name) for name in raydrive.__all__}}
    assert eval(repr(made), {**names, "OptunaParameterSampling": OptunaParameterSampling}) == made
    assert "\n" not in repr(made)


def test_samplings_leave_defaults_out() -> None:
    assert repr(RandomParameterSampling(SPACE)) == (
        "RandomParameterSampling({'lr': loguniform(-9, -1), 'units': choice(16, 32)})"
    )
    assert repr(RandomParameterSampling(SPACE, rule="sobol", seed=3)).endswith("}, rule='sobol', seed=3)")


def test_long_ones_are_cut() -> None:
    assert repr(choice(*range(100))) == "choice(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... 88 more)"
    many = RandomParameterSampling({f"x{i}": uniform(0, 1) for i in range(40)})
    assert repr(many).endswith("'x11': uniform(0, 1), ... 28 more})")


def test_configurations_say_what_matters() -> None:
    sampling = RandomParameterSampling({"lr": uniform(0, 1)})
    assert repr(HyperDriveConfig(sampling, "accuracy", "maximize", 10, run_config=train)) == (
        "HyperDriveConfig(RandomParameterSampling({'lr': uniform(0, 1)}), 'accuracy', 'maximize', 10, run_config=train)"
    )
    policy = MedianStoppingPolicy()
    shown = repr(
        HyperDriveConfig(sampling, "loss", "minimize", 10, 2, 60, policy, run_config=train, primary_metric_value="last")
    )
    assert shown.endswith(
        ", 'loss', 'minimize', 10, max_concurrent_runs=2, max_duration_minutes=60.0, policy="
        "MedianStoppingPolicy(evaluation_interval=1, delay_evaluation=0), primary_metric_value='last', "
        "run_config=train)"
    )


def test_a_script_shows_no_value_of_a_variable(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    script = ScriptRunConfig(tmp_path, "train.py", ["--epochs", 3], environment_variables={"TOKEN": "hunter2"})
    assert repr(script) == (
        f"ScriptRunConfig({str(tmp_path)!r}, script='train.py', arguments=('--epochs', 3), "
        "environment_variables={'TOKEN': Ellipsis})"
    )


def test_runs_and_trials_say_how_they_stand(tmp_path: Path) -> None:
    run_config = config(3)
    layout = create(tmp_path / "storage", run_config, "study-1")
    write(layout, by_hand_lines(run_config, [(PARAMS, [0.5, 0.75], 0, ""), (PARAMS, [], 1, "boom")]))
    run = HyperDriveRun(layout)
    assert repr(run) == "HyperDriveRun('study-1', Running, 2/3 trials, best accuracy 0.75 (trial 0))"
    shown = "learning_rate=0.1 momentum=0.5 units=16 optimizer=sgd"
    assert repr(run.get_child(0)) == f"Run('study-1_0', Completed, accuracy 0.75, {shown})"
    assert repr(run.get_child(1)) == f"Run('study-1_1', Failed, {shown})"
    over = HyperDriveRun(record(tmp_path / "storage", config(2), run_id="study-2"))
    assert repr(over).startswith("HyperDriveRun('study-2', Completed, 2/2 trials, best accuracy 0.")
