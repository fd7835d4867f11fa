"""Charts of a run that tries its configurations several times: a mean for each, its standard error, its repeats."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import pytest
from recorded import config, record

from raydrive.api.run import HyperDriveRun
from raydrive.core.config.run_rules import RunRules
from raydrive.core.space.search_space import choice
from raydrive.core.views.configurations import configurations

SPACE = {"units": choice(16, 32, 64, 128)}


def model(number: int, params: Any) -> list[tuple[float, float]]:
    return [(1.0, params["units"] / 200 + random.Random(number).gauss(0, 0.01))]


def recorded_run(folder: Path, rules: dict[str, Any]) -> HyperDriveRun:
    return HyperDriveRun(record(folder, config(12, space=SPACE, rules=RunRules.of(rules)), model))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HyperDriveRun:
    return recorded_run(tmp_path_factory.mktemp("r"), {"repeats": {"max": 3, "race": False}})


def test_a_configuration_is_a_mean_with_its_error_and_its_repeats_as_points(run: HyperDriveRun) -> None:
    figure = run.plot_configurations()
    repeats, *means = figure.data
    assert sorted(repeats.customdata) == list(range(12))
    found = configurations(run.sweep)
    assert {name: y for one in means for name, y in zip(one.x, one.y, strict=True)} == {
        f"trial {one.trials[0]}": one.mean for one in found
    }
    for one in found:
        column = [y for x, y in zip(repeats.x, repeats.y, strict=True) if x == f"trial {one.trials[0]}"]
        assert statistics.fmean(column) == pytest.approx(one.mean)
        assert dict(one.repeats) == {number: run.sweep.curves.objective(number) for number in one.trials}
    assert all(error is not None and error > 0 for one in means for error in one.error_y.array)
    assert list(figure.layout.xaxis.categoryarray) == [f"trial {one.trials[0]}" for one in found], "the best first"
    assert len(run.plot_configurations(top=1).data[0].x) == found[0].values


def test_other_charts_draw_a_configuration_once_by_its_mean(run: HyperDriveRun) -> None:
    found = configurations(run.sweep)
    dimensions = {one.label: one.values for one in run.plot_parallel().data[0].dimensions}
    assert list(dimensions) == ["units", "accuracy"], "without what repeats differ by"
    assert list(dimensions["accuracy"]) == [one.mean for one in found]
    points, means = run.plot_scatter("units", run.config.metric.value).data
    assert (len(points.x), list(means.y)) == (12, [one.mean for one in found])
    assert list(means.error_y.array) == [one.error for one in found]
    assert len(run.plot_scatter("units", "seconds", "trial").data[0].x) == len(found)


def test_a_run_that_repeats_none_has_nothing_to_draw(tmp_path: Path) -> None:
    figure = recorded_run(tmp_path, {}).plot_configurations()
    assert not figure.data
    assert "raydrive.repeats" in figure.layout.annotations[0].text
