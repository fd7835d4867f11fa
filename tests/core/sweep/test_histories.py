"""Any legal history: the journal replays to the live state at every prefix, and no rule is ever broken.

Histories are drawn by a small driver that picks what happens next among what could, from a tape of numbers that
hypothesis makes and shrinks. It also offers what must be dropped: duplicates, ghosts, suggestions out of turn.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from histories import (
    Given,
    History,
    assert_goes_on_as_the_same_run,
    assert_replays_at_every_prefix,
    block_of,
    folded_in_blocks,
    played,
    runs,
    tapes_of,
    told,
)
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core import records
from raydrive.core.early_stopping.retention import needs_of
from raydrive.core.errors import JournalError
from raydrive.core.records import (
    Checkpointed,
    Ended,
    Reported,
    Started,
)
from raydrive.core.sweep.packed_params import PackedParams
from raydrive.core.sweep.sweep import Sweep
from raydrive.testing.sweep_invariants import check_journal, picture


def _is_entry(line: bytes) -> bool:
    try:
        records.load(line)
    except JournalError:
        return False
    return True


tapes = tapes_of(32)


@given(runs(), tapes)
def test_the_journal_replays_to_the_live_state_at_every_prefix(run: Given, tape: list[int]) -> None:
    assert_replays_at_every_prefix(History(run), run, tape)


@given(runs(), tapes, st.lists(st.integers(0, 130), max_size=3))
def test_folding_many_entries_at_once_is_folding_each(run: Given, tape: list[int], cuts: list[int]) -> None:
    entries = [records.load(line) for line in played(History(run), tape).memory.lines]
    one_by_one = Sweep.replay(run[0], entries, run[1])
    at_once = folded_in_blocks(run, entries, cuts)
    assert picture(at_once) == picture(one_by_one)
    for k in range(1, 12):  # and what a policy asks
        assert at_once.curves.incumbent(k) == one_by_one.curves.incumbent(k)
        assert at_once.curves.median_of_means(k) == one_by_one.curves.median_of_means(k)
        for trial in at_once.curves.trials:
            assert at_once.curves.best_until(trial, k) == one_by_one.curves.best_until(trial, k)
            assert at_once.curves.best_interval(trial) == one_by_one.curves.best_interval(trial)
    for trial in one_by_one.open_trials:  # and what comes next
        fact = Reported(2000.0, trial.number, trial.attempt, 10**6, one_by_one.curves.length(trial.number) + 1, 0.25)
        assert at_once.handle(fact) == one_by_one.handle(fact)


@given(runs(), tapes)
def test_every_entry_is_legal_and_judged_again_the_same(run: Given, tape: list[int]) -> None:
    history = played(History(run), tape)
    sweep = check_journal(run[0], history.memory.lines, run[1])
    assert picture(sweep) == picture(history.sweep)


@given(runs(), tapes, st.integers(0))
def test_a_journal_cut_anywhere_replays_to_a_legal_prefix(run: Given, tape: list[int], cut: int) -> None:
    data = "".join(played(History(run), tape).memory.lines).encode()
    *whole, torn = data[: cut % (len(data) + 1)].split(b"\n")
    check_journal(run[0], whole, run[1])
    if torn.endswith(b"]") and _is_entry(torn):  # whole but for its newline
        check_journal(run[0], [*whole, torn], run[1])


@given(runs(), tapes)
def test_no_part_of_a_line_reads_as_an_entry(run: Given, tape: list[int]) -> None:
    for line in played(History(run), tape[:20]).memory.lines:
        for end in range(len(line) - 1):
            with pytest.raises(JournalError):
                records.load(line[:end])


@given(runs(), tapes, st.integers(0, 120))
def test_a_driver_that_takes_over_anywhere_goes_on_as_the_same_run(run: Given, tape: list[int], cut: int) -> None:
    assert_goes_on_as_the_same_run(lambda: History(run), tape, cut)


@given(runs(), tapes)
def test_a_run_whose_trials_all_end_ends(run: Given, tape: list[int]) -> None:
    """Whatever happened before: let every attempt end well from now on, and the run is over."""
    history = played(History(run), tape)
    if not history.sweep.epoch:
        history.tell(Started(history.now, 1))
    rounds = 0
    while not history.sweep.finished:
        rounds += 1
        assert rounds < 100
        for trial in history.sweep.open_trials:
            known = history.sweep.curves.length(trial.number) + 1
            if known == 1 or rounds < 30:  # members of a population that take turns train for as long as they log
                history.report(trial.number, trial.attempt, known, 0.5, 0)
                history.tell(Checkpointed(history.now, trial.number, trial.attempt, known, "1"))
            history.tell(Ended(history.now, trial.number, trial.attempt, 0))
    assert history.runner.finished == history.sweep.finished
    assert sorted(history.runner.closed) == [trial.number for trial in history.sweep.trials]
    check_journal(run[0], history.memory.lines, run[1])


def asked(sweep: Sweep) -> dict[int, str]:
    """Medians, and where open trials stand, at each interval at which the policy of the run may ask."""
    curves, needs = sweep.curves, needs_of(sweep.config.policy, sweep.config.sampling)
    assert needs is not None
    found: dict[int, str] = {}
    for k in needs.between(0, 12):
        able = [trial.number for trial in sweep.open_trials if curves.length(trial.number) >= k]
        median = curves.median_of_means(k) if needs.means else None
        ranks = [curves.rank(number, k) for number in able] if needs.bests else []
        found[k] = repr((median, ranks, [curves.best_until(number, k) for number in able]))
    return found


@given(runs(), tapes)
def test_a_lean_judge_decides_and_tells_what_a_whole_one_does(run: Given, tape: list[int]) -> None:
    """Live and replayed, at every prefix; values of trials that are over are gone, and nothing that is asked for."""
    history, read = History(run), 0
    live, replayed = Sweep(*run, lean=True), Sweep(*run, lean=True)
    for number in tape:
        history.step(number)
        for line in history.memory.lines[read:]:
            fact, decisions = records.load(line)
            assert live.accepts(fact)
            assert live.handle(fact) == decisions
            replayed.apply(fact, decisions)
        read = len(history.memory.lines)
        assert told(live) == told(replayed) == told(history.sweep)
    assert asked(live) == asked(replayed) == asked(history.sweep)
    for trial in live.trials:
        drops = run[0].rules.population is None  # members are compared with the values of those that are over
        over = drops and not trial.open and live.curves.length(trial.number) > 0
        assert live.curves.values_dropped(trial.number) == over
        assert isinstance(trial.params, dict if trial.open or not drops else PackedParams)


@given(runs(), tapes, st.lists(st.integers(0, 130), max_size=3))
def test_a_lean_judge_takes_up_a_run_by_blocks(run: Given, tape: list[int], cuts: list[int]) -> None:
    entries = [records.load(line) for line in played(History(run), tape).memory.lines]
    whole = Sweep.replay(run[0], entries, run[1])
    bounds = sorted({0, len(entries), *(min(cut, len(entries)) for cut in cuts)})
    lean = Sweep(*run, lean=True)
    for at, (start, end) in enumerate(pairwise(bounds)):
        lean.follow([block_of(entries[start:end])] if at % 3 != 1 else entries[start:end])
        if at == 1:
            asked(lean)  # columns that are there already are kept up
    assert told(lean) == told(whole)
    assert asked(lean) == asked(whole)
    for trial in whole.open_trials:
        fact = Reported(2000.0, trial.number, trial.attempt, 10**6, whole.curves.length(trial.number) + 1, 0.25)
        assert lean.handle(fact) == whole.handle(fact)
