"""What a user should know about a sweep file that is accepted: keys without meaning here, and silent surprises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from raydrive.api.submit.unused_parameters import not_passed
from raydrive.core.config.install_commands import check_installing
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.errors import Problem
from raydrive.settings.tree import Node
from raydrive.sweepfile.checks.yaml11 import reading

_MACHINES = "ignored: raydrive.resources defines what a trial reserves on the cluster"
_AZURE: Mapping[str, str] = {
    "compute": "ignored: trials run on the Ray cluster given by --address or raydrive.address, or on this machine",
    "identity": "ignored: trials run as the user who started Ray",
    "queue_settings": "ignored: trials start in order, as resources become free",
    "services": "ignored: no service is started in trials; see `raydrive logs RUN TRIAL -f`",
    "properties": "ignored: use tags for what you want to find later",
    "name": "used as the display name: runs are numbered by raydrive",
    "trial.resources": _MACHINES,
    "resources": _MACHINES,
}
_GROWS = "ignored: the number of nodes of a trial is always instance_count"
_CONTAINER = "ignored: a trial is a process on the node, not a container"
_OF_MACHINES = {
    "max_instance_count": _GROWS,
    "shm_size": _CONTAINER,
    "docker_args": _CONTAINER,
}
_OF_RAY = (
    "port", "address", "include_dashboard", "dashboard_port",
    "head_node_additional_args", "worker_node_additional_args",
)  # fmt: skip
"""Keys of a distribution that tell Azure how to start a Ray cluster."""
_NUMBERS = (".min_value", ".max_value", ".q", ".mu", ".sigma", ".upper", ".type")
"""Azure reads numbers here even where they are text."""


def azure_notes(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields one note for each key of Azure's that means nothing here.

    Args:
        raw: The sweep file.
    """
    for where, note in _AZURE.items():
        section, _, key = where.rpartition(".")
        above = raw.get(section) if section else raw
        value = above.get(key) if isinstance(above, Mapping) else None
        if value is None or (where == "name" and raw.get("display_name") == value):
            continue
        if where == "name" and raw.get("display_name"):
            yield where, "ignored: runs are numbered by raydrive, and display_name is shown"
        elif note is _MACHINES and isinstance(value, Mapping):
            for each, given in value.items():
                if each != "instance_count" and given is not None:
                    yield f"{where}.{each}", _OF_MACHINES.get(each, note)
        else:
            yield where, note
    yield from _launcher_notes(raw)


def _launcher_notes(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What means nothing in a distribution: a trial that uses Ray finds the cluster that it runs in."""
    trial = raw.get("trial")
    for where, above in (("distribution", raw), ("trial.distribution", trial)):
        given = above.get("distribution") if isinstance(above, Mapping) else None
        for key in given if isinstance(given, Mapping) else ():
            if key in _OF_RAY:
                yield f"{where}.{key}", "ignored: the trial uses the Ray cluster that it runs in, as that was started"


def unused_notes(spec: TrialSpec, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields one note for each parameter that the command does not pass on, and that may be read otherwise."""
    for name in not_passed(spec.command, names):
        bare = name.lstrip("-")
        if bare not in {one.lstrip("-") for one in spec.unused_ok}:
            passed = f"--{bare} ${{{{search_space.{bare}}}}}"
            yield (
                f"search_space.{name}",
                f"not in the command, so it has no effect unless the script reads it; add {passed}",
            )


def installing(command: str, own: Mapping[str, Any]) -> tuple[Problem | None, str]:
    """Returns a problem or a note about what the command installs into the Python that it runs in.

    Args:
        command: The command.
        own: The section ``raydrive``.
    """
    python, allowed = str(own.get("python") or ""), own.get("allow_pip_install") is True
    return check_installing(command, python=python, allowed=allowed, where="trial.command", keys="raydrive.")


def yaml11_notes(root: Node) -> Iterator[tuple[str, str]]:
    """Yields one note for each value that Azure would read differently."""
    for section in ("search_space", "inputs"):
        node = root.get(section)
        for where, scalar in node.scalars(section) if node else ():
            value_of_choice = section == "search_space" and ".values[" in where and not where.endswith(_NUMBERS)
            literal = section == "inputs" and where.count(".") == 1
            if scalar.text is None or not (value_of_choice or literal):
                continue
            difference = reading(scalar.text, scalar.value)
            if difference:
                yield where, f"{difference}; quote it, or write it so that both agree"
