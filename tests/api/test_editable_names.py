"""What ``raydrive edit`` can change, ``run.edit()`` can: by keyword, for each key."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from raydrive import HyperDriveRun, MedianStoppingPolicy
from raydrive.core.errors import ConfigError
from raydrive.core.user_requests.fixed import CHANGEABLE, LIMITS, RULES, TRIAL
from raydrive.storage.run_layout import RunLayout, new_run_id
from raydrive.testing.runners import function_config

KEYWORDS = {"max_duration_s": "max_duration_minutes", "trial_timeout_s": "max_run_duration_seconds"}
"""Fields that Python has under another name, that of HyperDrive."""
DERIVED = ("flags",)
"""Follow from the search space."""
HOW = ("rejudge", "expect_revision", "dry_run", "address")
"""Keywords that say how to edit."""


def test_python_has_a_keyword_for_each_key_and_no_other() -> None:
    fields = [name for name in (*LIMITS, *TRIAL, *RULES) if name not in DERIVED]
    wanted = {KEYWORDS.get(name, name) for name in fields} | {"policy", "sampling", "space"}
    found = set(inspect.signature(HyperDriveRun.edit).parameters) - {"self", *HOW}
    assert found == wanted


def test_the_message_of_a_refusal_names_each_key() -> None:
    own = [name for name in (*LIMITS[4:], *TRIAL, *RULES) if name not in DERIVED]
    assert [name for name in own if name not in CHANGEABLE] == []


def test_each_keyword_changes_what_it_names(tmp_path: Path) -> None:
    layout = RunLayout.create(tmp_path, "edited", new_run_id("edited"))
    layout.write_config(json.dumps(function_config((0,)).to_json()).encode())
    run = HyperDriveRun.open(layout.uri)
    run.edit(max_losses=4, first_failures=2, strict=True, max_duration_minutes=5, max_run_duration_seconds=7)
    run.edit(log_limit=1 << 20, lease_s=9, storage_patience_s=11, grace_s=0, keep_checkpoints=3)
    run.edit(finish_when={"target": 3}, on_oom={}, policy=MedianStoppingPolicy())
    limits, trial, rules = run.config.limits, run.config.trial, run.config.rules
    assert (limits.max_losses, limits.first_failures, limits.strict) == (4, 2, 1)
    assert (limits.max_duration_s, limits.trial_timeout_s) == (300, 7)
    assert (trial.log_limit, trial.lease_s, trial.storage_patience_s, trial.grace_s) == (1 << 20, 9, 11, 0)
    assert rules.to_json()["finish_when"] == {"target": 3}
    assert rules.on_oom is not None
    run.edit(max_losses=False, max_duration_minutes=False, max_run_duration_seconds=False)
    run.edit(finish_when=False, on_oom=False)
    limits, rules = run.config.limits, run.config.rules
    assert (limits.max_losses, limits.max_duration_s, limits.trial_timeout_s) == (None, None, None)
    assert not rules
    with pytest.raises(ConfigError, match="finish_when"):
        run.edit(finish_when="soon")
