"""The page of a run that tries its configurations several times, in a browser: means, and their repeats."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from page_charts import traces
from recorded import Watched, config, record

from raydrive.core.config.run_rules import RunRules
from raydrive.core.space.search_space import choice
from raydrive.core.views.configurations import configurations
from raydrive.studio.data.run_history import open_history
from raydrive.studio.web.report import write_report


def model(number: int, params: Any) -> list[tuple[float, float]]:
    return [(1.0, params["units"] / 200 + random.Random(number).gauss(0, 0.01))]


def test_means_errors_and_repeats_are_drawn_and_selected_together(browser: Any, tmp_path: Path) -> None:
    rules = RunRules.of({"repeats": {"max": 3, "race": False}})
    story = open_history(record(tmp_path, config(12, space={"units": choice(16, 32, 64, 128)}, rules=rules), model))
    found = configurations(story.sweep)
    write_report(story, tmp_path / "report.html")
    watching = Watched(browser)
    page = watching.open((tmp_path / "report.html").as_uri())
    watching.see("chart-repeats")
    assert sorted(traces(page, "chart-repeats", "t.customdata")[0]) == list(range(12))
    drawn = traces(page, "chart-repeats", "t.error_y && [t.customdata, t.y, t.error_y.array]")
    means = {at: (y, bar) for one in drawn if one for at, y, bar in zip(*one, strict=True)}
    assert means == {one.trials[0]: (one.mean, one.error) for one in found}
    assert page.evaluate("raydrive.store.drawn().map(t => t.best)") == [one.mean for one in found]
    page.evaluate(f"raydrive.store.toggle({found[0].trials[1]}, true)")
    assert sorted(page.evaluate("[...raydrive.store.selection.set]")) == list(found[0].trials)
    page.evaluate("raydrive.store.clear()")
    page.get_by_label("means of configurations").first.uncheck()
    assert page.evaluate("raydrive.store.drawn().length") == 12, "or trial by trial"
    assert watching.errors == []
    page.close()
