"""A recorded run whose trials train on two nodes with two processes each."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recorded import START, config, create, write

from raydrive.core.config.trial_spec import Resources
from raydrive.core.records import Began, Ended, Fact, Reported, Started, Suggested, dump
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.run_layout import RunLayout, log_order, rank_log

NODES = ("node-a", "node-b")
RANKS = range(4)


def facts(trials: int, intervals: int = 5, *, running: bool = False) -> list[Fact]:
    """What happened in such a run: each rank logs the loss; the last trial goes on where ``running``."""
    found: list[Fact] = [Started(START, 1)]
    for number in range(trials):
        at = START + 100.0 * number
        found += [Suggested(at, number, {"lr": (number + 1) / 10}, "random")]
        found += [Began(at + 1.0, number, 1, NODES[0], 4000 + number, "0,1", f"actor-{number}", NODES)]
        seq = 0
        for interval in range(1, intervals + 1):
            for rank in RANKS:
                seq += 1
                value = 0.5 + 0.05 * interval + 0.01 * number
                own = {"loss": 1.0 - value} if not rank else {f"rank_{rank}/loss": 1.1 - value}
                tags = {f"rank_{rank}/host": NODES[rank // 2]} if rank and interval == 1 else {}
                counts = (interval, value) if not rank else (0, None)
                found += [Reported(at + 10.0 * interval + rank, number, 1, seq, *counts, own, interval, tags)]
        if not (running and number == trials - 1):
            found += [Ended(at + 90.0, number, 1, 0)]
    return found


def ranked_run(storage: Path, trials: int = 3, *, running: bool = False, nodes: Sequence[str] = NODES) -> RunLayout:
    """Writes the run: its journal, the log of each rank with their order, what each node left."""
    resources = Resources(cpus=2, gpus=2, nodes=2, processes_per_node=2)
    given = config(trials, space={"lr": uniform(0.0, 1.0)})
    given = replace(given, trial=replace(given.trial, resources=resources))
    sweep, lines = Sweep(given), list[str]()
    for fact in facts(trials, running=running):
        fact = replace(fact, nodes=tuple(nodes)) if isinstance(fact, Began) else fact
        assert sweep.accepts(fact), fact
        lines.append(dump(fact, sweep.handle(fact)))
    layout = create(storage, given, "study-20261120-120000-0020")
    write(layout, lines)
    state = "Running" if running else "Completed"
    layout.write_driver(json.dumps({"state": state, "at": time.time()}).encode())
    for number in range(trials):
        write_logs(layout, number)
    return layout


def write_logs(layout: RunLayout, number: int) -> None:
    """Writes the logs of a trial's ranks: the epochs one after the other, in each of them rank after rank."""
    trial, attempt = layout.trial(number), layout.attempt(number, 1)
    logs = dict.fromkeys(RANKS, "")
    orders = dict.fromkeys((0, 1), "")
    for epoch in range(1, 6):
        for rank in RANKS:
            logs[rank] += f"epoch {epoch} of rank {rank}\n"
            orders[rank // 2] += f"{json.dumps([START + 10.0 * epoch + rank, rank, len(logs[rank])])}\n"
    for rank, text in logs.items():
        attempt.write_whole(rank_log(rank), text.encode())
    for node, text in orders.items():
        attempt.write_whole(log_order(node), text.encode())
    trial.write_whole("outputs/model.pt", b"weights")
    trial.write_whole("outputs/node_1/shard.pt", b"others")
