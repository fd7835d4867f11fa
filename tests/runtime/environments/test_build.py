"""Environments of trials, built with uv from wheels in a folder, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from local_wheels import make_wheel, offline

from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.runtime.environments.build import EnvironmentBuildError, built_python


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with two versions of a package."""
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "wheels", "smallest", version)
    return tmp_path / "wheels"


def version_in(python: str) -> str:
    code = "import smallest, sys; print(smallest.VERSION, sys.prefix)"
    done = subprocess.run([python, "-c", code], text=True, capture_output=True, timeout=60)
    return done.stdout.split()[0] if done.returncode == 0 else done.stderr


def uv(requirements: str) -> TrialEnvironment:
    return TrialEnvironment(tool="uv", requirements=requirements)


def test_an_environment_is_built_once_and_has_what_was_asked_for(tmp_path: Path, wheels: Path) -> None:
    first = built_python(uv(offline(wheels, "smallest==1.0")), cache=tmp_path / "cache")
    assert version_in(first) == "1.0"
    made = os.stat(first, follow_symlinks=False)
    assert built_python(uv(offline(wheels, "smallest==1.0")), cache=tmp_path / "cache") == first
    assert os.stat(first, follow_symlinks=False) == made
    other = built_python(uv(offline(wheels, "smallest")), cache=tmp_path / "cache")
    assert version_in(other) == "2.0"
    assert version_in(first) == "1.0"


def test_one_that_is_not_whole_is_built_anew(tmp_path: Path, wheels: Path) -> None:
    python = built_python(uv(offline(wheels, "smallest")), cache=tmp_path / "cache")
    home = Path(python).parents[1]
    (home / ".whole").unlink()
    next(home.glob("lib/python*/site-packages/smallest.py")).unlink()
    assert built_python(uv(offline(wheels, "smallest")), cache=tmp_path / "cache") == python
    assert version_in(python) == "2.0"


def test_several_at_once_build_it_once(tmp_path: Path, wheels: Path) -> None:
    found: list[tuple[str, int]] = []

    def build() -> None:
        python = built_python(uv(offline(wheels, "smallest")), cache=tmp_path / "cache")
        found.append((python, os.stat(python, follow_symlinks=False).st_ino))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_what_cannot_be_installed_is_an_error_in_the_words_of_the_tool_and_leaves_nothing(
    tmp_path: Path, wheels: Path
) -> None:
    with pytest.raises(EnvironmentBuildError) as caught:
        built_python(uv(offline(wheels, "smallest==3.0")), cache=tmp_path / "cache")
    assert "smallest==3.0" in str(caught.value)
    assert "raydrive.python" in str(caught.value)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_a_tool_that_is_not_there_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONDA_EXE", raising=False)
    wanted = TrialEnvironment(tool="conda", conda_file='{"dependencies": ["numpy"]}')
    with pytest.raises(
        EnvironmentBuildError, match=r"found conda, which is not installed on the node .*environments: uv"
    ):
        built_python(wanted, cache=tmp_path / "cache")


def test_variables_of_the_trials_tell_the_tool_where_packages_are(tmp_path: Path, wheels: Path) -> None:
    variables = {"UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "PATH": "/nowhere"}
    python = built_python(uv("smallest==1.0"), variables, cache=tmp_path / "cache")
    assert version_in(python) == "1.0"


OLD_CONDA = """#!/bin/sh
[ "$CONDA_ALWAYS_YES$1$2" = 1envcreate ] || exit 3
shift 2
while [ $# -gt 0 ]; do
  case $1 in
    --quiet) shift ;;
    --prefix) prefix=$2; shift 2 ;;
    --file) file=$2; shift 2 ;;
    *) echo "conda-env: error: unrecognized arguments: $1" >&2; exit 2 ;;
  esac
done
mkdir -p "$prefix/bin" && cp "$file" "$prefix/file.yml" && ln -s "$PYTHON" "$prefix/bin/python"
"""
"""Takes the arguments that `conda env create` had before 23.7, and no others."""


def test_an_old_conda_gets_no_argument_that_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conda").write_text(OLD_CONDA)
    (tmp_path / "conda").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHON", sys.executable)
    wanted = TrialEnvironment(tool="conda", conda_file='{"dependencies": ["numpy"]}')
    python = built_python(wanted, cache=tmp_path / "cache")
    assert Path(python).exists()
    assert json.loads(Path(python).parents[1].joinpath("file.yml").read_text()) == {"dependencies": ["numpy"]}
