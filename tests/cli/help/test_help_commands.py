"""``explain``, ``init``, groups of commands, and the line below an error."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from raydrive.cli.app import app, run
from raydrive.cli.help.command_groups import GROUPS, group_of
from raydrive.cli.help.error_reference import entry_named, entry_of, error_entries
from raydrive.core import errors
from raydrive.core.errors import ClusterError, DamagedJournalError, JournalError, RaydriveError, StorageError
from raydrive.sweepfile.loader import load_sweep
from raydrive.sweepfile.reference.concepts import Concept, concepts, plain_words
from raydrive.sweepfile.reference.key_reference import key_reference

PRINTS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
lr = parser.parse_args().lr
for epoch in range(3):
    print(f"epoch {epoch}: val_acc={lr + epoch}")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(PRINTS)
    return tmp_path


def test_every_command_is_in_a_group() -> None:
    commands = list(get_command(app).commands)  # type: ignore[attr-defined]
    assert sorted(commands) == sorted(name for names in GROUPS.values() for name in names)
    assert list(dict.fromkeys(map(group_of, commands))) == list(GROUPS)


def test_explain_prints_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "gpus"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("raydrive.resources.gpus\n")
    assert "gpus: 0.5" in out


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["conditional"], ["search_space.choice"]),
        (["log", "scale"], ["search_space.log_range", "search_space.log_int"]),
        (["time-limit"], ["limits.timeout", "limits.trial_timeout"]),
        (["GPU"], ["raydrive.resources.gpus"]),
        (["half a gpu"], ["raydrive.resources.gpus"]),
        (["20", "more", "trials"], ["limits.max_total_trials"]),
        (["resume"], []),
        (["own policy"], ["early_termination"]),
        (["asha"], ["early_termination.successive_halving"]),
        (["s3"], ["raydrive.storage"]),
        (["Canceled"], []),
        (["print"], ["raydrive.metrics"]),
    ],
)
def test_explain_knows_concepts(words: list[str], keys: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(keys) <= set(lines)
    assert keys or "  commands:" in lines


def test_every_concept_can_be_asked_for_and_its_keys_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    names = [name for one in concepts() for name in one.names]
    assert len(names) == len(set(names))
    assert all(name == plain_words(name) for name in names)
    for one in concepts():
        assert set(one.keys) <= set(key_reference())
        assert one.keys or one.commands
        for line in (line for line in one.commands if line.startswith("raydrive ")):
            assert shlex.split(line)[1] in get_command(app).commands  # type: ignore[attr-defined]
    assert run(["explain", "log scale", "-o", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["concepts"]
    assert row["keys"] == ["search_space.log_range", "search_space.log_int"]


SWEEP = """
trial: {command: "python train.py ${{search_space}}", code: .}
objective: {goal: maximize, primary_metric: accuracy}
limits: {max_total_trials: 2}
"""


@pytest.mark.parametrize("concept", [one for one in concepts() if one.example], ids=lambda one: one.title)
def test_examples_of_concepts_are_valid(concept: Concept, folder: Path) -> None:
    space = (
        "" if "search_space:" in concept.example else "search_space: {x: {type: uniform, min_value: 0, max_value: 1}}"
    )
    text = f"{SWEEP}{space}\n{concept.example}\n"
    if concept.python:
        (folder / "mypolicy.py").write_text(concept.python)
    (folder / "sweep.yml").write_text(text)
    assert run(["validate", "sweep.yml"]) == 0


def test_explain_proposes_a_near_concept(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "conditonal"]) == 2
    assert "Did you mean 'conditional'?" in capsys.readouterr().err


def test_explain_lists_all_keys_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "-o", "json"]) == 0
    keys = [row["key"] for row in json.loads(capsys.readouterr().out)["keys"]]
    assert "limits.timeout" in keys
    assert len(keys) > 100


def test_explain_proposes_a_near_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "slak_factor"]) == 2
    assert "Did you mean 'slack_factor'?" in capsys.readouterr().err


def test_explain_knows_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "run-not-found"]) == 0
    assert "What to do: `raydrive list`" in capsys.readouterr().out


def test_init_drafts_a_sweep_without_running_the_script(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "train.py", "--no-run"]) == 0
    assert "name the primary metric" in capsys.readouterr().err
    assert set(load_sweep(folder / "sweep.yml").submission.config.sampling.space.expressions) == {"lr"}


def test_init_runs_the_script_where_it_may(folder: Path) -> None:
    assert run(["init", "train.py", "--run", "-o", "other.yml"]) == 0
    config = load_sweep(folder / "other.yml").submission.config
    assert (config.metric.name, config.metric.goal.value) == ("val_acc", "maximize")
    assert config.trial.metrics is not None


def test_init_replaces_nothing_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sweep.yml").write_text("mine")
    assert run(["init", "train.py", "--no-run"]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert (folder / "sweep.yml").read_text() == "mine"


@pytest.mark.parametrize("name", ["prints", "logs", "grid", "any-language"])
def test_examples_are_valid(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--example", name]) == 0
    assert run(["submit", f"{name}/sweep.yml", "--dry-run", "--storage", str(folder / "runs")]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 4


def test_an_unknown_example_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--example", "gird"]) == 2
    assert "Did you mean 'grid'?" in capsys.readouterr().err


def test_each_class_of_errors_has_an_entry() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, RaydriveError)]
    assert len(kinds) > 10
    for kind in kinds:
        entry = entry_of(kind(()) if issubclass(kind, errors.ConfigError) else kind("x"))
        assert entry.id != "bug", kind
        assert entry.text.endswith(".")
        assert entry.remedy


def test_messages_find_their_entries() -> None:
    found = {
        "cluster": ClusterError("no Ray cluster answers at '10.0.0.1:6379': timeout"),
        "no-node-fits": ClusterError("a trial asks for 8 CPUs, and no node has that much."),
        "damaged-journal": DamagedJournalError("segment e0001 is missing or damaged"),
        "newer-format": JournalError("x has format 9, this raydrive reads 1: update raydrive"),
        "node-storage": StorageError("1 of 4 other nodes that may run trials cannot use the storage /x: ..."),
        "storage-failure": StorageError("cannot write /x: no space left on device"),
        "bug": ZeroDivisionError("x"),
    }
    assert {name: entry_of(error).id for name, error in found.items()} == {name: name for name in found}


def test_ids_are_those_of_keys_of_no_sweep_file() -> None:
    from raydrive.sweepfile.reference.key_reference import find_keys

    assert [one.id for one in error_entries() if find_keys(one.id)] == []
    assert entry_named("RUN-OVER") is not None


def test_an_error_names_what_explains_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "nothing", "--storage", str(folder)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "More: raydrive explain run-not-found"
    run(["init", "--example", "prints"])
    sweep = Path("prints/sweep.yml").read_text()
    Path("prints/sweep.yml").write_text(sweep.replace("min_value: 0.001", "min_value: 5"))
    assert run(["validate", "prints/sweep.yml"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "More: raydrive explain search_space"


def test_a_line_to_paste_stays_the_last(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", "--example", "prints"])
    assert run(["validate", "prints/sweep.yml", "--set", "limits.max_total_trials=0"]) == 2
    assert "For example: --set limits.max_total_trials=" in capsys.readouterr().err.splitlines()[-1]
