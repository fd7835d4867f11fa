"""Ray inside a trial: its reservation, and a handle that logs from any process of the cluster.

Standard library only, nothing newer than Python 3.8: training scripts import this in environments of their own. Ray is
imported where it is used.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import Any, List, Mapping  # noqa: UP035  (Python 3.8)

from raydrive import context_values, variables, wire

NAMESPACE = "raydrive"
"""Namespace of the trial actors."""
BATCH = 1000
"""Most messages that are sent at once."""
UNKNOWN_S = 30.0
"""Seconds for which an actor that cannot be reached is asked again."""


class LoggingError(RuntimeError):
    """What a process of the cluster logs does not reach the trial: that has ended, or its actor is gone."""


class RayOfTrial:
    """What of a trial has to do with Ray; part of ``Run``."""

    def placement_group(self) -> Any:
        """Returns the trial's reservation, as a ``ray.util.placement_group.PlacementGroup``.

        Tasks and actors with ``PlacementGroupSchedulingStrategy(run.placement_group())`` run in it. A bundle is one of
        the trial's nodes.

        Returns:
            The group; None outside a trial, and in one without ``distribution: ray``.
        """
        text = os.environ.get(wire.PLACEMENT_GROUP, "")
        if not text:
            return None
        import ray  # lazy: ray, 0.2 s
        from ray.util.placement_group import PlacementGroup  # lazy: ray, 0.2 s

        return PlacementGroup(ray.PlacementGroupID(bytes.fromhex(text)))

    def release_placement_group(self) -> None:
        """Gives the trial's reservation back, for something that reserves its own, such as Ray Train's trainers.

        Whatever still runs in it is ended by Ray. Without a reservation this does nothing.
        """
        group = self.placement_group()
        if group is None:
            return
        import ray  # lazy: ray, 0.2 s
        from ray.util.placement_group import remove_placement_group  # lazy: ray, 0.2 s

        if not ray.is_initialized():
            ray.init()
        remove_placement_group(group)

    def remote(self, rank: int = 0) -> RemoteRun:
        """Returns a handle of this trial that can be sent to Ray tasks and actors, on whatever node.

        Args:
            rank: The rank under which it logs, 0 or more: the primary metric is taken from rank 0.
        """
        params = variables.read_with_tuples(wire.PARAMS, wire.TUPLES)
        return RemoteRun(
            os.environ.get(wire.TRIAL_ACTOR, ""),
            os.environ.get(wire.TRIAL_ID, ""),
            int(os.environ.get(wire.TRIAL, "") or 0),
            int(os.environ.get(wire.ATTEMPT, "") or 1),
            params,
            rank,
        )


class RemoteRun:
    """A trial as any process of the cluster may use it; get it with ``Run.remote()``.

    What one handle logs keeps its order. Every call returns when the trial has what was logged, which takes about a
    millisecond; threads that log at the same time share one message. Outside a trial values are printed.

    Args:
        actor: Name of the trial actor; empty = there is none.
        trial_id: Id of the trial.
        trial: Number of the trial.
        attempt: Number of the attempt, from 1.
        params: The hyperparameters.
        rank: The rank under which it logs, from 0.
    """

    def __init__(
        self, actor: str, trial_id: str, trial: int, attempt: int, params: Mapping[str, Any], rank: int = 0
    ) -> None:
        self.id = trial_id
        """Id of the trial; empty outside one."""
        self.params = dict(params)
        """The trial's hyperparameters."""
        self.rank = rank
        """The rank under which it logs, from 0."""
        self._at = (actor, trial, attempt)
        self._begin()

    def __reduce__(self) -> Any:
        """Each copy sends as one of its own."""
        actor, trial, attempt = self._at
        return RemoteRun, (actor, self.id, trial, attempt, self.params, self.rank)

    def with_rank(self, rank: int) -> RemoteRun:
        """Returns a handle that logs under another rank."""
        actor, trial, attempt = self._at
        return RemoteRun(actor, self.id, trial, attempt, self.params, rank)

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        """Logs one value, as ``Run.log`` does.

        Raises:
            TypeError: The value is neither a number nor a string.
            ValueError: The name is empty.
            LoggingError: The trial has ended, or cannot be reached.
        """
        context_values.check_name(name)
        where = f"log({context_values.shown(name)}, ...)"
        self._log({name: context_values.scalar(value, where, "log one value at a time")}, step, description)

    def report(self, metrics: Mapping[str, Any], *, step: float | None = None, description: str = "") -> None:
        """Logs values together, as ``Run.report`` does.

        Raises:
            TypeError: ``metrics`` is not a mapping, or a value neither a number nor a string.
            ValueError: There is no value, or a name is empty.
            LoggingError: The trial has ended, or cannot be reached.
        """
        self._log(context_values.row(metrics, "report({...})"), step, description)

    def _log(self, values: Mapping[str, Any], step: float | None, description: str) -> None:
        step = None if step is None else context_values.scalar(step, "the step", "give a number")
        if not self._at[0]:
            for name, value in values.items():
                context_values.say_value(name, value, step)
            return
        if self._pid != os.getpid():
            self._begin()
        own = _Logged(wire.metrics_message(values, step, description, self.rank))
        with self._adding:
            self._waiting.append(own)
        with self._sending:
            while not own.sent:  # else another thread has sent it meanwhile
                self._send()
        if own.trouble:
            raise LoggingError(own.trouble) from own.cause

    def _begin(self) -> None:
        """Makes this process a sender of its own, after a fork too."""
        self._pid, self._sender, self._sent = os.getpid(), uuid.uuid4().hex, 0
        self._actor: Any = None
        self._waiting: List[_Logged] = []  # noqa: UP006
        self._adding, self._sending = threading.Lock(), threading.Lock()

    def _send(self) -> None:
        """Sends what waits, and returns when the trial has it, or cannot have it."""
        name, trial, attempt = self._at
        with self._adding:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        messages = [one.message for one in batch]
        trouble, cause = "", None
        try:
            if self._actor is None:
                self._actor = _actor(name)
            if self._actor is None or not _ask(
                lambda: self._actor.log.remote(trial, attempt, self._sender, self._sent, messages)
            ):
                trouble = (
                    f"attempt {attempt} of trial {self.id} has ended: nothing more can be logged. Let the trial wait "
                    "for its tasks and actors, such as with ray.get(), before it ends"
                )
        except Exception as error:
            cause = error
            trouble = f"trial {self.id} cannot be reached from this process: {str(error).strip().partition(chr(10))[0]}"
        self._sent += len(batch)
        for one in batch:
            one.sent, one.trouble, one.cause = True, trouble, cause


def _actor(name: str) -> Any:
    """Returns the trial's actor; None when it is gone."""
    import ray  # lazy: ray, 0.2 s

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


class _Logged:
    """What one call logs, until it is sent."""

    def __init__(self, message: wire.Message) -> None:
        self.message = message
        self.sent = False
        self.trouble = ""
        """Why the trial does not have it; empty if it has."""
        self.cause: Exception | None = None


def _ask(call: Any) -> bool:
    """Returns the answer of a call, made again while it is not known whether it has arrived."""
    import ray  # lazy: ray, 0.2 s

    unavailable = getattr(ray.exceptions, "ActorUnavailableError", ())
    end = time.monotonic() + UNKNOWN_S
    while True:
        try:
            return bool(ray.get(call()))
        except unavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
