"""Jobs as they go to the fork server and on to its processes: JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class RankOrder(TypedDict):
    """One process of a job that has several."""

    env: dict[str, str]
    """What is set in its environment beside that of the job."""
    log_path: str


class JobOrder(TypedDict):
    """One start of a training process: the fields of ``fork_client.Job``, and what is made of them.

    Exactly one of ``argv``, ``function_path`` and ``script`` is not empty.
    """

    argv: list[str]
    function_path: str
    params: dict[str, Any]
    tuples: Any
    """Where the parameters hold tuples, which JSON does not have; see ``variables.tuples_in``."""
    metric: str
    reuse: bool
    script: str
    arguments: list[str]
    cwd: str
    env: Mapping[str, str]
    log_path: str
    grace_s: float
    ranks: list[RankOrder]
    """The processes of a job that has several on this node; empty = it has one."""


class ServedJob(JobOrder, total=False):
    """A job in the fork server, with what the server adds before it forks."""

    code_dir: str
    """Folder with the user's code; empty for none."""
    changes: tuple[list[str], dict[str, str]]
    """Names to remove from the server's environment, and what to set in it, to make it that of the job."""
    learns: bool
    """Whether the process names the modules that it has imported; it does where this is left out."""


class Setup(TypedDict):
    """What the fork server is started with."""

    do: str
    preload: list[str]
    sys_path: list[str]
    code_dir: str
    remove: list[str]
    learn: bool
    forks: bool
