"""Recorded runs to look at, made by the real judge on virtual time, and pages and servers that are watched."""

from __future__ import annotations

import heapq
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from raydrive.core.config.lineage import Continued, Lineage
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy
from raydrive.core.records import Began, Checkpointed, Ended, Lost, Reported, Started, Suggested, dump, load
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, loguniform, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY, WarmStartData
from raydrive.core.sweep.warm_start_data import dump as dump_heritage
from raydrive.core.sweep.warm_start_filter import prior_trials_of
from raydrive.runtime.simulated import simulate
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout

START = 1_795_000_000.0
SPACE: dict[str, Any] = {
    "learning_rate": loguniform(math.log(1e-4), math.log(1.0)),
    "momentum": uniform(0.0, 0.99),
    "units": choice(16, 32, 64, 128),
    "optimizer": choice("sgd", "adam", "lion"),
}
PARAMS = {"learning_rate": 0.1, "momentum": 0.5, "units": 16, "optimizer": "sgd"}
"""One configuration of ``SPACE``."""
COMMAND = "python train.py " + " ".join(f"--{name.replace('_', '-')} ${{{{search_space.{name}}}}}" for name in SPACE)
VSCODE = (
    "default-src 'none'; script-src 'self' https://*.vscode-cdn.net 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' https://*.vscode-cdn.net 'unsafe-inline'; "
    "img-src 'self' https://*.vscode-cdn.net https: http: data:; font-src 'self' https://*.vscode-cdn.net https:; "
    "connect-src https:; child-src https: data:"
)
"""The policy of VS Code's webview of a notebook's outputs; read from a running one, and ``make vscode`` reads it again.

It has it where ``notebook.experimental.enableCsp`` is set, and none otherwise. A frame without an address of its own
takes it over.
"""
Model = Callable[[int, Any], Sequence[tuple[float, float]]]


def config(
    trials: int,
    *,
    policy: Policy | None = None,
    space: dict[str, Any] | None = None,
    sampling: SamplingSpec | None = None,
    concurrent: int = 8,
    metric: str = "accuracy",
    experiment: str = "study",
    **more: Any,
) -> RunConfig:
    return RunConfig(
        experiment=experiment,
        metric=Metric(name=metric, goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=sampling or RandomParameterSampling(space or SPACE),
        policy=policy or NoTerminationPolicy(),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=concurrent, first_failures=0),
        trial=TrialSpec(
            kind="command", command="python train.py" if space else COMMAND, resources=Resources(cpus=1, gpus=0.5)
        ),
        seed=7,
        **more,
    )


def learning(intervals: int) -> Model:
    """Curves as networks have them: a plateau that depends on the hyperparameters, reached at a pace of their own."""

    def curve(number: int, params: Any) -> list[tuple[float, float]]:
        rng = np.random.default_rng((3, number))
        distance = abs(math.log10(params["learning_rate"]) + 2.0) / 2.0
        top = 0.97 - 0.35 * min(1.5, distance) ** 2 - (0.05 if params["optimizer"] == "sgd" else 0.0)
        top += 0.02 * math.log2(params["units"] / 16) / 3
        pace = 0.15 + 0.5 * rng.random()
        values = top * (1 - np.exp(-pace * np.arange(1, intervals + 1))) + rng.normal(0, 0.008, intervals)
        return [(1.0 + rng.random(), float(min(1.0, value))) for value in values]

    return curve


