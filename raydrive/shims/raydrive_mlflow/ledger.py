"""Which MLflow run is the trial, and what of the others is kept under which name.

The first top-level run of the process is the trial. A script may have several (train, then evaluate), and runs nested
in them (folds of a cross-validation). A metric's plain name belongs to the top-level run that logged it first; in every
other run the same name is kept as ``RUN NAME/METRIC``: it does not lengthen the trial's curve, and is not lost either.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, Iterable, Mapping  # noqa: UP035  (Python 3.8)

from raydrive import context, ranks, wire

PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
PARAMS = "params/"
"""Before the names of what ``mlflow.log_param`` logs, among the tags of the trial."""
_REPEAT_MS = 1000
"""Rows without a step that are equal and younger than this are two calls, not a repetition."""


class Row:
    """One value of a metric as MLflow logs it."""

    __slots__ = ("key", "linked", "step", "timestamp", "value")

    def __init__(self, metric: Any) -> None:
        self.key: str = metric.key
        self.value: float = float(metric.value)
        self.timestamp: int = int(metric.timestamp or 0)
        self.step: int = int(metric.step or 0)
        self.linked = getattr(metric, "model_id", None) is not None

    def identity(self) -> tuple[Any, ...]:
        """What MLflow's own database takes for the same row."""
        return (self.key, repr(self.value), self.timestamp, self.step)


class Ledger:
    """The MLflow runs of this process, and what they have logged so far."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._labels: dict[str, str] = {}
        self._nested: set[str] = set()
        self._owner: dict[str, str] = {}
        self._seen: dict[str, set[tuple[Any, ...]]] = {}

    def created(self, run_id: str, name: str, tags: Mapping[str, str]) -> None:
        """Notes a new run.

        Args:
            run_id: Its id.
            name: Its name; may be empty.
            tags: Its tags: a parent makes it a nested one.
        """
        with self._lock:
            if run_id in self._labels:
                return
            label = name or tags.get(RUN_NAME) or f"run-{len(self._labels)}"
            self._labels[run_id] = label
            if tags.get(PARENT):
                self._nested.add(run_id)

    def log(self, run_id: str, metrics: Iterable[Any], params: Iterable[Any] = (), tags: Iterable[Any] = ()) -> None:
        """Sends what a run logs to the trial.

        Args:
            run_id: The run.
            metrics: MLflow's metrics; repetitions are left out.
            params: MLflow's params.
            tags: MLflow's tags; its own (``mlflow.*``) are left out.
        """
        with self._lock:
            self.created(run_id, "", {})
            groups: list[tuple[float | None, dict[str, Any]]] = []
            for row in map(Row, metrics):
                name = self._name(run_id, row.key)
                if self._is_repetition(run_id, row):
                    continue
                step = self._step(name, row)
                if not groups or groups[-1][0] != step or name in groups[-1][1]:
                    groups.append((step, {}))
                groups[-1][1][name] = row.value
            for step, values in groups:
                _send_metrics(values, step)
            prefix = "" if run_id == next(iter(self._labels)) else f"{self._labels[run_id]}/"
            texts = {f"{prefix}{PARAMS}{param.key}": str(param.value) for param in params}
            texts.update({prefix + tag.key: str(tag.value) for tag in tags if not tag.key.startswith("mlflow.")})
            if texts:
                _send_tags(texts)

    def _name(self, run_id: str, key: str) -> str:
        if run_id not in self._nested and self._owner.setdefault(key, run_id) == run_id:
            return key
        name = f"{self._labels[run_id]}/{key}"
        if run_id not in self._nested:
            _say_once(
                f"{key!r} of a second MLflow run of this trial is kept as {name!r}: the first run that logged it is "
                "the trial's"
            )
        return name

    def _is_repetition(self, run_id: str, row: Row) -> bool:
        """Whether MLflow sends a row again: ``log_model`` of MLflow 3 does, to link values to the model."""
        seen = self._seen.setdefault(run_id, set())
        identity = row.identity()
        if identity not in seen:
            seen.add(identity)
            return False
        return row.linked or row.step != 0 or time.time() * 1000 - row.timestamp > _REPEAT_MS

    def _step(self, name: str, row: Row) -> float | None:
        """The step; None for a script that gives none (MLflow then says 0, again and again)."""
        return None if row.step == 0 and name in context.current().metrics else row.step


def _send_metrics(values: Mapping[str, float], step: float | None) -> None:
    this = context.current()
    for name, value in values.items():
        this.metrics.setdefault(name, []).append(value)
    if this.client is not None:
        this.client.send(wire.metrics_message(values, step, rank=this.rank))


def _send_tags(texts: Mapping[str, str]) -> None:
    this = context.current()
    this.tags.update(texts)
    if this.client is not None:
        this.client.send(wire.tags_message(texts, ranks.rank_of(os.environ)))


_said: set[str] = set()


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        print(f"raydrive: {text}", file=sys.stderr, flush=True)


LEDGER = Ledger()
"""The ledger of this process."""
