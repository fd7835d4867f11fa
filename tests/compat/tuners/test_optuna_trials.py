"""Trials of a run as trials of a study: in the place of those that wait, with what their sampler keeps of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from raydrive.compat.tuners import optuna_trials  # noqa: E402
from raydrive.compat.tuners.optuna_space import completed  # noqa: E402
from raydrive.compat.tuners.tuner_calls import Finished  # noqa: E402

FLOAT = optuna.distributions.FloatDistribution(0, 1)
KIND = optuna.distributions.CategoricalDistribution((True, 1))


def finished(number: int, x: float, values: list[float], state: str = "Completed", **more: Any) -> Finished:
    to_json = optuna.distributions.distribution_to_json
    details = {
        "state": "COMPLETE",
        "params": {"x": x},
        "distributions": {"x": to_json(FLOAT)},
        "intermediate": {"0": 0.5},
        "user_attrs": {"note": "n"},
        "system_attrs": {"constraints:size": 0.0},
    }
    return Finished(
        number=number,
        params={"x": x},
        state=state,
        metrics={"value": values},
        details=json.loads(json.dumps(details)),
        **more,
    )


def test_a_trial_of_enqueue_trial_is_ended_where_it_waits() -> None:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"x": 0.5})
    study.enqueue_trial({"x": 0.75})
    assert optuna_trials.add(study, finished(0, 0.5, [1.0, 2.0]), "value").number == 0
    assert optuna_trials.add(study, finished(1, 0.25, [3.0]), "value").number == 2
    first, waiting, third = study.trials
    assert (first.state.name, first.value, first.params, first.user_attrs["note"]) == ("COMPLETE", 2.0, {"x": 0.5}, "n")
    assert (first.intermediate_values, third.value, study.best_trial.number) == ({0: 0.5}, 3.0, 2)
    assert waiting.state.name == "WAITING"
    assert first.system_attrs["constraints:size"] == third.system_attrs["constraints:size"] == 0.0


def test_constraints_of_a_sampler_are_kept_with_the_trial() -> None:
    with pytest.warns(FutureWarning, match="constraints_func"):
        sampler = optuna.samplers.TPESampler(constraints_func=lambda trial: [trial.params["x"] - 0.5])
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({"x": 0.25})
    for number, x in enumerate((0.25, 1.0)):
        optuna_trials.add(study, finished(number, x, [x]), "value")
    optuna_trials.add(study, finished(2, 0.5, [], "Failed"), "value")
    assert [trial.system_attrs.get("constraints") for trial in study.trials] == [(-0.25,), (0.5,), None]
    assert study.best_trial.number == 0


def test_points_are_completed_with_drawn_values() -> None:
    found = {"x": [FLOAT], "kind": [KIND], "n": [optuna.distributions.IntDistribution(1, 3)]}
    point = completed({"x": 0.5, "kind": 1, "gone": 1}, found, 7)
    assert point is not None
    assert (point["x"], point["kind"], point["n"] in (1, 2, 3)) == (0.5, "1: 1", True)
    assert completed({}, found, 7) == completed({}, found, 7)
    assert completed({"x": 2.0}, found, 7) is None
    assert completed({"kind": "other"}, found, 7) is None
