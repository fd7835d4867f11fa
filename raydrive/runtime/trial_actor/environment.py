"""The environment of training processes: that of the node, with the Python of the trial and variables of raydrive.

Whatever a command calls, ``python``, ``python3``, ``pip`` and ``pip3`` are those of the Python that was chosen for
trials (``python:``, else the one that raydrive runs in), with a shell or without one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from raydrive.core.config.trial_spec import TrialSpec
from raydrive.runtime.gpus.visible import HIDDEN
from raydrive.runtime.trial_actor.script_environment import with_training_folder

_NAMES = {"python": "", "python3": "", "pip": " -m pip", "pip3": " -m pip"}
"""Commands, and how each of them is called as an interpreter's own."""
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")


def node_environment(
    trial: TrialSpec, *, folder: Path, base: Path | None, secrets: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Returns what every training process inherits from this node, with the GPUs it may see.

    Args:
        trial: What is run.
        folder: Folder of the run on this node, for the commands that the chosen Python lacks.
        base: Where a relative path of that Python begins; None = nowhere.
        secrets: Further variables of the user, which are in no configuration.
    """
    user = {**trial.environment_variables, **secrets}
    env = _without_kernel(os.environ)
    if not trial.resources.gpus or trial.distribution == "ray":
        env |= HIDDEN  # Ray leaves them alone, and the trial would see every GPU
    env["PYTHONUNBUFFERED"] = "1"  # a log that can be followed
    python = find_python(trial.python, env.get("PATH", os.defpath), base) or sys.executable
    _use_python(env, python, folder, chosen=bool(trial.python))
    env.update(user)
    if trial.python and "PATH" in user:
        env["PATH"] = f"{_front(python, folder)}{os.pathsep}{user['PATH']}"
    return with_training_folder(env)


def _without_kernel(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without what Ray and raydrive set, nor what a notebook's kernel sets for its own output."""
    env = {name: value for name, value in environ.items() if not name.startswith(("RAY_", "RAYDRIVE_", "JPY_"))}
    if env.get("MPLBACKEND", "").startswith("module://") and "inline" in env["MPLBACKEND"]:
        del env["MPLBACKEND"]  # a trial's Python may not have it, and draws into no cell
    if "JPY_PARENT_PID" in environ:
        for name in ("CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"):
            env.pop(name, None)
    return env


def find_python(python: str, path: str, base: Path | None) -> str:
    """Returns the absolute path of an interpreter; empty if there is none.

    Args:
        python: As the user wrote it: a name to look up, or a path.
        path: The PATH to look it up in.
        base: Where a relative path begins.
    """
    if os.path.dirname(python):
        return os.path.abspath(os.path.join(base or "", python)) if base or os.path.isabs(python) else ""
    return shutil.which(python, path=path) or "" if python else ""


def _use_python(env: dict[str, str], python: str, folder: Path, *, chosen: bool) -> None:
    """Makes a Python the one that commands mean, and drops what belongs to another one."""
    front = _front(python, folder)
    first = front.split(os.pathsep)
    others = [entry for entry in env.get("PATH", os.defpath).split(os.pathsep) if entry not in first]
    env["PATH"] = os.pathsep.join([front, *others])
    prefix = os.path.dirname(os.path.dirname(python))
    for name, mark in (("VIRTUAL_ENV", "pyvenv.cfg"), ("CONDA_PREFIX", "conda-meta")):
        if os.path.exists(os.path.join(prefix, mark)):
            env[name] = prefix
        else:
            env.pop(name, None)
    if env.get("CONDA_PREFIX") != os.environ.get("CONDA_PREFIX"):
        env.pop("CONDA_DEFAULT_ENV", None)
    if chosen and os.path.abspath(python) != os.path.abspath(sys.executable):
        env.pop("PYTHONHOME", None)
        ours = (os.path.join(sys.prefix, ""), os.path.join(sys.base_prefix, "lib", ""))
        kept = [entry for entry in env.get("PYTHONPATH", "").split(os.pathsep) if not (entry + os.sep).startswith(ours)]
        env["PYTHONPATH"] = os.pathsep.join(kept)


def _front(python: str, folder: Path) -> str:
    """The beginning of PATH: a Python's folder, and commands for what it lacks or has of another Python."""
    home = os.path.dirname(python)
    lacks, others = _unlike(python)
    if not lacks and not others:
        return home
    commands = _commands(python, [*lacks, *others], folder)
    return os.pathsep.join([commands, home] if others else [home, commands])


def _unlike(python: str) -> tuple[list[str], list[str]]:
    """Commands that a Python's folder does not have, and those in it that are another Python's."""
    home = os.path.dirname(python)
    environment = os.path.exists(os.path.join(os.path.dirname(home), "pyvenv.cfg"))
    lacks = [name for name in _NAMES if not os.path.exists(os.path.join(home, name))]
    others = [
        name
        for name in ("python", "python3")
        if name not in lacks
        and not environment
        and os.path.realpath(os.path.join(home, name)) != os.path.realpath(python)
    ]
    if others:  # then its owner cannot be found out
        others += [name for name in ("pip", "pip3") if name not in lacks]
    return lacks, others


def _commands(python: str, names: list[str], folder: Path) -> str:
    """Makes commands that call a Python; returns their folder."""
    place = folder / "commands"
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        partial = place / f".{name}-{os.getpid()}"
        partial.write_text(f'#!/bin/sh\nexec {shlex.quote(python)}{_NAMES[name]} "$@"\n')
        partial.chmod(0o755)
        partial.rename(place / name)  # other actors of the run make the same
    return str(place)


def temporary_variables(trial: TrialSpec, env: Mapping[str, str], folder: str) -> dict[str, str]:
    """Returns what has temporary files made in a folder of the trial's own; what trials share stays where it was.

    Args:
        trial: What is run; nothing is changed where the user chose a folder.
        env: What training processes inherit.
        folder: The folder.
    """
    if any(name in trial.environment_variables for name in _TEMPORARY):
        return {}
    shared = next((env[name] for name in _TEMPORARY if env.get(name)), "/tmp")
    kept = {
        "TORCHINDUCTOR_CACHE_DIR": f"{shared}/torchinductor_{os.getuid()}",  # compiled code, for the trials after it
        "RAY_TMPDIR": os.environ.get("RAY_TMPDIR", shared),  # where a cluster of this node is found
    }
    return {**{name: value for name, value in kept.items() if not env.get(name)}, "TMPDIR": folder}
