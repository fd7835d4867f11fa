"""Events between a trial actor and its driver: what goes over, and what comes of it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from raydrive.core.errors import RaydriveError, UnknownEventError
from raydrive.core.records import Began, Checkpointed, Ended, Fact, Lost, Noted, Reported
from raydrive.core.reports.attempt_reports import ReportEvent
from raydrive.runtime.trial_events import (
    BeganEvent,
    CheckpointEvent,
    EndedEvent,
    LostEvent,
    NoteEvent,
    TrialEvent,
    pack,
    to_facts,
    unpack,
)

EVENTS: list[tuple[TrialEvent, tuple[Any, ...], Fact]] = [
    (
        BeganEvent(1.0, "node", 7, "0,1", "slot"),
        ("began", 1.0, "node", 7, "0,1", "slot", ()),
        Began(1.0, 3, 2, "node", 7, "0,1", "slot"),
    ),
    (
        BeganEvent(1.0, "a", 7, "0,1", "slot", ("a", "b")),
        ("began", 1.0, "a", 7, "0,1", "slot", ("a", "b")),
        Began(1.0, 3, 2, "a", 7, "0,1", "slot", ("a", "b")),
    ),
    (
        ReportEvent(2.0, 5, 4, 0.5, {"loss": 1}, 9, {"a": "b"}),
        ("report", 2.0, 5, 4, 0.5, {"loss": 1}, 9, {"a": "b"}),
        Reported(2.0, 3, 2, 5, 4, 0.5, {"loss": 1}, 9, {"a": "b"}),
    ),
    (CheckpointEvent(3.0, 4, "1"), ("checkpoint", 3.0, 4, "1"), Checkpointed(3.0, 3, 2, 4, "1")),
    (NoteEvent(4.0, "text", "outputs"), ("note", 4.0, "text", "outputs"), Noted(4.0, 3, 2, "text", "outputs")),
    (LostEvent(5.0, "no storage"), ("lost", 5.0, "no storage"), Lost(5.0, 3, 2, "no storage")),
    (EndedEvent(6.0, -9, "killed"), ("ended", 6.0, -9, "killed"), Ended(6.0, 3, 2, -9, "killed")),
]


@pytest.mark.parametrize(("event", "sent", "fact"), EVENTS, ids=lambda part: type(part).__name__)
def test_an_event_goes_over_as_it_did_in_every_release_and_is_its_fact(
    event: TrialEvent, sent: tuple[Any, ...], fact: Fact
) -> None:
    assert pack([event]) == [sent]
    assert type(pack([event])[0]) is tuple  # pickles without a class of raydrive's
    assert b"raydrive" not in pickle.dumps(pack([event]))
    assert unpack([sent]) == [event]
    assert event.to_fact(3, 2) == fact
    assert to_facts(3, 2, [sent]) == [fact]


def test_fields_that_an_earlier_release_did_not_send_have_a_default() -> None:
    assert unpack([("note", 1.0, "text")]) == [NoteEvent(1.0, "text", "")]
    assert unpack([("began", 1.0, "node", 7, "0", "slot")]) == [BeganEvent(1.0, "node", 7, "0", "slot", ())]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (
            ("gradient", 1.0),
            "an event of the kind 'gradient'; known kinds: began, report, checkpoint, note, lost,",
        ),
        (("lost", 1.0, "why", "more"), "an event of the kind 'lost' with 3 fields; known fields: at, why"),
        (("ended",), "an event of the kind 'ended' with 0 fields; known fields: at, exit_code, error"),
        ((), "(), which is not an event"),
        (([], 1.0), "([], 1.0), which is not an event"),
        (7, "7, which is not an event"),
        (None, "None, which is not an event"),
        ("ended", "'ended', which is not an event"),
    ],
)
def test_what_is_unknown_is_an_error_with_its_kind(sent: Any, said: str) -> None:
    with pytest.raises(UnknownEventError) as caught:
        to_facts(0, 1, [("lost", 1.0, "why"), sent])
    assert isinstance(caught.value, RaydriveError)
    assert str(caught.value).startswith(f"its trial actor sent {said}")
    assert "install the same version on all nodes" in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
