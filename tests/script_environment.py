"""A Python of its own for training scripts: old, with an old MLflow, and without raydrive, Ray or azureml.

`make test` calls this file once; the tests call it again and find everything there. What is installed is small, pinned,
and kept in `.venv-scripts` until the list below changes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import interpreters

FOLDER = Path(__file__).parent.parent / ".venv-scripts"
WANTED = ("3.9", "3.8", "3.10")
"""Versions of Python, the one we like most first; without any of them it is the one that runs the tests."""
REQUIREMENTS = {
    True: ["mlflow-skinny==1.30.1", "scikit-learn==1.2.2", "numpy<2", "pandas<2.3", "setuptools<80"],
    False: ["mlflow-skinny==2.9.2", "scikit-learn<1.6", "pandas<2.3", "setuptools<80"],  # 1.30 knows no Python 3.11
}


def make() -> Path:
    """Makes the environment if it is not there yet, and returns its interpreter."""
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes may want it at the same time
        python, stamp = FOLDER / "bin" / "python", FOLDER / "installed"
        base, old = _interpreter()
        wanted = "\n".join([base, *REQUIREMENTS[old]])
        if python.exists() and stamp.exists() and stamp.read_text() == wanted:
            return python
        print(f"Making {FOLDER.name} with {base}: {', '.join(REQUIREMENTS[old])} ...", flush=True)
        for path in FOLDER.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        environment = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS[old]]
        for command in ([base, "-m", "venv", str(FOLDER)], pip):
            done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=480)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        stamp.write_text(wanted)
        return python


def _interpreter() -> tuple[str, bool]:
    """Path of the interpreter to use, and whether it is one of those we look for."""
    for version in WANTED:
        if found := interpreters.find(version):
            return found, True
    return sys.executable, False


if __name__ == "__main__":
    make()
