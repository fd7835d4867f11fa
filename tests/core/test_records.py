from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import Field, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core import records
from raydrive.core.errors import JournalError
from raydrive.core.records import (
    Began,
    Cancelled,
    Checkpointed,
    Close,
    Ended,
    EndRun,
    Estimated,
    Finish,
    Launch,
    Lost,
    Noted,
    Pause,
    Record,
    Reported,
    Resumed,
    Started,
    Stop,
    Suggested,
    Ticked,
)
from raydrive.core.user_facts import USER_FACTS

FACTS: tuple[type[Any], ...] = (
    Started,
    Suggested,
    Resumed,
    Began,
    Reported,
    Checkpointed,
    Noted,
    Ended,
    Lost,
    Cancelled,
    Ticked,
    *USER_FACTS,
    Estimated,
)
DECISIONS: tuple[type[Any], ...] = (Launch, Stop, Pause, Close, Finish, EndRun)

numbers = st.integers(-(2**70), 2**70) | st.floats()
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(st.text(st.characters(), max_size=6), json_values, max_size=3)
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "float": numbers,
    "float | None": st.none() | numbers,
    "int": st.integers(0, 2**40),
    "int | None": st.none() | st.integers(-64, 300),
    "bool": st.booleans(),
    "str": st.text(max_size=12),
    "str | None": st.none() | st.text(min_size=1, max_size=12),
    "Params": mappings,
    "Params | None": st.none() | mappings,
    "Mapping[str, Any]": mappings,
    "Sequence[str]": st.lists(st.text(max_size=6), max_size=3).map(tuple),
    "Mapping[str, float]": st.dictionaries(st.text(max_size=6), st.floats(allow_nan=False), max_size=2),
    "Mapping[str, str]": st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3),
}


OF_FIELD = {
    "Cancelled.trial": st.none() | st.integers(0, 2**40),
    "Suggested.until": st.none() | st.integers(0, 2**40),
    "Resumed.until": st.none() | st.integers(0, 2**40),
    "Pause.source": st.none() | st.integers(0, 2**40),
    "Pause.source_interval": st.none() | st.integers(0, 2**40),
    "Launch.source": st.none() | st.integers(0, 2**40),
    "Launch.source_interval": st.none() | st.integers(0, 2**40),
}


def any_of(kinds: tuple[type[Any], ...]) -> st.SearchStrategy[Any]:
    return st.one_of([st.builds(kind, **{f.name: _strategy(kind, f) for f in fields(kind)}) for kind in kinds])


def _strategy(kind: type[Any], of: Field[Any]) -> st.SearchStrategy[Any]:
    return OF_FIELD.get(f"{kind.__name__}.{of.name}", OF_TYPE[str(of.type)])


def same(left: object, right: object) -> bool:
    """Equal, NaN to NaN and mappings by content; a number keeps its type."""
    return repr(left) == repr(right) or (type(left) is type(right) and left == right)


@given(any_of(FACTS), st.lists(any_of(DECISIONS), max_size=3))
def test_an_entry_comes_back_as_it_was(fact: Any, decisions: list[Any]) -> None:
    line = records.dump(fact, decisions)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line.isascii()
    for text in (line, line.encode(), line.rstrip()):
        again, others = records.load(text)
        assert same(again, fact)
        assert len(others) == len(decisions)
        assert all(map(same, others, decisions))


@given(any_of(FACTS), st.lists(any_of(DECISIONS), max_size=2))
def test_a_line_is_strict_json_and_to_the_letter_what_to_json_gives(fact: Any, decisions: list[Any]) -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    line = records.dump(fact, decisions)
    json.loads(line, parse_constant=refuse)
    rows = [records.to_json(record) for record in (fact, *decisions)]
    assert line == json.dumps(rows, separators=(",", ":"), allow_nan=False) + "\n"


def test_the_nodes_of_a_trial_are_a_list_in_the_journal_and_none_in_an_older_one() -> None:
    began = Began(1.0, 3, 2, "a", 7, "0,1", "slot", ("a", "b"))
    line = records.dump(began, ())
    assert json.loads(line)[0]["nodes"] == ["a", "b"]
    assert records.load(line) == (began, ())
    older = '[{"kind":"Began","at":1.0,"trial":3,"attempt":2,"node":"a","pid":7}]'
    assert records.load(older) == (Began(1.0, 3, 2, "a", 7), ())
    assert records.dump(Began(1.0, 3, 2, "a", 7), ()) == older + "\n"


