"""``wandb`` in a trial: its configuration has the hyperparameters, and what is logged to it reaches the trial."""

from __future__ import annotations

import os
from typing import Any, Iterator, Mapping  # noqa: UP035  (Python 3.8)

from raydrive import context
from raydrive_trackers import trial
from raydrive_trackers.stand_in import Nothing


class Config(dict):  # type: ignore[type-arg]
    """Values by name, also as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"wandb.config has no {name!r}; it has {', '.join(self) or 'nothing'}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def update(self, *given: Any, **more: Any) -> None:
        """Adds values; those of the trial stay."""
        for name, value in {**dict(_values(given[0] if given else {})), **_without_option(more)}.items():
            self[name] = value
        dict.update(self, trial.parameters())

    def setdefaults(self, given: Any) -> None:
        """Adds values that are not there."""
        for name, value in _values(given).items():
            self.setdefault(name, value)

    def as_dict(self) -> dict[str, Any]:
        """Returns a copy."""
        return dict(self)


def _without_option(more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in more.items() if name != "allow_val_change"}


def _values(given: Any) -> dict[str, Any]:
    """What a configuration is given as: a mapping, an ``argparse.Namespace``, or something that is not looked at."""
    if isinstance(given, Mapping):
        return dict(given)
    return dict(vars(given)) if hasattr(given, "__dict__") and not isinstance(given, str) else {}


class Summary(dict):  # type: ignore[type-arg]
    """The last values; what is put here reaches the trial, too."""

    def __setitem__(self, name: str, value: Any) -> None:
        dict.__setitem__(self, name, value)
        trial.log({name: value})

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getattr__(self, name: str) -> Any:
        return self.get(name)

    def update(self, *given: Any, **more: Any) -> None:
        """Puts several."""
        for name, value in {**dict(*given), **more}.items():
            self[name] = value


class Run:
    """What ``wandb.init`` returns.

    Args:
        config: The configuration.
        **named: ``name``, ``project``, ``group``, ``tags``, ``notes``.
    """

    def __init__(self, config: Any = None, **named: Any) -> None:
        mine = context.Run.get_context()
        self.config = Config(_values(config))
        dict.update(self.config, trial.parameters())
        self.summary = Summary()
        self.id = str(mine.id)
        self.name = named.get("name") or self.id
        self.project, self.group, self.entity = named.get("project"), named.get("group"), named.get("entity")
        self.sweep_id = os.environ.get("RAYDRIVE_RUN_ID")
        self.dir = os.path.abspath("outputs")
        self.url = self.notes = self.job_type = ""
        self.tags = tuple(named.get("tags") or ())
        self.step = 0

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: Any = None, **more: Any) -> None:
        """Logs numbers; tables, images and the like are left out."""
        trial.log(data, step)
        dict.update(self.summary, data)
        if commit is not False:
            self.step = (self.step if step is None else step) + 1

    def finish(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: the trial continues."""

    join = finish

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *about: object) -> None:
        self.finish()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing()


def tee(module: Any) -> None:
    """Has the runs of an installed ``wandb`` log to the trial, too, and know its hyperparameters.

    Without a key of its own it stays offline: a trial must not wait for an answer to a question.
    """
    real = module.sdk.wandb_run.Run
    init, log = module.init, real.log

    def logged(self: Any, data: Any, step: Any = None, *args: Any, **kwargs: Any) -> Any:
        trial.log(data, step)
        return log(self, data, step, *args, **kwargs)

    def begun(*args: Any, **kwargs: Any) -> Any:
        run = init(*args, **kwargs)
        if run is not None:
            run.config.update(trial.parameters(), allow_val_change=True)
        return run

    real.log, module.init = logged, begun
