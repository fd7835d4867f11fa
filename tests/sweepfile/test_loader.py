from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.trial_spec import PrimaryMetricGoal
from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy, NoTerminationPolicy
from raydrive.core.errors import ConfigError, Problem
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import Choice, LogUniform, RandInt, Uniform
from raydrive.settings.nearest import RunPlace
from raydrive.settings.reader import load_settings
from raydrive.sweepfile.loader import Loaded, load_sweep

TESTS = Path(__file__).parents[1]
BROKEN = TESTS / "bad_configs"
CONFIGS = sorted((TESTS.parent / "configs").glob("*.y*ml"))

SWEEP = """\
type: sweep
trial:
  command: python train.py --lr ${{search_space.lr}} --layers ${{search_space.layers}}
search_space:
  lr:
    type: loguniform
    min_value: -9
    max_value: -2
  layers:
    type: choice
    values: [1, 2, 3]
objective:
  goal: maximize
  primary_metric: accuracy
limits:
  max_total_trials: 10
"""


def load(text: str = SWEEP, *overrides: str, site: tuple[Path, ...] = (), seed: int | None = 0) -> Loaded:
    return load_sweep("sweep.yml", text=text, overrides=overrides, site=site, default_seed=seed)


def config_of(text: str = SWEEP, *overrides: str, **options: Any) -> RunConfig:
    return load(text, *overrides, **options).submission.config


def problems_of(text: str = SWEEP, *overrides: str, site: tuple[Path, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides, site=site)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("written", "value"), [("last", "last"), ("Min", "min"), ("mean_last_5", "mean_last_5")])
def test_what_of_a_curve_counts(written: str, value: str) -> None:
    text = SWEEP.replace("  primary_metric: accuracy", f"  primary_metric: accuracy\n  value: {written}")
    assert config_of(text).metric.value == value
    assert config_of(SWEEP, f"objective.value={written}").metric.value == value
    assert config_of().metric.value == "best"


# --- broken files ----------------------------------------------------------------------------------------------------


def expected() -> dict[str, str]:
    _, *sections = (BROKEN / "EXPECTED.txt").read_text().split("\n== ")
    return {name: body.strip() for name, _, body in (section.partition("\n") for section in sections)}


def test_every_broken_file_has_its_answer() -> None:
    assert sorted(path.name for path in BROKEN.glob("*.yml")) == sorted(expected())
    assert len(expected()) >= 30


@pytest.mark.parametrize("name", sorted(expected()))
def test_a_broken_file_gets_its_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    before = sorted(os.listdir(BROKEN))
    with pytest.raises(ConfigError) as caught:
        load_sweep(name)
    assert str(caught.value).replace(str(TESTS), "{tests}") == expected()[name]
    assert caught.value.exit_code == 2
    assert sorted(os.listdir(BROKEN)) == before
    for problem in caught.value.problems:
        file, line, column = problem.place.split(":")
        lines = Path(file).read_text().split("\n")
        assert 1 <= int(line) <= len(lines)
        assert 1 <= int(column) <= len(lines[int(line) - 1]) + 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "sweep.yml").write_text(SWEEP)
    (tmp_path / "latin.yml").write_bytes("name: caf\xe9".encode("latin-1"))
    (tmp_path / "nul.yml").write_text("name: a\ntype: \x01\n")
    for name, message in [
        ("sweeep.yml", r"no such file; allowed: a sweep file. Did you mean 'sweep.yml'\?"),
        (".", "found a folder; allowed: a sweep file"),
        ("sweep.yml/x", "found a folder"),
        ("latin.yml", "byte 0xe9 at 9, which is not UTF-8"),
        ("nul.yml", "nul.yml:2:.*found the character .*x01"),
    ]:
        with pytest.raises(ConfigError, match=message):
            load_sweep(tmp_path / name)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "sweep.yml").write_bytes(b"\xef\xbb\xbf" + SWEEP.replace("\n", "\r\n").encode())
    assert load_sweep(tmp_path / "sweep.yml").submission.config.limits.max_total_runs == 10


def test_aliases_that_never_end_or_grow_without_end() -> None:
    assert "an alias of a value that contains it" in problems_of(SWEEP + "tags: &t\n  again: *t\n")[0]
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    assert "too many values" in problems_of(bomb)[0]
    assert "nested too deeply" in problems_of("a: " + "[" * 5000)[0]


