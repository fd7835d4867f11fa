"""What may stand under ``population``, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.population.rules import Bandit, Perturb, Population, misfits, population_of
from raydrive.core.population.schedule import Change, Setting, settings_of, stretches
from raydrive.core.space.search_space import Space, uniform

GOOD: list[dict[str, Any]] = [
    {"every": 5},
    {"every": 1, "size": 8, "quantile": 0.5, "max_intervals": 40},
    {"every": 2, "perturb": {"factors": [0.5, 2], "resample": 0, "parameters": ["lr"]}},
    {"every": 2, "model": "pb2"},
    {"every": 2, "model": {"type": "pb2", "parameters": ["lr"]}},
    {"schedule": [{"interval": 0, "params": {"lr": 0.1}}, {"interval": 7, "params": {"lr": 0.01}}]},
]


@pytest.mark.parametrize("raw", GOOD)
def test_it_comes_back_from_its_record(raw: dict[str, Any]) -> None:
    found = population_of(raw)
    assert found is not None
    assert population_of(found.to_json()) == found
    assert population_of(found) is found


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (5, "population"),
        ({}, "population.every"),
        ({"every": 0}, "population.every"),
        ({"every": 1, "size": 1}, "population.size"),
        ({"every": 1, "quantile": 0.6}, "population.quantile"),
        ({"every": 1, "quantil": 0.2}, "population.quantil"),
        ({"every": 1, "perturb": {"factors": [1.0]}}, "population.perturb.factors"),
        ({"every": 1, "perturb": {"resample": 2}}, "population.perturb.resample"),
        ({"every": 1, "perturb": {"parameters": "lr"}}, "population.perturb.parameters"),
        ({"every": 1, "model": "pb3"}, "population.model"),
        ({"every": 1, "model": 2}, "population.model"),
        ({"every": 1, "model": {"type": "gp"}}, "population.model.type"),
        ({"every": 1, "model": {"parameters": ["lr"]}}, "population.model.type"),
        ({"every": 1, "model": {"type": "pb2", "kernel": 1}}, "population.model.kernel"),
        ({"every": 1, "model": {"type": "pb2", "parameters": "lr"}}, "population.model.parameters"),
        ({"every": 1, "model": "pb2", "perturb": {"resample": 0}}, "population.model"),
        ({"every": 1, "schedule": [{"interval": 0, "params": {"lr": 1}}]}, "population.every"),
        ({"schedule": []}, "population.schedule"),
        ({"schedule": [{"interval": 2, "params": {"lr": 1}}]}, "population.schedule"),
        ({"schedule": [{"interval": 0}]}, "population.schedule[0]"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        population_of(raw)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_what_does_not_fit_the_run() -> None:
    space = Space({"lr": uniform(0, 1)})
    given = Population(size=4, perturb=Perturb(parameters=("rate",)))
    found = misfits(given, space, 5, stops=True, chooses=True)
    assert [one.where for one in found] == [
        *["population"] * 2,
        "population.size",
        "population.perturb.parameters",
    ]
    chosen = Population(model=Bandit(parameters=("rate",)))
    assert [one.where for one in misfits(chosen, space, 4, stops=False, chooses=False)] == [
        "population.model.parameters"
    ]
    assert misfits(Population(), space, 1, stops=False, chooses=False)
    assert misfits(Population(schedule=(Setting(0, {"rate": 1}),)), space, 1, stops=False, chooses=False)
    assert not misfits(Population(size=4), space, 4, stops=False, chooses=False)


def change(number: int, interval: int, lr: float, source: int | None, at: int = 0, *, stepped: bool = False) -> Change:
    return Change(number, float(number), 2 + number, interval, {"lr": lr}, source, at, stepped, f"change {number}")


def test_sources_are_followed_back() -> None:
    changes = {
        0: [change(0, 4, 0.2, 1, 4), change(2, 8, 0.4, 2, 8)],
        2: [change(1, 6, 0.3, 0, 6), change(3, 12, 0.5, 1, 12)],
    }

    def found(trial: int, interval: int) -> list[tuple[int, float, int]]:
        return [
            (one.interval, one.params["lr"], one.trial)
            for one in stretches(trial, interval, changes, lambda trial: {"lr": float(trial)})
        ]

    assert found(0, 3) == [(0, 0.0, 0)]
    assert found(0, 10) == [(0, 1.0, 1), (4, 0.2, 0), (6, 0.3, 2), (8, 0.4, 0)]
    assert found(2, 11) == [(0, 1.0, 1), (4, 0.2, 0), (6, 0.3, 2)]
    assert found(2, 20) == [(0, 1.0, 1), (12, 0.5, 2)]


def test_intervals_of_a_schedule_count_training() -> None:
    """A source that was behind or ahead, and a schedule's own change after it."""

    def found(stepped: bool, source_at: int) -> list[int]:
        changes = {0: [change(0, 10, 0.2, 1, source_at, stepped=stepped), change(1, 14, 0.3, None)]}
        return [one.interval for one in stretches(0, 20, changes, lambda trial: {"lr": 1.0})]

    assert found(False, 10) == [0, 10, 14]
    assert found(False, 8) == [0, 8, 12]
    assert found(True, 8) == [0, 8, 14]
    assert found(True, 15) == [0, 15, 19]


def test_a_printed_schedule_is_read_again() -> None:
    printed = {"run": "x", "trial": 3, "schedule": [{"interval": 0, "params": {"lr": 1}}]}
    assert settings_of(printed) == (Setting(0, {"lr": 1}),)
