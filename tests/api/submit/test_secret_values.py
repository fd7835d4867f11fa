"""Secrets and environment variables: who may read them, where they are shown, and that secrets are kept nowhere."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raydrive import HyperDriveConfig, RandomParameterSampling, ScriptRunConfig, uniform
from raydrive.api.submit.preflight import check_submission
from raydrive.api.submit.secret_values import read_secrets, refuse_by_job
from raydrive.compat.convert import converted
from raydrive.core.config.confidential import looks_secret
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, Problem
from raydrive.storage.run_layout import RunLayout
from raydrive.sweepfile.loader import load_sweep

VALUE = "s3cr3t-" + "a7f0" * 8
SWEEP = """\
type: sweep
trial:
  command: raydrive log acc=${#ONE}${#TWO}
  environment_variables: {PLAIN: shared}
search_space: {lr: {type: choice, values: [1, 2]}}
objective: {goal: maximize, primary_metric: acc}
sampling_algorithm: grid
raydrive:
  secrets: {ONE: env, TWO: 'file:two.txt'}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yml"
    path.write_text(SWEEP)
    (tmp_path / "two.txt").write_text(f"{VALUE}-two\n")
    return path


def script(folder: Path, **more: Any) -> ScriptRunConfig:
    (folder / "train.py").write_text("")
    return ScriptRunConfig(str(folder), "train.py", **more)


def config(run_config: ScriptRunConfig) -> HyperDriveConfig:
    return HyperDriveConfig(RandomParameterSampling({"lr": uniform(0, 1)}), "acc", "maximize", 2, run_config=run_config)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("WANDB_API_KEY", True), ("HF_TOKEN", True), ("AWS_SECRET_ACCESS_KEY", True), ("dbPassword", True),
        ("KEY", True), ("GOOGLE_APPLICATION_CREDENTIALS", True), ("AZURE_STORAGE_CONNECTION_STRING", True),
        ("ftp_pwd", True), ("OMP_NUM_THREADS", False), ("PWD", False), ("KEYBOARD", False), ("PATH", False),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, secret: bool) -> None:
    assert looks_secret(name) is secret


def test_a_sweep_file_names_sources_and_a_run_keeps_these_only(file: Path) -> None:
    trial = load_sweep(file).submission.config.trial
    assert trial.secrets == {"ONE": "env", "TWO": f"file:{file.parent}/two.txt"}
    assert RunConfig.from_json(load_sweep(file).submission.config.to_json()).trial.secrets == trial.secrets


def test_secrets_of_a_python_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = config(script(tmp_path, secrets={"ONE": "env:OTHER", "TWO": "file:two.txt"}))
    assert made.config.trial.secrets == {"ONE": "env:OTHER", "TWO": f"file:{tmp_path}/two.txt"}
    (tmp_path / "two.txt").write_text("two\r\n")
    monkeypatch.setenv("OTHER", "one")
    assert read_secrets(made.config.trial.secrets) == {"ONE": "one", "TWO": "two"}


def test_all_that_is_missing_is_named_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONE", raising=False)
    monkeypatch.setenv("EMPTY", "")
    os.mkfifo(file.with_name("pipe"))
    file.with_name("big").write_text("x" * 100_000)
    sources = {"ONE": "env", "THREE": "env:EMPTY", "FOUR": "file:/nowhere", "PIPE": f"file:{file.with_name('pipe')}"}
    with pytest.raises(ConfigError) as caught:
        read_secrets(sources)
    found = {problem.where: problem.found for problem in caught.value.problems}
    assert found == {
        "secrets.ONE": "no environment variable ONE",
        "secrets.THREE": "EMPTY, which is empty",
        "secrets.FOUR": "'/nowhere': No such file or directory",
        "secrets.PIPE": f"'{file.with_name('pipe')}', which is empty",
    }
    assert "export ONE=..." in str(caught.value)
    with pytest.raises(ConfigError, match="bytes of secrets"):
        read_secrets({"BIG": f"file:{file.with_name('big')}"})


