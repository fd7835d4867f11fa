"""Builds the environment of a run's trials on this node, once: later trials and later runs find it.

Each lies in a folder named for all that it is made of, below the user's cache folder and one for the node: cache
folders may be shared by nodes that have other Pythons. A mark is written when it is whole; else it is built again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.core.errors import RaydriveError
from raydrive.storage.folder.contained import remove_tree

_MARK = ".whole"
_LONGEST_OUTPUT = 1_500
"""Characters of what a tool has printed that an error has."""
_OF_OURS = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME")
_OF_TOOLS = ("UV_", "PIP_", "CONDA_", "MAMBA_", "SSL_", "HTTP_", "HTTPS_", "NO_PROXY", "http_", "https_", "no_proxy")
_CONDAS = ("micromamba", "mamba", "conda")
_ALWAYS_YES = {"CONDA_ALWAYS_YES": "1", "MAMBA_ALWAYS_YES": "1"}
"""``conda env create`` before 23.7 has no ``--yes`` (conda/conda#12837); all of them read one of these."""


class EnvironmentBuildError(RaydriveError):
    """The environment of the trials cannot be built on a node; the message has what the tool printed last."""


def built_python(
    wanted: TrialEnvironment, variables: Mapping[str, str] = MappingProxyType({}), cache: Path | None = None
) -> str:
    """Returns the absolute path of the Python of an environment, which is built if this node does not have it.

    Other processes that want the same wait for the one that builds it.

    Args:
        wanted: The environment.
        variables: Those of the trials: what tells the tools where packages are (``UV_INDEX_URL``) counts here, too.
        cache: Holds this node's environments; None = a folder in the user's cache.

    Raises:
        EnvironmentBuildError: If it cannot be built.
        OSError: If the cache cannot be written to.
    """
    folder = (cache or _cache()) / wanted.digest
    python = folder / "bin" / "python"
    if (folder / _MARK).exists() and python.exists():
        return str(python)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / f"{folder.name}.lock"):
        if (folder / _MARK).exists() and python.exists():
            return str(python)
        if folder.exists():
            remove_tree(str(folder))
        try:
            (_with_conda if wanted.tool == "conda" else _with_uv)(wanted, folder, _environment(variables))
        except BaseException:
            remove_tree(str(folder))
            raise
        (folder / _MARK).touch()
    return str(python)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "raydrive" / "environments" / os.uname().nodename


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock that ends with this process."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _with_uv(wanted: TrialEnvironment, folder: Path, env: Mapping[str, str]) -> None:
    uv = _tool("uv", beside=True)
    if not uv:
        _missing("uv", "pip install 'raydrive[environments]'")
    python = wanted.python or f"{sys.version_info.major}.{sys.version_info.minor}"
    _run([uv, "venv", "--quiet", "--python", python, str(folder)], env)
    if wanted.requirements.strip():
        lines = folder / "requirements.txt"
        lines.write_text(wanted.requirements + "\n", encoding="utf-8")
        _run([uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "-r", str(lines)], env)


def _with_conda(wanted: TrialEnvironment, folder: Path, env: Mapping[str, str]) -> None:
    conda = next((found for name in _CONDAS if (found := _tool(name))), "") or os.environ.get("CONDA_EXE", "")
    if not conda:
        _missing("conda", "install conda or micromamba, or write raydrive.environments: uv")
    file = folder.parent / f"{folder.name}.yml"
    file.write_text(json.dumps(json.loads(wanted.conda_file)), encoding="utf-8")
    command = [conda] if os.path.basename(conda) == "micromamba" else [conda, "env"]
    try:
        _run([*command, "create", "--quiet", "--prefix", str(folder), "--file", str(file)], {**env, **_ALWAYS_YES})
    finally:
        file.unlink(missing_ok=True)


def _tool(name: str, *, beside: bool = False) -> str:
    """The path of a program: beside raydrive's Python, or in PATH; empty if there is none."""
    near = os.path.join(os.path.dirname(sys.executable), name)
    return near if beside and os.access(near, os.X_OK) else shutil.which(name) or ""


def _missing(tool: str, way: str) -> None:
    raise EnvironmentBuildError(
        f"raydrive.environments: found {tool}, which is not installed on the node {os.uname().nodename}; allowed: a "
        f"tool that builds environments there. On each node: {way}; or set raydrive.python to a Python that has the "
        "packages."
    )


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This node's variables without those of the environment that raydrive runs in, and what trials add for tools."""
    own = {name: value for name, value in os.environ.items() if name not in _OF_OURS}
    return own | {name: value for name, value in variables.items() if name.startswith(_OF_TOOLS)}


def _run(argv: list[str], env: Mapping[str, str]) -> None:
    """Runs a tool to its end.

    Raises:
        EnvironmentBuildError: If it fails.
    """
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", env=env)
    if done.returncode:
        printed = (done.stderr.strip() or done.stdout.strip())[-_LONGEST_OUTPUT:]
        raise EnvironmentBuildError(
            f"the environment of the trials cannot be built on {os.uname().nodename}: "
            f"{os.path.basename(argv[0])} {' '.join(argv[1:3])} ended with {done.returncode}: {printed}. "
            "Change the file of packages, or name a Python that has them in raydrive.python."
        )
