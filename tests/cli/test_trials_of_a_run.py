"""``trials RUN TRIAL...``: one trial or a few of a long run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import by_hand, config, create, write

from raydrive.cli.app import run
from raydrive.core.space.search_space import uniform

RUN = "digits-20260101-000000-aaaa"


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path))
    run_config = config(4, space={"x": uniform(0, 1)}, experiment="digits")
    trials = [({"x": number / 10}, (0.1, 0.2 * number), 0, "") for number in range(4)]
    write(create(tmp_path, run_config, RUN), by_hand(run_config, trials))


def listed(capfd: pytest.CaptureFixture[str], *arguments: str) -> list[int]:
    assert run(["trials", RUN, *arguments, "-o", "json"]) == 0
    return [row["trial"] for row in json.loads(capfd.readouterr().out)["trials"]]


def test_only_the_trials_that_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert listed(capfd) == [3, 2, 1, 0]
    assert listed(capfd, "1") == [1]
    assert listed(capfd, "0", "2") == [2, 0]  # the best one first, as in the whole list
    assert listed(capfd, "0", "2", "--sort", "number", "--top", "1") == [0]


def test_a_trial_that_is_not_there_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["trials", RUN, "9"]) == 1
    assert "has no trial 9" in capfd.readouterr().err
