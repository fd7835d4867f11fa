"""What a driver gets to decide with, and what it leaves behind where a class cannot be loaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raydrive import BanditPolicy, RandomParameterSampling, uniform
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policy_record import RecordedPolicy
from raydrive.core.errors import StorageError, UserCodeError
from raydrive.core.search.checked_sampler import CheckedSampler
from raydrive.core.search.sampling_record import RecordedSampling
from raydrive.core.views.heartbeat import dump_heartbeat, parse_heartbeat
from raydrive.runtime.driver.user_classes import read_runnable, why_it_failed
from raydrive.storage.code_snapshot import store_code
from raydrive.storage.run_layout import RunLayout, new_run_id

CODE = """
from raydrive import RandomParameterSampling, SamplingSpec

class Mine:
    def __init__(self, n): self.n = n
    def judge(self, trial, interval, curves): return None

class Any(SamplingSpec):
    def build(self, seed, maximize):
        if self.seed == 13:
            raise RuntimeError("not on a Friday")
        return RandomParameterSampling(self.space).build(seed, maximize)
"""


@pytest.fixture(autouse=True)
def _imports_of_this_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield
    sys.modules.pop("classes_of_a_run", None)


def a_run(tmp_path: Path, policy: Any, sampling: dict[str, Any] | None = None) -> RunLayout:
    """A run's folder as a submission leaves it."""
    layout = RunLayout.create(tmp_path / "storage", "e", new_run_id("e"))
    source = tmp_path / "code"
    source.mkdir()
    (source / "classes_of_a_run.py").write_text(CODE)
    space = RandomParameterSampling({"x": uniform(0, 1)})
    config = RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RecordedSampling({**sampling, "space": space.space.to_json()}) if sampling else space,
        policy=policy,
        limits=Limits(max_total_runs=1, max_concurrent_runs=1),
        trial=TrialSpec(kind="command", command="true", code_sha256=store_code(layout, source)),
        seed=1,
    )
    layout.write_config(json.dumps(config.to_json()).encode())
    return layout


def test_a_driver_has_the_real_classes(tmp_path: Path) -> None:
    policy = RecordedPolicy({"type": "classes_of_a_run:Mine", "n": 3})
    layout = a_run(tmp_path, policy, {"type": "classes_of_a_run:Any", "seed": None})
    config, _, sampler, _ = read_runnable(layout)
    assert config.policy.n == 3  # type: ignore[attr-defined]
    assert isinstance(sampler, CheckedSampler)
    assert sampler.ask(0, []) is not None
    assert config.to_json() == json.loads(layout.read_config())


def test_a_run_of_raydrives_own_classes_loads_no_code(tmp_path: Path) -> None:
    layout = a_run(tmp_path, BanditPolicy(slack_factor=0.1))
    layout.code.delete_tree()
    assert read_runnable(layout)[0].policy == BanditPolicy(slack_factor=0.1)


@pytest.mark.parametrize(
    ("policy", "sampling", "text"),
    [
        ({"type": "classes_of_a_run:Gone"}, None, "policy.type: found 'classes_of_a_run:Gone', but no Gone"),
        ({"type": "classes_of_a_run:Mine"}, None, "policy.n: found nothing"),
        (
            {"type": "none"},
            {"type": "classes_of_a_run:Any", "seed": 13},
            "Any failed in build: RuntimeError: not on a Fr",
        ),
    ],
)
def test_what_cannot_be_loaded_stands_in_the_runs_heartbeat(
    tmp_path: Path, policy: dict[str, Any], sampling: dict[str, Any] | None, text: str
) -> None:
    layout = a_run(tmp_path, RecordedPolicy(policy), sampling)
    layout.write_driver(dump_heartbeat({"state": "Running", "entries": 7, "at": 1.0}))
    with pytest.raises(UserCodeError, match=text):
        read_runnable(layout)
    beat = parse_heartbeat(layout.read_driver())
    assert (beat.state, beat.entries) == ("Interrupted", 7)
    assert text in beat.trouble
    assert beat.at > 1.0


def test_a_note_of_other_code_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    layout = a_run(tmp_path, RecordedPolicy({"type": "classes_of_a_run:Mine", "n": 3}))
    assert layout.read_classes_code() == ""
    layout.write_classes_code("abc")
    assert layout.read_classes_code() == "abc"
    layout.folder.write_whole("classes.json", b'{"code_sha256": "abd", "checksum": "00000000"}')
    with pytest.raises(StorageError, match=r"classes\.json is damaged"):
        read_runnable(layout)


def test_a_users_error_is_told_without_the_word_driver() -> None:
    assert why_it_failed("the driver failed", ValueError("x")) == "the driver failed: ValueError: x"
    assert why_it_failed("the driver failed", UserCodeError("m:C failed")).startswith(
        "m:C failed. The trials were stop"
    )
