"""docs/extending.md: its policy and its sampler keep the contracts, its YAML is accepted, and its commands exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
RAYDRIVE = str(Path(sys.executable).parent / "raydrive")
SWEEP = """type: sweep
trial: {command: "python train.py ${{search_space.lr}}", code: .}
search_space: {lr: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: m}
limits: {max_total_trials: 5}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the page, in a project of their own."""
    for name, text in re.findall(r"```python\n# (\S+)\n(.*?)```", DOCS, flags=re.DOTALL):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    (tmp_path / "mypackage" / "__init__.py").write_text("")
    (tmp_path / "train.py").write_text("")
    (yaml,) = re.findall(r"```yaml\n(.*?)```", DOCS, flags=re.DOTALL)
    (tmp_path / "sweep.yaml").write_text(SWEEP + yaml)
    return tmp_path


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=200)


def test_policy_and_sampler_of_the_page_keep_the_contracts(project: Path) -> None:
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mypackage.py", cwd=project)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 20


def test_each_is_about_twenty_lines(project: Path) -> None:
    policy = (project / "mypackage" / "policies.py").read_text()
    sampler = (project / "mypackage" / "samplers.py").read_text()
    for text in (policy[policy.index("@dataclass") :], sampler[sampler.index("class Nearby(") :]):
        assert 15 <= len([line for line in text.splitlines() if line.strip()]) <= 28


def test_the_sweep_file_of_the_page_is_valid_and_samples(project: Path) -> None:
    storage = ["--storage", str(project / "storage")]
    valid = run(RAYDRIVE, "validate", "sweep.yaml", *storage, cwd=project)
    assert valid.returncode == 0, valid.stderr
    dry = run(RAYDRIVE, "submit", "sweep.yaml", "--dry-run", *storage, "--output", "json", cwd=project)
    assert dry.returncode == 0, dry.stderr
    assert all(0 <= row["params"]["lr"] <= 1 for row in json.loads(dry.stdout)["trials"])
    assert len(json.loads(dry.stdout)["trials"]) == 5
    bad = run(RAYDRIVE, "validate", "sweep.yaml", "--set", "early_termination.patience=0", *storage, cwd=project)
    assert bad.returncode == 2
    assert "early_termination: found {'patience': 0}; allowed: what mypackage.policies:Patience takes" in bad.stderr
    assert "ValueError: patience is 0, and has to be 1 or more, mypackage/policies.py, line " in bad.stderr


def test_the_json_schema_knows_such_types(project: Path) -> None:
    from raydrive.core.user_classes import REFERENCE
    from raydrive.sweepfile.json_schema import json_schema

    properties = json_schema()["properties"]
    for name in ("early_termination", "sampling_algorithm"):
        (form,) = [one for one in properties[name]["anyOf"] if one.get("title") == "module:Class"]
        assert {"type": "string", "pattern": REFERENCE} in form["properties"]["type"]["anyOf"]
        assert "additionalProperties" not in form


def test_commands_of_the_page_exist() -> None:
    for command, option in (("resume", "--classes"), ("whatif", "--run-code")):
        assert f"raydrive {command} RUN {option}" in DOCS
        assert option in run(RAYDRIVE, command, "--help", cwd=Path.cwd()).stdout
