"""Nodes and processes of a trial in a sweep file: files as Azure ML has them, and what contradicts itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from raydrive.core.config.distribution import reservation
from raydrive.core.errors import ConfigError
from raydrive.settings.yaml_source import parse_yaml
from raydrive.sweepfile.json_schema import json_schema
from raydrive.sweepfile.loader import Loaded, load_sweep

HEAD = """\
$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json
type: sweep
compute: azureml:gpu-cluster
"""
TAIL = """\
search_space:
  lr: {type: loguniform, min_value: -9, max_value: -2}
objective: {goal: minimize, primary_metric: loss}
limits: {max_total_trials: 8, max_concurrent_trials: 2, timeout: 7200}
"""
PYTORCH = f"""{HEAD}trial:
  code: src
  command: python train.py --epochs ${{{{inputs.epochs}}}} --lr ${{{{search_space.lr}}}} --out ${{{{outputs.model}}}}
  environment: azureml:acpt-pytorch@latest
  resources: {{instance_count: 2, instance_type: Standard_NC96ads}}
  distribution:
    type: pytorch
    process_count_per_instance: 4
inputs: {{epochs: 3}}
outputs: {{model: {{type: uri_folder}}}}
{TAIL}raydrive: {{resources: {{cpus: 16, gpus: 4}}}}
"""
MPI = f"""{HEAD}trial:
  code: ./src
  command: python train.py --lr ${{{{search_space.lr}}}}
  environment: azureml:horovod@latest
  distribution: {{type: Mpi, process_count_per_instance: 2}}
resources:
  instance_count: 3
{TAIL}"""
TENSORFLOW = f"""{HEAD}trial:
  code: src
  command: python train.py --lr ${{{{search_space.lr}}}}
  distribution: {{type: tensorflow, worker_count: 2, parameter_server_count: 0}}
  resources: {{instance_count: 2}}
{TAIL}"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *overrides: str) -> Loaded:
    return load_sweep(Path("sweep.yml"), text=text, overrides=overrides)


def reserved(loaded: Loaded) -> tuple[int, int, str]:
    trial = loaded.submission.config.trial
    return trial.resources.nodes, trial.resources.processes_per_node, trial.distribution


