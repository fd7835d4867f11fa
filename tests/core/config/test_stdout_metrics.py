"""How metrics are to be found in what a script prints: what is accepted, and what is refused."""

from __future__ import annotations

import json

import pytest

from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.errors import ConfigError


@pytest.mark.parametrize(
    ("spec", "where", "said"),
    [
        ("acc=(?P<acc>[0-9", "metrics.pattern", "unterminated character set (character 13)"),
        (["a=(?P<a>.)", "acc=(.*) (.*)"], "metrics.pattern[1]", "It has 2 groups"),
        ("acc", "metrics.pattern", "It has no groups"),
        ("(?P<value>x)", "metrics.pattern", "used together"),
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