JUNK = st.sampled_from(
    [
        "null", "true", "-1", "0", "1.5", "1e400", ".nan", "''", "text", "[]", "[1, [2]]", "{}", "{a: {b: 1}}",
        "[null]",
        "${{search_space.lr}}", "{type: choice}", "{type: [1]}", "{? [1] : 2}", "!x 1", "2024-01-01", "'\\0'", "~/x",
        "..",
        "9" * 400, "random", "{type: uniform, min_value: {}, max_value: []}",
    ]
)  # fmt: skip
PLACES = st.sampled_from(
    [
        "type", "name", "tags", "tags.x", "properties", "trial", "trial.command", "trial.code", "trial.environment",
        "trial.environment_variables", "trial.resources", "trial.distribution", "sampling_algorithm",
        "sampling_algorithm.seed", "sampling_algorithm.rule", "sampling_algorithm.logbase", "search_space",
        "search_space.lr", "search_space.lr.type", "search_space.lr.min_value", "search_space.layers.values",
        "search_space.layers.values[0]", "objective", "objective.goal", "objective.primary_metric", "limits",
        "limits.max_total_trials", "limits.timeout", "early_termination", "early_termination.type", "inputs",
        "inputs.x",
        "inputs.x.path", "inputs.x.type", "outputs", "outputs.x", "compute", "services", "queue_settings", "raydrive",
        "raydrive.seed", "raydrive.resources", "raydrive.resources.memory", "raydrive.resources.custom",
        "raydrive.resources.gpus", "raydrive.preload", "raydrive.environment_variables", "raydrive.python",
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.tuples(PLACES, JUNK), min_size=1, max_size=4))
def test_whatever_stands_there_is_read_or_answered(changes: list[tuple[str, str]]) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        config = config_of(SWEEP, *(f"{where}={junk}" for where, junk in changes))
    except ConfigError as error:
        problems = error.problems
    else:
        assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert all(problem.place and problem.found and problem.allowed for problem in problems)


# --- good files ------------------------------------------------------------------------------------------------------


def test_a_sweep_is_read() -> None:
    loaded = load()
    config = loaded.submission.config
    assert config.experiment == "sweep"
    assert config.metric.name == "accuracy"
    assert config.metric.goal is PrimaryMetricGoal.MAXIMIZE
    assert config.sampling == RandomParameterSampling({"lr": LogUniform(-9, -2), "layers": Choice((1, 2, 3))})
    assert config.policy == NoTerminationPolicy()
    assert (config.limits.max_total_runs, config.limits.max_concurrent_runs) == (10, 10)
    assert config.limits.max_duration_s == 5_184_000
    assert config.limits.trial_timeout_s is None
    assert config.trial.kind == "command"
    assert config.trial.command.startswith("python train.py --lr ${{search_space.lr}}")
    assert loaded.submission.source_directory is None
    assert loaded.submission.function is None
    assert loaded.settings == RunPlace()
    assert loaded.warnings == ()
    assert RunConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_our_own_configs_are_read_without_a_warning(path: Path) -> None:
    loaded = load_sweep(path)
    assert loaded.warnings == ()
    assert RunConfig.from_json(loaded.submission.config.to_json()) == loaded.submission.config