@pytest.mark.parametrize(
    ("text", "expected", "told"),
    [
        (PYTORCH, (2, 4, "pytorch"), "2 nodes with 4 GPUs and 16 CPUs each, 8 processes"),
        (MPI, (3, 2, "mpi"), "3 nodes with 1 CPU each, 6 processes"),
        (TENSORFLOW, (2, 1, "tensorflow"), "2 nodes with 1 CPU each, 2 processes"),
    ],
)
def test_a_file_of_azure_is_read_as_it_is(here: Path, text: str, expected: tuple[int, int, str], told: str) -> None:
    loaded = read(text)
    assert reserved(loaded) == expected
    assert reservation(loaded.submission.config.trial.resources) == told
    assert not [one for one in loaded.warnings if "instance_count" in one or "distribution" in one]
    raw = parse_yaml(text, "sweep.yml")[0].plain()
    assert list(Draft202012Validator(json_schema()).iter_errors(json.loads(json.dumps(raw)))) == []
    recorded = json.loads(json.dumps(loaded.submission.config.to_json()))
    assert (recorded["trial"]["resources"]["nodes"], recorded["trial"]["distribution"]) == (expected[0], expected[2])


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["trial.distribution=null", "distribution={type: pytorch, process_count_per_instance: 2}"], (2, 2, "pytorch")),
        (["trial.resources=null", "raydrive.resources.nodes=5"], (5, 4, "pytorch")),
        (["raydrive.resources.nodes=2", "resources.instance_count=2"], (2, 4, "pytorch")),
        (["trial.distribution=null", "raydrive.resources.processes_per_node=3"], (2, 3, "")),
        (["trial.distribution={type: tensorflow, worker_count: 6}"], (2, 3, "tensorflow")),
        (["trial.distribution={type: tensorflow}", "raydrive.resources.processes_per_node=3"], (2, 3, "tensorflow")),
        (["trial.distribution={type: mpi}"], (2, 1, "mpi")),
        (["trial.distribution={type: mpi}", "trial.resources.instance_count=1"], (1, 1, "")),
        (["trial.distribution={type: RAY}"], (2, 1, "ray")),
    ],
)
def test_each_key_has_its_say(here: Path, overrides: list[str], expected: tuple[int, int, str]) -> None:
    assert reserved(read(PYTORCH, *overrides)) == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["raydrive.resources.nodes=3"],
            r"raydrive.resources.nodes: found 3; allowed: 2, as trial.resources.instance_count has. Write 2, or remove",
        ),
        (
            ["resources.instance_count=3"],
            r"sweep.yml:8:31: trial.resources.instance_count: found 2; allowed: 3, as resources.instance_count has",
        ),
        (
            ["raydrive.resources.processes_per_node=2"],
            r"found 2; allowed: 4, as trial.distribution.process_count_per_instance asks for on each of 2 nodes",
        ),
        (["distribution={type: mpi}"], r"distribution: found different values; allowed: what trial.distribution has"),
        (
            ["trial.distribution={type: tensorflow, worker_count: 3}"],
            r"trial.distribution.worker_count: found 3; allowed: a multiple of the number of nodes, 2.*worker_count: 4",
        ),
        (
            ["trial.distribution={type: tensorflow, parameter_server_count: 1}"],
            r"parameter_server_count: found 1; allowed: 0: .*MultiWorkerMirroredStrategy",
        ),
        (
            ["trial.distribution.type=tensorflow"],
            r"sweep.yml:11:33: trial.distribution.process_count_per_instance: found 4; .*worker_count: 8",
        ),
        (["trial.distribution={type: pytorch, worker_count: 4}"], r"found 4; .*Write process_count_per_instance: 2"),
        (
            ["trial.distribution={type: ray}", "raydrive.resources.processes_per_node=4"],
            r"raydrive.resources.processes_per_node: found 4; allowed: 1: a trial that uses Ray starts as one process",
        ),
        (["trial.distribution.type=pytroch"], r"allowed: pytorch, tensorflow, mpi, ray. Did you mean 'pytorch'\?"),
        (["trial.resources.instance_count=0"], r"instance_count: found 0; allowed: a whole number of 1 or more"),
        (["trial.resources.instance_count=20000"], r"found 20000; allowed: a whole number from 1 to 10,000"),
        (["raydrive.resources.strategy=PAK"], r"STRICT_SPREAD, SPREAD, PACK, STRICT_PACK. Did you mean 'PACK'\?"),
    ],
)
def test_what_contradicts_itself_is_refused(here: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(PYTORCH, *overrides)


def test_what_means_nothing_is_told(here: Path) -> None:
    keys = ["trial.distribution={type: ray, port: 6379}", "resources.max_instance_count=4"]
    told = " ".join(read(PYTORCH, *keys).warnings)
    assert "trial.distribution.port: ignored: the trial uses the Ray cluster that it runs in" in told
    assert "resources.max_instance_count: ignored: the number of nodes of a trial is always instance_count" in told
    assert "instance_type: ignored: raydrive.resources defines what a trial reserves on the cluster" in told


def test_a_strategy_in_any_case(here: Path) -> None:
    loaded = read(PYTORCH, "raydrive.resources.strategy=strict-pack")
    assert loaded.submission.config.trial.resources.strategy == "STRICT_PACK"


def test_python_says_the_same(here: Path) -> None:
    from raydrive import HyperDriveConfig, RandomParameterSampling, Resources, ScriptRunConfig, uniform

    def made(**reserved: Any) -> tuple[Any, str]:
        script = ScriptRunConfig("src", "train.py")
        sampling = RandomParameterSampling({"lr": uniform(0, 1)})
        trial = HyperDriveConfig(sampling, "loss", "minimize", 8, run_config=script, **reserved).config.trial
        return trial.resources, trial.distribution

    trial = read(PYTORCH).submission.config.trial
    expected = (trial.resources, trial.distribution)
    amounts = {"cpus": 16, "gpus": 4, "nodes": 2}
    assert made(resources=Resources(**amounts, processes_per_node=4), distribution="pytorch") == expected
    launcher = {"type": "PyTorch", "process_count_per_instance": 4}
    assert made(resources=amounts, distribution=launcher) == expected
    assert made(resources={**amounts, "processes_per_node": 4}, distribution=launcher) == expected


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        ({"type": "torch", "process_count": 4}, r"distribution.process_count: found an unknown key"),
        ("pytroch", r"distribution: found 'pytroch'; allowed: pytorch, tensorflow, mpi, ray. Did you mean 'pytorch'\?"),
        ({}, r"distribution.type: found nothing; allowed: pytorch, tensorflow, mpi, ray"),
        ({"type": "pytorch", "process_count_per_instance": 0}, r"found 0; allowed: a whole number of 1 or more"),
        ({"type": "pytorch", "process_count_per_instance": 4}, r"what resources.processes_per_node asks for: 3"),
        ({"type": "ray"}, r"resources.processes_per_node: found 3; allowed: 1: a trial that uses Ray"),
    ],
)
def test_python_refuses_the_same(distribution: Any, message: str) -> None:
    from raydrive import HyperDriveConfig, RandomParameterSampling, uniform

    def train(params: dict[str, Any]) -> None: ...

    with pytest.raises(ConfigError, match=message):
        HyperDriveConfig(
            RandomParameterSampling({"lr": uniform(0, 1)}), "loss", "minimize", 8, run_config=train,
            resources={"processes_per_node": 3}, distribution=distribution,
        )  # fmt: skip
