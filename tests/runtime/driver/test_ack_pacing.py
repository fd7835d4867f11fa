from __future__ import annotations

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydrive.runtime.driver.ack_pacing import CALLS_PER_S, MAX_HOLD_S, AckPacer
from raydrive.runtime.trial_actor.first_report_delay import FIRST_DELAY_S, FirstReportDelay


def play(senders: int, rest_s: float, seconds: float) -> tuple[float, float]:
    """Returns calls a second and the hold in the end, of senders that call again as soon as they are answered."""
    pace, calls = AckPacer(), []
    queue = [(index * rest_s / senders, index) for index in range(senders)]
    hold_s = 0.0
    while queue[0][0] < seconds:
        now, sender = heapq.heappop(queue)
        calls.append(now)
        hold_s = pace.call(now, sender)
        heapq.heappush(queue, (now + hold_s + rest_s, sender))
    late = [now for now in calls if now > seconds - 4]
    return len(late) / 4, hold_s


def test_few_calls_are_answered_at_once() -> None:
    rate, hold_s = play(senders=4, rest_s=0.02, seconds=20)
    assert hold_s == 0.0
    assert rate > 190


@settings(max_examples=20)
@given(senders=st.integers(20, 600), rest_s=st.floats(0.005, 0.03))
def test_many_calls_are_held_until_they_are_few_enough(senders: int, rest_s: float) -> None:
    rate, hold_s = play(senders, rest_s, seconds=20)
    assert 0.0 <= hold_s <= MAX_HOLD_S
    assert rate <= 1.5 * CALLS_PER_S or senders / rest_s <= 1.5 * CALLS_PER_S


def test_a_crowd_is_held_no_longer_than_the_most() -> None:
    _, hold_s = play(senders=3_000, rest_s=0.02, seconds=20)
    assert hold_s == MAX_HOLD_S


def test_a_crowd_that_comes_at_once_is_held_after_a_second() -> None:
    pace = AckPacer()
    for index in range(3_001):
        held_s = pace.call(index / 3_000, index % 600)
    assert held_s == pytest.approx(600 / CALLS_PER_S)


def test_the_hold_ends_with_the_crowd() -> None:
    pace = AckPacer()
    for index in range(20_000):
        held_s = pace.call(index / 2_000, index % 100)
    assert held_s > 0
    for second in range(10, 40):
        held_s = pace.call(float(second + 1), 0)
    assert held_s == 0.0


def test_first_words_wait_as_long_as_the_last_attempts_let_expect() -> None:
    words, waits = FirstReportDelay(), []
    for took_s in (0.1, 0.05, 0.02, 0.03, 0.01, 0.001, 0.001, 0.001, 5.0, 0.1, 0.05):
        words.learn(took_s, stopped=False)
        waits.append(words.wait_s)
    least = FIRST_DELAY_S
    assert waits == [least, 0.2, 0.2, 0.1, 0.06, 0.06, least, least, least, least, 0.2]
    words.learn(0.1, stopped=True)
    assert words.wait_s == least
