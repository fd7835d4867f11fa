"""The packages of trials, as ``ScriptRunConfig`` names them."""

from __future__ import annotations

import os

from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.storage.folder.current import current_folder


def to_build(
    tool: str | None, file: str | os.PathLike[str] | None, python: str | None, problems: list[Problem]
) -> TrialEnvironment | None:
    """Returns what is built for the trials on each node; None where nothing is.

    Args:
        tool: ``uv`` or ``conda``; None = ``uv``.
        file: A conda or requirements file; None = none.
        python: The interpreter that trials use instead; None = none.
        problems: Gets what is wrong.
    """
    if file is None:
        if tool is not None:
            fix = "Name a conda file or a requirements file: environment_file=..."
            problems.append(Problem("environments", show(tool), "given without environment_file", fix))
        return None
    if python:
        return None
    from raydrive.settings.conda_files import environment_of  # lazy: raydrive.settings.conda_files, 0.2 s

    try:
        return environment_of(tool or "uv", file, current_folder())[0]
    except ConfigError as error:
        problems += error.problems
        return None
