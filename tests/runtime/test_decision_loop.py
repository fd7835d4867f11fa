from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from raydrive.core import records
from raydrive.core.errors import StorageError
from raydrive.core.records import Began, Close, Decision, Ended, Fact, Finish, Launch, Reported, Started, Stop, Ticked
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.testing.memory import Memory
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check_journal


class Recorder:
    """Runner, writer and sampler in one, which notes what it was asked, in order."""

    def __init__(self, *, cheap: bool = True, left: int = 99, failures: int = 0) -> None:
        self.notes: list[Any] = []
        self.lines: list[str] = []
        self.cheap = cheap
        self._left = left
        self._failures = failures

    def launch(self, launch: Launch) -> None:
        self.notes.append(launch)

    def stop(self, stop: Stop) -> None:
        self.notes.append(stop)

    def close(self, close: Close) -> None:
        self.notes.append(close)

    def finish(self, finish: Finish) -> None:
        self.notes.append(finish)

    def append(self, lines: Sequence[str]) -> None:
        if self._failures:
            self._failures -= 1
            raise StorageError("no route to storage")
        self.lines.extend(lines)
        self.notes.append(("written", len(lines)))

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        self.notes.append(("asked", number, len(history)))
        return Suggestion({"x": number}, "test", {"mean": 0.5}) if number < self._left else None


def loop_of(recorder: Recorder, **limits: Any) -> DecisionLoop:
    config = function_config(tuple(range(9)), **{"max_concurrent_runs": 2, **limits})
    return DecisionLoop(Sweep(config), recorder, recorder, recorder, lambda: 7.0)


def kinds(notes: Sequence[Any]) -> list[Any]:
    return [note[0] if isinstance(note, tuple) else type(note).__name__ for note in notes]


def test_write_then_act() -> None:
    """Nothing is launched that the journal does not have."""
    recorder = Recorder()
    loop_of(recorder).take([Started(1.0, 1)])
    assert kinds(recorder.notes) == ["asked", "asked", "written", "Launch", "Launch"]
    assert recorder.notes[2] == ("written", 3)  # one append for the fact and what followed from it


def test_an_expensive_sampler_is_asked_off_the_report_path() -> None:
    """``judge`` leaves it alone; ``take`` asks after everything else has been done."""
    recorder = Recorder(cheap=False)
    loop = loop_of(recorder)
    batch = loop.judge([Started(1.0, 1)])
    assert (kinds(recorder.notes), len(batch.lines), batch.decisions) == ([], 1, [])
    recorder = Recorder(cheap=False)
    loop_of(recorder).take([Started(1.0, 1)])
    assert kinds(recorder.notes) == ["written", "asked", "written", "Launch", "asked", "written", "Launch"]


def test_while_all_places_are_taken_a_question_is_for_a_new_trial_as_long_as_the_budget_has_one() -> None:
    """Else "no paused trial is worth it" would be taken for the end of the search space."""

    class Choosing(Recorder):
        def go_on(self, history: Sequence[TrialRecord]) -> None:
            self.notes.append(("go_on", len(history)))

    recorder = Choosing()
    loop = loop_of(recorder, max_total_runs=3)
    loop.take([Started(1.0, 1)])
    assert (len(loop.sweep.trials), loop.sweep.free_slots) == (2, 0)
    number, answer = loop.question(loop.sweep.history)()
    assert (number, recorder.notes[-1]) == (2, ("asked", 2, 2))
    assert answer is not None
    loop.take([Ended(2.0, 0, 1, 0)])  # the third begins
    assert loop.question(loop.sweep.history)() == (3, None)
    assert recorder.notes[-1] == ("go_on", 3)


def test_what_is_done_about_facts_judged_together_follows_one_append() -> None:
    recorder = Recorder()
    loop = loop_of(recorder)
    loop.take([Started(1.0, 1)])
    recorder.notes.clear()
    facts: list[Fact] = [Began(2.0, 0, 1), Reported(3.0, 0, 1, 1, 1, 0.5), Ended(4.0, 0, 1, 0), Ended(4.0, 1, 1, 1)]
    loop.take(facts)
    assert kinds(recorder.notes) == ["asked", "asked", "written", "Close", "Close", "Launch", "Launch"]
    check_journal(loop.sweep.config, recorder.lines)


