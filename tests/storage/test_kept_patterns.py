"""Patterns of what is kept of a working directory."""

from __future__ import annotations

import pytest

from raydrive.storage.kept_patterns import Patterns, check_patterns


@pytest.mark.parametrize(
    ("patterns", "name", "decision"),
    [
        (["wandb/**"], "wandb/run/data", True),
        (["wandb/**"], "x/wandb/run", None),
        (["wandb/"], "x/wandb/run", True),
        (["./wandb/**"], "wandb/run", True),
        (["*.csv"], "deep/er/x.csv", True),
        (["*.csv", "!tmp/**"], "tmp/x.csv", False),
        (["!tmp/**", "*.csv"], "tmp/x.csv", True),
        (["!./tmp/"], "tmp/x", False),
        (["/top.txt"], "below/top.txt", None),
        (["**"], "anything", True),
    ],
)
def test_the_last_pattern_that_matches_counts(patterns: list[str], name: str, decision: bool | None) -> None:
    assert check_patterns(patterns, "keep") == []
    assert Patterns(patterns).decide(name) is decision


@pytest.mark.parametrize("pattern", ["", "  ", "#x", "!", "../up/**", "~/runs", "a/../../b", 3, None])
def test_patterns_that_can_match_nothing_are_named(pattern: object) -> None:
    (problem,) = check_patterns(["*.csv", pattern], "keep")
    assert (problem.where, problem.found) == ("keep[1]", repr(pattern))


@pytest.mark.parametrize("wrong", ["wandb/**", 5, None, {"wandb": True}])
def test_patterns_are_a_list(wrong: object) -> None:
    (problem,) = check_patterns(wrong, "keep")
    assert (problem.where, problem.allowed) == ("keep", "a list of patterns")
