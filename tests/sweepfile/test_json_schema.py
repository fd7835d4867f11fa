"""The JSON Schema of sweep files: never stricter than the reader, and of use to an editor."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from raydrive.core.errors import ConfigError
from raydrive.sweepfile.json_schema import json_schema
from raydrive.sweepfile.loader import load_sweep

TESTS = Path(__file__).parents[1]
FILES = sorted([*(TESTS.parent / "configs").glob("*.y*ml"), *(TESTS.parent / "examples").rglob("sweep.y*ml")])
SCHEMA = jsonschema.Draft202012Validator(json_schema())
SWEEP: dict[str, Any] = {
    "type": "sweep",
    "trial": {"command": "python train.py --lr ${{search_space.lr}}"},
    "search_space": {"lr": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "objective": {"goal": "maximize", "primary_metric": "accuracy"},
    "limits": {"max_total_trials": 10},
}


def read(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text())


def changed(**keys: Any) -> dict[str, Any]:
    """The sweep with dotted keys set."""
    sweep = copy.deepcopy(SWEEP)
    for where, value in keys.items():
        *above, last = where.split("__")
        node = sweep
        for key in above:
            node = node.setdefault(key, {})
        node[last] = value
    return sweep


def test_it_is_a_schema_with_the_keys_of_a_file() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    properties = json_schema()["properties"]
    assert {"$schema", "trial", "search_space", "raydrive", "early_termination"} <= set(properties)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_every_sweep_file_we_ship_is_valid(file: Path) -> None:
    assert [error.message for error in SCHEMA.iter_errors(read(file))] == []


@pytest.mark.parametrize(
    "keys",
    [
        {"objective__goal": "Maximize"},
        {"objective__value": "last"},
        {"objective__value": "Mean_Last_12"},
        {"objective__value": None},
        {"sampling_algorithm": "Bayesian"},
        {"sampling_algorithm": {"type": "random", "rule": "sobol", "seed": "7"}},
        {"sampling_algorithm": "sobol"},
        {"limits__max_total_trials": "20", "limits__timeout": "7200"},
        {"early_termination": "MedianStopping"},
        {"early_termination": "auto"},
        {"early_termination": {"type": "auto"}},
        {"early_termination": "default"},
        {"early_termination": {"type": "bandit", "slack_factor": "0.1", "delay_evaluation": 5}},
        {"early_termination": None},
        {"search_space__lr": ["uniform", [0, 1]]},
        {"search_space__lr": {"type": "LogUniform", "min_value": "-9", "max_value": -2}},
        {"search_space__lr": {"type": "choice", "values": [0.1, {"kind": "a", "b": {"type": "randint", "upper": 3}}]}},
        {"inputs": {"epochs": 3, "flag": True, "data": {"type": "uri_folder", "path": "/tmp"}}},
        {"tags": {"version": 1.10}, "trial__environment_variables": {"OMP_NUM_THREADS": 4}},
        {"raydrive": {"resources": {"gpus": 0.5, "memory": "4GiB"}, "metrics": {"pattern": r"loss=(?P<loss>\S+)"}}},
        {"raydrive": {"metrics": {"pattern": [r"loss=(?P<loss>\S+)", r"acc=(?P<acc>\S+)"], "format": "json"}}},
        {"compute": "azureml:cpu-cluster", "queue_settings": {"job_tier": "spot"}, "$schema": "https://x/y.json"},
    ],
    ids=str,
)
def test_what_the_reader_takes_the_schema_takes(keys: dict[str, Any]) -> None:
    sweep = changed(**keys)
    load_sweep("sweep.yml", text=json.dumps(sweep), default_seed=0)
    assert [error.message for error in SCHEMA.iter_errors(sweep)] == []


@pytest.mark.parametrize(
    "keys",
    [
        {"serach_space": {}},
        {"objective__goal": "max"},
        {"objective__value": "mean_last_0"},
        {"objective__value": 5},
        {"limits__max_totl_runs": 5},
        {"limits__max_total_trials": [5]},
        {"search_space__lr": 0.1},
        {"search_space__lr": {"type": "uniform", "min_value": 0}},
        {"search_space__lr": {"type": "unifrom", "min_value": 0, "max_value": 1}},
        {"early_termination": {"type": "truncation_selection"}},
        {"early_termination": {"type": "successive_halving", "mode": "half"}},
        {"early_termination": {"type": "bandit", "slack": 0.1}},
        {"trial": {}},
        {"raydrive": {"resources": {"gpu": 1}}},
    ],
    ids=str,
)
def test_what_an_editor_is_to_underline(keys: dict[str, Any]) -> None:
    sweep = changed(**keys)
    assert not SCHEMA.is_valid(sweep)
    with pytest.raises(ConfigError):
        load_sweep("sweep.yml", text=json.dumps(sweep), default_seed=0)


def test_what_it_refuses_the_reader_refuses_too() -> None:
    refused = 0
    for file in sorted((TESTS / "bad_configs").glob("*.y*ml")):
        try:
            raw = read(file)
        except Exception:  # many broken files are no YAML
            continue
        if not SCHEMA.is_valid(raw):
            refused += 1
            with pytest.raises(ConfigError):
                load_sweep(file, default_seed=0)
    assert refused >= 30
