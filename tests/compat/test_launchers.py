"""Launchers of both SDKs: nodes and processes of a trial, and sweep files that have the same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raydrive.compat.azureml._estimators import Gloo, Mpi, Nccl, ParameterServer, PyTorch, TensorFlow
from raydrive.compat.azureml.core.runconfig import (
    MpiConfiguration,
    PyTorchConfiguration,
    RunConfiguration,
    TensorflowConfiguration,
)
from raydrive.compat.azureml.core.script_run_config import ScriptRunConfig
from raydrive.compat.azureml.train.hyperdrive import (
    HyperDriveConfig,
    PrimaryMetricGoal,
    RandomParameterSampling,
    uniform,
)
from raydrive.compat.convert import converted, wanted_from
from raydrive.core.errors import ConfigError
from raydrive.sweepfile.loader import load_sweep

Started = tuple[int, int, str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text("print(1)\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tuning(script: Any) -> HyperDriveConfig:
    space = RandomParameterSampling({"--x": uniform(0, 1)})
    return HyperDriveConfig(space, "m", PrimaryMetricGoal.MAXIMIZE, 2, run_config=script)


def started(made: Any) -> Started:
    trial = made.config.trial
    return trial.resources.nodes, trial.resources.processes_per_node, trial.distribution


@pytest.mark.parametrize(
    ("launcher", "expected"),
    [
        (PyTorchConfiguration(process_count=8, node_count=2), (2, 4, "pytorch")),
        (PyTorchConfiguration(node_count=3), (3, 1, "pytorch")),
        (PyTorchConfiguration(), (1, 1, "pytorch")),
        (MpiConfiguration(process_count_per_node=4, node_count=2), (2, 4, "mpi")),
        (MpiConfiguration(), (1, 1, "")),
        (TensorflowConfiguration(worker_count=3, parameter_server_count=0), (3, 1, "tensorflow")),
        (TensorflowConfiguration(), (1, 1, "tensorflow")),
        (None, (1, 1, "")),
    ],
)
def test_a_launcher_is_nodes_and_processes(here: Path, launcher: Any, expected: Started) -> None:
    made = tuning(ScriptRunConfig(".", "train.py", distributed_job_config=launcher))
    assert started(made) == expected
    text, _ = converted(made.to_submission("nodes"), here)
    (here / "sweep.yml").write_text(text)
    again = load_sweep(here / "sweep.yml").submission.config.trial
    assert (again.resources, again.distribution) == (made.config.trial.resources, expected[2])


@pytest.mark.parametrize(
    ("launcher", "message"),
    [
        (
            PyTorchConfiguration(process_count=7, node_count=2),
            r"process_count: found 7; .*multiple of node_count, 2.*=8",
        ),
        (TensorflowConfiguration(worker_count=2), "parameter_server_count: found 1; .*MultiWorkerMirroredStrategy"),
        (4, "a configuration of processes"),
    ],
)
def test_a_launcher_that_cannot_be_is_refused(here: Path, launcher: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScriptRunConfig(".", "train.py", distributed_job_config=launcher)


def test_a_run_configuration_has_nodes_and_a_communicator(here: Path) -> None:
    mpi = RunConfiguration(communicator="IntelMpi")
    mpi.node_count, mpi.mpi.process_count_per_node = 2, 4
    assert started(tuning(ScriptRunConfig(".", "train.py", run_config=mpi))) == (2, 4, "mpi")
    torch = RunConfiguration(framework="PyTorch", communicator="Nccl")
    torch.node_count, torch.pytorch.process_count = 2, 6
    assert started(tuning(ScriptRunConfig(".", "train.py", run_config=torch))) == (2, 3, "pytorch")
    plain = RunConfiguration()
    plain.node_count = 2
    assert started(tuning(ScriptRunConfig(".", "train.py", run_config=plain))) == (2, 1, "")
    assert started(tuning(ScriptRunConfig(".", "train.py", run_config=RunConfiguration()))) == (1, 1, "")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"node_count": 2, "distributed_training": Mpi(process_count_per_node=2)}, (2, 2, "mpi")),
        ({"node_count": 2, "distributed_training": Nccl()}, (2, 1, "pytorch")),
        ({"node_count": 2, "distributed_training": Gloo()}, (2, 1, "pytorch")),
        ({"node_count": 2, "process_count_per_node": 3, "distributed_backend": "mpi"}, (2, 3, "mpi")),
        ({"distributed_training": ParameterServer(2, 0)}, (2, 1, "tensorflow")),
        ({"distributed_backend": "ps", "worker_count": 2, "parameter_server_count": 0}, (2, 1, "tensorflow")),
        ({"node_count": 2}, (2, 1, "")),
    ],
)
def test_an_estimator_has_nodes_and_processes(here: Path, options: dict[str, Any], expected: Started) -> None:
    kind = TensorFlow if expected[2] == "tensorflow" else PyTorch
    assert started(tuning(kind(source_directory=".", entry_script="train.py", **options))) == expected


def test_the_site_has_amounts_and_the_script_has_nodes(here: Path) -> None:
    (here / "raydrive.toml").write_text('[resources]\ncpus = 4\ngpus = 2\nstrategy = "PACK"\n')
    launcher = PyTorchConfiguration(process_count=4, node_count=2)
    reserved = tuning(ScriptRunConfig(".", "train.py", distributed_job_config=launcher)).config.trial.resources
    assert (reserved.cpus, reserved.gpus, reserved.nodes, reserved.processes_per_node) == (4, 2, 2, 2)
    assert reserved.strategy == "PACK"
    (here / "raydrive.toml").write_text("[resources]\nnodes = 3\n")
    with pytest.raises(ConfigError, match=r"resources.nodes: found 3; allowed: 2, as the script's configuration has"):
        tuning(ScriptRunConfig(".", "train.py", distributed_job_config=launcher))


KINDS = ("PyTorchDistribution(process_count_per_instance=4)", "MpiDistribution(process_count_per_instance=2)")
OTHERS = ("TensorFlowDistribution(worker_count=4)", "TensorFlowDistribution()", "RayDistribution(port=6379)")
EXPECTED = ((2, 4, "pytorch"), (2, 2, "mpi"), (2, 2, "tensorflow"), (2, 1, "tensorflow"), (2, 1, "ray"))


@pytest.mark.parametrize(("launcher", "expected"), list(zip((*KINDS, *OTHERS), EXPECTED, strict=True)))
def test_a_sweep_of_the_second_sdk_has_nodes_and_processes(here: Path, launcher: str, expected: Started) -> None:
    from raydrive.compat.azure_ai_ml import command, entities
    from raydrive.compat.azure_ai_ml._plain import given
    from raydrive.compat.azure_ai_ml.sweep import Uniform

    distribution = eval(launcher, vars(entities).copy())
    job = command(
        command="python train.py --x ${{inputs.x}}", code=".", inputs={"x": 1.0}, distribution=distribution,
        instance_count=2,
    )  # fmt: skip
    sweep = job(x=Uniform(0, 1)).sweep(primary_metric="m", goal="maximize", max_total_trials=2)
    written = given(sweep.to_mapping())
    assert written["trial"]["resources"] == {"instance_count": 2}
    assert started_from(written, here) == expected
    sweep.set_resources(instance_count=4)
    assert started_from(given(sweep.to_mapping()), here)[0] == 4


def started_from(written: dict[str, Any], here: Path) -> Started:
    import json

    loaded = load_sweep(here / "sweep.yml", text=json.dumps(written))
    return started(loaded.submission)


def test_convert_writes_nodes_and_processes_down(here: Path) -> None:
    (here / "azure.yml").write_text(
        "type: sweep\ntrial:\n  command: python train.py --x ${{search_space.x}}\n  code: .\n"
        "  resources: {instance_count: 2, shm_size: 2g}\n"
        "  distribution: {type: PyTorch, process_count_per_instance: 4}\n"
        "search_space: {x: {type: uniform, min_value: 0, max_value: 1}}\n"
        "objective: {goal: maximize, primary_metric: m}\nlimits: {max_total_trials: 2}\n"
        "raydrive: {resources: {cpus: 2, strategy: PACK}}\n"
    )
    text, _ = wanted_from(here / "azure.yml", "", here)
    assert all(each in text for each in ("instance_count: 2", "process_count_per_instance: 4", "strategy: PACK"))
    assert load_sweep(here / "again.yml", text=text).submission.config.trial.resources == (
        load_sweep(here / "azure.yml").submission.config.trial.resources
    )
