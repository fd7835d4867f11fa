"""Which Python the commands of a trial find, and what it inherits."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from raydrive.core.config.trial_spec import Resources, TrialSpec
from raydrive.runtime.trial_actor.environment import node_environment, temporary_variables
from raydrive.runtime.trial_actor.script_environment import FOLDER

WHICH = "import sys; print(sys.prefix)"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another environment, which has no pip of its own, as uv makes them."""
    place = tmp_path_factory.mktemp("other") / "env"
    venv.create(place, with_pip=False, symlinks=True)
    return place


def environment(folder: Path, base: Path | None = None, **spec: Any) -> dict[str, str]:
    trial = TrialSpec(kind="command", command="true", **spec)
    return node_environment(trial, folder=folder, base=base)


def shell(line: str, env: dict[str, str]) -> str:
    done = subprocess.run(["/bin/bash", "-c", line], env=env, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("name", ["python", "python3"])
def test_names_of_python_are_the_chosen_one(name: str, other: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, python=str(other / "bin" / "python"))
    assert env["PATH"].split(os.pathsep)[0] == str(other / "bin")
    assert shell(f"cd / && {name} -c '{WHICH}'", env) == str(other)
    assert env["VIRTUAL_ENV"] == str(other)
    assert shell(f"cd / && {name} -c '{WHICH}'", environment(tmp_path)) == sys.prefix


@pytest.mark.parametrize("name", ["pip", "pip3"])
def test_pip_is_never_that_of_another_python(name: str, other: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, python=str(other / "bin" / "python"))
    said = shell(f"{name} --version | cat", env)
    assert f"{other}/bin/python" in said
    assert "No module named pip" in said


def test_a_folder_with_several_pythons_gives_the_chosen_one(other: Path, tmp_path: Path) -> None:
    several = tmp_path / "bin"
    several.mkdir()
    (several / "python").symlink_to("/bin/false")
    (several / "python3").symlink_to("/bin/false")
    (several / "pip").symlink_to("/bin/false")
    (several / "python3.11").write_text(f'#!/bin/sh\nexec {other}/bin/python "$@"\n')
    (several / "python3.11").chmod(0o755)
    env = environment(tmp_path, python=str(several / "python3.11"))
    for name in ("python", "python3", "python3.11"):
        assert shell(f"{name} -c '{WHICH}'", env) == str(other)
    assert "No module named pip" in shell("pip list", env)


def test_a_name_and_a_relative_path_are_looked_up(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"/bin:/usr/bin:{other}/bin")
    (other / "bin" / "mine").symlink_to("python") if not (other / "bin" / "mine").exists() else None
    for python, base in (("mine", None), ("env/bin/python", other.parent)):
        env = environment(tmp_path, base, python=python)
        assert env["PATH"].split(os.pathsep)[0] == str(other / "bin")
        assert env["PATH"].count(str(other / "bin")) == 1


def test_what_belongs_to_another_python_is_not_inherited(
    other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    monkeypatch.setenv("CONDA_PREFIX", "/conda")
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "conda")
    monkeypatch.setenv("PYTHONHOME", "/home-of-python")
    monkeypatch.setenv("PYTHONPATH", f"/mine{os.pathsep}{sys.prefix}/lib/python")
    monkeypatch.setenv("RAY_SECRET", "x")
    env = environment(tmp_path, python=str(other / "bin" / "python"))
    assert not {"CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYTHONHOME", "RAY_SECRET"} & set(env)
    assert env["PYTHONPATH"] == os.pathsep.join([FOLDER, "/mine"])
    kept = environment(tmp_path)
    assert kept["PYTHONHOME"] == "/home-of-python"
    assert kept.get("VIRTUAL_ENV") != "/somewhere"


def test_what_the_user_sets_wins(other: Path, tmp_path: Path) -> None:
    user = {"PATH": "/mine:/bin", "VIRTUAL_ENV": "/v", "CUDA_VISIBLE_DEVICES": "3"}
    env = environment(tmp_path, environment_variables=user)
    assert {name: env[name] for name in user} == user
    env = environment(tmp_path, environment_variables=user, python=str(other / "bin" / "python"))
    assert env["PATH"].startswith(str(other / "bin") + os.pathsep)
    assert env["PATH"].endswith(":/mine:/bin")
    assert environment(tmp_path)["CUDA_VISIBLE_DEVICES"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in environment(tmp_path, resources=Resources(gpus=1)) or os.environ.get(
        "CUDA_VISIBLE_DEVICES"
    )


def test_temporary_files_go_to_a_folder_of_the_trial_unless_the_user_chose_one() -> None:
    trial = TrialSpec(kind="command", command="true")
    found = temporary_variables(trial, {"TMPDIR": "/scratch"}, "/t")
    assert found["TMPDIR"] == "/t"
    assert found["TORCHINDUCTOR_CACHE_DIR"].startswith("/scratch/torchinductor_")  # trials share compiled code
    assert "TORCHINDUCTOR_CACHE_DIR" not in temporary_variables(trial, {"TORCHINDUCTOR_CACHE_DIR": "/c"}, "/t")
    for name in ("TMPDIR", "TMP", "TEMP"):
        mine = TrialSpec(kind="command", command="true", environment_variables={name: "/mine"})
        assert temporary_variables(mine, {name: "/mine"}, "/t") == {}


def test_what_a_notebooks_kernel_sets_for_its_cells_is_not_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """matplotlib of another Python refuses the kernel's backend, and a log is no cell that shows colours."""
    own = {"FORCE_COLOR": "1", "CLICOLOR": "1", "CLICOLOR_FORCE": "1"}
    for name, value in {"MPLBACKEND": "module://matplotlib_inline.backend_inline", **own}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert not {"MPLBACKEND", "JPY_PARENT_PID", *own} & set(environment(tmp_path))

    monkeypatch.delenv("JPY_PARENT_PID")
    monkeypatch.setenv("MPLBACKEND", "agg")
    env = environment(tmp_path)
    assert {name: env.get(name) for name in ("MPLBACKEND", *own)} == {"MPLBACKEND": "agg", **own}