@pytest.mark.parametrize("entry", [VALUE, "env:", "file:", "ENV", "env:A B"])
def test_a_value_in_place_of_a_source_is_refused_and_not_shown(file: Path, entry: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep(file, overrides=[f"raydrive.secrets.ONE='{entry}'"])
    (problem,) = caught.value.problems
    assert problem.where == "raydrive.secrets.ONE"
    assert VALUE not in str(caught.value)
    with pytest.raises(ConfigError, match=r"secrets\.ONE: found \(not shown\); allowed: env, env:NAME, or file:PATH"):
        script(file.parent, secrets={"ONE": entry})


def test_a_name_is_a_secret_or_a_variable(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"raydrive\.secrets\.ONE: found ONE, which is also in environment_variables"):
        load_sweep(file, overrides=["trial.environment_variables.ONE=1"])
    with pytest.raises(ConfigError, match=r"secrets\.ONE: found ONE, which is also in environment_variables"):
        script(file.parent, secrets={"ONE": "env"}, environment_variables={"ONE": "x"})


@pytest.mark.parametrize("name", ["A=B", ""])
def test_a_variable_has_a_name(file: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"without '='"):
        load_sweep(file, text=SWEEP.replace("PLAIN", f'"{name}"'))
    with pytest.raises(ConfigError, match=r"without '='"):
        script(file.parent, environment_variables={name: "x"})


def test_a_confidential_variable_in_a_file_is_warned_about(file: Path) -> None:
    loaded = load_sweep(file, overrides=[f"trial.environment_variables.API_TOKEN={VALUE}"])
    (note,) = [note for note in loaded.warnings if "API_TOKEN" in note]
    assert "secrets: {API_TOKEN: env}" in note
    assert VALUE not in note


def test_what_looks_secret_is_shown_nowhere(file: Path) -> None:
    found = str(Problem("environment_variables.API_KEY", repr(VALUE), "text"))
    assert VALUE not in found
    assert "(not shown)" in found
    assert VALUE in str(Problem("environment_variables.SIZE", repr(VALUE), "text"))
    submission = load_sweep(file, overrides=[f"trial.environment_variables.API_TOKEN={VALUE}"]).submission
    assert VALUE not in repr(submission)
    text, report = converted(submission, file.parent)
    assert VALUE not in text
    assert "API_TOKEN: env" in text
    assert any("API_TOKEN" in line for line in report)


def test_a_configuration_with_variables_is_its_owners(tmp_path: Path) -> None:
    for private in (True, False):
        layout = RunLayout.create(tmp_path, "e", f"e-20261119-120000-000{int(private)}")
        layout.write_config(b'{"a": 1}', private=private)
        mode = stat.S_IMODE(os.stat(Path(layout.uri) / "config.json").st_mode)
        assert (mode & 0o077 == 0) is private


def test_a_dashboard_is_no_way_for_secrets(file: Path) -> None:
    with pytest.raises(ConfigError, match="reached through its dashboard"):
        refuse_by_job({"ONE": "env"})
    with pytest.raises(ConfigError, match="reached through its dashboard"):
        check_submission(load_sweep(file).submission, storage="/tmp/x", address="http://127.0.0.1:1")


@pytest.mark.ray
def test_trials_get_secrets_and_nothing_keeps_them(file: Path) -> None:
    raydrive = str(Path(sys.executable).with_name("raydrive"))
    storage = file.with_name("runs")
    environment = {**os.environ, "RAYDRIVE_STORAGE": str(storage), "ONE": VALUE}

    def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [raydrive, *arguments],
            cwd=file.parent,
            env={**environment, **more},
            text=True,
            capture_output=True,
            timeout=120,
        )

    done = call("submit", "sweep.yml", "--set", "limits.max_total_trials=1")
    assert done.returncode == 0, done.stderr
    best = json.loads(call("best", "last", "-o", "json").stdout)
    assert best["value"] == float(f"{len(VALUE)}{len(VALUE) + 4}")
    without = call("resume", "last", "--max-total-trials", "2", ONE="")
    assert without.returncode == 2
    assert "ONE, which is empty" in without.stderr
    assert call("resume", "last", "--max-total-trials", "2").returncode == 0
    kept = [path for path in storage.rglob("*") if path.is_file()]
    assert any(path.name == "config.json" for path in kept)
    for path in kept:
        assert VALUE.encode() not in path.read_bytes(), path
        if path.name == "config.json":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for command in (
        ["status", "last"],
        ["report", "last", "-o", str(file.with_name("report.html"))],
        ["trials", "last"],
    ):
        shown = call(*command)
        assert VALUE not in shown.stdout + shown.stderr
    assert VALUE not in file.with_name("report.html").read_text()
