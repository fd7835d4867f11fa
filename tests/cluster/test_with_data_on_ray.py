"""Data that the trials of a run share, on a real cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from waiting import wait_until

import raydrive
from raydrive import ConfigError, Run, choice, uniform, with_data

pytestmark = pytest.mark.ray
MEGABYTES = 200


def anonymous_mb() -> float:
    """Memory of this process that is no file's, in MB."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition("RssAnon:")[2].split()[0]) / 1000


def train(params: dict[str, Any], X: Any, names: list[str]) -> None:
    before = anonymous_mb()
    total = float(X.sum())
    Run.get_context().log("read", total)
    Run.get_context().log("grown_mb", anonymous_mb() - before)
    Run.get_context().log("writeable", float(X.flags.writeable))
    Run.get_context().log("names", "".join(names))


def test_trials_read_the_same_file_and_it_is_gone_with_the_run(tmp_path: Path) -> None:
    X = np.ones(MEGABYTES * 125_000)
    options: dict[str, Any] = {"storage": str(tmp_path), "show_output": False, "metric": "read"}
    run = raydrive.tune(with_data(train, X=X, names=["a", "b"]), {"x": uniform(0, 1)}, max_total_runs=3, **options)
    found = [trial.get_metrics() for trial in run.get_children()]
    assert [one["read"] for one in found] == [X.size] * 3
    assert [one["names"] for one in found] == ["ab"] * 3
    assert max(one["grown_mb"] for one in found) < MEGABYTES / 4
    assert [one["writeable"] for one in found] == [0.0] * 3
    wait_until(lambda: os.listdir(tmp_path / ".shared-data") == [], "the data are removed")
    with pytest.raises(ConfigError, match=r"without its data.*resume_from="):
        run.resume(more=1)


def train_on_a_frame(params: dict[str, Any], frame: pd.DataFrame) -> None:
    before = anonymous_mb()
    run = Run.get_context()
    total = float(frame["0"].sum()) + float(frame["c"].cat.codes.sum()) + float(frame["i"].sum())
    run.log("read", total)
    run.log("grown_mb", anonymous_mb() - before)
    run.log("same", float(list(frame.dtypes.astype(str)) == params["dtypes"].split(",") and frame.index.name == "row"))


def test_trials_share_a_frame(tmp_path: Path) -> None:
    rows = MEGABYTES * 31_250
    columns: dict[str, Any] = {f"{place}": np.ones(rows) for place in range(3)}
    frame = pd.DataFrame({**columns, "c": pd.Categorical.from_codes(np.zeros(rows, "i1"), ["a", "b"])})
    frame["i"] = pd.array(np.ones(rows, "i8"), dtype="Int64")
    frame.index = pd.Index(np.arange(rows), name="row")
    space = {"dtypes": choice(",".join(frame.dtypes.astype(str))), "x": uniform(0, 1)}
    options: dict[str, Any] = {"storage": str(tmp_path), "show_output": False, "metric": "read"}
    run = raydrive.tune(
        with_data(train_on_a_frame, frame=frame), space, max_total_runs=4, max_concurrent_runs=2, **options
    )
    found = [trial.get_metrics() for trial in run.get_children()]
    assert [one["read"] for one in found] == [2.0 * rows] * 4
    assert [one["same"] for one in found] == [1.0] * 4
    assert max(one["grown_mb"] for one in found) < MEGABYTES / 4
