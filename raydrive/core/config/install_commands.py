"""Commands that install packages: into which Python, and whether that is allowed.

Trials run in the Python that raydrive runs in unless ``python`` names another one, several of them at a time. What a
command installs with pip goes into an environment of its trial, unless the user allows it to change the Python that
all of them use; what it installs with another tool cannot be kept apart.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from raydrive.core.errors import Problem

_INSTALLER = re.compile(
    r"(?:(?P<python>\S{0,200}\bpython[\d.]*)(?:\s+-\S+){0,8}?\s+-m\s+)?"
    r"(?<![\w./-])(?P<tool>(?:uv\s+)?pip[\d.]*|conda|mamba|micromamba|poetry|pipenv|pdm)(?:\s+-\S+){0,8}"
    r"\s+(?P<verb>(?:env\s+)?(?:install|uninstall|update|upgrade|remove|add|sync))\b(?P<rest>[^;&|\n)]*)"
    r"|(?<![\w./-])easy_install\s+[^;&|\n)]*"
    r"|(?<![\w./-])python[\d.]*\s+setup\.py\s+(?:install|develop)\b[^;&|\n)]*"
)
_NAMED = re.compile(r"pip|conda|mamba|poetry|pdm|easy_install|setup\.py")
_MOST_MATCHES = 100
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
_ELSEWHERE = re.compile(r"(?:^|\s)(?:--target|-t|--prefix|-p|--root|--dry-run|--name|-n|--python)(?:[\s=]|$)")
"""Options with which something else is changed than the Python that runs."""
_ACTIVATES = re.compile(r"(?<![\w-])activate(?![\w-])")
_VERBS = {"pip": ("install", "uninstall", "sync"), "conda": ("install", "uninstall", "update", "upgrade", "remove")}


def installs(command: str) -> str:
    """Returns what a command installs into the Python that its ``python`` is, as it is there; empty if nothing.

    An environment that the command names or activates itself is its own business.

    >>> installs("pip install -q torch && python train.py"), installs("v/bin/pip install torch; v/bin/python train.py")
    ('pip install -q torch', '')
    """
    return next((found for found, _ in _installations(command)), "")


def throws_away(command: str, *, allowed: bool) -> bool:
    """Returns whether each trial needs an environment of its own, which is thrown away with it.

    Args:
        command: The command.
        allowed: Whether the user allows it to change the Python that trials share.
    """
    return not allowed and any(pip for _, pip in _installations(command))


def _installations(command: str) -> Iterator[tuple[str, bool]]:
    """Yields what a command installs, and whether pip does it."""
    if not _NAMED.search(command):  # nearly always; and some commands are long
        return
    bare = _COMMENT.sub("", command.replace("\\\n", " "))
    for match in itertools.islice(_INSTALLER.finditer(bare), _MOST_MATCHES):
        if _ACTIVATES.search(bare, 0, match.start()) or "/" in (match["python"] or ""):
            continue
        pip = False
        if match["tool"] is not None:
            tool, verb = match["tool"].split()[-1], match["verb"].split()[-1]
            kind = "pip" if tool.startswith("pip") and tool != "pipenv" else "conda" if "mamba" in tool else tool
            if verb not in _VERBS.get(kind, (verb,)) or _ELSEWHERE.search(match["rest"]):
                continue
            pip = kind == "pip"
        yield " ".join(match[0].split()).rstrip("\"'"), pip


def check_installing(
    command: str, *, python: str, allowed: bool, where: str, keys: str = ""
) -> tuple[Problem | None, str]:
    """Returns a problem, or else a warning, about what a command installs; neither when it installs nothing.

    Args:
        command: The command.
        python: The interpreter that the user chose for trials; empty = that of raydrive.
        allowed: Whether the user allows it to change the Python that trials share.
        where: Path of the key.
        keys: What is before the names of settings: ``raydrive.`` in a sweep file.
    """
    found = next((one for one, pip in _installations(command) if not pip and not python and not allowed), "")
    if found:
        kept = "no installation into the Python that raydrive runs in, which other trials use at the same time"
        fix = (
            f"Set {keys}python to the interpreter of an environment that trials may change, install before submitting, "
            f"or set {keys}allow_pip_install to true."
        )
        return Problem(where, repr(found), kept, fix), ""
    found = installs(command)
    if not found:
        return None, ""
    if throws_away(command, allowed=allowed):
        note = f"{found!r} is repeated by each trial, in an environment that is deleted after it"
        return None, f"{note}; if that takes long, install before submitting"
    which = python or "the Python that raydrive runs in"
    return None, f"{found!r} changes {which} while other trials run there; install before submitting"