AZURE = """\
$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json
type: Sweep
name: my-sweep-1
display_name: lightgbm-iris-sweep-example
experiment_name: lightgbm-iris-sweep-example
description: Run a hyperparameter sweep job.
tags: {version: 1.10, owner: me}
properties: {a: b}
trial:
  code: src
  command: >-
    python main.py
    --iris-csv ${{inputs.iris_csv}}
    --learning-rate ${{search_space.learning_rate}}
    --boosting {search_space.boosting}
    --rounds ${{ inputs.rounds }}
    $[[ --extra ${{inputs.extra}} ]]
    --out ${{outputs.model}}
  environment: azureml:AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu@latest
  environment_variables:
    OMP_NUM_THREADS: 4
    FLAG: yes
    DEBUG: true
  resources: {instance_count: 1, shm_size: 2g, docker_args: --ipc=host}
  distribution: {type: pytorch, process_count_per_instance: 1}
inputs:
  iris_csv: {type: uri_file, path: data/iris.csv, mode: ro_mount}
  folder: {path: ./data}
  rounds: 100.0
  shuffle: true
outputs:
  model: {type: uri_folder, mode: rw_mount}
  extra_model:
compute: azureml:cpu-cluster
identity: {type: user_identity}
queue_settings: {job_tier: spot}
services: {tb: {type: tensor_board}}
resources: {instance_type: Standard_D2}
sampling_algorithm: {type: Random, seed: 123, rule: Sobol, logbase: e}
search_space:
  learning_rate: {type: Uniform, min_value: '0.01', max_value: 9e-1}
  boosting: {type: choice, values: [gbdt, dart]}
objective: {goal: Minimize, primary_metric: test-multi_logloss}
limits: {max_total_trials: '20', max_concurrent_trials: 10.0, timeout: 7200, trial_timeout: '30'}
early_termination: {type: MedianStopping, delay_evaluation: '5', evaluation_interval: 0}
"""


def test_an_azure_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "iris.csv").write_text("1,2")
    (tmp_path / "job.yml").write_text(AZURE)
    loaded = load_sweep(tmp_path / "job.yml")
    config = loaded.submission.config
    assert config.experiment == config.display_name == "lightgbm-iris-sweep-example"
    assert config.tags == {"description": "Run a hyperparameter sweep job.", "version": "1.10", "owner": "me"}
    assert loaded.submission.source_directory == tmp_path / "src"
    assert config.trial.inputs == {
        "iris_csv": str(tmp_path / "data" / "iris.csv"),
        "folder": str(tmp_path / "data"),
        "rounds": "100",
        "shuffle": "True",
    }
    assert config.trial.outputs == {"model": "model", "extra_model": "extra_model"}
    assert config.trial.environment_variables == {"OMP_NUM_THREADS": "4", "FLAG": "yes", "DEBUG": "true"}
    expressions = {"learning_rate": Uniform(0.01, 0.9), "boosting": Choice(("gbdt", "dart"))}
    assert config.sampling == RandomParameterSampling(expressions, rule="sobol")
    assert config.seed == 123
    assert config.policy == MedianStoppingPolicy(delay_evaluation=5)
    assert (config.limits.max_total_runs, config.limits.max_concurrent_runs) == (20, 10)
    assert (config.limits.max_duration_s, config.limits.trial_timeout_s) == (7200, 30)
    said = [warning.removeprefix(f"{tmp_path}/job.yml:").split(": ", 2) for warning in loaded.warnings]
    assert [where for _, where, _ in said] == [
        "trial.environment", "compute", "identity", "queue_settings", "services", "properties", "name",
        "trial.resources.shm_size", "trial.resources.docker_args",
        "resources.instance_type", "inputs.iris_csv.mode", "outputs.model.mode",
    ]  # fmt: skip
    assert said[1][0] == f"{AZURE.splitlines().index('compute: azureml:cpu-cluster') + 1}:10"
    assert loaded.submission.warnings == loaded.warnings


def test_shorthands_of_sampling() -> None:
    assert config_of(SWEEP + "sampling_algorithm: RANDOM\n").sampling.to_json()["rule"] == "random"
    assert config_of(SWEEP + "sampling_algorithm: sobol\n").sampling.to_json()["rule"] == "sobol"
    assert config_of(SWEEP + "sampling_algorithm: {type: sobol, seed: 7}\n").seed == 7
    assert config_of(SWEEP + "sampling_algorithm: {type: random, logbase: 2.718281828}\n").seed == 0


def test_a_grid_needs_no_limit_and_runs_whole() -> None:
    text = SWEEP.replace("limits:\n  max_total_trials: 10\n", "sampling_algorithm: grid\n").replace(
        "type: loguniform\n    min_value: -9\n    max_value: -2", "type: randint\n    upper: 4"
    )
    config = config_of(text)
    assert config.sampling == GridParameterSampling({"lr": RandInt(4), "layers": Choice((1, 2, 3))})
    assert (config.limits.max_total_runs, config.limits.max_concurrent_runs) == (12, 12)
    assert config_of(text, "limits.max_total_trials=5").limits.max_total_runs == 5
    assert config_of(text, "limits.max_concurrent_trials=2").limits.max_concurrent_runs == 2


