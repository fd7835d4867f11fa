"""Policies and samplings of users' classes as they are submitted: what travels, and what is refused."""

from __future__ import annotations

import importlib
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from raydrive import BanditPolicy, HyperDriveConfig, RandomParameterSampling, ScriptRunConfig, Verdict, uniform
from raydrive.api.submit.preflight import check_submission
from raydrive.core.early_stopping.policy_record import RecordedPolicy
from raydrive.core.errors import ConfigError
from raydrive.runtime.user_classes import UserClasses, read_classes
from raydrive.sweepfile.loader import load_sweep

MODULE = """
from dataclasses import dataclass
import helper_of_policies

@dataclass
class Steady:
    limit: float = 0.5

    def judge(self, trial, interval, curves):
        return helper_of_policies.verdict(self.limit)
"""
SWEEP = """type: sweep
trial:
  command: python train.py ${{{{search_space.x}}}}
  code: ./code
search_space:
  x: {{type: uniform, min_value: 0, max_value: 1}}
objective: {{goal: maximize, primary_metric: m}}
limits: {{max_total_trials: 2}}
early_termination:
  type: {kind}
  {parameter}: 0.25
"""


@dataclass(frozen=True)
class Local:
    """In a module that is not installed."""

    wait: int = 1

    def judge(self, trial: int, interval: int, curves: Any) -> Verdict | None:
        return Verdict(interval > self.wait, f"waited {self.wait}")


class Changes(BanditPolicy):
    """Its constructor does not take what it keeps."""

    def __init__(self, slack: float) -> None:
        super().__init__(slack_factor=slack)

    @property
    def slack(self) -> float:
        return (self.slack_factor or 0) * 2


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "deep").mkdir(parents=True)
    (folder / "train.py").write_text("")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "policies.py").write_text(MODULE)
    (folder / "helper_of_policies.py").write_text(
        "from raydrive import Verdict\ndef verdict(x): return Verdict(True, f'{x}')\n"
    )
    return folder


@pytest.fixture
def deep(code: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(code))
    yield importlib.import_module("deep.policies")
    for name in ("deep.policies", "deep", "helper_of_policies"):
        sys.modules.pop(name, None)


def sweep(tmp_path: Path, kind: str, parameter: str = "limit") -> Any:
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP.format(kind=kind, parameter=parameter))
    return load_sweep(file).submission


def checked(submission: Any, tmp_path: Path) -> Any:
    found = check_submission(submission, storage=str(tmp_path / "storage"), address=None)
    found.discard()
    return found


def submission(policy: Any, run_config: Any) -> Any:
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}), "m", "maximize", 2, policy=policy, run_config=run_config, seed=1
    )
    return config.to_submission("e")


def train(params: dict[str, Any]) -> float:
    return float(params["x"])


def test_a_class_of_the_source_directory_travels_by_its_name(code: Path, tmp_path: Path, deep: ModuleType) -> None:
    from_file = checked(sweep(tmp_path, "deep.policies:Steady"), tmp_path)
    assert from_file.config.policy.to_json() == {"type": "deep.policies:Steady", "limit": 0.25}
    assert from_file.classes == b""
    script = ScriptRunConfig(source_directory=str(code), script="train.py")
    from_python = checked(submission(deep.Steady(), script), tmp_path)
    assert from_python.config.policy.to_json() == {"type": "deep.policies:Steady", "limit": 0.5}
    assert from_python.classes == b""


def test_the_submitting_process_imports_nothing_of_a_sweep_file(code: Path, tmp_path: Path) -> None:
    submitted = sweep(tmp_path, "deep.policies:Steady")
    assert isinstance(submitted.config.policy, RecordedPolicy)
    checked(submitted, tmp_path)
    assert "deep" not in sys.modules


def test_a_class_of_a_module_that_is_not_installed_travels_by_value(tmp_path: Path) -> None:
    found = checked(submission(Local(2), train), tmp_path)
    raw = json.loads(json.dumps(found.config.to_json()["policy"]))
    assert raw == {"type": f"{__name__}:Local", "wait": 2}
    (tmp_path / "classes.pkl").write_bytes(found.classes)
    script = (
        "import sys; from raydrive.runtime.user_classes import *; "
        "made = UserClasses(read_classes(open(sys.argv[1], 'rb').read()), None).policy(eval(sys.argv[2])); "
        "print(made.judge(0, 3, None), type(made).__module__ in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "classes.pkl"), repr(raw)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split("\n")[0] == "Verdict(stop=True, why='waited 2') False"
    policy: Any = UserClasses(read_classes(found.classes), None).policy(raw)
    assert policy.judge(0, 3, None) == Verdict(True, "waited 2")
    assert type(policy).__qualname__ == "Local"


def test_a_class_within_a_function_travels_by_value(tmp_path: Path) -> None:
    @dataclass
    class Inner:
        n: int

        def judge(self, trial: int, interval: int, curves: Any) -> None:
            return None

    found = checked(submission(Inner(4), train), tmp_path)
    raw = found.config.to_json()["policy"]
    assert raw["type"].endswith("test_a_class_within_a_function_travels_by_value.<locals>.Inner")
    assert UserClasses(read_classes(found.classes), None).policy(raw).n == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "parameter", "texts"),
    [
        ("deep.policies:Steady", "limt", ["sweep.yaml:11:3: early_termination.limt: found an unknown key", "'limit'"]),
        ("deep.policies:Stedy", "limit", ["sweep.yaml:10:9: early_termination.type", "no Stedy in deep", "'Steady'"]),
        ("nowhere:Steady", "limit", ["sweep.yaml:10:9: early_termination.type", "no module nowhere"]),
        (
            "broken:Steady",
            "limit",
            ["early_termination.type", "ZeroDivisionError: division by zero, broken.py, line 2"],
        ),
        ("ends:Steady", "limit", ["early_termination: found", "ended with exit code 3"]),
        ("needs:Steady", "limit", ["no_such_library", "Put it next to the class in the submitted code"]),
    ],
)
def test_what_a_driver_could_not_build_is_refused_with_its_place(
    code: Path, tmp_path: Path, kind: str, parameter: str, texts: list[str]
) -> None:
    (code / "broken.py").write_text("x = 1\ny = x / 0\n")
    (code / "ends.py").write_text("import os\nos._exit(3)\n")
    (code / "needs.py").write_text("import no_such_library\n")
    with pytest.raises(ConfigError) as caught:
        checked(sweep(tmp_path, kind, parameter), tmp_path)
    for text in texts:
        assert text in str(caught.value)


def test_an_object_that_comes_back_as_another_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy: found .*Changes, built again from .* as another object; .*to_json"):
        checked(submission(Changes(0.5), train), tmp_path)


def test_parameters_that_are_no_json_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"policy\.wait: found <function .*> .* allowed: JSON"):
        submission(Local(lambda: 3), train)  # type: ignore[arg-type]


def test_what_travels_is_classes_by_their_recorded_types(tmp_path: Path) -> None:
    found = checked(submission(Local(2), train), tmp_path)
    assert list(pickle.loads(found.classes)) == [f"{__name__}:Local"]
    with pytest.raises(ConfigError, match="policy, sampling: found UnpicklingError"):
        read_classes(b"no pickle")
