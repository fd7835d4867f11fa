"""``resume --more``: what it adds, and what a resume answers that has nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from recorded_trouble import AT, RUN, begun, config, expect, recorded, sweep_of

from raydrive.api.submit.extension import changed_limits
from raydrive.cli.app import run as raydrive
from raydrive.core.errors import ConfigError, RunOverError
from raydrive.core.records import Cancelled, Ended, Fact, Reported, Started, Suggested, Ticked


def ended(*trials: int) -> list[Fact]:
    facts = begun(*trials)
    for number in trials:
        facts += [Reported(AT + 9, number, 1, 1, 1, 0.5), Ended(AT + 10, number, 1, 0)]
    return facts


def answer(storage: Path, capfd: pytest.CaptureFixture[str], *options: str) -> str:
    """What ``resume`` answers when it refuses."""
    assert raydrive(["resume", RUN, "--storage", str(storage), *options]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    return err


@pytest.mark.parametrize(
    ("name", "trials", "facts", "options"),
    [
        ("all_ended", 2, ended(0, 1), ()),
        ("total_too_low", 2, ended(0, 1), ("--max-total-trials", "2")),
        ("canceled", 8, [*begun(0), Cancelled(AT + 5, None, "canceled by the user"), Ended(AT + 6, 0, 1, -15)], ()),
        ("out_of_time", 8, [*begun(0), Ticked(AT + 60), Ended(AT + 61, 0, 1, -15)], ()),
        ("exhausted", 8, [*ended(0, 1), Suggested(AT + 11, 2, None)], ("--more", "4")),
    ],
)
def test_a_resume_of_a_run_that_is_over_names_the_command_that_extends_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, trials: int, facts: Sequence[Fact], options: list[str]
) -> None:
    recorded(tmp_path, config(trials, max_duration_s=60.0), facts)
    expect(f"resume_{name}", answer(tmp_path, capfd, *options))


def test_more_and_a_new_total_exclude_each_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, config(2), ended(0, 1))
    expect("resume_both", answer(tmp_path, capfd, "--more", "4", "--max-total-trials", "9"))


def test_more_adds_to_the_limit_that_holds_now() -> None:
    sweep, _ = sweep_of(config(2), [*ended(0, 1), Started(AT + 20, 2, limits={"max_total_runs": 6})])
    assert changed_limits(sweep, {"max_duration_s": 5.0}, 20) == {"max_total_runs": 26, "max_duration_s": 5.0}
    assert changed_limits(sweep, {"max_total_runs": 9}, None) == {"max_total_runs": 9}
    with pytest.raises(ConfigError, match="how many trials to add"):
        changed_limits(sweep, {}, 0)


def test_python_says_the_same(tmp_path: Path) -> None:
    run = recorded(tmp_path, config(2), ended(0, 1))
    with pytest.raises(RunOverError, match=f"To run 20 more trials: raydrive resume {RUN} --more 20"):
        run.resume()
    with pytest.raises(ConfigError, match="more: found 0; allowed: a whole number of 1 or more"):
        run.resume(more=0)
