"""What a training process may put on the wire: anything. What is recorded of it: what can be read back."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive import ranks, wire
from raydrive.core import records
from raydrive.core.records import Reported
from raydrive.core.reports.attempt_reports import Recorded, ReportReader, Steps
from raydrive.core.reports.message_checks import CLOCK_SLACK_S, MAX_DEPTH, MAX_NAME

NOW = 1_790_000_000.0


class Reading:
    """A reader, and what it said."""

    def __init__(
        self,
        *,
        interval: int = 0,
        recorded: Recorded | None = None,
        metric: str = "acc",
        last_value: float | None = None,
    ) -> None:
        self.told: list[str] = []
        self.saved: list[tuple[str, int]] = []
        self.reader = ReportReader(
            metric, interval, NOW, self.told.append, recorded, self._announced, last_value=last_value
        )

    def _announced(self, name: str) -> None:
        self.saved.append((name, self.reader.interval))

    def facts(self, *messages: dict[str, Any], now: float = NOW + 10.0) -> list[Reported]:
        events, odd = self.reader.read([json.loads(json.dumps(message)) for message in messages], now)
        assert odd == []
        return [event.to_fact(3, 1) for event in events]

    def curve(self, *messages: dict[str, Any]) -> list[tuple[int, float | None]]:
        return [(fact.interval, fact.value) for fact in self.facts(*messages) if fact.interval]


def same(left: object, right: object) -> bool:
    """Equal, and NaN is NaN."""
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


# ---------------------------------------------------------------------- whatever a line holds

TEXTS = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["\ud800", "\udfff a", "\x00", "a\nb", " ", "", "acc", "x" * 600]
)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.sampled_from([10**400, -(10**400), 2**63, -(2**63), 2**64, 1e308, 5e-324, -0.0, math.nan, math.inf])
)
TEXTS |= st.sampled_from(["$float", "NaN", "Infinity"])
SCALARS = st.none() | NUMBERS | TEXTS | st.sampled_from([{"$float": "NaN"}, {"$float": 1}, {"$float": "x"}])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
TIMES = NUMBERS | TEXTS | st.none() | st.floats(NOW - 100, NOW + 100) | st.sampled_from([NOW * 1000, -NOW, [], {}])
LINES = st.fixed_dictionaries(
    {},
    optional={
        "m": st.dictionaries(TEXTS, VALUES, max_size=4) | VALUES | st.just({"$float": "NaN"}),
        "t": TIMES,
        "s": VALUES,
        "d": VALUES,
        "r": VALUES,
        "tags": st.dictionaries(TEXTS, VALUES, max_size=3) | VALUES | st.just({"$float": "NaN"}),
        "checkpoint": VALUES,
        "state": st.sampled_from(["Completed", "Failed"]) | VALUES,
        "why": VALUES,
    },
)


@given(st.lists(LINES, max_size=6))
def test_any_line_becomes_facts_that_can_be_recorded_and_read_back(lines: list[dict[str, Any]]) -> None:
    messages, bad = wire.decode([json.dumps(line).encode() for line in lines])
    assert not bad
    reading = Reading()
    events, odd = reading.reader.read(messages, NOW + 10.0)
    assert len(events) + len(odd) <= len(messages)
    for number, event in enumerate(events, 1):
        fact = event.to_fact(3, 1)
        assert fact.seq == number
        text = records.dump(fact, ())
        text.encode()
        back, decisions = records.load(text)
        assert isinstance(back, Reported)
        assert decisions == ()
        for name in Reported.__dataclass_fields__:
            assert same(getattr(back, name), getattr(fact, name)), (name, line_of(fact), line_of(back))
        assert NOW - CLOCK_SLACK_S <= fact.at <= NOW + 10.0 + CLOCK_SLACK_S
        assert (fact.interval > 0) == (fact.value is not None)
        assert fact.step is None or math.isfinite(float(fact.step))
        for name in (*fact.metrics, *fact.tags):
            assert 1 <= len(name) <= MAX_NAME
            assert not any(ord(letter) < 32 for letter in name)
        json.dumps([fact.metrics, fact.tags], ensure_ascii=False).encode()
        assert all(isinstance(value, str) for value in fact.tags.values())
    for text in reading.told:
        assert len(text) < 1000
        text.encode()
    reading.reader.failed_why.encode()
    for name, _ in reading.saved:
        assert "/" not in name


def line_of(fact: Reported) -> str:
    return repr(fact)[:300]


# ---------------------------------------------------------------------- times


@pytest.mark.parametrize(
    "at",
    [math.nan, math.inf, NOW * 1000, -5.0, 1.0, 10**400, "now", "", [], {}, True, False, 0, NOW + 1000, NOW - 1000],
)
def test_a_time_that_cannot_be_is_replaced_and_told_once(at: object) -> None:
    reading = Reading()
    facts = reading.facts({"m": {"acc": 0.5}, "t": at}, {"m": {"acc": 0.6}, "t": at})
    assert [(fact.at, fact.value) for fact in facts] == [(NOW + 10.0, 0.5), (NOW + 10.0, 0.6)]
    assert len(reading.told) == (0 if at in ("", [], {}) else 1)
    assert all("seconds since the epoch" in text for text in reading.told)


@pytest.mark.parametrize("at", [NOW, NOW + 9.5, NOW - 30, NOW + 60, int(NOW)])
def test_a_time_that_may_be_is_kept(at: float) -> None:
    reading = Reading()
    assert [fact.at for fact in reading.facts({"m": {"acc": 0.5}, "t": at})] == [float(at)]
    assert not reading.told


def test_without_a_time_it_is_now() -> None:
    reading = Reading()
    assert [fact.at for fact in reading.facts({"m": {"acc": 0.5}}, {"m": {"acc": 0.5}, "t": None})] == [NOW + 10.0] * 2
    assert not reading.told


# ---------------------------------------------------------------------- names and values


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("loss", "loss"),
        (" loss ", "loss"),
        ("val/loss [top-1] %", "val/loss [top-1] %"),
        ("потеря", "потеря"),
        ("a\nb", "a\ufffdb"),
        ("a\x00", "a\ufffd"),
        ("\ud800", "\ufffd"),
        ("a\u2028b", "a\ufffdb"),
        ("$float", "\ufffdfloat"),
        ("x" * MAX_NAME, "x" * MAX_NAME),
        ("", None),
        ("  ", None),
        ("x" * (MAX_NAME + 1), None),
        ("x" * 1_000_000, None),
    ],
)
def test_names(name: str, kept: str | None) -> None:
    reading = Reading()
    facts = reading.facts({"m": {name: 1.5}}, {"m": {name: 2.5}, "tags": {name: "x"}})
    assert [fact.metrics for fact in facts] == ([{kept: 1.5}, {kept: 2.5}] if kept else [])
    assert [fact.tags for fact in facts][1:] == ([{kept: "x"}] if kept else [])
    assert bool(reading.told) == (kept != name.strip() or not kept)
    assert all(len(text) < 300 for text in reading.told)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, 1),
        (2**63, float(2**63)),
        (-(2**63), -(2**63)),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        ("a\ud800", "a\ufffd"),
        ([1, None, True, {"a": [10**400]}], [1, None, True, {"a": [math.inf]}]),
        (None, None),
    ],
)
def test_values(value: object, kept: object) -> None:
    reading = Reading()
    facts = reading.facts({"m": {"x": value}})
    assert [fact.metrics for fact in facts] == ([] if kept is None else [{"x": kept}])
    assert not facts or same(facts[0].metrics, {"x": kept})
    assert bool(reading.told) == (kept is None or (isinstance(kept, float) and math.isinf(kept)))


@pytest.mark.parametrize(("depth", "kept"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (900, False)])
def test_nesting_is_bounded_and_told_once(depth: int, kept: bool) -> None:
    deep: Any = 1.0
    for _ in range(depth):
        deep = [deep]
    reading = Reading()
    message = {"m": {"acc": 0.5, "deep": deep}, "tags": {"deep": deep}, "t": NOW}
    facts = reading.facts(message, message)
    assert [(fact.value, "deep" in fact.metrics) for fact in facts] == [(0.5, kept)] * 2
    assert len([text for text in reading.told if "nested" in text]) == (not kept)
    assert all(len(records.dump(fact, ())) < 5000 for fact in facts)
    reading.facts({"state": "Failed", "why": deep}, {"m": {}, "checkpoint": deep}, {"m": {"acc": 0.1}, "s": deep})


@pytest.mark.parametrize("value", ["0.9", "1,5", [0.9], {"a": 0.9}])
def test_a_primary_metric_that_is_no_number_is_not_counted_and_that_is_told(value: object) -> None:
    reading = Reading()
    (fact,) = reading.facts({"m": {"acc": value}})
    assert (fact.interval, fact.value, fact.metrics) == (0, None, {"acc": value})
    assert reading.reader.no_number == value  # said at the end of the attempt: see outcome.py
    reading.facts({"m": {"acc": 0.5}})
    assert reading.reader.no_number == value


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (3, 3),
        (3.5, 3.5),
        (-1, -1),
        ("3", 3),
        ("0.5", 0.5),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
        (1e300, None),
        (True, None),
        ("three", None),
        ([3], None),
        ({}, None),
    ],
)
def test_steps(step: object, kept: float | None) -> None:
    reading = Reading()
    (fact,) = reading.facts({"m": {"acc": 0.5}, "t": NOW, "s": step})
    assert (fact.value, fact.step, type(fact.step)) == (0.5, kept, type(kept))
    assert len(reading.told) == (kept is None)


def test_tags_become_text() -> None:
    (fact,) = Reading().facts({"tags": {"a": 1, "b": None, "c": True, "d": {"x": [1]}, "e": "\ud800", "f": 10**400}})
    assert fact.tags == {"a": "1", "b": "", "c": "true", "d": '{"x": [1]}', "e": "\ufffd", "f": "Infinity"}


@pytest.mark.parametrize(
    "message", [{}, {"acc": 0.5}, {"m": 5}, {"m": [1]}, {"m": "x"}, {"tags": 7}, {"t": NOW, "s": 1}]
)
def test_messages_that_cannot_be_read(message: dict[str, Any]) -> None:
    assert Reading().reader.read([message], NOW) == ([], [message])


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a\0b", "\ud800", "x" * 300, {}, [], True, 1.5])
def test_a_checkpoint_needs_the_name_of_a_folder(name: object) -> None:
    reading = Reading()
    assert reading.facts({"checkpoint": name}) == []
    assert reading.saved == []
    assert len(reading.told) == 1


def test_a_trial_says_that_it_failed() -> None:
    for why, text in (("", "the script called run.fail()"), ("no data", "no data"), (5, "5"), ("x" * 9999, "x" * 4000)):
        reading = Reading()
        reading.facts({"state": "Failed", "why": why})
        assert reading.reader.failed_why == text


# ---------------------------------------------------------------------- intervals


def test_without_steps_each_value_is_an_interval() -> None:
    assert Reading().curve(*[{"m": {"acc": k / 2}} for k in (1, 1, 2)]) == [(1, 0.5), (2, 0.5), (3, 1.0)]


def test_a_step_that_was_had_is_no_new_interval() -> None:
    reading = Reading()
    ranks = [{"m": {"acc": step / 10 + rank, "loss": 1.0 * rank}, "s": step} for step in range(3) for rank in range(4)]
    facts = reading.facts(*ranks)
    assert [(fact.interval, fact.value, fact.step) for fact in facts if fact.interval] == [
        (1, 0.0, 0),
        (2, 0.1, 1),
        (3, 0.2, 2),
    ]
    assert [fact.metrics["loss"] for fact in facts] == [0.0, 1.0, 2.0, 3.0] * 3  # the rest is kept
    assert len(reading.told) == 1
    assert "'acc' was logged again for step 0" in reading.told[0]
    assert reading.facts({"m": {"acc": 7.0}, "s": 1}) == []
    assert reading.reader.value == 0.2


def test_steps_may_be_mixed_with_none_and_fractions() -> None:
    steps = [0, None, 0, 0.5, 0.5, 1.0, 1, None, 10, 5, 5, 10]
    messages = [{"m": {"acc": float(k)}, **({} if step is None else {"s": step})} for k, step in enumerate(steps)]
    assert [value for _, value in Reading().curve(*messages)] == [0.0, 1.0, 3.0, 5.0, 7.0, 8.0, 9.0]


@given(st.lists(st.integers(-5, 40) | st.integers(0, 20).map(lambda k: k / 2) | st.integers(0, 9).map(lambda k: 7 * k)))
def test_steps_are_remembered_as_by_a_set(steps: list[float]) -> None:
    had: set[float] = set()
    remembered = Steps()
    for step in steps:
        assert remembered.add(step) == (step not in had)
        had.add(step)


@given(st.lists(st.none() | st.integers(-3, 12), max_size=40))
def test_the_short_way_counts_as_the_long_one(steps: list[int | None]) -> None:
    short, long = Reading(), Reading()
    plain = [{"m": {"acc": 1.0 * k}, "t": NOW, **({} if s is None else {"s": s})} for k, s in enumerate(steps)]
    assert short.facts(*plain) == long.facts(*[{**message, "d": "x"} for message in plain])


def test_evenly_spaced_steps_take_no_memory() -> None:
    steps = Steps()
    for step in range(0, 10**6, 5):
        assert steps.add(step)
    assert sum(sys.getsizeof(value) for value in vars(steps).values()) < 1000


def test_only_rank_0_is_counted_and_what_others_log_is_kept_under_their_rank() -> None:
    reading = Reading()
    facts = reading.facts(*[{"m": {"acc": 0.5 + rank, "loss": 1.0}, "r": rank} for rank in range(3)])
    assert [(fact.interval, fact.value, fact.metrics) for fact in facts] == [
        (1, 0.5, {"loss": 1.0}),
        (0, None, {"rank_1/acc": 1.5, "rank_1/loss": 1.0}),
        (0, None, {"rank_2/acc": 2.5, "rank_2/loss": 1.0}),
    ]
    assert len(reading.told) == 1
    assert "a process of rank 1 logs 'acc': only rank 0 counts" in reading.told[0]
    assert "kept under 'rank_1/acc'" in reading.told[0]
    assert ranks.ALL_RANKS in reading.told[0]


def test_steps_of_other_ranks_do_not_count_and_are_recorded() -> None:
    reading = Reading()
    facts = reading.facts(*[{"m": {"acc": step / 10}, "s": step, "r": rank} for step in (1, 2) for rank in (1, 0)])
    assert [(fact.interval, fact.value, fact.step, fact.metrics) for fact in facts] == [
        (0, None, 1, {"rank_1/acc": 0.1}),
        (1, 0.1, 1, {}),
        (0, None, 2, {"rank_1/acc": 0.2}),
        (2, 0.2, 2, {}),
    ]


def test_what_is_no_number_of_another_rank_is_kept_and_does_not_count_as_nearly_logged() -> None:
    reading = Reading()
    (fact,) = reading.facts({"m": {"acc": "high", "rows": {"a": [1, 2]}}, "r": 1})
    assert fact.metrics == {"rank_1/acc": "high", "rank_1/rows": {"a": [1, 2]}}
    assert reading.reader.no_number is None


def test_tags_of_other_ranks_are_kept_under_their_rank() -> None:
    reading = Reading()
    facts = reading.facts({"tags": {"fold": "2"}}, {"tags": {"fold": "3"}, "r": 12})
    assert [fact.tags for fact in facts] == [{"fold": "2"}, {"rank_12/fold": "3"}]


def test_a_name_of_another_rank_has_no_more_characters_than_any() -> None:
    reading = Reading()
    facts = reading.facts({"m": {"x" * 493: 1.0, "y" * 494: 2.0}, "r": 1})
    assert [fact.metrics for fact in facts] == [{"rank_1/" + "x" * 493: 1.0}]
    assert reading.told == [
        "a value of rank 1 was dropped: with the prefix rank_1/ its name has more than 500 characters"
    ]


def test_checkpoints_of_other_ranks_are_left_out_and_that_is_told_once() -> None:
    reading = Reading()
    reading.facts({"m": {"acc": 0.5}, "checkpoint": "one"})
    facts = reading.facts({"m": {"acc": 0.6}, "r": 1, "checkpoint": "two"}, {"checkpoint": "three", "r": 2})
    assert reading.saved == [("one", 1)]
    assert [fact.metrics for fact in facts] == [{"rank_1/acc": 0.6}]
    assert [text for text in reading.told if "checkpoint" in text] == [
        "a process of rank 1 saves the checkpoint 'two': it is ignored, since only the checkpoints of rank 0 are "
        "kept. Save on rank 0 alone; if another rank is the one that counts, set the environment variable "
        "RAYDRIVE_ALL_RANKS=1"
    ]


def test_a_checkpoint_in_the_same_message_holds_its_values() -> None:
    reading = Reading()
    reading.facts({"m": {"acc": 0.5}, "s": 1, "checkpoint": "one"}, {"checkpoint": "two"}, {"m": {"acc": 0.6}})
    assert reading.saved == [("one", 1), ("two", 1)]


# ---------------------------------------------------------------------- the next attempt


def steps(*steps: float) -> list[dict[str, Any]]:
    return [{"m": {"acc": step / 10}, "s": step} for step in steps]


def test_an_attempt_goes_on_where_its_steps_say_whatever_its_checkpoint_was_said_to_hold() -> None:
    recorded = Recorded(4, 1, 4)  # steps 1 to 4
    for interval in (2, 3, 4):  # the checkpoint of step 4: saved before, or long before, or after it was logged
        assert Reading(interval=interval, recorded=recorded).curve(*steps(5, 6)) == [(5, 0.5), (6, 0.6)]


def test_what_an_attempt_repeats_is_no_new_interval() -> None:
    reading = Reading(interval=4, recorded=Recorded(4, 1, 4))
    assert reading.curve(*steps(4, 5)) == [(5, 0.5)]
    assert "an earlier attempt" in reading.told[0]
    # From an earlier checkpoint, or from nothing: as before, and the first values stand (core.curves).
    assert Reading(interval=2, recorded=Recorded(4, 1, 4)).curve(*steps(3, 4, 5)) == [(3, 0.3), (4, 0.4), (5, 0.5)]
    assert [k for k, _ in Reading(recorded=Recorded(4, 1, 4)).curve(*steps(1, 2, 3, 4, 5))] == [1, 2, 3, 4, 5]
    # Without steps nothing can be aligned.
    assert Reading(interval=3, recorded=Recorded(4, 1, 4)).curve({"m": {"acc": 0.5}}) == [(4, 0.5)]


def test_there_is_nothing_to_align_by_where_steps_are_not_known() -> None:
    assert Recorded.of(None, None, None) is None
    assert Recorded.of(3, 1.0, 7.0) == Recorded(3, 1.0, 7.0)


def test_an_attempt_that_goes_on_and_counts_its_steps_from_the_beginning_is_not_aligned() -> None:
    reading = Reading(interval=4, recorded=Recorded(4, 1, 4))
    assert reading.curve(*steps(1, 2, 3)) == [(5, 0.1), (6, 0.2), (7, 0.3)]
    assert not reading.told
    # From nothing it begins with the first step, too, and repeats what was recorded.
    assert [k for k, _ in Reading(recorded=Recorded(4, 1, 4)).curve(*steps(1, 3, 5))] == [1, 2, 5]


def test_tags_that_cannot_be_read_take_no_value_with_them() -> None:
    reading = Reading()
    (fact,) = reading.facts({"m": {"acc": 0.5}, "tags": "a"})
    assert (fact.value, fact.tags) == (0.5, {})
    assert "tags were dropped" in reading.told[0]


def returned(value: float, **others: float) -> dict[str, Any]:
    return wire.metrics_message({"acc": value, **others}, returned=True)


def test_a_last_value_that_is_returned_once_more_is_no_interval() -> None:
    """By an attempt whose checkpoint held all that was to be trained; what stands beside it is recorded."""
    (fact,) = Reading(interval=3, last_value=0.5).facts(returned(0.5, epochs=3.0))
    assert (fact.interval, fact.value, fact.metrics) == (0, None, {"epochs": 3.0})
    assert Reading(interval=3, last_value=0.5).curve(returned(0.6)) == [(4, 0.6)], "a test score, say"
    assert Reading(interval=3, last_value=0.5).curve(wire.metrics_message({"acc": 0.5})) == [(4, 0.5)]
    assert Reading(interval=3, last_value=0.5).curve(wire.metrics_message({"acc": 0.4}), returned(0.5)) == [
        (4, 0.4),
        (5, 0.5),
    ]
    assert Reading().curve(returned(0.5)) == [(1, 0.5)]
