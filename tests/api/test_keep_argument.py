"""What is kept of a trial's working directory, given in Python; and copying a trial's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raydrive import HyperDriveConfig, RandomParameterSampling, ScriptRunConfig, uniform
from raydrive.api.run import HyperDriveRun
from raydrive.cli.app import run as main
from raydrive.compat.convert import converted
from raydrive.context import Run
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, StorageError
from raydrive.runtime.inline import run_inline
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout, new_run_id
from raydrive.sweepfile.loader import load_sweep
from raydrive.testing.runners import function_config


def train(params: dict[str, Any]) -> None:
    pass


def config(target: Any, **more: Any) -> RunConfig:
    space = RandomParameterSampling({"x": uniform(0, 1)})
    return HyperDriveConfig(space, "score", "maximize", 2, run_config=target, **more).config


def test_patterns_of_scripts_and_functions(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    script = ScriptRunConfig(tmp_path, "train.py", keep=["wandb/**"])
    assert config(script).trial.keep == ("wandb/**",)
    assert config(script, keep=["*.csv"]).trial.keep == ("wandb/**", "*.csv")
    found = config(train, keep=("runs/", "!runs/tmp/"))
    assert found.trial.keep == ("runs/", "!runs/tmp/")
    assert RunConfig.from_json(json.loads(json.dumps(found.to_json()))).trial.keep == found.trial.keep


def test_a_run_of_before_there_were_patterns_keeps_nothing() -> None:
    raw = json.loads(json.dumps(config(train).to_json()))
    del raw["trial"]["keep"]
    assert RunConfig.from_json(raw).trial.keep == ()


@pytest.mark.parametrize("wrong", ["wandb/**", 5, ["../up"], ["#x"], [None]])
def test_what_is_no_pattern_is_named(tmp_path: Path, wrong: Any) -> None:
    (tmp_path / "train.py").touch()
    for make in (lambda: ScriptRunConfig(tmp_path, "train.py", keep=wrong), lambda: config(train, keep=wrong)):
        with pytest.raises(ConfigError) as caught:
            make()
        assert [problem.where.partition("[")[0] for problem in caught.value.problems] == ["keep"]


def test_patterns_come_through_a_conversion(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    submission = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        *("score", "maximize", 2),
        run_config=ScriptRunConfig(tmp_path, "train.py", keep=["wandb/**", "!x"]),
    ).to_submission("e")
    text, _ = converted(submission, tmp_path)
    assert load_sweep(tmp_path / "sweep.yml", text=text).submission.config.trial.keep == ("wandb/**", "!x")


def test_files_are_copied_one_by_one_and_what_was_copied_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = RunLayout.create(tmp_path / "storage", "e", new_run_id("e"))
    made = function_config()
    layout.write_config(json.dumps(made.to_json()).encode())
    run_inline(made, lambda params: Run.get_context().log("score", 1), JournalWriter.open(layout.journal))
    for name in "abc":
        layout.outputs(0).write_whole(name, name.encode())
    child = HyperDriveRun(layout).get_child(0)
    here = tmp_path / "here"
    (here / "outputs" / "b").mkdir(parents=True)  # a folder stands where the file is to go
    with pytest.raises(StorageError, match=r"1 of 3 files could not be copied: outputs/b \("):
        child.download_files("outputs/", str(here))
    assert [(here / "outputs" / name).read_text() for name in "ac"] == ["a", "c"]
    (here / "outputs" / "b").rmdir()
    capsys.readouterr()
    assert len(child.download_files("outputs/", str(here))) == 3
    assert capsys.readouterr().err == f"Copied 3 files of trial 0 to {here}\n"
    child.download_file("outputs/a", str(here / "copy"))
    assert capsys.readouterr().err == f"Copied 1 file of trial 0 to {here}/copy\n"
    with pytest.warns(UserWarning, match="has no file that begins with 'output5/'; its files: outputs/a"):
        assert child.download_files("output5/", str(here)) == []
    assert main(["best", layout.uri, "--download", str(tmp_path / "best")]) == 0
    assert f"Copied 3 files of trial 0: {tmp_path}/best/outputs/a" in capsys.readouterr().err
    assert (tmp_path / "best" / "outputs" / "b").read_text() == "b"