def test_what_the_judge_does_not_accept_leaves_no_line() -> None:
    recorder = Recorder()
    loop = loop_of(recorder)
    loop.take([Started(1.0, 1)])
    recorder.notes.clear()
    loop.take([Reported(3.0, 5, 1, 1, 1, 0.5), Ended(3.0, 0, 9, 0), Started(3.0, 1), Ticked(3.0)])
    assert recorder.notes == []


def test_a_tick_is_written_when_something_comes_of_it() -> None:
    recorder = Recorder()
    loop = loop_of(recorder, max_duration_s=100.0)
    loop.take([Started(1.0, 1), Ticked(50.0)])
    assert not any("Ticked" in line for line in recorder.lines)
    loop.take([Ticked(101.0), Ticked(102.0)])
    assert sum("Ticked" in line for line in recorder.lines) == 1
    assert kinds(recorder.notes)[-2:] == ["Stop", "Stop"]


def test_suggestions_are_facts_with_the_time_of_the_loop() -> None:
    recorder = Recorder(left=1)
    loop = loop_of(recorder)
    loop.take([Started(1.0, 1)])
    assert recorder.lines[1] == (
        '[{"kind":"Suggested","at":7.0,"trial":0,"params":{"x":0},"origin":"test","details":{"mean":0.5}},'
        '{"kind":"Launch","trial":0,"attempt":1,"params":{"x":0},"interval":0}]\n'
    )
    assert recorder.lines[2] == '[{"kind":"Suggested","at":7.0,"trial":1}]\n'
    assert loop.sweep.exhausted


def test_a_write_that_failed_may_be_tried_again_and_nothing_was_done() -> None:
    recorder = Recorder(failures=1)
    loop = loop_of(recorder)
    batch = loop.judge([Started(1.0, 1)])
    with pytest.raises(StorageError, match="no route"):
        loop.write(batch)
    assert kinds(recorder.notes) == ["asked", "asked"]
    loop.write(batch)
    loop.act(batch)
    assert kinds(recorder.notes)[2:] == ["written", "Launch", "Launch"]


def test_take_does_nothing_that_it_could_not_write() -> None:
    recorder = Recorder(failures=1)
    with pytest.raises(StorageError):
        loop_of(recorder).take([Started(1.0, 1)])
    assert kinds(recorder.notes) == ["asked", "asked"]


def test_a_resumed_loop_goes_on_where_the_journal_ends() -> None:
    first = Recorder()
    loop = loop_of(first)
    loop.take([Started(1.0, 1), Began(2.0, 0, 1), Reported(3.0, 0, 1, 1, 1, 0.5)])
    sweep = Sweep.replay(loop.sweep.config, map(records.load, first.lines))
    second = Recorder()
    DecisionLoop(sweep, second, second, second, lambda: 9.0).take(
        [Started(10.0, 2), records.Lost(10.0, 0, 1, "gone"), records.Lost(10.0, 1, 1, "gone")]
    )
    launches: list[Decision] = [note for note in second.notes if isinstance(note, Launch)]
    assert launches == [Launch(0, 2, {"x": 0}), Launch(1, 2, {"x": 1})]
    check_journal(sweep.config, first.lines + second.lines)


def test_without_a_writer_there_are_no_lines() -> None:
    recorder = Recorder()
    loop = DecisionLoop(Sweep(function_config((0, 1))), recorder, recorder, None, lambda: 7.0)
    assert loop.judge([Started(1.0, 1)]).lines == []
    loop.take([Began(2.0, 0, 1)])
    assert recorder.lines == []


def test_memory_keeps_lines() -> None:
    memory = Memory()
    memory.append(["a\n", "b\n"])
    memory.append(["c\n"])
    assert memory.lines == ["a\n", "b\n", "c\n"]