def test_policies_of_the_file() -> None:
    bandit = "early_termination: {type: Bandit, slack_factor: '0.1', slack_amount: 0, delay_evaluation: 5}\n"
    assert config_of(SWEEP + bandit).policy == BanditPolicy(slack_factor=0.1, delay_evaluation=5)
    assert config_of(SWEEP + "early_termination:\n").policy == NoTerminationPolicy()


def test_choices_of_dicts_and_merge_keys() -> None:
    text = SWEEP.replace(
        "    type: choice\n    values: [1, 2, 3]\n",
        """\
    type: choice
    values:
      - &small {name: small, depth: 2}
      - {<<: *small, name: large, rate: {type: LogUniform, min_value: '-5', max_value: -1e-1}}
""",
    )
    layers = config_of(text).sampling.space.expressions["layers"]
    assert layers == Choice(
        ({"name": "small", "depth": 2}, {"name": "large", "depth": 2, "rate": LogUniform(-5, -0.1)})
    )


def test_numbers_are_read_as_yaml_1_2() -> None:
    text = SWEEP.replace("[1, 2, 3]", "[1e-4, .5, -.5e3, 010, 0x10, 0o10, +1, 1., 'x', \"2\", on, 1_0, !!str 7]")
    loaded = load(text)
    layers = loaded.submission.config.sampling.space.expressions["layers"]
    assert layers == Choice((1e-4, 0.5, -500.0, 10, 16, 8, 1, "x", "2", "on", "1_0", "7"))  # 1. is 1 again
    assert [warning.split(": ", 2)[1:] for warning in loaded.warnings][1:] == [
        ["search_space.layers.values[0]", _differs("the text '1e-4'", "the number 0.0001")],
        ["search_space.layers.values[2]", _differs("the text '-.5e3'", "the number -500.0")],
        ["search_space.layers.values[3]", _differs("the number 8", "the number 10")],
        ["search_space.layers.values[5]", _differs("the text '0o10'", "the number 8")],
        ["search_space.layers.values[10]", _differs("True", "the text 'on'")],
        ["search_space.layers.values[11]", _differs("the number 10", "the text '1_0'")],
    ]


def _differs(theirs: str, ours: str) -> str:
    note = f"PyYAML (Azure) reads this as {theirs}, here it is {ours}"
    return f"{note}; quote it, or write it so that both agree"


def test_inputs_that_azure_reads_differently() -> None:
    loaded = load(SWEEP + "inputs: {when: 12:30:45, day: 2024-01-31, no: no, n: 5}\n")
    assert loaded.submission.config.trial.inputs == {"when": "12:30:45", "day": "2024-01-31", "no": "no", "n": "5"}
    assert [warning.split(": ", 1)[1] for warning in loaded.warnings] == [
        f"inputs.when: {_differs('the number 45045', repr_text('12:30:45'))}",
        f"inputs.day: {_differs('the date 2024-01-31', repr_text('2024-01-31'))}",
        f"inputs.no: {_differs('False', repr_text('no'))}",
    ]


def repr_text(text: str) -> str:
    return f"the text {text!r}"


def test_a_parameter_outside_the_command_is_pointed_out() -> None:
    text = SWEEP.replace(" --layers ${{search_space.layers}}", "")
    assert load(text).warnings == (
        "sweep.yml:9:3: search_space.layers: not in the command, so it has no effect unless the script reads it; "
        "add --layers ${{search_space.layers}}",
    )


def test_bounds_from_other_tools_are_pointed_out() -> None:
    text = SWEEP.replace("-9", "0.02").replace("-2", "1e-1")
    assert load(text).warnings == (
        "sweep.yml:5:3: search_space.lr: {type: loguniform, min_value: 0.02, max_value: 0.1} draws only between "
        "1.0202 and 1.10517, because its bounds are exponents (value = exp(uniform)); for values from 0.02 to 0.1 "
        "write {type: loguniform, min_value: 0.02, max_value: 0.1, bounds: plain}",
    )