@pytest.mark.parametrize("nodes", ['"a"', "[1]", '{"a": 1}', "true"])
def test_what_is_no_list_of_nodes_is_damage(nodes: str) -> None:
    with pytest.raises(JournalError, match="a Began with 'nodes'"):
        records.load(f'[{{"kind":"Began","at":1.0,"trial":3,"attempt":2,"nodes":{nodes}}}]')


@pytest.mark.parametrize(
    "report",
    [
        Reported(1.5, 0, 1, 1, 1, 0.25),
        Reported(1731000000.123456, 7, 2, 99, 98, -1e-300),
        Reported(1, 0, 1, 1, 1, 3),
        Reported(1.0, 0, 1, 1, 1, math.nan),
        Reported(1.0, 0, 1, 1, 1, -math.inf, {"loss": math.inf}),
        Reported(math.nan, 0, 1, 1, 1, 0.5),
        Reported(1.0, 0, 1, 1, 1, np.float64(0.1)),
        Reported(np.float64(1.0), 0, 1, 1, 1, 0.1),
        Reported(1.0, 0, 1, 1, 1, True),
        Reported(1.0, 0, 1, 1, 1, 10**400),
        Reported(1.0, 0, 1, 3, 0, None, {"loss": 0.5, "note": "ü\n\ud800"}),
        Reported(1.0, 0, 1, 3, 0, None, {"rows": [{"a": math.nan}, {"a": (1, 2)}]}, 7),
        Reported(1.0, 0, 1, 3, 2, 0.5, {}, 0, {"fold": "2"}),
        Reported(1.0, 0, 1, 3, 2, 0.5, MappingProxyType({})),
        Reported(1.0, 0, 1, 3, 2, 0.5, MappingProxyType({"a": 1}), 0.5),
        Reported(1.0, 0, 1, 3, 2, 0.5, {1: 2}),
    ],
)
def test_the_short_way_of_reports_writes_what_the_long_way_does(report: Reported) -> None:
    rows = [records.to_json(report)]
    assert records.dump(report, ()) == json.dumps(rows, separators=(",", ":"), allow_nan=False) + "\n"


def test_a_line_a_person_can_read() -> None:
    stop = Stop(3, 1, "bandit: too low", "policy")
    assert records.dump(Reported(12.5, 3, 1, 8, 7, 0.61), [stop]) == (
        '[{"kind":"Reported","at":12.5,"trial":3,"attempt":1,"seq":8,"interval":7,"value":0.61},'
        '{"kind":"Stop","trial":3,"attempt":1,"why":"bandit: too low","by":"policy"}]\n'
    )
    assert records.dump(Suggested(1.0, 0, None), ()) == '[{"kind":"Suggested","at":1.0,"trial":0}]\n'
    assert '"value":{"$float":"-Infinity"}' in records.dump(Reported(1.0, 0, 1, 1, 1, -math.inf), ())


def test_no_parameters_are_not_an_exhausted_space() -> None:
    (fact, _) = records.load(records.dump(Suggested(1.0, 0, {}), ()))
    assert isinstance(fact, Suggested)
    assert fact.params == {}


@pytest.mark.parametrize("params", [{"$float": "3"}, {"$float": [1]}, {"$float": {"$float": "x"}}])
def test_users_may_call_things_as_we_do(params: Mapping[str, Any]) -> None:
    launch = Launch(0, 1, {"model": params})
    assert records.load(records.dump(Ticked(1.0), [launch]))[1] == (launch,)


def test_fields_of_a_newer_raydrive_are_passed_over() -> None:
    assert records.load('[{"kind":"Ticked","at":1.5,"mood":"good"}]') == (Ticked(1.5), ())


def test_what_was_left_out_is_shared_not_copied() -> None:
    """A million reports without further metrics must not hold a million empty dicts."""
    line = records.dump(Reported(1.0, 0, 1, 1, 1, 0.5), ())
    one, two = records.load(line)[0], records.load(line)[0]
    assert isinstance(one, Reported)
    assert isinstance(two, Reported)
    assert one.metrics is two.metrics


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "not a journal entry"),
        ("[]", "begins with a fact"),
        ("{}", "begins with a fact"),
        ("17", "not a journal entry"),
        ("[17]", "not a journal entry"),
        ('["Ticked"]', "not a journal entry"),
        ('[{"kind":"Ticked","at":1', "not a journal entry"),
        ('[{"kind":"Stop","trial":0,"attempt":1,"why":"x"}]', "begins with a fact"),
        ('[{"kind":"Ticked","at":1},{"kind":"Ticked","at":1}]', "decisions"),
        ('[{"kind":"Dreamed","at":1}]', "unknown record kind 'Dreamed'; known: Started, "),
        ('[{"at":1}]', "unknown record kind None"),
        ('[{"kind":["Ticked"],"at":1}]', "not a journal entry"),
        ('[{"kind":"Reported","at":1,"trial":0}]', "Reported without .attempt"),
        ('[{"kind":"Ticked"}]', "Ticked without .at"),
        ("\x00\x00\x00", "not a journal entry"),
        (b"\xff\xfe\x00", "not a journal entry"),
    ],
)
def test_what_is_no_entry_is_refused(line: str | bytes, says: str) -> None:
    with pytest.raises(JournalError, match=says):
        records.load(line)


