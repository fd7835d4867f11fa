"""What a trainable calls in a trial: ``report``, ``get_checkpoint``, ``get_context``, ``Checkpoint``."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from raydrive.context import Run
from raydrive.core.errors import ConfigError, Problem

COUNT = ".tune_iterations.json"
"""What a checkpoint has beside the trainable's own files: how many results were reported before."""
ANONYMOUS = "_metric"
"""The name of a value that is reported without one, as Ray Tune has it."""


class StopTrial(BaseException):
    """Ends a trainable that has come to its stopping criterion; not an Exception: the trainable shall not handle it."""


class Checkpoint:
    """A folder.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Any, *args: Any, **kwargs: Any) -> None:
        self.path = os.fspath(path)
        self.uri = self.path

    @classmethod
    def from_directory(cls, path: Any) -> Checkpoint:
        """Returns a checkpoint of a folder."""
        return cls(path)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Checkpoint:
        """Returns a checkpoint that holds a dict, as older versions of Ray have it."""
        folder = tempfile.mkdtemp(prefix="raydrive-dict-")
        Path(folder, "dict_checkpoint.pkl").write_bytes(pickle.dumps(dict(data)))
        return cls(folder)

    def to_dict(self) -> dict[str, Any]:
        """Returns the dict that it holds."""
        found: dict[str, Any] = pickle.loads(Path(self.path, "dict_checkpoint.pkl").read_bytes())
        return found

    @contextlib.contextmanager
    def as_directory(self) -> Iterator[str]:
        """Gives its folder."""
        yield self.path

    def to_directory(self, path: Any = None) -> str:
        """Copies it, and returns the copy."""
        target = os.fspath(path) if path is not None else tempfile.mkdtemp(prefix="raydrive-copy-")
        shutil.copytree(self.path, target, dirs_exist_ok=True)
        return target

    def get_metadata(self) -> dict[str, Any]:
        """Returns what it was saved with."""
        file = Path(self.path, "tune_metadata.json")
        return json.loads(file.read_text()) if file.exists() else {}

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Keeps something with it."""
        Path(self.path, "tune_metadata.json").write_text(json.dumps(dict(metadata)))

    update_metadata = set_metadata


class Session:
    """A trainable in its trial.

    Args:
        config: Its hyperparameters.
        stops: Says whether a result ends the trial.
        metric: What is optimised.
    """

    def __init__(self, config: Mapping[str, Any], stops: Callable[[dict[str, Any]], bool], metric: str) -> None:
        self.config, self.stops, self.metric = config, stops, metric
        self.run = Run.get_context()
        self.began = time.monotonic()
        self.checkpoint = Checkpoint(self.run.resume_from) if self.run.resume_from else None
        self.iterations = _iterations(self.checkpoint)
        self.last: dict[str, Any] = {}

    def report(self, metrics: Mapping[str, Any], checkpoint: Any = None) -> None:
        """Logs a result.

        Raises:
            StopTrial: If it ends the trial.
        """
        self.iterations += 1
        folder = getattr(checkpoint, "path", checkpoint)
        if folder is not None:
            Path(folder, COUNT).write_text(json.dumps(self.iterations))
        result = {
            "training_iteration": self.iterations,
            "time_total_s": time.monotonic() - self.began,
            "trial_id": self.run.id,
            **flat(metrics),
        }
        self.last = result
        numbers = {name: value for name, value in flat(metrics).items() if _is_number(value)}
        if numbers:
            logged = {name: float(value) for name, value in numbers.items()}
            self.run.report(logged, step=self.iterations, checkpoint=folder)
        elif folder is not None:
            self.run.save_checkpoint(folder)
        if result.get("done") is True or self.stops(result):
            raise StopTrial

    def save(self, folder: str) -> None:
        """Saves a checkpoint behind the last result."""
        Path(folder, COUNT).write_text(json.dumps(self.iterations))
        self.run.save_checkpoint(folder)


def flat(metrics: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Returns nested results under names with slashes, as Ray Tune has them."""
    found: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{above}{name}/"))
        else:
            found[f"{above}{name}"] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    with contextlib.suppress(Exception):  # an array of several values: it is no number
        return value.item() if hasattr(value, "item") else value
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not (isinstance(value, int) and abs(value) > 2**1000)


def _iterations(checkpoint: Checkpoint | None) -> int:
    if checkpoint is None or not Path(checkpoint.path, COUNT).exists():
        return 0
    return int(json.loads(Path(checkpoint.path, COUNT).read_text()))


_sessions: list[Session] = []


@contextlib.contextmanager
def in_session(session: Session) -> Iterator[Session]:
    """Has ``report`` and the like mean this trial."""
    _sessions.append(session)
    try:
        yield session
    finally:
        _sessions.remove(session)


def current(name: str) -> Session:
    """Returns the trial that a trainable runs in.

    Args:
        name: What it called.

    Raises:
        ConfigError: If it is called outside a trial.
    """
    if not _sessions:
        raise ConfigError(Problem(name, "a call outside a trial", "a call in a trainable"))
    return _sessions[-1]


def report(metrics: Any = None, *, checkpoint: Any = None, **named: Any) -> None:
    """Logs a result of the trial, in each form that Ray has had: a dict, named values, one value.

    Args:
        metrics: Values by name; a number alone is the metric that has no name.
        checkpoint: A ``Checkpoint``; None = none.
        **named: Further values.
    """
    given = dict(metrics) if isinstance(metrics, Mapping) else {}
    if metrics is not None and not isinstance(metrics, Mapping):
        given = {ANONYMOUS: metrics}
    named.pop("checkpoint_dir_name", None)
    session = current("report")
    if given or named:
        session.report({**given, **named}, checkpoint)


def get_checkpoint() -> Checkpoint | None:
    """Returns the checkpoint that the trial goes on from; None where it begins anew."""
    return _sessions[-1].checkpoint if _sessions else None


class TrialContext:
    """What a trainable asks of its trial."""

    def get_trial_id(self) -> str:
        """Returns the id of the trial."""
        return Run.get_context().id

    get_trial_name = get_trial_id

    def get_experiment_name(self) -> str:
        """Returns the name of the experiment."""
        return Run.get_context().experiment.name

    def get_trial_dir(self) -> str:
        """Returns the folder whose files are kept with the trial."""
        return Run.get_context().output_directory

    get_storage = get_trial_resources = get_local_world_size = get_trial_dir

    def get_world_size(self) -> int:
        """Returns how many processes train together."""
        return Run.get_context().world_size

    def get_world_rank(self) -> int:
        """Returns the rank of this process."""
        return Run.get_context().rank

    get_local_rank = get_node_rank = get_world_rank


def get_context() -> TrialContext:
    """Returns what a trainable asks of its trial."""
    return TrialContext()


@contextlib.contextmanager
def checkpoint_dir(step: Any = None) -> Iterator[str]:
    """Gives a folder, and saves what is in it; the form of Ray 1."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder
        Run.get_context().save_checkpoint(folder)


def active() -> bool:
    """Returns whether a trainable runs."""
    return bool(_sessions)
