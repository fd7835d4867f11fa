"""Which commands install packages into the Python that they run in."""

from __future__ import annotations

import time

import pytest

from raydrive.core.config.install_commands import check_installing, installs, throws_away


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("pip install -q torch && python train.py", "pip install -q torch"),
        ("cd src; pip3 install -r requirements.txt; python train.py", "pip3 install -r requirements.txt"),
        ("python -m pip install x", "python -m pip install x"),
        ("python3 -s -m pip --no-input install x | tee log", "python3 -s -m pip --no-input install x"),
        ("pip \\\n  install x", "pip install x"),
        ('bash -c "pip install x"', "pip install x"),
        ("(pip uninstall -y x)", "pip uninstall -y x"),
        ("A=1 pip install ${{inputs.package}}", "pip install ${{inputs.package}}"),
        ("uv pip install x", "uv pip install x"),
        ("conda install -y x && python train.py", "conda install -y x"),
        ("mamba env update -f environment.yml", "mamba env update -f environment.yml"),
        ("poetry install && python train.py", "poetry install"),
        ("python setup.py develop", "python setup.py develop"),
        ("easy_install x", "easy_install x"),
        ("python train.py", ""),
        ("python train.py --how pip # pip install x", ""),
        ("pip download x; pip list; pip freeze", ""),
        ("python pip_install.py && ./pip install", ""),
        ("apt-get install x", ""),
        ("pip install --target lib x && PYTHONPATH=lib python train.py", ""),
        ("conda install -n other x", ""),
        ("python -m venv v && v/bin/pip install x && v/bin/python train.py", ""),
        ("python -m venv v && v/bin/python -m pip install x", ""),
        ("python -m venv v && . v/bin/activate && pip install x", ""),
        ("uv sync && uv run train.py", ""),
    ],
)
def test_what_changes_the_environment_is_found(command: str, found: str) -> None:
    assert installs(command) == found


def test_what_pip_installs_is_thrown_away_unless_the_user_allows_it_to_stay() -> None:
    line = "pip install torch && python train.py"
    for python in ("", "/venv/bin/python"):
        problem, warning = check_installing(line, python=python, allowed=False, where="trial.command")
        assert problem is None
        assert warning.startswith("'pip install torch' is repeated by each trial, in an environment that is deleted")
        assert throws_away(line, allowed=False)
        problem, warning = check_installing(line, python=python, allowed=True, where="trial.command")
        assert problem is None
        assert f"changes {python or 'the Python that raydrive runs in'}" in warning
        assert not throws_away(line, allowed=True)
    assert check_installing("python train.py", python="", allowed=False, where="") == (None, "")
    assert not throws_away("python train.py", allowed=False)


def test_what_conda_installs_is_refused_unless_another_python_or_a_word_allows_it() -> None:
    line = "conda install -y torch && python train.py"
    problem, warning = check_installing(line, python="", allowed=False, where="trial.command", keys="raydrive.")
    assert problem is not None
    assert not warning
    assert str(problem).startswith("trial.command: found 'conda install -y torch'; allowed: no installation")
    assert "raydrive.python" in str(problem)
    assert "raydrive.allow_pip_install" in str(problem)
    for python, allowed in (("/venv/bin/python", False), ("", True)):
        problem, warning = check_installing(line, python=python, allowed=allowed, where="trial.command")
        assert problem is None
        assert f"changes {python or 'the Python that raydrive runs in'}" in warning
    assert not throws_away(line, allowed=False)


@pytest.mark.parametrize(
    "piece", ["$[[", "pip", "python -m ", "pip install -q -q --target x ", "-a " * 9 + "pip ", "# "]
)
def test_long_commands_are_looked_through_in_time(piece: str) -> None:
    began = time.process_time()
    installs(piece * (600_000 // len(piece)))
    assert time.process_time() - began < 20  # of the processor's; what is quadratic takes minutes
