"""``raydrive.toml`` and site files: one list of keys, one reader, the same answer from every command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raydrive import RandomParameterSampling, Run, Workspace, uniform
from raydrive.cli.app import run as raydrive
from raydrive.compat.azureml.core.workspace import Workspace as AzureWorkspace
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.errors import ConfigError
from raydrive.runtime.inline import run_inline
from raydrive.settings.keys import OwnKeys
from raydrive.settings.nearest import RunPlace, nearest_settings, read_place
from raydrive.settings.reader import load_settings
from raydrive.storage.checkpoints import publish
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.sweepfile.loader import load_sweep

SWEEP = """\
type: sweep
experiment_name: e
trial: {command: "python -c pass ${{search_space.x}}"}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 2}
"""
RUN = "e-20261125-120000-0000"
EXAMPLES = {
    "storage": 'storage = "STORAGE"',
    "address": 'address = "local"',
    "plain_ray": "plain_ray = true",
    "seed": "seed = 7",
    "resources": 'resources = {cpus = 2, memory = "1GB"}',
    "python": 'python = "python3"',
    "environments": 'environments = "uv"',
    "environment_file": 'environment_file = "packages.txt"',
    "allow_pip_install": "allow_pip_install = true",
    "preload": 'preload = ["json"]',
    "grace_s": "grace_s = 2.5",
    "reuse_actors": "reuse_actors = false",
    "ray_in_trials": 'ray_in_trials = "none"',
    "max_attempts": "max_attempts = 2",
    "keep_checkpoints": "keep_checkpoints = 1",
    "resume_argument": "resume_argument = true",
    "warm_start": 'warm_start = "last"',
    "resume_child_runs": 'resume_child_runs = ["last_0"]',
    "lease_s": "lease_s = 60",
    "first_failures": "first_failures = 3",
    "strict": "strict = true",
    "max_losses": "max_losses = 4",
    "finish_when": "finish_when = {target = 0.9, cost = {limit = 5, prices = {cpu = 0.05}}}",
    "on_oom": "on_oom = {attempts = 2}",
    "notify": 'notify = {webhook = "env:HOME", on = ["failed"]}',
    "repeats": "repeats = {max = 3}",
    "points": "points = [{x = 0.5}]",
    "population": "population = {every = 2}",
    "storage_patience_s": "storage_patience_s = 30",
    "log_limit": 'log_limit = "1MB"',
    "metrics": 'metrics = {pattern = "score=(?P<score>\\\\S+)"}',
    "keep": 'keep = ["*.png"]',
    "flags": 'flags = "both"',
    "flatten": "flatten = true",
    "style": 'style = "absl"',
    "unused_ok": "unused_ok = []",
    "track": 'track = {mlflow = {uri = "http://localhost:5000"}}',
    "environment_variables": "environment_variables = {OMP_NUM_THREADS = 4}",
    "secrets": 'secrets = {TOKEN = "env:HOME"}',
    "input_mapping": 'input_mapping = {"azureml:iris" = "/data/iris"}',
}
"""A line of raydrive.toml for each key."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a sweep file, and a storage that holds a run with a checkpoint."""
    for name in ("RAYDRIVE_STORAGE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sweep.yml").write_text(SWEEP)
    config = RunConfig(
        experiment="e",
        metric=Metric(name="score", goal=PrimaryMetricGoal("maximize")),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=2, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=3,
    )
    layout = RunLayout.create(str(tmp_path / "raydrive"), "e", RUN)
    layout.write_config(json.dumps(config.to_json()).encode())
    run_inline(
        config,
        lambda params: Run.get_context().log("score", params["x"]),
        JournalWriter.open(layout.journal),
        files=tmp_path / "files",
    )
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "state").write_text("1")
    publish(layout, 0, tmp_path / "checkpoint", attempt=1, interval=1, value=None, at=0.0)
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "sweep.yml").rename(folder / "sweep.yml")
    (folder / "packages.txt").write_text("")
    monkeypatch.chdir(folder)
    return folder


COMMANDS = {
    "list": ["list"],
    "status": ["status", RUN],
    "trials": ["trials", RUN],
    "best": ["best", RUN],
    "doctor": ["doctor"],
    "validate": ["validate", "sweep.yml"],
    "submit": ["submit", "sweep.yml", "--dry-run"],
    "report": ["report", RUN, "--no-logs"],
    "whatif": ["whatif", RUN],
    "export": ["export", RUN, "--to", "csv", "-o", "out"],
}
NEED_A_RUN = {
    "studio": ["studio", "gone", "--no-browser"],
    "resume": ["resume", "gone"],
    "cancel": ["cancel", "gone"],
    "watch": ["watch", "gone"],
    "logs": ["logs", "gone", "0"],
}
"""Commands that would start something: they get as far as the run, which is not there."""


TOGETHER = [key for key in EXAMPLES if key != "population"]
"""All keys that one file may have: a population has no repeats."""


def test_every_key_has_an_example() -> None:
    assert set(EXAMPLES) == set(OwnKeys.model_fields)