class Lines:
    """Keeps the journal lines of a simulated run, dressed as if it had been a real one: two trials on a GPU, two GPUs
    in a node."""

    def __init__(self, extra: dict[str, Callable[[int, float], Any]], checkpoint_every: int = 0) -> None:
        self.lines: list[str] = []
        self.extra, self.checkpoint_every = extra, checkpoint_every
        self.free, self.taken = list(range(1000)), dict[int, int]()

    def append(self, lines: Sequence[str]) -> None:
        for line in lines:
            fact, decisions = load(line)
            fact = replace(fact, at=fact.at + START)
            if isinstance(fact, Began):
                slot = self.taken[fact.trial] = heapq.heappop(self.free)
                node, gpu = f"gpu-node-{slot // 4 + 1}", str(slot // 2 % 2)
                fact = replace(fact, node=node, gpus=gpu, pid=4000 + fact.trial)
            if isinstance(fact, Ended):
                heapq.heappush(self.free, self.taken.pop(fact.trial))
            if isinstance(fact, Reported):
                value = fact.value or 0.0
                fact = replace(fact, metrics={name: make(fact.interval, value) for name, make in self.extra.items()})
            self.lines.append(dump(fact, decisions))
            if isinstance(fact, Reported) and self.checkpoint_every and not fact.interval % self.checkpoint_every:
                name = str(fact.interval // self.checkpoint_every)
                made = Checkpointed(fact.at, fact.trial, fact.attempt, fact.interval, name)
                self.lines.append(dump(made, ()))


def record(
    storage: Path,
    run_config: RunConfig,
    model: Model | None = None,
    *,
    extra: dict[str, Callable[[int, float], Any]] | None = None,
    run_id: str = "",
    warm_start: WarmStartData = EMPTY,
    checkpoint_every: int = 0,
) -> RunLayout:
    """Simulates a run and leaves its folder as a driver would."""
    if extra is None:
        extra = {"loss": lambda k, value: round(2.0 * (1.01 - value), 6)}
    lines = Lines(extra, checkpoint_every)
    sweep = simulate(run_config, model or learning(20), writer=lines, warm_start=warm_start)
    layout = create(storage, run_config, run_id)
    if warm_start is not EMPTY:
        layout.write_warm_start(dump_heritage(warm_start))
    write(layout, lines.lines)
    finished = sweep.finished
    layout.write_driver(json.dumps({"state": finished.state if finished else "Running", "at": time.time()}).encode())
    return layout


def warm_started(storage: Path, run_config: RunConfig, *parents: RunLayout, going_on: int = 1) -> RunLayout:
    """A run that learns from earlier ones, and goes on with the first trials of the first of them.

    Args:
        storage: Where the runs are.
        run_config: Of the new run.
        parents: Earlier runs of the same storage.
        going_on: How many trials of the first parent go on.
    """
    from raydrive.studio.data.run_history import open_history

    found, prior_trials, resumed_prefixes, continued = [], [], [], []
    learns = run_config.sampling.to_json()["type"] == "bayesian"
    for place, layout in enumerate(parents):
        sweep = open_history(layout).sweep
        goes_on = range(going_on if place == 0 else 0)
        parent, more = prior_trials_of(
            place,
            sweep,
            run_config.sampling.space,
            run=layout.run_id,
            uri="",
            state="Completed",
            learns=learns,
            going_on=goes_on,
        )
        found.append(parent)
        prior_trials += more
        for number in goes_on:
            resumed_prefixes.append(list(sweep.curves.values(number))[:5])
            params = sweep.trials[number].params
            source = {"source": "checkpoint 1", "interval": len(resumed_prefixes[-1])}
            continued.append(
                Continued(run=layout.run_id, experiment=layout.experiment, trial=number, params=params, **source)
            )
    lineage = Lineage(parents=tuple(found), continued=tuple(continued))
    return record(
        storage,
        replace(run_config, lineage=lineage),
        warm_start=WarmStartData(tuple(prior_trials), tuple(resumed_prefixes)),
        checkpoint_every=5,
    )


def retried(storage: Path) -> RunLayout:
    """A run of one trial that was lost, failed, and went on from a checkpoint; with logs, outputs and files."""
    run_config = config(1, space={"learning_rate": uniform(0, 1)})
    limits = replace(run_config.limits, max_attempts=3)
    run_config = replace(run_config, limits=limits)
    sweep, lines = Sweep(run_config), []
    note = {"predicted_mean": 0.58, "predicted_deviation": 0.02, "log_expected_improvement": -3.5}
    for fact in (
        Started(START, 1),
        Suggested(START, 0, {"learning_rate": 0.25}, "model", note),
        Began(START + 1, 0, 1, "node-1", 5, "0"),
        Reported(START + 2, 0, 1, 1, 1, 0.5),
        Lost(START + 9, 0, 1, "node node-1 died"),
        Began(START + 20, 0, 2, "node-2", 6, "1"),
        Reported(START + 21, 0, 2, 1, 1, 0.5),
        Reported(START + 22, 0, 2, 2, 2, 0.6),
        Checkpointed(START + 22.5, 0, 2, 2, "1"),
        Ended(START + 23, 0, 2, 1, "MemoryError: out of memory"),
        Began(START + 30, 0, 3, "node-2", 7, "1"),
        Reported(START + 31, 0, 3, 1, 3, 0.62),
        Ended(START + 32, 0, 3, 0),
    ):
        lines.append(dump(fact, sweep.handle(fact)))
    layout = create(storage, run_config)
    write(layout, lines)
    logs = ("epoch 1\n", "epoch 2\nMemoryError: out of memory\n", "epoch 3\nsaved\n")
    for attempt, text in enumerate(logs, 1):
        layout.attempt(0, attempt).write_whole("log.txt", text.encode(), durable=False)
    layout.outputs(0).write_whole("model.pkl", b"x" * 2048, durable=False)
    layout.checkpoint(0, 1).write_whole("files/weights.bin", b"y" * 4096, durable=False)
    return layout


def create(storage: Path, run_config: RunConfig, run_id: str = "") -> RunLayout:
    run_id = run_id or f"{run_config.experiment}-20261119-120000-{abs(hash(str(storage))) & 0xFFFF:04x}"
    layout = RunLayout.create(str(storage), run_config.experiment, run_id)
    layout.write_config(json.dumps(run_config.to_json()).encode())
    return layout


def write(layout: RunLayout, lines: Sequence[str]) -> None:
    with JournalWriter.open(layout.journal) as writer:
        for start in range(0, len(lines), 2000):
            writer.append(lines[start : start + 2000])
    layout.write_driver(json.dumps({"state": "Running", "at": time.time(), "epoch": 1}).encode())


def by_hand(run_config: RunConfig, ends: Sequence[tuple[dict[str, Any], Sequence[float], int, str]]) -> list[str]:
    """Journal lines of trials given one by one: parameters, values, exit code, error."""
    sweep, lines = Sweep(run_config), []

    def take(fact: Any) -> None:
        lines.append(dump(fact, sweep.handle(fact)))

    at = START
    take(Started(at, 1))
    for number, (params, values, code, error) in enumerate(ends):
        take(Suggested(at, number, params, "random"))
        take(Began(at + 0.5, number, 1, "node-1", 100 + number, ""))
        for k, value in enumerate(values, 1):
            at += 1.0
            take(Reported(at, number, 1, k, k, value, {"loss": 1.0 - value}))
            if sweep.trials[number].stop_by:
                break
        at += 1.0
        take(Ended(at, number, 1, code, error))
    return lines


class Watched:
    """A page, and everything it asked of the network or complained about."""

    def __init__(self, browser: Any, dark: bool = False) -> None:
        scheme = "dark" if dark else "light"
        self.page = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme=scheme)
        self.page.set_default_timeout(120_000)  # a large run on a busy machine
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        self.accept = False
        """Whether a dialog is answered with OK."""
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda note: note.type == "error" and self.errors.append(note.text))
        self.page.on(
            "dialog", lambda box: (self.dialogs.append(box.message), box.accept() if self.accept else box.dismiss())
        )

    def open(self, url: str) -> Any:
        self.page.goto(url)
        self.page.wait_for_function("window.raydrive && raydrive.store.head")
        return self.page

    def see(self, chart: str) -> None:
        """Scrolls to a chart and waits until plotly has drawn what the page knows."""
        self.page.locator(f"#{chart}").scroll_into_view_if_needed()
        self.page.wait_for_function(
            f"document.getElementById('{chart}')._fullLayout && document.getElementById('{chart}').data"
        )
        self.settle()

    def settle(self) -> None:
        """Waits until what was asked for is on the screen."""
        frames = (
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))"
        )
        self.page.evaluate(f"{frames}.then(() => null)")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drags with the left button."""
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=8)
        self.page.mouse.up()

    @property
    def outside(self) -> list[str]:
        return [
            url
            for url in self.requests
            if not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1", "http://localhost"))
        ]


class Served:
    """A studio that serves from a thread of its own."""

    def __init__(self, settings: Any, port: int = 0) -> None:
        import asyncio
        import threading

        from aiohttp import web

        from raydrive.studio.web.server import make_app

        self.loop = asyncio.new_event_loop()
        self.runner = web.AppRunner(
            make_app(settings), access_log=None, shutdown_timeout=5.0, handler_cancellation=True
        )

        async def begin() -> int:
            await self.runner.setup()
            await web.TCPSite(self.runner, "127.0.0.1", port).start()
            return int(self.runner.addresses[0][1])

        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.port = asyncio.run_coroutine_threadsafe(begin(), self.loop).result(30)
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        import asyncio

        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
