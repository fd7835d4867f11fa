"""The chaos loop: runs under faults at random instants, each judged afterwards from its storage alone.

    python tests/chaos/loop.py --seeds 50 [--first 1] [--record seeds.jsonl] [--gangs | --halving] [--edits]

One Ray cluster of several raylets serves all seeds. A seed gives the faults and their instants; what they hit depends
on the timing of the machine, so that a seed that finds something is not bound to find it again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent))
from raylets import Raylets, wait_until
from user_edits import User, check_answers

from raydrive import (
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    MedianStoppingPolicy,
    RandomParameterSampling,
    Resources,
    Run,
    SuccessiveHalvingPolicy,
    Workspace,
    uniform,
)
from raydrive.core.errors import StorageError
from raydrive.core.records import BY_PAUSE, Reported, Stop
from raydrive.runtime.fork_server.boot import BOOT
from raydrive.storage.journal.writer import JournalReader
from raydrive.testing.finished_run import check_acknowledged, check_run

TRIALS, AT_A_TIME, INTERVALS, STEP_S = 12, 4, 14, 0.2
LIMIT_S = 240.0
GANG = Resources(cpus=1, gpus=1, nodes=2, processes_per_node=2)
"""What a trial reserves with ``--gangs``."""
KINDS = (
    *("driver", "driver", "actor", "actor", "training", "training", "raylet"),
    *("storage", "storage", "outage", "freeze"),
)


def train(params: dict[str, Any]) -> None:
    """Logs a curve, and goes on from its checkpoint where it was killed."""
    run = Run.get_context()
    run.tag("node", os.environ.get("CHAOS_NODE", ""))
    begin = 0
    if run.resume_from is not None:
        begin = json.loads((Path(run.resume_from) / "state.json").read_text())["interval"]
    folder = Path("state")
    folder.mkdir(exist_ok=True)
    for k in range(begin + 1, INTERVALS + 1):
        time.sleep(STEP_S)
        run.log("score", params["x"] * k / INTERVALS)
        if not k % 3:
            (folder / "state.json").write_text(json.dumps({"interval": k}))
            (folder / "weights").write_bytes(os.urandom(100_000))
            run.save_checkpoint(folder)


def train_part(params: dict[str, Any]) -> None:
    """One rank of a trial over two nodes: logs a curve, saves its part of each checkpoint, goes on from all parts."""
    run = Run.get_context()
    begin = 0
    if run.resume_from is not None:
        parts = sorted(Path(run.resume_from).glob("state-*.json"))
        begins = {json.loads(part.read_text())["interval"] for part in parts}
        if len(parts) != run.world_size or len(begins) != 1:
            raise RuntimeError(f"the checkpoint is not whole: {[part.name for part in parts]} of intervals {begins}")
        begin = begins.pop()
    folder = Path(f"state-{run.rank}")
    folder.mkdir(exist_ok=True)
    for k in range(begin + 1, INTERVALS + 1):
        time.sleep(STEP_S)
        run.log("score", params["x"] * k / INTERVALS)
        if not k % 3:
            (folder / f"state-{run.rank}.json").write_text(json.dumps({"interval": k}))
            run.save_checkpoint(folder, sharded=True)


def submit(storage: str, seed: int, gangs: bool = False, halving: bool = False) -> HyperDriveRun:
    """Starts a run that takes some ten seconds when nothing happens to it."""
    promotes = SuccessiveHalvingPolicy(min_intervals=2, max_intervals=INTERVALS, reduction_factor=2)
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}),
        "score",
        "maximize",
        TRIALS,
        AT_A_TIME,
        policy=promotes if halving else MedianStoppingPolicy(delay_evaluation=6),
        run_config=train_part if gangs else train,
        seed=seed,
        max_attempts=3,
        first_failures=0,
        grace_s=1.0,
        resources=GANG if gangs else Resources(cpus=1, gpus=1),
    )
    trial = dataclasses.replace(config.config.trial, lease_s=60.0, storage_patience_s=1.5)
    config.config = dataclasses.replace(config.config, trial=trial)
    return Experiment(Workspace(storage), "chaos").submit(config)


class Chaos:
    """The faults of one seed.

    Args:
        raylets: The cluster.
        folder: Where the hook looks for its switch.
        run: Whose processes die.
        seed: Decides the faults.
        gangs: Whether trials have several processes, of which any may die.
        edits: Whether a user changes the run all the time.
    """

    def __init__(
        self, raylets: Raylets, folder: Path, run: HyperDriveRun, seed: int, gangs: bool = False, edits: bool = False
    ) -> None:
        self._raylets = raylets
        self._switch = folder / "fault"
        self._run = run
        self._pick = random.Random(seed)
        count, kinds = self._pick.randint(4, 8), (*KINDS, "rank", "rank") if gangs else KINDS
        kinds = (*kinds, *("user",) * len(kinds), "edit") if edits else kinds
        count += 8 * edits
        self.user = User(run, self._pick)
        self.plan = sorted((self._pick.uniform(0.3, 9.0), self._pick.choice(kinds)) for _ in range(count))
        self.done: Counter[str] = Counter()

    def go(self) -> None:
        """Carries the plan out, until the run is over."""
        began = time.monotonic()
        for at, kind in self.plan:
            wait_until(lambda at=at: time.monotonic() - began >= at or self._over(), 60)
            if self._over():
                return
            self._do(kind)

    def _do(self, kind: str) -> None:
        if name := getattr(self, f"_{kind}")():
            self.done[name] += 1

    def _over(self) -> bool:
        self._run.refresh()
        return self._run.sweep.finished is not None

    def _kill(self, pid: int) -> bool:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _user(self) -> str:
        return self.user.act()

    def _edit(self) -> str:
        """A driver that dies between an edit and what follows from it."""
        done = self.user.act(self._pick.choice(("concurrency", "policy", "space", "pause_now")))
        return f"{done}, then {self._driver() or 'nothing'}"

    def _driver(self) -> str:
        found = _ray_processes("ray::Driver")
        return "driver killed" if found and self._kill(self._pick.choice(found)) else ""

    def _actor(self) -> str:
        found = _ray_processes("ray::TrialActor")
        return "trial actor killed" if found and self._kill(self._pick.choice(found)) else ""

    def _training(self) -> str:
        trials = [trial for trial in self._run.sweep.open_trials if trial.began_at is not None and trial.pid]
        found = [trial.pid for trial in trials if _is_training(trial.pid)]
        return "training process killed" if found and self._kill(self._pick.choice(found)) else ""

    def _rank(self) -> str:
        """A process of any rank, what starts the ranks of a node, or a helper of an actor."""
        found = [pid for pid in psutil.pids() if _is_training(pid)]
        return "process of a rank killed" if found and self._kill(self._pick.choice(found)) else ""

    def _raylet(self) -> str:
        self._raylets.kill_one(self._pick.choice)
        time.sleep(self._pick.uniform(0.0, 3.0))
        self._raylets.restore()
        return "raylet killed"

    def _freeze(self) -> str:
        """A driver that is paused and then goes on: nobody may notice more than a delay."""
        found = _ray_processes("ray::Driver")
        if not found:
            return ""
        try:
            os.kill(found[0], signal.SIGSTOP)
            time.sleep(self._pick.uniform(0.5, 3.0))
            os.kill(found[0], signal.SIGCONT)
        except ProcessLookupError:
            return ""
        return "driver paused"

    def _storage(self) -> str:
        """Longer than the patience of 1.5 s in some cases, so that trials are paused."""
        return self._without_storage(self._pick.choice(("away", "full", "unsure", "slow")), ("", "actor", "training"))

    def _outage(self) -> str:
        """The driver dies with what it could not record."""
        return self._without_storage(self._pick.choice(("away", "full", "unsure")), ("driver",))

    def _without_storage(self, kind: str, victims: tuple[str, ...]) -> str:
        partial = self._switch.with_suffix(".new")
        partial.write_text(kind)
        partial.rename(self._switch)
        time.sleep(self._pick.uniform(0.3, 2.0))
        if victim := self._pick.choice(victims):
            self._do(victim)
        time.sleep(self._pick.uniform(0.3, 2.0))
        self._switch.unlink()
        return f"storage {kind}"


def _ray_processes(title: str) -> list[int]:
    """Processes of actors of a class, of this cluster: Ray writes the class into the title."""
    cluster = os.environ["CHAOS_RUN"]
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or [""]
        if command[0].startswith(title) and _environment(process).get("CHAOS_FOLDER") == cluster:
            found.append(process.info["pid"])
    return sorted(found)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _is_training(pid: int) -> bool:
    """Whether this is a helper of a trial actor of this cluster, or a training process forked from one."""
    try:
        process = psutil.Process(pid)
        ours = _environment(process).get("CHAOS_FOLDER") == os.environ["CHAOS_RUN"]
        return ours and BOOT in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def orphans() -> list[str]:
    """Trial actors, helpers and training processes of this cluster that are still there."""
    found = [f"trial actor {pid}" for pid in _ray_processes("ray::TrialActor")]
    return found + [f"training process or its helper {pid}" for pid in psutil.pids() if _is_training(pid)]


def acknowledged(folder: Path, run_id: str) -> list[tuple[int, int, int]]:
    """What drivers confirmed to trial actors, as the hook noted it."""
    rows = [
        json.loads(line)
        for path in folder.glob(f"acks-{run_id}-*.jsonl")
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")  # its process may have been killed in the middle of the line
    ]
    return [(row[0], row[1], row[3]) for row in rows if row[2] == "report"]


def refusal(raylets: Raylets, storage: Path) -> list[str]:
    """Submits to a cluster with a node that has a storage of its own; returns what is wrong with how it is refused."""
    with raylets.private_node():
        try:
            submit(str(storage), 0)
        except StorageError as error:
            text = str(error)
        else:
            return ["a node that does not share the storage was not noticed"]
    runs = list((storage / "chaos").glob("*")) if (storage / "chaos").exists() else []
    wanted = f"1 of {raylets.nodes + 1} other nodes that may run trials cannot use the storage {storage}: node "
    wrong = [] if text.startswith(wanted) and "it cannot read what" in text else [f"refused with: {text}"]
    return wrong + [f"left behind: {path}" for path in [*runs, *storage.glob(".raydrive-probe*")]]


def groups_left() -> list[str]:
    """Placement groups that Ray still has."""
    from ray.util.placement_group import placement_group_table

    rows = placement_group_table().values()
    return [f"{row['name']} {row['state']}" for row in rows if row["state"] != "REMOVED"]


def one_seed(
    raylets: Raylets, folder: Path, storage: Path, seed: int, options: argparse.Namespace
) -> tuple[list[str], dict[str, Any]]:
    """Does one run under faults; returns what is wrong afterwards, and what happened."""
    began = time.monotonic()
    raylets.restore()
    run = submit(str(storage), seed, options.gangs, options.halving)
    chaos = Chaos(raylets, folder, run, seed, options.gangs, options.edits)
    chaos.go()
    wrong = []

    def over() -> bool:
        chaos.user.settle()
        run.refresh()
        return run.sweep.finished is not None

    if not wait_until(over, LIMIT_S):
        wrong.append(f"not over after {LIMIT_S:.0f} s: {run.get_status()}, {run.heartbeat()}")
    if not wait_until(lambda: not orphans(), 30):
        wrong += [f"orphan: {text}" for text in orphans()]
    if not wait_until(lambda: len(set(raylets.free_gpus())) == 1, 30):
        wrong.append(f"GPUs are held: {raylets.free_gpus()} are free and there")
    if not wait_until(lambda: not groups_left(), 30):
        wrong += [f"group: {text}" for text in groups_left()]
    acks = acknowledged(folder, run.id)
    wrong += check_run(run.uri) + check_acknowledged(run.uri, acks) + check_answers(run, chaos.user)
    sweep = run.sweep
    for trial in sweep.trials:
        values = list(sweep.curves.values(trial.number))
        if values != [trial.params["x"] * k / INTERVALS for k in range(1, len(values) + 1)]:
            wrong.append(f"trial {trial.number}: its curve is not what was logged: {values}")
        if trial.state == "Completed" and len(values) != INTERVALS:
            wrong.append(f"trial {trial.number}: Completed with {len(values)} of {INTERVALS} intervals")
    if options.halving:
        wrong += wrong_with_halving(run)
    if len(sweep.trials) != TRIALS:
        wrong.append(f"{len(sweep.trials)} trials instead of {TRIALS}")
    summary = {
        "seed": seed,
        "faults": dict(chaos.done),
        "seconds": round(time.monotonic() - began, 1),
        "epochs": sweep.epoch,
        "attempts": sum(trial.attempt for trial in sweep.trials),
        "losses": sum(trial.losses for trial in sweep.trials),
        "failures": sum(trial.failures for trial in sweep.trials),
        "pauses": sum(trial.pauses for trial in sweep.trials),
        "moved": moved(run),
        "states": dict(sweep.count),
        "reports": sweep.reports,
        "acknowledged": len(set(acks)),
        "wrong": wrong,
    }
    return wrong, summary


def moved(run: HyperDriveRun) -> int:
    """How many trials went on on another node than the one they were paused on."""
    found, at, left = set(), dict[int, str](), set[int]()
    for fact, decisions in JournalReader(run.layout.journal).read():
        if isinstance(fact, Reported) and "node" in fact.tags:
            if fact.trial in left and at.get(fact.trial) not in (None, fact.tags["node"]):  # None: paused unheard
                found.add(fact.trial)
            at[fact.trial] = fact.tags["node"]
            left.discard(fact.trial)
        left.update(one.trial for one in decisions if isinstance(one, Stop) and one.by == BY_PAUSE)
    return len(found)


def wrong_with_halving(run: HyperDriveRun) -> list[str]:
    """What is wrong with a run that pauses and promotes: who trains to the end, who does not, and what is told."""
    sweep = run.sweep
    completed = [trial for trial in sweep.trials if trial.state == "Completed"]
    wrong = [] if completed else ["no trial was trained to its end"]
    wrong += [f"trial {trial.number} is Paused in a run that is over" for trial in sweep.paused_trials]
    for trial in sweep.trials:
        if trial.state == "Canceled" and "successive halving" not in trial.why:
            wrong.append(f"trial {trial.number} is canceled: {trial.why}")
        if trial.pauses and trial.state == "Completed" and trial.attempt <= trial.pauses:
            wrong.append(f"trial {trial.number} went on without a further attempt")
    if not any(trial.pauses for trial in sweep.trials):
        wrong.append("no trial was paused")
    return wrong


def say(row: dict[str, Any], record: Path | None) -> None:
    """Prints a row as JSON, and adds it to a file."""
    print(json.dumps(row), flush=True)
    if record:
        with record.open("a") as file:
            file.write(json.dumps(row) + "\n")


def main() -> int:
    """Does as many seeds as asked for; the exit code says whether all was well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--refusal", action="store_true", help="submit to nodes that share no storage first")
    parser.add_argument("--record", type=Path, help="append one JSON line per seed")
    parser.add_argument("--gangs", action="store_true", help="trials over two nodes with two processes each")
    parser.add_argument("--halving", action="store_true", help="trials that pause and are promoted")
    parser.add_argument("--edits", action="store_true", help="a user changes each run while it goes on")
    parser.add_argument("--keep", action="store_true", help="keep the files")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the cluster is taken down in any case
    home = Path(tempfile.mkdtemp(prefix="raydrive-chaos-"))
    folder, storage = home / "hook", home / "storage"
    os.environ["CHAOS_RUN"] = str(folder)
    bad = 0
    faults: Counter[str] = Counter()
    with Raylets(folder, storage, options.nodes) as raylets:
        if options.refusal:
            wrong = refusal(raylets, storage)
            bad += bool(wrong)
            say({"refusal": wrong}, options.record)
        for seed in range(options.first, options.first + options.seeds):
            wrong, summary = one_seed(raylets, folder, storage, seed, options)
            faults.update(summary["faults"])
            bad += bool(wrong)
            say(summary, options.record)
    print(f"{options.seeds} seeds, {bad} with something wrong; faults: {dict(sorted(faults.items()))}", flush=True)
    if not bad and not options.keep:
        import shutil

        shutil.rmtree(home, ignore_errors=True)
    else:
        print(f"files: {home}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