def settings_file(folder: Path, *keys: str) -> Path:
    file = folder / "raydrive.toml"
    lines = [EXAMPLES[key].replace("STORAGE", str(Path.home() / "raydrive")) for key in keys]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_with_every_key_passes_through_every_command(
    here: Path, command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    settings_file(here, *TOGETHER)
    code = raydrive(COMMANDS[command])
    out, err = capfd.readouterr()
    assert code == 0 or (command, code) == ("doctor", 5), err  # a doctor may find something else wrong with the machine
    assert command != "doctor" or re.search(rf"storage +yes +(~|{Path.home()})/raydrive", out), out


@pytest.mark.parametrize("command", NEED_A_RUN)
def test_a_file_with_every_key_passes_through_commands_that_start_something(
    here: Path, command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    settings_file(here, *TOGETHER)
    assert raydrive(NEED_A_RUN[command]) != 0
    err = capfd.readouterr().err
    assert "no run 'gone'" in err
    assert "raydrive.toml" not in err


@pytest.mark.parametrize("key", EXAMPLES)
def test_each_key_alone_passes(here: Path, key: str, capfd: pytest.CaptureFixture[str]) -> None:
    file = settings_file(here, key)
    for command in ("list", "validate"):
        assert raydrive(COMMANDS[command]) == 0, capfd.readouterr().err
    own = load_settings([file]).own
    assert [name for name, value in own if value is not None] == [key]
    assert Workspace.from_config().storage == (own.storage or "~/raydrive")
    assert AzureWorkspace.from_config() is not None


def test_what_it_says_reaches_the_run(here: Path) -> None:
    settings_file(here, *TOGETHER)
    loaded = load_sweep(here / "sweep.yml", defaults=nearest_settings())
    config = loaded.submission.config
    place = RunPlace(storage=str(Path.home() / "raydrive"), address="local", plain_ray=True)
    assert loaded.settings == place == read_place()
    assert (config.seed, config.trial.grace_s, config.limits.max_losses) == (7, 2.5, 4)
    assert config.trial.resources.memory == 1e9
    assert config.trial.metrics is not None
    assert config.rules.finish_when is not None
    assert config.rules.finish_when.cost is not None
    assert config.rules.finish_when.cost.prices == {"cpu": 0.05}
    assert [one.run for one in loaded.submission.resume_from] == ["last"]
    assert [(one.run, one.trial) for one in loaded.submission.resume_child_runs] == [("last", 0)]
    assert config.trial.environment_variables["OMP_NUM_THREADS"] == "4"


WRONG = """\
storage = "runs"
adress = "auto"

[resources]
cpus = "many"
"""
PLACES = ["{file}:2:1: raydrive.adress: found an unknown key", "{file}:5:1: raydrive.resources.cpus: found 'many'"]


def check_wrong(text: str, file: Path) -> None:
    """Each mistake is there, once, with its place."""
    found = [re.sub(r"; allowed.*", "", line).strip() for line in text.splitlines() if "allowed: " in line]
    assert found == [place.format(file=file) for place in PLACES]
    assert text.count("Did you mean 'address'?") == 1


@pytest.mark.parametrize("command", COMMANDS | NEED_A_RUN)
def test_mistakes_are_reported_once_with_their_places_by_every_command(
    here: Path, command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = here / "raydrive.toml"
    file.write_text(WRONG)
    assert raydrive((COMMANDS | NEED_A_RUN)[command]) == 2
    check_wrong(capfd.readouterr().err, file)


@pytest.mark.parametrize("read", [Workspace.from_config, AzureWorkspace.from_config, read_place])
def test_mistakes_are_reported_once_in_python_too(here: Path, read: Callable[[], object]) -> None:
    file = here / "raydrive.toml"
    file.write_text(WRONG)
    with pytest.raises(ConfigError) as caught:
        read()
    check_wrong(str(caught.value), file)


def test_a_file_is_checked_where_a_sweep_file_lies_over_its_mistake(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Otherwise one command would take the file that the next one refuses."""
    (here / "raydrive.toml").write_text(WRONG)
    (here / "sweep.yml").write_text(SWEEP + "raydrive: {resources: {cpus: 2}}\n")
    assert raydrive(["validate", "sweep.yml"]) == 2
    check_wrong(capfd.readouterr().err, here / "raydrive.toml")


def test_a_key_of_the_sweep_has_advice(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "raydrive.toml").write_text("limits = {max_total_trials = 3}\nmax_total_trials = 3\n")
    assert raydrive(["validate", "sweep.yml"]) == 2
    err = capfd.readouterr().err
    assert err.count("Use --set limits=... to change the sweep.") == 1
    assert err.count("Use --set limits.max_total_trials=... to change the sweep.") == 1


def test_the_settings_may_stand_below_raydrive_and_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[raydrive]\nstorage = "/a"\naddress = "auto"\n')
    (tmp_path / "b.yml").write_text("raydrive:\n  storage: /b\n")
    (tmp_path / "empty.yml").write_text("raydrive:\n")
    assert Workspace.from_config(tmp_path / "a.toml").storage == "/a"
    assert Workspace.from_config(tmp_path / "b.yml").storage == "/b"
    own = load_settings([tmp_path / name for name in ("a.toml", "b.yml", "empty.yml")]).own
    assert (own.storage, own.address) == ("/b", "auto")
    assert load_settings([]).own == OwnKeys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raydrive = 3\n", "raydrive.toml:1:1: raydrive: found 3; allowed: a mapping of keys to values"),
        ("[raydrive]\nseed = 1\n[other]\n", "raydrive.toml:3:1: other: found an unknown key; allowed: only raydrive:"),
        ("storage = \n", "raydrive.toml:1:11: TOML: found Invalid value"),
        ("storage = 3\n", "raydrive.toml:1:1: raydrive.storage: found 3; allowed: text"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_place(here: Path, text: str, said: str) -> None:
    (here / "raydrive.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_place()
    assert said in str(caught.value)


def test_the_file_of_a_folder_above_counts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings_file(here, "storage", "address")
    below = here / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert nearest_settings() == file
    assert read_place().address == "local"


def test_without_a_file_nothing_heavy_is_imported(here: Path) -> None:
    code = (
        "import sys; from raydrive.settings.nearest import read_place; print(read_place());"
        "print([name for name in ('pydantic', 'ruamel.yaml', 'ray', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here)
    assert done.stderr == ""
    assert done.stdout == "RunPlace(storage=None, address=None, plain_ray=None)\n[]\n"
