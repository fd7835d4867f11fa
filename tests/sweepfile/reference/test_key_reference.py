"""The reference of the sweep file: complete, in agreement with the models, with examples that are valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from raydrive.core.byte_amounts import bytes_of
from raydrive.core.config.run_config import Limits
from raydrive.core.config.trial_spec import Resources, TrialSpec
from raydrive.sweepfile.loader import load_sweep
from raydrive.sweepfile.reference.key_reference import (
    find_keys,
    key_reference,
    key_texts,
    keys_below,
    known_keys,
)

SWEEP = """
trial: {command: "python train.py --x ${{search_space.x}}", code: .}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: accuracy}
limits: {max_total_trials: 10}
"""
EXAMPLES = {key: entry.example for key, entry in key_reference().items() if entry.example}
DEFAULTS: dict[type[Any], str] = {Resources: "raydrive.resources", TrialSpec: "raydrive", Limits: "raydrive"}
"""Where the fields of a class stand in a sweep file."""
WORDS = ("none", "no limit", "not counted", "any", "in turns", "the Python that runs raydrive")
"""What the reference writes for a default that is no value."""


def test_every_key_is_described() -> None:
    assert sorted(set(known_keys()) - set(key_texts())) == [], "add them to raydrive/sweepfile/reference/keys.toml"
    assert sorted(set(key_texts()) - set(known_keys())) == []


def test_texts_are_sentences() -> None:
    for key, entry in key_reference().items():
        assert entry.text.endswith("."), key
        assert entry.azure, key
        assert entry.in_azure not in ("same", "ignored", "none"), key


@pytest.mark.parametrize("key", EXAMPLES)
def test_an_example_is_valid_and_has_its_key(key: str, tmp_path: Path) -> None:
    given = YAML(typ="safe").load(EXAMPLES[key])
    (tmp_path / "train.py").write_text("")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("")
    sweep = {**YAML(typ="safe").load(SWEEP), **given}
    if key in ("trial.code", "trial"):
        sweep["trial"].setdefault("command", "python train.py --x ${{search_space.x}}")
    if key == "trial":  # its space has other names
        sweep["search_space"] = {"learning_rate": sweep["search_space"]["x"]}
    with (tmp_path / "sweep.yml").open("w") as file:
        YAML().dump(sweep, file)
    load_sweep(tmp_path / "sweep.yml")
    place = given
    for part in key.split("."):
        if part in ("NAME", "x") or key.startswith(("search_space.", "early_termination.")):
            break
        assert part in place
        place = place[part]


def fields() -> list[tuple[str, Any]]:
    found = []
    for kind, above in DEFAULTS.items():
        for name, field in kind.__dataclass_fields__.items():
            if f"{above}.{name}" in key_reference() and name not in (
                "metrics",
                "flatten",
                "flags",
                "strict",
                "style",
                "resources",
            ):
                found.append((f"{above}.{name}", field.default))
    return found


@pytest.mark.parametrize(("key", "default"), fields(), ids=lambda value: str(value)[:40])
def test_a_default_is_the_codes(key: str, default: Any) -> None:
    written = key_reference()[key].default
    if isinstance(default, bool):
        assert written.startswith((str(default).lower(), "true with"))
    elif isinstance(default, int | float):
        assert bytes_of(written) == default or written == f"{default:g}"
    elif isinstance(default, str) and default:
        assert written == default
    else:
        assert written in WORDS


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("limits.timeout", "limits.timeout"),
        ("GPUS", "raydrive.resources.gpus"),
        ("resources.gpus", "raydrive.resources.gpus"),
        ("distribution.type", "trial.distribution.type"),
        ("search_space.lr.min_value", "search_space"),
        ("inputs.data.path", "inputs.NAME.path"),
        ("bandit", "early_termination.bandit"),
        ("log-int", "search_space.log_int"),
        ("raydrive", "raydrive"),
    ],
)
def test_a_word_finds_its_key(word: str, key: str) -> None:
    assert [one.key for one in find_keys(word)] == [key]


def test_a_word_may_mean_several_keys_or_none() -> None:
    assert {one.key for one in find_keys("path")} == {"inputs.NAME.path", "outputs.NAME.path"}
    assert find_keys("gpu_count") == []


def test_keys_below_a_section() -> None:
    assert keys_below("objective") == ["goal", "primary_metric", "value"]
    assert "instance_count" in keys_below("resources")
    assert keys_below("limits.timeout") == []