def test_a_seed_is_drawn_and_recorded() -> None:
    seeds = {config_of(SWEEP, seed=None).seed for _ in range(8)}
    assert len(seeds) > 1
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert config_of(SWEEP, seed=42).seed == 42
    assert config_of(SWEEP + "raydrive: {seed: 3}\n").seed == 3
    both = load(SWEEP + "sampling_algorithm: {type: random, seed: 1}\nraydrive: {seed: 3}\n")
    assert both.submission.config.seed == 3
    assert both.warnings == ("sweep.yml:17:42: sampling_algorithm.seed: ignored: raydrive.seed is 3",)


# --- our own settings ------------------------------------------------------------------------------------------------

OWN = """\
raydrive:
  storage: s3://bucket/runs
  address: auto
  seed: 5
  resources: {cpus: 0.5, gpus: 2, memory: 4GB, custom: {tpu: 1}, accelerator_type: A100}
  python: /env/bin/python
  preload: [numpy, sklearn.linear_model]
  keep: [wandb/**, "!tmp/"]
  grace_s: 1.5
  reuse_actors: false
  max_attempts: 3
  first_failures: 0
  environment_variables: {OMP_NUM_THREADS: 2}
"""


def test_own_settings_are_read() -> None:
    loaded = load(SWEEP + OWN)
    config = loaded.submission.config
    assert loaded.settings == RunPlace(storage="s3://bucket/runs", address="auto")
    resources = config.trial.resources
    assert (resources.cpus, resources.gpus, resources.memory) == (0.5, 2, 4e9)
    assert (dict(resources.custom), resources.accelerator_type) == ({"tpu": 1}, "A100")
    assert (config.trial.python, config.trial.preload) == ("/env/bin/python", ("numpy", "sklearn.linear_model"))
    assert (config.trial.grace_s, config.trial.reuse_actors, config.seed) == (1.5, False, 5)
    assert config.trial.keep == ("wandb/**", "!tmp/")
    assert (config.limits.max_attempts, config.limits.first_failures) == (3, 0)
    assert config.trial.environment_variables == {"OMP_NUM_THREADS": "2"}


def test_what_is_kept_is_one_pattern_or_several() -> None:
    assert config_of(SWEEP, "raydrive.keep='*.csv'").trial.keep == ("*.csv",)
    with pytest.raises(ConfigError, match=r"raydrive.keep: found \['a', '../b'\]; allowed: a pattern as in .gitignore"):
        config_of(SWEEP, "raydrive.keep=[a, ../b]")


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("4GB", 4e9), ("4 GiB", 2**32), ("512MiB", 2**29), ("1.5g", 1.5e9), ("100", 100), ("2e9", 2e9), ("1Ti", 2**40)],
)
def test_memory_has_units(text: str, bytes_: float) -> None:
    assert config_of(SWEEP, f"raydrive.resources.memory={text}").trial.resources.memory == bytes_


