"""What a notebook asks of a run: ``run.plot_...`` and how runs, trials and tables look in a cell."""

from __future__ import annotations

import math
from typing import Any

import pytest
from recorded import PARAMS, by_hand, config, create, record, write

import raydrive
from raydrive.api.run import HyperDriveRun
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.errors import TrialError
from raydrive.core.space.search_space import choice, uniform
from raydrive.studio.data.run_history import RunHistory, open_history

FIGURES = ("metrics", "best", "parallel", "scatter", "importance", "slices", "timeline")
HOSTILE = '<a href="javascript:alert(1)">x</a>'


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> RunHistory:
    """60 trials of 20 intervals under a bandit."""
    policy = BanditPolicy(slack_factor=0.1, delay_evaluation=5)
    return open_history(record(tmp_path_factory.mktemp("s"), config(60, policy=policy)))


@pytest.fixture(scope="module")
def run(story: RunHistory) -> HyperDriveRun:
    return HyperDriveRun(story.layout)


def test_every_chart_is_a_plotly_figure_that_is_not_uploaded(run: HyperDriveRun) -> None:
    import plotly.graph_objects as go
    import plotly.io as pio

    for name in FIGURES:
        figure = getattr(run, f"plot_{name}")()
        assert isinstance(figure, go.Figure)
        assert figure.data, name
        page = figure.to_html(include_plotlyjs=False)
        assert '"showSendToCloud": false' in page.replace("'", '"')
    shown = figure._repr_mimebundle_() if pio.renderers.default else {}
    assert all("showSendToCloud" in str(part) for part in shown.values())


def test_metrics_best_and_parallel(run: HyperDriveRun, story: RunHistory) -> None:
    metrics = run.plot_metrics()
    best = story.sweep.best
    assert best is not None
    assert {"Completed", "Canceled", f"best: trial {best.trial}"} == {trace.name for trace in metrics.data}
    assert max(run.plot_best().data[1].y) == best.value
    loss = run.plot_metrics("loss", top=3)
    assert sum(value is None for trace in loss.data[:-1] for value in trace.y) == 3, "a gap after each of three trials"
    with pytest.raises(TrialError, match="Did you mean 'loss'"):
        run.plot_metrics("los")
    dimensions = {one.label: one for one in run.plot_parallel().data[0].dimensions}
    assert list(dimensions) == ["learning_rate", "momentum", "units", "optimizer", "accuracy"]
    assert max(dimensions["learning_rate"].values) <= 0, "a log axis"
    assert dimensions["units"].ticktext == ("16", "32", "64", "128")
    rate = dimensions["learning_rate"]
    assert rate.tickvals == tuple(sorted(rate.tickvals))
    assert len(set(rate.ticktext)) == len(rate.ticktext) > 200, "a brush ends where it is let go, not at a power of ten"
    seen = [float(text) for text in rate.ticktext if text.strip("\u200b\u200c")]
    assert seen == sorted(seen)
    assert all(math.log10(one) == round(math.log10(one)) for one in seen)
    assert [one.label for one in run.plot_parallel(["optimizer"]).data[0].dimensions] == ["optimizer", "accuracy"]


def test_scatters(run: HyperDriveRun) -> None:
    first = run.plot_scatter()
    assert first.layout.xaxis.title.text == "learning_rate", "the most important one"
    assert first.layout.xaxis.type == "log"
    three = run.plot_scatter("learning_rate", "units", "optimizer")
    assert three.data[0].type == "scatter3d"
    assert three.layout.scene.yaxis.ticktext == ("16", "32", "64", "128")
    assert run.plot_scatter("best", "seconds").layout.xaxis.title.text == "accuracy"
    with pytest.raises(TrialError, match="Did you mean 'momentum'"):
        run.plot_scatter("learning_rate", "momentun")


def test_importance_slices_and_timeline(run: HyperDriveRun, story: RunHistory) -> None:
    assert run.plot_importance().data[0].y[-1] == "learning_rate"
    assert len(run.plot_slices().layout.annotations) == 4
    bars = run.plot_timeline().data
    assert sum(len(trace.x) for trace in bars) == 60
    assert {place for trace in bars for place in trace.y} >= {"gpu-node-1 · GPU 0", "gpu-node-2 · GPU 1"}
    trained = sum(trial.trained_s for trial in story.sweep.trials)
    assert sum(length for trace in bars for length in trace.x) == pytest.approx(trained)


def test_a_run_without_values_has_charts_that_say_so(tmp_path: Any) -> None:
    layout = create(tmp_path / "s", config(3))
    write(layout, by_hand(config(3), []))
    empty = HyperDriveRun(layout)
    for name in FIGURES:
        figure = getattr(empty, f"plot_{name}")()
        assert not figure.data
        assert figure.layout.annotations[0].text


def test_names_are_no_markup_and_absent_values_are_drawn(tmp_path: Any) -> None:
    space = {"kind": choice({"type": "svm", HOSTILE: uniform(0, 1)}, {"type": "tree"}), HOSTILE: choice(HOSTILE, "b")}
    run_config = config(2, space=space)
    params = [{"kind": {"type": "svm", HOSTILE: 0.5}, HOSTILE: HOSTILE}, {"kind": {"type": "tree"}, HOSTILE: "b"}]
    layout = create(tmp_path / "s", run_config)
    write(layout, by_hand(run_config, [(one, [0.5], 0, "") for one in params]))
    run = HyperDriveRun(layout)
    for name in ("parallel", "scatter"):
        assert "<a " not in str(getattr(run, f"plot_{name}")().to_plotly_json())
    absent = [one for one in run.plot_parallel().data[0].dimensions if one.ticktext and "–" in one.ticktext]
    assert len(absent) == 1


def test_runs_trials_and_tables_as_the_last_line_of_a_cell(tmp_path: Any) -> None:
    run_config = config(2, metric="<script>alert(1)</script>")
    layout = create(tmp_path / "s", run_config)
    write(layout, by_hand(run_config, [({**PARAMS, "optimizer": "<img src=x>\n\n$x$"}, [0.5], 0, "")] * 2))
    run = HyperDriveRun(layout)
    shown = (run, run.get_child(1), run.rows(), run.get_children_sorted_by_primary_metric())
    for one in shown:
        text = one._repr_html_()
        assert "<table" in text
        assert "<script" not in text
        assert "<img" not in text
        assert "$" not in text
        assert "&lt;img" in text
        assert "0.5" in text


def test_the_widget_has_its_public_name() -> None:
    from raydrive.studio.notebook.widget import RunDetails

    assert raydrive.RunDetails is RunDetails
