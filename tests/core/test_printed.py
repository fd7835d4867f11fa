"""Metrics found in what a script prints, however its output is cut into pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.errors import ConfigError
from raydrive.core.printed import MAX_LINE, PrintedMetrics, PrintedReader


def found(spec: object, text: str) -> list[dict[str, Any]]:
    return PrintedReader(PrintedMetrics.of(spec), "accuracy").feed(text.encode(), last=True)


@pytest.mark.parametrize(
    ("spec", "text", "messages"),
    [
        ("val_acc=(?P<accuracy>[0-9.eE+-]+)", "epoch 1 val_acc=9.5e-1\n", [{"m": {"accuracy": 0.95}}]),
        ("val_acc=([0-9.]+)", "val_acc=0.5", [{"m": {"accuracy": 0.5}}]),  # the primary metric, and no end of line
        (r"(?P<name>[\w -]+): (?P<value>\S+)", "val-loss 1: 0.25\n", [{"m": {"val-loss 1": 0.25}}]),
        (r"step (?P<step>\d+) loss (?P<loss>\S+)", "step 3 loss nan\n", None),
        (r"step (?P<step>\d+) acc ([\d.]+)", "step 3 acc 0.5\n", [{"m": {"accuracy": 0.5}, "s": 3.0}]),
        (["a=(?P<a>\\d+)", "b=(?P<b>\\d+)"], "a=1 b=2\n", [{"m": {"a": 1.0, "b": 2.0}}]),  # one line, logged together
        ("a=(?P<a>\\d+)", "a=1 a=2\r a=3\n", [{"m": {"a": 1.0}}, {"m": {"a": 2.0}}, {"m": {"a": 3.0}}]),
        ("stage=(?P<stage>\\w+)", "stage=warm\n", [{"m": {"stage": "warm"}}]),
        ("acc=(?P<accuracy>\\S+)", "raydrive: acc=1 is our own word\nacc=2\n", [{"m": {"accuracy": 2.0}}]),
        ({"format": "json"}, '{"acc": 0.5, "step": 2, "ok": true, "at": "x"}\n{"no": "number"}\n{bad}\n',
         [{"m": {"acc": 0.5}, "s": 2}]),
        ({"format": "json", "pattern": "loss (?P<loss>\\S+)"}, '{"acc": 1}\nloss 2\n',
         [{"m": {"acc": 1}}, {"m": {"loss": 2.0}}]),
    ],
)  # fmt: skip
def test_what_is_printed_is_logged(spec: object, text: str, messages: list[dict[str, Any]] | None) -> None:
    if messages is None:
        (message,) = found(spec, text)
        assert message["s"] == 3
        assert message["m"]["loss"] != message["m"]["loss"]
    else:
        assert found(spec, text) == messages


@given(
    st.lists(st.sampled_from(["acc=0.5", "été acc=1", "", "nothing", '{"acc": 2}', "acc=1 acc=2"]), max_size=8),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_pieces_do_not_matter(lines: list[str], cuts: list[int]) -> None:
    data = "\n".join(lines).encode()
    spec = PrintedMetrics(("acc=(?P<acc>[0-9.]+)",), json_lines=True)
    whole = PrintedReader(spec, "acc").feed(data, last=True)
    reader, start, pieces = PrintedReader(spec, "acc"), 0, []
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        pieces += reader.feed(data[start:cut])
        start = cut
    assert pieces + reader.feed(b"", last=True) == whole


def test_a_line_that_never_ends_is_not_kept() -> None:
    reader = PrintedReader(PrintedMetrics(("acc=(?P<acc>[0-9]+)",)), "acc")
    for _ in range(100):
        assert reader.feed(b"x" * MAX_LINE) == []
    assert len(reader._rest) <= 5 * MAX_LINE
    assert reader.feed(b"\nacc=1\n") == [{"m": {"acc": 1.0}}]


@pytest.mark.parametrize(
    ("spec", "where", "said"),
    [
        ("acc=(?P<acc>[0-9", "metrics.pattern", "unterminated character set (character 13)"),
        (["a=(?P<a>.)", "acc=(.*) (.*)"], "metrics.pattern[1]", "It has 2 groups"),
        ("acc", "metrics.pattern", "It has no groups"),
        ("(?P<value>x)", "metrics.pattern", "belong together"),
        ("(?P<a>x*)", "metrics.pattern", "does not match an empty line"),
        ({"patern": "x"}, "metrics.patern", "Did you mean 'pattern'?"),
        ({"source": "stderr", "format": "json"}, "metrics.source", "stdout"),
        ({"format": "csv"}, "metrics.format", "json"),
        ({}, "metrics", "neither pattern nor format"),
        (3, "metrics", "3"),
    ],
)
def test_what_cannot_find_anything_is_refused(spec: object, where: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PrintedMetrics.of(spec)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert said in str(problem)


def test_it_survives_the_way_through_a_file() -> None:
    spec = PrintedMetrics(("a=(?P<a>.)",), json_lines=True)
    raw = json.loads(json.dumps({"patterns": list(spec.patterns), "json_lines": spec.json_lines}))
    assert PrintedMetrics.from_json(raw) == spec == PrintedMetrics.of(spec)