def test_layers_lie_over_each_other(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(
        "storage: /site\nresources:\n  gpus: 1\nenvironment_variables: {A: site, B: 1}\n"
    )
    (tmp_path / "raydrive.toml").write_text(
        'address = "ray:6379"\npreload = ["numpy"]\n'
        '[resources]\ncpus = 3\nmemory = "1GB"\n[resources.custom]\ntpu = 2\n'
    )
    nested = tmp_path / "nested.yml"
    nested.write_text("raydrive:\n  address: nested\n")
    (tmp_path / "empty.yml").write_text("")
    file = SWEEP + "raydrive:\n  storage: /file\n  grace_s: 9\n  resources: {cpus: 2, gpus: 8}\n"
    file += "  environment_variables: {A: file, C: 1}\n"
    sites = (tmp_path / "raydrive.toml", tmp_path / "site.yml", tmp_path / "empty.yml")
    loaded = load(file, "raydrive.resources.cpus=7", site=sites)
    trial = loaded.submission.config.trial
    assert loaded.settings == RunPlace(storage="/site", address="ray:6379")
    assert (trial.resources.cpus, trial.resources.gpus, trial.resources.memory) == (7, 1, 1e9)
    assert trial.resources.custom == {"tpu": 2}
    assert trial.environment_variables == {"A": "site", "B": "1", "C": "1"}
    assert (trial.preload, trial.grace_s) == (("numpy",), 9)
    assert load(file, site=(*sites, nested)).settings.address == "nested"
    alone = load_settings([*sites, nested]).own
    assert (alone.storage, alone.address) == ("/site", "nested")


def test_mistakes_in_site_files_have_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("site.yml").write_text("# ours\nstorge: /x\nresources:\n  gpu: 1\n")
    Path("raydrive.toml").write_text('adress = "auto"\n\n[resources]\ncpus = "many"\n')
    Path("sweep.toml").write_text("storage = \n")
    Path("other.yml").write_text("raydrive: {seed: 1}\nlimits: {max_total_trials: 3}\n")
    Path("list.yml").write_text("- 1\n")
    names = ("site.yml", "raydrive.toml", "sweep.toml", "other.yml", "list.yml", "gone.yml")
    problems = problems_of(SWEEP, site=tuple(map(Path, names)))
    assert [problem.partition("; allowed")[0] for problem in problems] == [
        "gone.yml: found no such file",
        "list.yml:1:1: the file: found [1]",
        "other.yml:2:1: limits: found an unknown key",
        "raydrive.toml:1:1: raydrive.adress: found an unknown key",
        "raydrive.toml:4:1: raydrive.resources.cpus: found 'many'",
        "site.yml:2:1: raydrive.storge: found an unknown key",
        "site.yml:4:3: raydrive.resources.gpu: found an unknown key",
        "sweep.toml:1:11: TOML: found Invalid value",
    ]
    assert "Use --set limits=... to change the sweep." in problems[2]
    assert "Did you mean 'address'?" in problems[3]
    with pytest.raises(ConfigError, match=r"site.yml:2:1: raydrive.storge"):
        load_settings([Path("site.yml")])


# --- overrides -------------------------------------------------------------------------------------------------------


def test_overrides_change_what_is_there_and_add_what_is_not() -> None:
    config = config_of(
        SWEEP.replace("  lr:", "  opt.lr:").replace("search_space.lr", "search_space.opt.lr"),
        "limits.max_total_trials=5",
        "limits.max_concurrent_trials=2",
        "search_space.opt.lr.max_value=-1",
        "search_space.layers.values[1]=64",
        "search_space.layers.values.2=1e2",
        "search_space.extra={type: choice, values: [a]}",
        "early_termination={type: bandit, slack_factor: 0.5}",
        "early_termination.delay_evaluation=3",
        "sampling_algorithm=random",
        "sampling_algorithm.rule=sobol",
        "objective.goal=minimize",
        "experiment_name=other",
        "display_name=10",
        "tags.a=b=c",
        "raydrive.resources.custom.tpu=1",
        "inputs.n=5",
        "trial.environment_variables.X=1",
    )
    assert (config.limits.max_total_runs, config.limits.max_concurrent_runs) == (5, 2)
    assert config.sampling.space.expressions == {
        "opt.lr": LogUniform(-9, -1),
        "layers": Choice((1, 64, 100.0)),
        "extra": Choice(("a",)),
    }
    assert config.sampling.to_json()["rule"] == "sobol"
    assert config.policy == BanditPolicy(slack_factor=0.5, delay_evaluation=3)
    assert config.metric.goal is PrimaryMetricGoal.MINIMIZE
    assert (config.experiment, config.display_name, config.tags) == ("other", "10", {"a": "b=c"})
    assert config.trial.resources.custom == {"tpu": 1}
    assert config.trial.inputs == {"n": "5"}
    assert config.trial.environment_variables == {"X": "1"}


def test_an_override_can_take_away() -> None:
    text = SWEEP + "early_termination: {type: median_stopping}\nraydrive: {address: auto}\n"
    loaded = load(text, "early_termination=null", "raydrive.address=")
    assert loaded.submission.config.policy == NoTerminationPolicy()
    assert loaded.settings.address is None


def test_wrong_overrides_are_placed_where_they_were_given() -> None:
    problems = problems_of(
        SWEEP,
        "limits.max_total_trails=5",
        "limits.max_concurrent_trials=none",
        "search_space.lrr.max_value=-1",
        "search_space.lr.max_valu=-1",
        "search_space.layers.values[7]=1",
        "objective.goal.x=1",
        "raydrive.resources.gpu=1",
        "colour=red",
        "name",
        "=3",
        "display_name=[1",
    )
    assert [problem.partition("; allowed")[0] for problem in problems] == [
        "--set =3: --set: found '=3'",
        "--set colour: colour: found an unknown key",
        "--set display_name: YAML: found a '[' that is never closed, or a ',' missing",
        "--set limits.max_concurrent_trials: limits.max_concurrent_trials: found 'none'",
        "--set limits.max_total_trails: limits.max_total_trails: found an unknown key",
        "--set name: --set: found 'name'",
        "--set objective.goal.x: objective.goal.x: found objective.goal is 'maximize'",
        "--set raydrive.resources.gpu: raydrive.resources.gpu: found an unknown key",
        "--set search_space.layers.values[7]: search_space.layers.values[7]: found no item '[7]'",
        "--set search_space.lr.max_valu: search_space.lr.max_valu: found -1",
        "--set search_space.lrr.max_value: search_space.lrr.max_value: found no parameter 'lrr'",
    ]
    assert "Did you mean 'max_total_trials'?" in problems[4]
    assert "Did you mean 'gpus'?" in problems[7]
    assert "Did you mean 'lr'?" in problems[10]


def test_an_override_mends_what_the_file_has_wrong() -> None:
    assert config_of(SWEEP.replace("maximize", "up"), "objective.goal=maximize").metric.maximize


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_reading_a_sweep_does_not_import_ray(tmp_path: Path) -> None:
    (tmp_path / "sweep.yml").write_text(SWEEP)
    code = (
        "import sys; from raydrive.sweepfile.loader import load_sweep; load_sweep(sys.argv[1]);"
        "print([m for m in ('ray', 'pyarrow', 'scipy', 'sklearn', 'plotly', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "sweep.yml")], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_infinity_is_refused_with_its_place() -> None:
    assert problems_of(SWEEP.replace("max_total_trials: 10", "max_total_trials: .inf"))[0].startswith(
        "sweep.yml:16:21: limits.max_total_trials: found inf"
    )


def test_an_installation_in_a_command_is_kept_apart_refused_or_warned_about() -> None:
    line = "trial.command=pip install torch && python train.py --lr ${{search_space.lr}}"
    loaded = load(SWEEP, line)
    assert loaded.submission.config.trial.throw_away
    assert any("deleted after it" in note for note in loaded.warnings)
    allowed = load(SWEEP, line, "raydrive.allow_pip_install=true")
    assert not allowed.submission.config.trial.throw_away
    assert any("'pip install torch' changes" in note for note in allowed.warnings)
    assert not any("pip install" in note for note in load(SWEEP).warnings)
    (problem,) = problems_of(SWEEP, line.replace("pip", "conda"))
    assert "trial.command: found 'conda install torch'; allowed: no installation into the Python" in problem
    assert "raydrive.allow_pip_install" in problem


@pytest.mark.parametrize(
    ("given", "limit"), [("1GB", 10**9), ("1MiB", 2**20), ("0", 0), ("65536", 65536), (None, 256 * 10**6)]
)
def test_a_log_has_a_limit(given: str | None, limit: int) -> None:
    overrides = [] if given is None else [f"raydrive.log_limit={given}"]
    assert config_of(SWEEP, *overrides).trial.log_limit == limit


@pytest.mark.parametrize("given", ["1kB", "-1", "many", "true", "1e999"])
def test_a_log_limit_that_is_none_is_refused(given: str) -> None:
    (problem,) = problems_of(SWEEP, f"raydrive.log_limit={given}")
    assert "raydrive.log_limit" in problem
    assert "of 65,536 bytes or more, or 0 for no limit" in problem


def test_a_tuple_is_written_down_as_a_list(tmp_path: Path) -> None:
    from raydrive import GridParameterSampling, HyperDriveConfig, ScriptRunConfig, choice
    from raydrive.compat.convert import converted

    (tmp_path / "train.py").touch()
    sampling = GridParameterSampling({"n": choice((1, 1), {"deep": [(1, 2)]})})
    script = ScriptRunConfig(tmp_path, "train.py")
    submission = HyperDriveConfig(sampling, "score", "maximize", 1, run_config=script).to_submission("e")
    text, _ = converted(submission, tmp_path)
    assert "$tuple" not in text
    (tmp_path / "sweep.yml").write_text(text)
    space = load_sweep(tmp_path / "sweep.yml").submission.config.sampling.space
    assert [space.grid_at(index)["n"] for index in range(2)] == [[1, 1], {"deep": [[1, 2]]}]
