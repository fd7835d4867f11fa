"""What a page is drawn from where several processes train together: nodes, ranks, their metrics and logs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ranked import NODES, ranked_run

from raydrive.api.display.charts import plot_metrics
from raydrive.api.display.timeline import plot_timeline
from raydrive.api.run import HyperDriveRun
from raydrive.core.errors import TrialError
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.data.trial_page import detail
from raydrive.studio.export.export import run_json
from raydrive.studio.export.other_tools import to_tensorboard
from raydrive.studio.web.report import report_data


@pytest.fixture
def history(storage: Path) -> RunHistory:
    return open_history(ranked_run(storage))


def test_metrics_of_other_ranks_are_in_no_menu_and_no_column(history: RunHistory) -> None:
    document = Documents(history).full()
    assert document["head"]["metrics"] == ["loss"]
    extras = document["head"]["row"].index("extras")
    assert [len(row[extras]) for row in document["rows"]] == [1, 1, 1]
    assert list(report_data(history)["series"]) == ["loss"]


def test_a_page_that_asks_gets_them(history: RunHistory) -> None:
    found = detail(history, 1)
    assert list(found["metrics"]) == ["accuracy", "loss"]
    assert list(found["rank_metrics"]) == ["rank_1/loss", "rank_2/loss", "rank_3/loss"]
    assert found["tags"] == {}
    assert found["rank_texts"] == {"rank_1/host": "node-a", "rank_2/host": "node-b", "rank_3/host": "node-b"}
    assert [trial for trial, _ in Documents(history).series("rank_2/loss")] == [0, 1, 2]


def test_a_page_tells_which_rank_is_on_which_node(history: RunHistory) -> None:
    assert detail(history, 0)["ranks"] == [
        [0, "node-a", "attempt-1/log.txt"],
        [1, "node-a", "attempt-1/rank_1.txt"],
        [2, "node-b", "attempt-1/rank_2.txt"],
        [3, "node-b", "attempt-1/rank_3.txt"],
    ]
    tries = Documents(history).full()["head"]["row"].index("tries")
    assert Documents(history).full()["rows"][0][tries][0][-1] == list(NODES)


def test_a_page_has_the_logs_of_all_ranks_by_time_and_lists_no_order(history: RunHistory) -> None:
    found = detail(history, 0)
    assert found["log"].splitlines()[:5] == [
        *(f"[rank {rank}] epoch 1 of rank {rank}" for rank in range(4)),
        "[rank 0] epoch 2 of rank 0",
    ]
    assert [name for name, _ in found["files"]] == [
        "attempt-1/log.txt",
        *(f"attempt-1/rank_{rank}.txt" for rank in (1, 2, 3)),
        "outputs/model.pt",
        "outputs/node_1/shard.pt",
    ]


def test_everything_is_exported(history: RunHistory, tmp_path: Path) -> None:
    found = run_json(history)
    assert list(found["trials"][0]["metrics"]) == ["accuracy", "loss", "rank_1/loss", "rank_2/loss", "rank_3/loss"]
    assert found["trials"][0]["nodes"] == list(NODES)
    to_tensorboard(history, str(tmp_path / "board"))


def test_the_python_api_shows_them_where_asked(history: RunHistory, tmp_path: Path) -> None:
    run = HyperDriveRun.open(history.layout.uri)
    trial = run.get_child(2)
    others = {"rank_1/loss", "rank_2/loss", "rank_3/loss"}
    assert set(trial.get_metrics()) == {"accuracy", "loss"}
    assert set(trial.get_metrics(ranks=True)) == {"accuracy", "loss"} | others
    assert len(trial.get_metrics("rank_3/loss")["rank_3/loss"]) == 5
    assert set(run.get_metrics()[trial.id]) == {"accuracy", "loss"}
    assert set(run.get_metrics(ranks=True)[trial.id]) == {"accuracy", "loss"} | others
    assert set(run.metrics_table().column("name").to_pylist()) == {"accuracy", "loss"} | others
    assert run.rows()[2]["nodes"] == list(NODES)
    assert trial.get_details()["nodes"] == list(NODES)
    assert len(trial.get_details()["logFiles"]) == 4
    assert trial.download_file("outputs/node_1/shard.pt", str(tmp_path) + "/")
    assert plot_metrics(run.reader, "rank_1/loss").data
    with pytest.raises(TrialError, match="no metric 'los'; logged: accuracy, loss"):
        plot_metrics(run.reader, "los")


def test_the_python_api_has_the_log_of_each_rank(history: RunHistory) -> None:
    trial = HyperDriveRun.open(history.layout.uri).get_child(0)
    assert trial.logs(rank=3) == "".join(f"epoch {epoch} of rank 3\n" for epoch in range(1, 6))
    assert trial.logs(rank=0).startswith("epoch 1 of rank 0\n")
    assert trial.logs().splitlines()[3:5] == ["[rank 3] epoch 1 of rank 3", "[rank 0] epoch 2 of rank 0"]
    assert "attempt-1/rank_3.txt" in trial.get_file_names()
    with pytest.raises(TrialError, match="trial 0 has no log of rank 4; it has the ranks 0 to 3"):
        trial.logs(rank=4)


def test_the_timeline_has_a_lane_for_each_node(history: RunHistory) -> None:
    figure = plot_timeline(HyperDriveRun.open(history.layout.uri).reader)
    assert sorted(figure.data[0].y) == sorted(NODES * 3)
