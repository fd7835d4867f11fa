"""Trackers that follow a run live: MLflow, W&B, TensorBoard; how users write them, and how they are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show, unknown_keys

TRACKERS: Mapping[str, tuple[str, ...]] = {
    "mlflow": ("uri", "experiment"),
    "wandb": ("project", "entity", "mode", "dir"),
    "tensorboard": ("dir",),
}
"""Trackers with their settings; the first one is what a text stands for, and has to be there."""
PATHS = (("mlflow", "uri"), ("wandb", "dir"), ("tensorboard", "dir"))
"""Settings that may be a path of the submitting machine."""
LIBRARIES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}
"""The module that a tracker needs; the extra of raydrive has the tracker's name."""
Tracking = Mapping[str, Mapping[str, str]]


def tracking_of(raw: object, where: str = "track") -> dict[str, dict[str, str]]:
    """Returns the trackers of a run as they are recorded: ``{"mlflow": {"uri": ...}}``.

    Args:
        raw: None, or a mapping of trackers to a text or a mapping of settings.
        where: The name of the argument, for errors.

    Raises:
        ConfigError: If something in it is wrong; all problems at once.
    """
    if raw is None:
        return {}
    allowed = "a mapping such as {mlflow: URI, wandb: {project: NAME}, tensorboard: DIR}"
    if not isinstance(raw, Mapping):
        raise ConfigError(Problem(where, show(raw), allowed))
    found: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    for name, given in raw.items():
        settings = TRACKERS.get(name) if isinstance(name, str) else None
        if settings is None:
            fix = did_you_mean(str(name), list(TRACKERS))
            problems.append(Problem(f"{where}.{name}", "an unknown key", ", ".join(TRACKERS), fix))
            continue
        given = {settings[0]: given} if isinstance(given, str) else given
        wrong = _problems(given, settings, f"{where}.{name}")
        problems += wrong
        if not wrong:
            found[name] = {key: str(value) for key, value in given.items()}
    if problems:
        raise ConfigError(problems)
    return found


def _problems(given: Any, settings: tuple[str, ...], where: str) -> list[Problem]:
    """What is wrong with the settings of one tracker."""
    first = settings[0]
    allowed = f"a string ({first}), or a mapping of {', '.join(settings)}"
    if not isinstance(given, Mapping):
        return [Problem(where, show(given), allowed)]
    problems = unknown_keys(given, settings, where)
    problems += [
        Problem(f"{where}.{key}", show(value), "text that is not empty")
        for key, value in given.items()
        if key in settings and (not isinstance(value, str) or not value.strip())
    ]
    if first not in given:
        problems.append(Problem(where, f"no {first}", allowed))
    if not problems and first == "uri" and "@" in given["uri"].partition("://")[2].partition("/")[0]:
        fix = "The URI is recorded. Pass MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD as secrets."
        problems.append(Problem(f"{where}.uri", "a URI with a password", "a URI without a password", fix))
    if not problems and given.get("mode", "online") not in ("online", "offline"):
        problems.append(Problem(f"{where}.mode", show(given["mode"]), "online or offline"))
    return problems
