"""A run in which trials pause and come back, as it is shown: attempts, counts, the policy's line, what-if."""

from __future__ import annotations

from pathlib import Path

from recorded import config, learning, record

from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
from raydrive.core.early_stopping.policies import NoTerminationPolicy
from raydrive.studio.data.policy_line import policy_line, policy_text
from raydrive.studio.data.run_history import open_history
from raydrive.studio.data.whatif import in_advance, what_if

POLICY = SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27)


def test_each_attempt_tells_why_it_was_paused(tmp_path: Path) -> None:
    history = open_history(record(tmp_path, config(27, policy=POLICY, concurrent=4), learning(27)))
    back = [trial.number for trial in history.sweep.trials if trial.attempt > 1]
    assert back
    for number in back:
        *before, _ = history.pasts[number].tries
        assert all(one.how.startswith("paused: successive halving: rung") for one in before)
        assert all(one.resume_from for one in history.pasts[number].tries[1:])
    assert len(history.pasts[back[0]].times) == history.sweep.curves.length(back[0])


def test_the_line_has_the_cut_of_each_rung(tmp_path: Path) -> None:
    history = open_history(record(tmp_path, config(27, policy=POLICY, concurrent=4), learning(27)))
    line = policy_line(POLICY, history.sweep.curves, 27)
    assert line["label"] == policy_text(POLICY) == "successive halving, promote 1 of 3 at 1, 3, 9"
    assert line["k"] == [1, 3, 9]
    tops = sorted(history.sweep.curves.values(number)[0] for number in range(27))
    assert line["v"][0] == tops[-9]


def test_what_if_of_both_modes_on_a_run_without_a_policy(tmp_path: Path) -> None:
    """Whoever was left behind is counted as stopped, and the best of the record is found where halving keeps it."""
    history = open_history(record(tmp_path, config(27, policy=NoTerminationPolicy(), concurrent=4), learning(27)))
    for mode in ("promote", "stop"):
        found = what_if(history, SuccessiveHalvingPolicy(mode=mode, min_intervals=1, max_intervals=27))
        assert len(found.stopped) > 15
        assert all(why.startswith("successive halving") for _, _, why in found.stopped)
        assert found.saved_share > 0.5
        assert found.text == f"successive halving, {mode} 1 of 3 at 1, 3, 9"
    texts = [one["text"] for one in in_advance(history)]
    assert "successive halving, promote 1 of 3 at 1, 3, 9, 27, ..." in texts


def test_what_if_of_the_policy_that_it_had_is_the_record(tmp_path: Path) -> None:
    history = open_history(record(tmp_path, config(27, policy=POLICY, concurrent=4), learning(27)))
    found = what_if(history, POLICY)
    canceled = [trial.number for trial in history.sweep.trials if trial.state == "Canceled"]
    assert [number for number, _, _ in found.stopped] == canceled
    assert found.best == found.recorded_best
