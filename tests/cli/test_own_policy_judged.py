"""``whatif`` with a policy of the user's own, on a run that knows nothing of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from doc_pages import FILE, ROOT, blocks
from recorded import config, record

RUN = "digits-20261119-120000-0060"
FLOOR = '{"type": "mypolicy:Floor", "limit": 0.9}'


def whatif(folder: Path, storage: Path, policy: str = FLOOR) -> subprocess.CompletedProcess[str]:
    """The command as an installed program runs it: the current folder is no place of modules by itself."""
    program = storage.parent / "raydrive"
    program.write_text("from raydrive.cli import main\nmain()\n")
    return subprocess.run(
        [sys.executable, str(program), "whatif", RUN, "--policy", policy],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "RAYDRIVE_STORAGE": str(storage), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_class_beside_the_user_is_found(tmp_path: Path) -> None:
    storage, beside, elsewhere = tmp_path / "runs", tmp_path / "beside", tmp_path / "elsewhere"
    record(storage, config(12), run_id=RUN)
    for folder in (beside, elsewhere):
        folder.mkdir()
    (code,) = (one.body for one in blocks(ROOT / "docs" / "how-to" / "extend.md") if "# mypolicy.py" in one.body)
    assert FILE.match(code)
    (beside / "mypolicy.py").write_text(code)
    found = whatif(beside, storage)
    assert found.returncode == 0, found.stderr
    assert "floor: best" in found.stdout
    assert f"Note: mypolicy:Floor is the class in {beside / 'mypolicy.py'}." in found.stderr
    missing = whatif(elsewhere, storage)
    assert missing.returncode == 2
    assert "A module in this folder is found, too; one that came with the run is with --run-code." in missing.stderr


@dataclass(frozen=True)
class Floor:
    """The class as the run had it: it stops nothing."""

    limit: float

    def judge(self, trial: int, interval: int, curves: object) -> None:
        return None


Floor.__module__, Floor.__qualname__ = "mypolicy", "Floor"


def test_changed_class_judges_again_with_the_parameters_of_the_run(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    record(storage, replace(config(12), policy=Floor(0.9)), run_id=RUN)
    (code,) = (one.body for one in blocks(ROOT / "docs" / "how-to" / "extend.md") if "# mypolicy.py" in one.body)
    (tmp_path / "mypolicy.py").write_text(code)
    found = whatif(tmp_path, storage)
    assert found.returncode == 0, found.stderr
    assert "floor: best" in found.stdout  # the run itself stopped no trial


def test_judge_that_returns_no_verdict_is_told_so(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    record(storage, config(12), run_id=RUN)
    (tmp_path / "mypolicy.py").write_text(
        "class Floor:\n"
        "    def __init__(self, limit):\n        self.limit = limit\n"
        "    def judge(self, trial, interval, curves):\n        return True\n"
    )
    found = whatif(tmp_path, storage)
    assert "mypolicy.py, line 1: Floor.judge returned True; it has to return a Verdict or None" in found.stderr


def test_argument_of_another_type_and_a_name_with_a_dot_are_refused(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    record(storage, config(12), run_id=RUN)
    (code,) = (one.body for one in blocks(ROOT / "docs" / "how-to" / "extend.md") if "# mypolicy.py" in one.body)
    (tmp_path / "mypolicy.py").write_text(code)
    text = whatif(tmp_path, storage, FLOOR.replace("0.9", '"0.9"'))
    assert "1 problem:\n  policy.limit: found '0.9'; allowed: a number\n" in text.stderr
    dotted = whatif(tmp_path, storage, FLOOR.replace(":Floor", ".Floor"))
    assert "1 problem:" in dotted.stderr
    assert "Did you mean 'mypolicy:Floor'?" in dotted.stderr
