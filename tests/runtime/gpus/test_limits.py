"""A trial's share of its GPUs: variables, and the limits that libraries get in its process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attempts import train_in_attempts
from gpu_libraries import TENSORFLOW, TORCH, write_libraries

from raydrive.context import Run
from raydrive.core.config.trial_spec import Resources
from raydrive.runtime.gpus.limits import BYTES, STARTUP, limit_variables
from raydrive.runtime.trial_actor.script_environment import FOLDER

GIB = 2**30
HALF = Resources(gpus=0.5, gpu_memory=12 * GIB)


def test_jax_gets_its_share_where_the_memory_of_the_gpu_is_known() -> None:
    totals = {"0": 48 * GIB, "1": 80 * GIB}
    found = limit_variables(HALF, {"CUDA_VISIBLE_DEVICES": "0,1"}, totals.__getitem__, print)
    assert found["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.2500"
    assert found[BYTES] == str(12 * GIB)
    unknown = limit_variables(HALF, {"HIP_VISIBLE_DEVICES": "0"}, lambda gpu: 0, print)
    assert unknown["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in unknown


def test_what_the_user_has_set_stays() -> None:
    env = {"CUDA_VISIBLE_DEVICES": "0", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.9", "PYTHONPATH": "/mine"}
    found = limit_variables(HALF, env, lambda gpu: 48 * GIB, print)
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in found
    assert found["PYTHONPATH"] == f"{STARTUP}{os.pathsep}/mine"


def test_mps_keeps_processes_within_their_share_where_its_daemon_runs(tmp_path: Path) -> None:
    (tmp_path / "control").touch()
    notes: list[str] = []
    env = {"CUDA_VISIBLE_DEVICES": "3,5", "CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    shared = Resources(gpus=0.25, gpu_memory=12 * GIB, share="mps")
    found = limit_variables(shared, env, lambda gpu: 48 * GIB, notes.append)
    assert found["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "25"
    assert found["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=12288M,1=12288M"
    assert notes == []
    env["CUDA_MPS_PIPE_DIRECTORY"] = str(tmp_path / "not")
    found = limit_variables(Resources(gpus=0.25, share="mps"), env, lambda gpu: 0, notes.append)
    assert found == {}
    assert "no MPS daemon answers" in notes[0]


CODE = """
import json, sys
import torch, tensorflow
before = list(torch.calls)
torch.cuda.init()
print(json.dumps([before, torch.calls, tensorflow.calls, "mine" in globals().get("__builtins__").__dict__]))
"""


def test_a_script_has_torch_and_tensorflow_limited_when_it_imports_them(tmp_path: Path) -> None:
    own = "import builtins; builtins.mine = 1"
    libraries = write_libraries(tmp_path, torch=TORCH, tensorflow=TENSORFLOW, sitecustomize=own)
    path = os.pathsep.join([STARTUP, FOLDER, str(libraries)])
    env = {**os.environ, "PYTHONPATH": path, BYTES: str(12 * GIB)}
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True)
    before, torch, tensorflow, mine = json.loads(done.stdout)
    assert before == [], "torch must not begin to use the GPU when it is imported"
    assert torch == [[0.25, 0], [0.15, 1]]
    assert tensorflow == [["GPU:0", [12288]]]
    assert mine, "the user's own sitecustomize has run, too"


def test_a_library_that_cannot_be_limited_is_used_all_the_same(tmp_path: Path) -> None:
    libraries = write_libraries(tmp_path, torch="class cuda:\n    pass\n", tensorflow="")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([STARTUP, FOLDER, str(libraries)]), BYTES: "1000000"}
    code = "import torch, tensorflow; print('trained')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "trained\n"
    assert "the limit of GPU memory does not apply to tensorflow: AttributeError" in done.stderr


def test_without_a_share_nothing_is_changed(tmp_path: Path) -> None:
    libraries = write_libraries(tmp_path, torch=TORCH)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([FOLDER, str(libraries)])}
    code = "import torch; torch.cuda.init(); print(torch.calls)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def train(params: dict[str, Any]) -> None:
    import torch  # type: ignore[import-not-found]

    torch.cuda.init()
    Run.get_context().log("fraction", torch.calls[0][0])


def test_a_function_in_a_forked_process_is_limited_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = write_libraries(tmp_path / "libraries", torch=TORCH)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    done = train_in_attempts(
        tmp_path, train, "fraction", resources=HALF, environment_variables={"PYTHONPATH": str(libraries)}
    )
    assert (done.state, done.curve) == ("Completed", [0.25]), done.why
