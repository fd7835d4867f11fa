"""Names and values that other tools do not take: they go by other names, and that is said; nothing is lost silently."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from recorded import START, config, create, write

from raydrive.api.run import HyperDriveRun
from raydrive.cli.app import run
from raydrive.core.records import Began, Ended, Reported, Started, Suggested, dump
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.portable_values import Names, as_moment, as_step, as_text
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.run_history import open_history
from raydrive.studio.export.export import export_run
from raydrive.studio.web.report import write_report

HALF = "caf\udce9 \ud800"
"""Text that is no Unicode: bytes of a name that were no UTF-8, and half of a surrogate pair."""
HUGE = 10**400
PRIMARY = "mAP@0.5"
PARAMS: dict[str, Any] = {
    "learning_rate": 0.5,
    "huge": HUGE,
    "list": [1, math.nan, HALF, HUGE],
    "text": HALF,
    "nested": {"a b": {"x": HALF}, "é": math.inf},
    "bad@name [x]": 1,
    "bad_name _x_": 2,
    "long" * 100: "v" * 9000,
    HALF: True,
    "": None,
}


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    run_config = config(2, space={"learning_rate": uniform(0, 1)}, metric=PRIMARY)
    sweep, lines = Sweep(run_config), []

    def report(seq: int, interval: int, value: Any, metrics: dict[str, Any], step: Any = None) -> Reported:
        return Reported(START + seq, 0, 1, seq, interval, value, metrics, step, {f"tag@{HALF}": HALF, "plain": "x"})

    for fact in (
        Started(START, 1),
        Suggested(START, 0, PARAMS, "model", {"x": math.nan, "y": HUGE}),
        Suggested(START, 1, {"learning_rate": 0.1}, "model"),
        Began(START + 1, 0, 1, HALF, 5, "0"),
        report(2, 1, 0.5, {"val/acc [top-1]": 1.0, "huge": HUGE, "text": HALF, HALF: 1.0, "b": True}, math.inf),
        report(3, 2, 0.6, {"val/acc [top-1]": math.nan, "val/acc _top-1_": 5.0, "../up": 1.0, "/root": 2.0}, math.nan),
        report(4, 3, 0.7, {"val/acc [top-1]": math.inf, "a//b": 3.0, ".": 4.0, "": 6.0, "x" * 600: 7.0}, HUGE),
        report(5, 0, None, {"only": 1.0, "val": 1.0}, -HUGE),
        report(6, 0, None, {"only": 2.0, "val/acc": 1.0}, 1e300),
        report(7, 0, None, {"only": 3.0, "nest": {"a": [math.nan, HUGE, HALF]}}, 2**63),
        report(8, 4, 0.8, {"only": 4.0}, 5),
        Ended(START + 9, 0, 1, 0),
        Began(START + 9, 1, 1, "n", 6, "0"),
        Reported(START + 10, 1, 1, 1, 1, 0.4),
        Ended(START + 20, 1, 1, 1, f"Error: {HALF}"),
    ):
        lines.append(dump(fact, sweep.handle(fact)))
    layout = create(tmp_path / "storage", run_config, "study-20261119-120000-00ab")
    write(layout, lines)
    layout.attempt(0, 1).write_whole("log.txt", b"caf\xe9\n", durable=False)
    return layout


@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy, at mlflow
@pytest.mark.parametrize("store", ["file", "sqlite"])
def test_mlflow_gets_every_value_under_a_name_it_takes(
    layout: RunLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    uri = f"file://{tmp_path}/mlruns" if store == "file" else f"sqlite:///{tmp_path}/mlflow.db"
    told = export_run(open_history(layout), "mlflow", uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    (parent,) = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    (first,) = [one for one in runs if one.data.tags.get("raydrive.trial") == "0"]
    assert len(runs) == 3
    assert parent.data.metrics == {"mAP_0.5": 0.8}

    def values(name: str) -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in client.get_metric_history(first.info.run_id, name)]

    assert values("mAP_0.5") == [(1, 0.5), (2, 0.6), (3, 0.7), (4, 0.8)]
    assert values("val/acc _top-1__2" if "val/acc _top-1__2" in first.data.metrics else "val_acc _top-1_")[0] == (
        1,
        1.0,
    )
    assert [value for _, value in values("only")] == [1.0, 2.0, 3.0, 4.0]
    assert values("huge")[0][1] >= 1e308
    numeric = ["val/acc [top-1]", "huge", HALF, "b", "val/acc _top-1_", "../up", "/root", "a//b", ".", "", "x" * 600]
    assert len(first.data.metrics) == len({PRIMARY, *numeric, "only", "val", "val/acc"})
    assert first.data.params["bad_name _x_"] == "2"
    assert first.data.params["bad_name _x__2"] == "1"
    assert first.data.tags["plain"] == "x"
    notes = [text for text in told if text.startswith("Note: ")]
    assert "Note: 'mAP@0.5' is stored there as 'mAP_0.5'" in notes
    assert any("the hyperparameter 'bad@name [x]'" in text for text in notes)
    assert any("the tag 'tag@" in text for text in notes)
    assert any("values are cut" in text and "long" in text for text in notes)
    assert any("replaced by a counter: 'only'" in text for text in notes)
    assert any("values that are not numbers are not exported: 'nest', 'text'" in text for text in notes)


def test_tensorboard_and_optuna_take_the_run_and_say_what_is_called_otherwise(
    layout: RunLayout, tmp_path: Path
) -> None:
    told = export_run(open_history(layout), "tensorboard", str(tmp_path / "board"))
    assert "Note: 'mAP@0.5' is stored there as 'mAP_0.5'" in told
    assert len(list((tmp_path / "board").glob("trial-*/events*"))) == 2
    import optuna

    export_run(open_history(layout), "optuna", f"sqlite:///{tmp_path}/study.db")
    study = optuna.load_study(study_name=layout.run_id, storage=f"sqlite:///{tmp_path}/study.db")
    assert study.best_value == 0.8
    assert study.trials[0].params["huge"] == str(HUGE)


def test_tables_hold_every_value(layout: RunLayout, tmp_path: Path) -> None:
    from pyarrow import parquet

    trials, metrics = export_run(open_history(layout), "parquet", str(tmp_path))
    rows = parquet.read_table(trials).to_pylist()
    assert rows[0]["param_huge"] == str(HUGE)
    assert rows[0]["param_text"] == as_text(HALF) == "caf\\udce9 \\ud800"
    assert rows[0]["param_bad@name [x]"] == 1
    values = parquet.read_table(metrics).to_pylist()
    assert [row["value"] for row in values if row["name"] == PRIMARY and row["trial"] == 0] == [0.5, 0.6, 0.7, 0.8]
    assert [row["value"] for row in values if row["name"] == "huge"] == [math.inf]
    assert [row["step"] for row in values if row["name"] == "only"] == [-math.inf, 1e300, float(2**63), 5.0]
    trials, metrics = export_run(open_history(layout), "csv", str(tmp_path))
    with open(metrics, newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(values)
    (path,) = export_run(open_history(layout), "json", str(tmp_path / "run.json"))
    held = json.loads(Path(path).read_text(encoding="utf-8"))["trials"][0]
    assert held["params"]["huge"] == held["metrics"]["huge"][0] == HUGE
    assert held["metrics"]["val/acc [top-1]"] == [1.0, None, None]


@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy, at mlflow
def test_pages_and_commands_show_the_run(
    layout: RunLayout, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write_report(open_history(layout), tmp_path / "report.html")
    assert open_history(layout).trouble == ""
    held = HyperDriveRun(layout)
    assert "caf" in held._repr_html_()
    assert len(held.get_child(0)._repr_html_()) > 100
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    storage = ["--storage", str(tmp_path / "storage")]
    for command in ("list", "status", "trials", "best", "whatif"):
        for form in ("table", "json", "csv"):
            assert run([command, "-o", form, *storage]) == 0, (command, form)
            out, err = capfd.readouterr()
            assert "Error" not in err
            assert form != "json" or json.loads(out)
    assert run(["export", "--to", "mlflow", "-o", f"sqlite:///{tmp_path}/m.db", *storage]) == 0
    out, err = capfd.readouterr()
    assert "'mAP@0.5' is stored there as 'mAP_0.5'" in err
    assert out.startswith(f"run '{layout.run_id}' with 2 nested runs")


def test_no_two_names_become_one() -> None:
    names = Names(r"[\w\-. /:]", 20, is_path=True, is_file=True, known=["a_b", "val"])
    given = [
        names.of(name) for name in ("a@b", "a_b", "a b", "a?b", "val/acc", "val", "x" * 50, "x" * 51, "..", "/", "")
    ]
    assert len(set(given)) == len(given)
    assert given[:6] == ["a_b_2", "a_b", "a b", "a_b_3", "val_acc", "val"]
    assert all(0 < len(name) <= 20 for name in given)
    assert [names.of("a@b"), names.of("a@b")] == ["a_b_2", "a_b_2"]
    assert not any(one != other and other.startswith(f"{one}/") for one in given for other in given)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, HUGE, -HUGE, 2**63, 1e300, None])
def test_what_is_no_step_and_no_moment(value: Any) -> None:
    assert as_step(value) is None
    assert 0.0 <= as_moment(value) < 1e12


def test_a_whole_number_beyond_what_python_writes_is_text_all_the_same() -> None:
    assert as_text(10**5000) == "2^16609 or more"
    assert as_text(-(10**5000)) == "-2^16609 or more"
    assert as_step(2**62 + 1) == 2**62 + 1
