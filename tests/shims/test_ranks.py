"""Several processes that train together: each says its rank, whatever it logs with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from script_runs import RunScript

RANKS = {"RANK": "2", "WORLD_SIZE": "4"}


@pytest.fixture(params=["old", "new"])
def python(request: pytest.FixtureRequest) -> str:
    """A Python without raydrive, and our own."""
    return request.getfixturevalue("old_python") if request.param == "old" else sys.executable


def test_mlflow_tells_the_rank(run_script: RunScript, python: str) -> None:
    script = "import mlflow\nmlflow.log_metric('accuracy', 0.5, step=1)\nmlflow.log_metrics({'a': 1.0}, step=2)\n"
    done = run_script(script, python=python, env=RANKS)
    assert [message["r"] for message in done.messages if "m" in message] == [2, 2]
    assert all("r" not in message for message in run_script(script, python=python).messages)


def test_azureml_tells_the_rank_and_reports_as_raydrive_does(run_script: RunScript, python: str) -> None:
    script = """
from azureml.core import Run
run = Run.get_context()
run.log("accuracy", 0.5)
run.report({"accuracy": 0.5, "loss": 1.0}, step=3)
with run.child_run("fold") as child:
    child.report({"accuracy": 0.25}, step=3)
"""
    done = run_script(script, python=python, env=RANKS)
    assert [(message["m"], message["r"], message.get("s")) for message in done.messages] == [
        ({"accuracy": 0.5}, 2, None),
        ({"accuracy": 0.5, "loss": 1.0}, 2, 3),
        ({"fold/accuracy": 0.25}, 2, 3),
    ]


def test_tags_tell_the_rank(run_script: RunScript, python: str) -> None:
    script = "import mlflow\nmlflow.set_tag('fold', '2')\n"
    (message,) = run_script(script, python=python, env=RANKS).messages
    assert (message["tags"]["fold"], message["r"]) == ("2", 2)
    script = "import raydrive\nraydrive.Run.get_context().tag('fold', '2')\n"
    (message,) = run_script(script, env=RANKS).messages
    assert (message["tags"], message["r"]) == ({"fold": "2"}, 2)


def test_a_report_of_another_rank_saves_no_checkpoint(run_script: RunScript, tmp_path: Path) -> None:
    """Nobody would publish it, and the next one of rank 0 waits for as long as it is there."""
    saved = tmp_path / "saved"
    saved.mkdir()
    script = f"import raydrive\nraydrive.Run.get_context().report({{'a': 1.0}}, checkpoint={str(saved)!r})\n"
    for env, names in ((RANKS, 0), ({}, 1)):
        root = tmp_path / f"checkpoints-{names}"
        root.mkdir()
        done = run_script(script, env={**env, "RAYDRIVE_CHECKPOINT_DIR": str(root)})
        (message,) = done.messages
        assert ("checkpoint" in message, len(list(root.iterdir()))) == (bool(names), names)
        assert ("report keeps no checkpoint of rank 2: rank 0 saves" in done.output) == (not names)


def test_all_ranks_count_where_a_user_says_so(run_script: RunScript) -> None:
    script = "import raydrive\nraydrive.Run.get_context().log('accuracy', 0.5)\n"
    (message,) = run_script(script, env={**RANKS, "RAYDRIVE_ALL_RANKS": "1"}).messages
    assert "r" not in message
