"""Ray inside trials: they join the run's cluster, hand their reservation on, and leave nothing."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ray


def scenarios(kind: str, *names: str) -> dict[str, Any]:
    """What came of each scenario."""
    command = [sys.executable, str(Path(__file__).with_name("ray_scenarios.py")), kind, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def embedded() -> dict[str, Any]:
    return scenarios("embedded", "joining", "killed", "refusing", "many", "late", "reference")


@pytest.fixture(scope="module")
def raylets() -> dict[str, Any]:
    return scenarios("raylets", "reservation", "releasing", "working_directory", "driver", "cancelling")


def test_a_trial_joins_the_cluster_of_its_run_in_a_namespace_of_its_own(embedded: dict[str, Any]) -> None:
    found = embedded["joining"]
    assert found["status"] == "Completed"
    assert [told["count"] for told in found["told"]] == [7, 7]
    assert {told["at"] for told in found["told"]} == {found["address"]}
    assert len({told["namespace"] for told in found["told"]}) == 2


def test_the_actors_of_a_killed_trial_are_gone(embedded: dict[str, Any]) -> None:
    """The scenario waits for that, and fails where it does not come."""
    assert "signal 9" in embedded["killed"]["why"][0]


def test_ray_is_refused_where_the_run_does_not_want_it(embedded: dict[str, Any]) -> None:
    (told,) = embedded["refusing"]["told"]
    assert len(told["refused"]) == 2
    assert all("ray_in_trials: none" in text for text in told["refused"])


def test_what_a_task_logs_arrives_whole_and_in_order(embedded: dict[str, Any]) -> None:
    assert embedded["many"]["values"] == [[step / 1000 for step in range(1000)]]


def test_what_comes_after_the_trial_is_told(embedded: dict[str, Any]) -> None:
    assert "LoggingError" in embedded["late"]["late"]
    assert "has ended" in embedded["late"]["late"]
    assert embedded["late"]["values"] == [[1.0]]


def test_a_reference_in_a_function_is_refused(embedded: dict[str, Any]) -> None:
    assert "a ray.ObjectRef in the function" in embedded["reference"]["error"]


def test_trials_hand_on_whole_reservations_only(raylets: dict[str, Any]) -> None:
    found = raylets["reservation"]
    assert found["status"] == "Completed"
    assert found["values"] == [[one["x"] + step for step in range(5)] for one in found["params"]]
    assert [(told["nodes"], told["state"]) for told in found["told"]] == [(2, "CREATED")] * 3
    assert found["metrics"]["0"]["index"] == [0] * 5
    assert found["metrics"]["0"]["rank_1/index"] == [1] * 5


def test_a_reservation_that_was_given_back_is_not_used_again(raylets: dict[str, Any]) -> None:
    told = raylets["releasing"]["told"]
    assert [one["own"] for one in told] == [True, True]
    assert told[0]["group"] != told[1]["group"]


def test_tasks_on_other_nodes_find_the_modules_of_the_user(raylets: dict[str, Any]) -> None:
    found = raylets["working_directory"]
    assert "RESULT ['found'] 2" in found["logs"][0]
    assert found["values"] == [[2.0]]


def test_a_new_driver_goes_on_with_reservations(raylets: dict[str, Any]) -> None:
    found = raylets["driver"]
    assert (found["status"], found["epoch"], found["attempts"]) == ("Completed", 2, [1, 1])
    assert found["values"] == [[one["x"] + step for step in range(25)] for one in found["params"]]


def test_nothing_stays_reserved(raylets: dict[str, Any]) -> None:
    assert raylets["cancelling"]["status"] == "Canceled"
    assert raylets["groups"] == ["REMOVED"]


@pytest.mark.integrations
@pytest.mark.skipif(
    importlib.util.find_spec("fsspec") is None,
    reason="large libraries: `make integrations` installs ray[train] and runs this",
)
def test_two_trainers_at_once_find_room_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TRAIN_V2_ENABLED", "1")
    found = scenarios("raylets", "trainer")["trainer"]
    assert found["status"] == "Completed"
    assert found["values"] == [[one["x"] + epoch for epoch in range(3)] for one in found["params"]]
