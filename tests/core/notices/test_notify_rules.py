"""Whom a run tells of what: as it is written, and what of it may be shown."""

from __future__ import annotations

from typing import Any

import pytest

from raydrive.core.config.run_rules import RunRules, shared_rules
from raydrive.core.errors import ConfigError
from raydrive.core.notices.rules import DEFAULT, Notify, notify_of

SECRET = "https://hooks.example.org/services/T00/B00/abcdef"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"command": "true"}, Notify(command="true", on=DEFAULT)),
        ({"webhook": SECRET, "on": "best"}, Notify(webhook=SECRET, on=("best",))),
        ({"webhook": "env:HOOK", "on": ["failed", "failed"]}, Notify(webhook="env:HOOK", on=("failed",))),
    ],
)
def test_what_is_written_is_read_and_written_again(raw: dict[str, Any], expected: Notify) -> None:
    found = notify_of(raw)
    assert found == expected
    assert notify_of(expected.to_json()) == expected


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (SECRET, "notify"),
        ({}, "notify"),
        ({"command": " "}, "notify.command"),
        ({"webhook": "hooks.example.org/abcdef"}, "notify.webhook"),
        ({"webhook": "ftp://user:abcdef@host"}, "notify.webhook"),
        ({"webhook": "env:"}, "notify.webhook"),
        ({"command": "true", "on": ["finish"]}, "notify.on"),
        ({"command": "true", "on": []}, "notify.on"),
        ({"comand": "true"}, "notify.comand"),
    ],
)
def test_what_cannot_be_used_is_named_and_no_secret_with_it(raw: Any, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        notify_of(raw)
    assert where in [problem.where for problem in caught.value.problems]
    assert "abcdef" not in str(caught.value)


def test_addresses_and_commands_are_not_shown() -> None:
    rules = RunRules.of({"notify": {"webhook": SECRET, "command": "curl -H 'Token: abcdef' x"}})
    assert "abcdef" not in repr(shared_rules(rules))
    by_name = RunRules.of({"notify": {"webhook": "env:HOOK"}})
    assert shared_rules(by_name)["notify"]["webhook"] == "env:HOOK"
