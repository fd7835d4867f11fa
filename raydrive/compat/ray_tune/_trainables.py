"""What a trial does with a trainable: a function, or a class with ``setup`` and ``step``."""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from raydrive.compat.ray_tune._named import Named
from raydrive.compat.ray_tune._session import ANONYMOUS, Session, StopTrial, in_session
from raydrive.core.errors import ConfigError, Problem, show

REGISTERED: dict[str, Any] = {}
"""Trainables by the name that ``tune.register_trainable`` gave them."""


class Trainable:
    """A trainable that is asked for one result after the other.

    Args:
        config: Hyperparameters.
        *args: Not looked at.
        **kwargs: Objects that ``tune.with_parameters`` gives to ``setup``.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        self.config = dict(config or {})
        self._iteration = 0
        self.logdir = os.getcwd()
        self.setup(self.config, **kwargs)

    def setup(self, config: dict[str, Any], **kwargs: Any) -> None:
        """Is called once with the hyperparameters."""
        older = getattr(self, "_setup", None)
        if older is not None:
            older(config)

    def step(self) -> Any:
        """Trains for a while and returns a result.

        Raises:
            NotImplementedError: In a class that has no such method.
        """
        older = getattr(self, "_train", None)
        if older is None:
            raise NotImplementedError(f"{type(self).__name__} has no step()")
        return older()

    def train(self) -> Any:
        """Trains for a while, as ``step``."""
        self._iteration += 1
        return self.step()

    def save_checkpoint(self, checkpoint_dir: str) -> Any:
        """Is called to save; does nothing in a class that does not."""
        older = getattr(self, "_save", None)
        return older(checkpoint_dir) if older is not None else None

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Is called to go on."""
        older = getattr(self, "_restore", None)
        if older is not None:
            older(checkpoint)

    def cleanup(self) -> None:
        """Is called at the end."""
        older = getattr(self, "_stop", None)
        if older is not None:
            older()

    def reset_config(self, new_config: Mapping[str, Any]) -> bool:
        """Returns False: each trial has an object of its own."""
        return False

    @property
    def iteration(self) -> int:
        """How many results there were."""
        return self._iteration

    training_iteration = iteration

    @property
    def trial_id(self) -> str:
        """Id of the trial."""
        return str(os.environ.get("RAYDRIVE_TRIAL_ID", ""))

    trial_name = trial_id


class WithResources:
    """A trainable and what a trial of it reserves."""

    def __init__(self, trainable: Any, resources: Any) -> None:
        self.trainable, self.resources = trainable, resources


class WithParameters:
    """A trainable and objects that it gets beside its hyperparameters."""

    def __init__(self, trainable: Any, objects: Mapping[str, Any]) -> None:
        self.trainable, self.objects = trainable, objects


def unwrapped(trainable: Any) -> tuple[Any, dict[str, Any], Any]:
    """Returns a trainable without wrappers, the objects that it gets, and what it reserves.

    Raises:
        ConfigError: If it is neither a function nor a class of that kind.
    """
    objects: dict[str, Any] = {}
    resources: Any = None
    while isinstance(trainable, WithResources | WithParameters | str):
        if isinstance(trainable, str):
            if trainable not in REGISTERED:
                allowed = "a function, a subclass of Trainable, or a registered name"
                fix = "Algorithms of RLlib are run by Ray alone: write a function that trains one."
                raise ConfigError(Problem("trainable", show(trainable), allowed, fix))
            trainable = REGISTERED[trainable]
        elif isinstance(trainable, WithResources):
            trainable, resources = trainable.trainable, trainable.resources
        else:
            objects.update(trainable.objects)
            trainable = trainable.trainable
    if isinstance(trainable, Named) or not callable(trainable):
        fix = "A trainer of Ray Train is not tuned here: write a function that trains, or see docs/ray-in-trials.md."
        raise ConfigError(Problem("trainable", type(trainable).__name__, "a function or a subclass of Trainable", fix))
    return trainable, objects, resources


def train(
    trainable: Any,
    objects: Mapping[str, Any],
    config: dict[str, Any],
    stops: Callable[[dict[str, Any]], bool],
    metric: str,
    save_every: int,
    save_at_end: bool,
) -> dict[str, Any]:
    """Does what one trial does, and returns its last result.

    Args:
        trainable: A function or a class.
        objects: What it gets beside its hyperparameters.
        config: Its hyperparameters.
        stops: Says whether a result ends the trial.
        metric: What is optimised.
        save_every: Results between two checkpoints of a class; 0 = none.
        save_at_end: Whether a class saves one at its end.
    """
    with in_session(Session(config, stops, metric)) as session:
        try:
            if inspect.isclass(trainable):
                _run_class(trainable, objects, config, session, save_every, save_at_end)
            else:
                _run_function(trainable, objects, config, session)
        except StopTrial:
            pass
        return session.last


def _run_function(function: Any, objects: Mapping[str, Any], config: dict[str, Any], session: Session) -> None:
    given = functools.partial(function, **objects) if objects else function
    names = list(inspect.signature(given).parameters)
    reporter = _Reporter(session)
    known = {"reporter": reporter, "checkpoint_dir": session.checkpoint.path if session.checkpoint else None}
    more = {name: known[name] for name in names[1:] if name in known and name not in objects}
    result = given(config, **more) if names else given()
    for one in result if inspect.isgenerator(result) else [result]:
        if isinstance(one, Mapping):
            session.report(one)
        elif isinstance(one, int | float):
            session.report({session.metric or ANONYMOUS: one})


class _Reporter:
    """The second argument of functions for older versions of Ray."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, **metrics: Any) -> None:
        self._session.report(metrics)


def _run_class(
    kind: Any, objects: Mapping[str, Any], config: dict[str, Any], session: Session, every: int, at_end: bool
) -> None:
    trained = kind(config, **objects) if objects else kind(config)
    if session.checkpoint is not None:
        trained.load_checkpoint(_given_back(session.checkpoint.path))
        trained._iteration = session.iterations
    try:
        while True:
            result = trained.train()
            last = result.get("done") is True or session.stops(
                {"training_iteration": session.iterations + 1, **(result if isinstance(result, Mapping) else {})}
            )
            due = every and (session.iterations + 1) % every == 0
            if not (due or (at_end and last) or result.get("should_checkpoint")):
                session.report(result)
                continue
            with tempfile.TemporaryDirectory() as folder:
                _save(trained, folder)
                session.report(result, folder)
    finally:
        trained.cleanup()


_STATE = "trainable_state.pkl"


def _save(trained: Any, folder: str) -> None:
    """Has a trainable save into a folder; a dict that it returns instead is pickled, as Ray does."""
    returned = trained.save_checkpoint(folder)
    if isinstance(returned, dict):
        with open(os.path.join(folder, _STATE), "wb") as file:
            pickle.dump(returned, file)


def _given_back(folder: str) -> Any:
    """The dict that a trainable saved, or the folder."""
    path = os.path.join(folder, _STATE)
    if not os.path.exists(path):
        return folder
    with open(path, "rb") as file:
        return pickle.load(file)
