"""One rule says how a run stands, and all that show a run or build on it go by it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from raydrive.api.run import HyperDriveRun
from raydrive.api.submit.launch import resume
from raydrive.api.submit.submission import RunReference, Submission
from raydrive.api.submit.warm_start import plan_warm_start
from raydrive.cli.app import run as raydrive
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.errors import ClusterError, ConfigError, DamagedJournalError, RunOverError
from raydrive.core.records import Began, Ended, Fact, Reported, Started, Suggested
from raydrive.core.records import dump as line_of
from raydrive.core.reports.gpu_use import joint
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import open_history
from raydrive.studio.web.runs_page import RunStates, runs_page

NOWHERE = "http://127.0.0.1:9"
"""A dashboard that nothing listens at: what is not refused before fails there."""


def config() -> RunConfig:
    return RunConfig(
        experiment="e",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=1, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=3,
    )


GPU_USE = {"0": joint([{"gpu_percent": 87.4, "gpu_memory_bytes": 1.2e9}, {"gpu_memory_bytes": 30e9}])}
"""What the heartbeats have of its trial."""


def a_run(storage: Path, journal: str, heartbeat: str) -> RunLayout:
    """A run of two drivers.

    Args:
        storage: Where it is kept.
        journal: ``empty``; ``old`` or ``new``: not over, by the age of its last entry; ``over``; ``broken``: with a
            line that is none; ``short``: with an entry less than its driver had recorded.
        heartbeat: ``none``, ``garbage``; ``fresh`` or ``silent``: of a driver that runs; ``left``: of one that was
            interrupted; ``before``: of its predecessor, which was interrupted.
    """
    layout = RunLayout.create(storage, "e", "e-20261125-120000-0000")
    layout.write_config(json.dumps(config().to_json()).encode())
    now = time.time()
    last = now - (5.0 if journal == "new" else 1000.0)
    facts: list[Fact] = [Started(last - 60, 1), Suggested(last - 50, 0, {"x": 0.5}, "random"), Began(last - 40, 0, 1)]
    facts += [Reported(last - 30, 0, 1, 1, 1, 0.5), Started(last, 2)]
    if journal == "over":
        facts += [Reported(last, 0, 1, 2, 2, 0.6), Ended(last, 0, 1, 0)]
    sweep = Sweep(config())
    lines = [line_of(fact, sweep.handle(fact)) for fact in ([] if journal == "empty" else facts)]
    with JournalWriter.open(layout.journal) as writer:
        writer.append(lines)
    if journal == "broken":
        (segment,) = [path for path in Path(layout.uri, "journal").glob("e*.jsonl") if b"Began" in path.read_bytes()]
        segment.write_bytes(segment.read_bytes().replace(b'"kind":"Began"', b'"kind":"Bgean"'))
    entries = len(lines) + (journal == "short")
    beats = {
        "fresh": {"state": "Running", "at": now - 1, "epoch": 2},
        "silent": {"state": "Running", "at": now - 900, "epoch": 2},
        "left": {"state": "Interrupted", "at": now - 1, "epoch": 2},
        "before": {"state": "Interrupted", "at": now - 1050, "epoch": 1},
    }
    if heartbeat in beats:
        layout.write_driver(
            dump_heartbeat({**beats[heartbeat], "entries": entries, "address": "10.9.9.9:1", "gpu_use": GPU_USE})
        )
    elif heartbeat == "garbage":
        layout.write_driver(b'{"state": "Runn')
    return layout


TABLE = [
    ("empty", "none", "Queued", False),
    ("old", "none", "NotResponding", False),
    ("new", "none", "Running", True),
    ("old", "garbage", "NotResponding", False),
    ("new", "garbage", "Running", True),
    ("old", "fresh", "Running", True),
    ("old", "silent", "NotResponding", False),
    ("new", "silent", "NotResponding", False),
    ("old", "left", "Interrupted", False),
    ("new", "before", "Running", True),
    ("old", "before", "NotResponding", False),
    ("over", "none", "Completed", False),
    ("over", "fresh", "Completed", False),
    ("over", "silent", "Completed", False),
    ("broken", "silent", "Damaged", False),
    ("broken", "left", "Damaged", False),
    ("broken", "fresh", "Damaged", True),
    ("short", "silent", "Damaged", False),
    ("short", "left", "Damaged", False),
]


@pytest.mark.parametrize(("journal", "heartbeat", "state", "live"), TABLE)
def test_all_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], journal: str, heartbeat: str, state: str, live: bool
) -> None:
    layout, storage = a_run(tmp_path, journal, heartbeat), str(tmp_path)
    raydrive(["status", layout.run_id, "--storage", storage, "-o", "json"])
    shown = json.loads(capsys.readouterr().out)
    raydrive(["list", "--storage", storage, "-o", "json"])
    (listed,) = json.loads(capsys.readouterr().out)["runs"]
    page, _ = runs_page(storage, RunStates())
    told = {
        "status": shown["status"],
        "list": listed["status"],
        "runs page": re.findall('<span class="state [a-z]+">(.*?)</span>', page)[0],
        "run's page": Documents(open_history(layout)).head()["run"]["state"],
        "Python": HyperDriveRun(layout).get_status(),
        "warm start": recorded_by_an_heir(storage, layout),
    }
    assert told == dict.fromkeys(told, state)
    assert RunReader.open(layout).status().live == live
    assert (shown["interrupted"] == 1) == (state in ("Interrupted", "Damaged") and shown["trials"] == 1)


def recorded_by_an_heir(storage: str, layout: RunLayout) -> str:
    """How a run stood by the lineage of one that is warm-started from it, or by the refusal of that."""
    wanted = Submission(
        config=config(), source_directory=None, resume_from=(RunReference(run=layout.run_id, where="resume_from"),)
    )
    if not RunReader.open(layout).status().live:
        (parent,) = plan_warm_start(wanted, storage).lineage.parents
        return parent.state
    with pytest.raises(ConfigError, match=r"which is still \w+") as refused:
        plan_warm_start(wanted, storage)
    return re.findall(r"which is still (\w+)", str(refused.value))[0]


@pytest.mark.parametrize(("journal", "heartbeat", "state", "live"), TABLE)
def test_resume_refuses_a_live_run(tmp_path: Path, journal: str, heartbeat: str, state: str, live: bool) -> None:
    run = RunReader.open(a_run(tmp_path, journal, heartbeat))
    if state == "Damaged":
        with pytest.raises(DamagedJournalError, match="raydrive resume e-20261125-120000-0000 --up-to"):
            resume(run, address=NOWHERE)
    elif state == "Completed":
        with pytest.raises(RunOverError, match=r"To run 20 more trials: raydrive resume .* --more 20"):
            resume(run, address=NOWHERE)
    else:
        with pytest.raises(ClusterError, match="has a live driver" if live else "127.0.0.1:9"):
            resume(run, address=NOWHERE)
    if live:
        with pytest.raises(ClusterError, match="has a live driver"):
            resume(run, address=NOWHERE, up_to=1)


def test_the_runs_page_notices_what_becomes_of_a_run(tmp_path: Path) -> None:
    """It reads a journal again when the heartbeat is another one, and not before."""
    layout, states = a_run(tmp_path, "old", "fresh"), RunStates()

    def shown() -> str:
        page, _ = runs_page(str(tmp_path), states)
        return str(re.findall('<span class="state [a-z]+">(.*?)</span>', page)[0])

    assert shown() == "Running"
    now = time.time()
    layout.write_driver(dump_heartbeat({"state": "Running", "at": now - 100, "epoch": 2}))
    assert shown() == "NotResponding"
    layout.write_driver(dump_heartbeat({"state": "Interrupted", "at": now, "epoch": 2}))
    assert shown() == "Interrupted"
    sweep = RunReader.open(layout).sweep
    ends = [Started(now, 3), Reported(now, 0, 1, 2, 2, 0.6), Ended(now, 0, 1, 0)]
    with JournalWriter.open(layout.journal) as writer:
        writer.append([line_of(fact, sweep.handle(fact)) for fact in ends])
    layout.write_driver(dump_heartbeat({"state": "Completed", "at": now, "epoch": 3}))
    assert shown() == "Completed"


def test_what_trials_use_of_their_gpus_is_shown_while_they_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = a_run(tmp_path, "new", "fresh")
    where = ["--storage", str(tmp_path)]
    assert raydrive(["status", "last", *where]) == 0
    assert "87 % on average, 31.20 GB together (1 trial)" in capsys.readouterr().out
    assert raydrive(["status", "last", "-o", "json", *where]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["gpu_percent"], found["gpu_memory_bytes"]) == (87.4, 31.2e9)
    assert raydrive(["trials", "last", *where]) == 0
    assert re.search(r"gpu % +gpu GB.*\n(.*\n)*.* 87 +31.2 ", capsys.readouterr().out)
    assert raydrive(["trials", "last", "-o", "json", *where]) == 0
    (row,) = json.loads(capsys.readouterr().out)["trials"]
    assert (row["gpu_percent"], row["gpu_memory_bytes"]) == (87.4, 31.2e9)
    assert row["gpu_nodes"] == [
        {"node": "", "gpu_percent": 87.4, "gpu_memory_bytes": 1.2e9},
        {"node": "", "gpu_percent": None, "gpu_memory_bytes": 30e9},
    ]
    page = Documents(open_history(layout)).full()
    assert page["head"]["run"]["gpu_use"] == GPU_USE


@pytest.mark.parametrize(("journal", "heartbeat"), [("over", "fresh"), ("old", "left"), ("new", "none")])
def test_trials_that_do_not_train_use_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], journal: str, heartbeat: str
) -> None:
    a_run(tmp_path, journal, heartbeat)
    assert raydrive(["trials", "last", "-o", "json", "--storage", str(tmp_path)]) == 0
    (row,) = json.loads(capsys.readouterr().out)["trials"]
    assert (row["gpu_percent"], row["gpu_memory_bytes"]) == (None, None)
