"""A driver that compacts its journal while it writes it, and those who follow the run meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from terminal import RAYDRIVE, environment
from waiting import wait_until

from raydrive import HyperDriveRun
from raydrive.storage.journal.segments import Segment, Snapshot
from raydrive.storage.journal.writer import JournalReader
from raydrive.studio.web.live_feed import Feed
from raydrive.testing.finished_run import check_run

pytestmark = pytest.mark.ray

LONG = """
import sys, time
from pathlib import Path
import ray
from raydrive import *

storage, gate = sys.argv[1:]

def train(params):
    run = Run.get_context()
    for k in range(1500):
        run.log("score", params["x"] + k)
        time.sleep(0.002)
    while not Path(gate).exists():
        run.log("score", 0.0)
        time.sleep(0.01)

ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
config = HyperDriveConfig(RandomParameterSampling({"x": uniform(0, 1)}), "score", "maximize", 2, 2,
                          run_config=train, seed=0, resources=Resources(cpus=1))
run = Experiment(Workspace(storage), "long").submit(config)
print(run.uri, flush=True)
run.wait_for_completion()
while any(row["name"] == f"raydrive:{run.layout.key}" for row in ray.util.list_named_actors(all_namespaces=True)):
    time.sleep(0.1)  # until its driver has tidied up and ended itself
"""


class Followers:
    """Readers of every kind that began with the run and go on: a run, the lines of its journal, a studio's feed."""

    def __init__(self, run: HyperDriveRun) -> None:
        self.run = run
        self.reader = JournalReader(run.layout.journal)
        self.lines: list[bytes] = []
        self.feed = Feed(run.layout)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.feed.open())

    def look(self) -> None:
        self.run.refresh()
        self.lines += self.reader.read_lines()
        self.loop.run_until_complete(self.feed.ask(lambda story, _: story.refresh()))


def files(run: HyperDriveRun) -> tuple[list[Segment], list[Snapshot]]:
    names = [item.name for item in run.layout.journal.list()]
    segments = [found for name in names if (found := Segment.parse(name)) and found.number]
    return segments, [found for name in names if (found := Snapshot.parse(name))]


def test_segments_go_while_the_run_goes_on_and_nobody_who_follows_it_notices(tmp_path: Path) -> None:
    script, gate = tmp_path / "long.py", tmp_path / "gate"
    script.write_text(LONG)
    here = Path(__file__).parent
    path = os.pathsep.join(
        filter(None, [str(here / "small"), str(here.parent / "hooks"), os.environ.get("PYTHONPATH")])
    )
    process = subprocess.Popen(
        [sys.executable, script, tmp_path / "storage", gate],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(PYTHONPATH=path),
    )
    assert process.stdout is not None
    watching = None
    try:
        run = HyperDriveRun.open(process.stdout.readline().strip())
        watching = subprocess.Popen(
            [RAYDRIVE, "watch", run.id, "--storage", tmp_path / "storage"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        followers = Followers(run)
        seen: set[Snapshot] = set()
        highest, gone_below = 0, 0

        def compacted() -> bool:
            """Three snapshots were there, and what they stand for was not, while trials train."""
            nonlocal highest, gone_below
            followers.look()
            segments, snapshots = files(run)
            seen.update(snapshots)
            highest = max([highest, *(segment.number for segment in segments)])
            if snapshots and segments and segments[0] > min(snapshots).until.segment and run.sweep.finished is None:
                gone_below = segments[0].number
            return len(seen) >= 3 and gone_below > 0

        wait_until(compacted, "three snapshots and segments that are gone", 150.0, seen=lambda: (seen, files(run)))
        assert gone_below > 1
        assert highest > 3
        assert len(files(run)[0]) < highest  # most of what was written is gone
        reports = run.refresh().reports

        def twenty_more() -> bool:
            followers.look()
            return run.refresh().reports >= reports + 20

        wait_until(twenty_more, "20 more reports")
        gate.touch()
        talk = watching.stderr.read() if watching.stderr is not None else ""
        assert watching.wait(120) == 0, talk
        assert process.wait(120) == 0
    finally:
        for one in (watching, process):
            if one is not None:
                family = psutil.Process(one.pid).children(recursive=True) if one.poll() is None else []
                for pid in [one.pid, *(child.pid for child in family)]:
                    if one.poll() is None or pid != one.pid:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                one.wait()
        for stream in (process.stdout, watching.stderr if watching is not None else None):
            if stream is not None:
                stream.close()
    followers.look()
    followers.loop.close()
    assert "trial 0 Completed" in talk
    assert "trial 1 Completed" in talk
    # Each of them has the whole run, every entry once.
    assert followers.lines == list(JournalReader(run.layout.journal).read_lines())
    assert followers.feed.history.entries == len(followers.lines)
    assert run.sweep.reports == HyperDriveRun.open(run.uri).sweep.reports
    assert [run.sweep.curves.length(number) >= 1500 for number in range(2)] == [True, True]
    assert run.get_status() == "Completed"
    assert check_run(run.uri) == []
    segments, snapshots = files(run)
    assert len(snapshots) == 1
    assert [segment for segment in segments if segment <= snapshots[0].until.segment] == []
