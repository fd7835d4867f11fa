"""What a command installs with pip is there for the command alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from local_wheels import make_wheel

from raydrive.runtime.environments import throwaway

SHOW = "import smallest; print(smallest.VERSION)"


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A Python that has version 1.0 of a package, and a folder with the wheels of 1.0 and 2.0."""
    folder = tmp_path_factory.mktemp("below")
    for version in ("1.0", "2.0"):
        make_wheel(folder / "wheels", "smallest", version)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=200)
    python = folder / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--no-index", "--find-links", str(folder / "wheels")]
    subprocess.run([*install, "smallest==1.0"], check=True, timeout=200)
    return python, folder / "wheels"


def run(python: Path, command: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    temporary.mkdir(exist_ok=True)
    env = {**os.environ, "TMPDIR": str(temporary), "PATH": f"{python.parent}:{os.environ['PATH']}"}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        env.pop(name, None)
    argv = [str(python), throwaway.__file__, "/bin/sh", "-c", command]
    return subprocess.run(argv, env=env, text=True, capture_output=True, timeout=200)


def test_the_command_has_what_it_installs_and_the_python_below_stays(tmp_path: Path, below: tuple[Path, Path]) -> None:
    python, wheels = below
    install = f"pip install -q --no-index --find-links {wheels} smallest==2.0"
    done = run(python, f'python -c "{SHOW}" && {install} && python -c "{SHOW}"', tmp_path / "tmp")
    assert done.stdout.split() == ["1.0", "2.0"], done.stderr
    again = subprocess.run([str(python), "-c", SHOW], text=True, capture_output=True, timeout=60)
    assert again.stdout.split() == ["1.0"]


def test_pip_of_a_python_without_pip_is_brought_along(tmp_path: Path, below: tuple[Path, Path]) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True, timeout=200)
    install = f"python -m pip install -q --no-index --find-links {below[1]} smallest"
    done = run(tmp_path / "bare" / "bin" / "python", f'{install} && python3 -c "{SHOW}"', tmp_path / "tmp")
    assert done.stdout.split() == ["2.0"], done.stderr


def test_the_exit_code_is_that_of_the_command(tmp_path: Path, below: tuple[Path, Path]) -> None:
    assert run(below[0], "exit 7", tmp_path / "tmp").returncode == 7