@pytest.mark.parametrize("params", [{"x": object()}, {"x": {1, 2}}, {"x": b"raw"}])
def test_what_has_no_json_form_is_refused_when_written(params: Mapping[str, Any]) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        records.dump(Suggested(1.0, 0, params), ())
    with pytest.raises(TypeError, match="not JSON serializable"):
        records.dump(Reported(1.0, 0, 1, 1, 0, None, params), ())


def test_every_kind_is_known_and_frozen() -> None:
    assert {*FACTS, *DECISIONS} == set(Record.__args__)  # type: ignore[attr-defined]
    for kind in (*FACTS, *DECISIONS):
        record = kind(*(1 for _ in fields(kind)))
        assert replace(record) == record
        with pytest.raises(AttributeError):
            setattr(record, fields(kind)[0].name, 2)


def test_tuples_and_dicts_that_look_like_our_marks_are_read_back_as_they_were() -> None:
    params = {"a": (1, (2, [3.5, ()])), "b": {"$tuple": [1]}, "c": {"$float": "NaN"}, "d": {"$dict": {"x": (1,)}}}
    fact = Suggested(1.0, 0, params)
    line = records.dump(fact, [Launch(0, 1, params)])
    again, (launch,) = records.load(line)
    assert again == fact
    assert isinstance(again, Suggested)
    assert isinstance(launch, Launch)
    assert repr(again.params) == repr(launch.params) == repr(params)
    before = records.load('[{"kind":"Suggested","at":1.0,"trial":0,"params":{"a":[1,[2]]}}]\n')
    assert before == (Suggested(1.0, 0, {"a": [1, [2]]}), ())


def test_a_number_that_python_cannot_write_is_infinite() -> None:
    fact = Reported(1.0, 0, 1, 1, 1, 10**5000, {"loss": -(10**5000), "table": [10**5000, 10**400]})
    (again, _) = records.load(records.dump(fact, ()))
    assert again == replace(fact, value=math.inf, metrics={"loss": -math.inf, "table": [math.inf, 10**400]})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e308, -1.0, 0, 10**400])
def test_the_time_of_a_fact_may_be_any_number(number: float) -> None:
    """It is not for the record to judge; what a trial says of the time is checked where it arrives."""
    for fact in (Reported(number, 0, 1, 1, 1, 0.5), Ended(number, 0, 1, 0), Ticked(number), Started(number, 1)):
        assert same(records.load(records.dump(fact, ()))[0], fact)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('[{"kind":"Reported","at":1.0,"trial":"0","attempt":1,"seq":1,"interval":1}]', "a Reported with 'trial' '0'"),
        ('[{"kind":"Reported","at":1.0,"trial":-1,"attempt":1,"seq":1,"interval":1}]', "a Reported with 'trial' -1"),
        ('[{"kind":"Reported","at":[],"trial":0,"attempt":1,"seq":1,"interval":1}]', "a Reported with 'at' []"),
        ('[{"kind":"Reported","at":1,"trial":0,"attempt":1,"seq":1,"interval":1,"metrics":[1]}]', "'metrics' [1]"),
        ('[{"kind":"Ended","at":1.0,"trial":0,"attempt":1,"exit_code":"0"}]', "a Ended with 'exit_code' '0'"),
        ('[{"kind":"Ticked","at":1.0},{"kind":"Close","trial":true,"state":"Failed","why":""}]', "'trial' True"),
        ('[{"kind":["Reported"]}]', "not a journal entry"),
        ("[" * 5000, "not a journal entry"),
        ("[1]", "not a journal entry"),
        ("{}", "a journal entry begins with a fact"),
        ("[" + "9" * 5000 + "]", "not a journal entry"),
    ],
)
def test_an_entry_of_wrong_types_is_named(line: str, named: str) -> None:
    with pytest.raises(JournalError) as raised:
        records.load(line)
    assert named in str(raised.value)
