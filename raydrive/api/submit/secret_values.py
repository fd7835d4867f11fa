"""Reading the values of a run's secrets, where it is submitted or resumed. They go to its actors and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping

from raydrive.core.argument_checks import unusable
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, Problem
from raydrive.core.notices.rules import WEBHOOK

MOST_BYTES = 65_536
"""Bytes of all secrets of a run. More would reach Ray's object store, which may write to disk."""


def secret_sources(config: RunConfig) -> dict[str, str]:
    """Returns where the values of a run's secrets are read: those of its trials, and that of its webhook."""
    notify = config.rules.notify
    webhook = {} if notify is None or not notify.source else {WEBHOOK: notify.source}
    return {**config.trial.secrets, **webhook}


def read_secrets(sources: Mapping[str, str], where: str = "secrets") -> dict[str, str]:
    """Returns the values of secrets by name.

    Args:
        sources: ``env``, ``env:NAME`` or ``file:PATH`` by the name of the variable that trials get.
        where: Path of the mapping, for errors.

    Raises:
        ConfigError: If one is missing, cannot be read, or is not text; all of them at once.
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for name, source in sources.items():
        kind, _, rest = source.partition(":")
        found = os.environ.get(rest or name) if kind == "env" else _read_file(rest)
        if kind == "env" and not found:
            variable = rest or name
            text = f"no environment variable {variable}" if found is None else f"{variable}, which is empty"
            fix = f"Set it in the shell you submit from: export {variable}=..."
            problems.append(Problem(f"{where}.{name}", text, "a variable that holds the value", fix))
        elif isinstance(found, OSError):
            text = f"{rest!r}: {found.strerror or found}"
            problems.append(Problem(f"{where}.{name}", text, "a text file with the value"))
        elif not found or unusable(found):
            text = f"{rest!r}, which {'is empty' if not found else 'is no text'}"
            problems.append(Problem(f"{where}.{name}", text, "a text file with the value"))
        else:
            values[name] = found
    size = sum(len(value.encode()) for value in values.values())
    if size > MOST_BYTES:
        problems.append(Problem(where, f"{size:,} bytes of secrets", f"at most {MOST_BYTES:,}"))
    if problems:
        raise ConfigError(problems)
    return values


def refuse_by_job(sources: Mapping[str, str]) -> None:
    """Refuses secrets where only a dashboard is reached: what a Ray job carries is kept on the cluster's disks.

    Raises:
        ConfigError: If there are secrets.
    """
    if sources:
        found = f"{', '.join(sources)}, and a cluster that is reached through its dashboard"
        fix = "Or set the variables on the cluster's nodes: trials inherit them."
        raise ConfigError(
            Problem("secrets", found, "no secrets, or --address HOST:PORT from inside the cluster's network", fix)
        )


def _read_file(path: str) -> str | OSError:
    """The text of a file without the line end at its end, or why it cannot be read."""
    try:
        descriptor = os.open(os.path.expanduser(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MOST_BYTES + 1).decode("utf-8", "replace").rstrip("\r\n")
    except OSError as error:
        return error
