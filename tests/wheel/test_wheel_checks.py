"""The checks of a wheel fail where they have to, and the table of the matrix leaves nothing out."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import checks
import matrix
import pytest
from installed import ROOT, Failure, outcome


def _wheel(path: Path, *, without: str = "", besides: str = "") -> Path:
    wheel = path / "raydrive-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("raydrive-1.dist-info/METADATA", "")
        for name in sorted(checks.package_files() - {without}):
            archive.write(ROOT / name, name)
        if besides:
            archive.writestr(besides, "")
    return wheel


def test_a_whole_wheel(tmp_path: Path) -> None:
    assert checks.wheel_holds_the_package(_wheel(tmp_path)) == f"{len(checks.package_files())} files"


@pytest.mark.parametrize("end", ["/app.js", "/style.css", ".dist-info/entry_points.txt", "py.typed", "cli/__init__.py"])
def test_a_wheel_without_a_file(tmp_path: Path, end: str) -> None:
    gone = next(name for name in checks.package_files() if name.endswith(end))
    with pytest.raises(Failure, match=re.escape(f"missing: ['{gone}']; too much: nothing")):
        checks.wheel_holds_the_package(_wheel(tmp_path, without=gone))


def test_a_wheel_with_more_than_the_package(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=re.escape("too much: ['tests/conftest.py']")):
        checks.wheel_holds_the_package(_wheel(tmp_path, besides="tests/conftest.py"))


def test_a_page_without_one_of_its_files() -> None:
    files = [name for name in checks.package_files() if name.endswith((".js", ".css")) and not name.endswith("runs.js")]
    own = [(ROOT / name).read_text() for name in files]
    assert checks.is_in_the_page("\n".join(own)) == f"{len(own)} own files"
    with pytest.raises(Failure, match="is not in the page"):
        checks.is_in_the_page("\n".join(own[1:]))


def test_what_a_check_meets_is_its_outcome() -> None:
    assert outcome(lambda: "3 files") == (True, "3 files")
    assert outcome(lambda: str({}["title"])) == (False, "KeyError: 'title'")


def test_a_python_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = matrix.Combination("3.99", "newest")
    matrix.try_combination(missing, tmp_path / "no.whl", "http://127.0.0.1:1")
    assert not missing.failed
    row = next(line for line in matrix.page([missing]).splitlines() if line.startswith("| 3.99"))
    assert "not tried: no Python 3.99 on this machine" in row


def test_the_table_names_what_failed_and_where() -> None:
    good = matrix.Combination("3.11", "oldest", "", {name: "" for name in matrix.TITLES}, {"ray": "2.49.0"}, "abc")
    bad = matrix.Combination(
        "3.12", "newest", "", {"install": "", "demo": "it ended with 1:\n  a | b"}, {"ray": "2.60.0"}
    )
    rows = [line for line in matrix.page([good, bad]).splitlines() if line.startswith("| 3.")]
    assert rows[0].count(" ok ") == len(matrix.TITLES)
    assert " abc, 20" in rows[0]
    assert "2.60.0 (newest) | ok | - | **failed**: it ended with 1: a / b | - |" in rows[1]
    assert (good.failed, bad.failed) == (False, True)


def test_what_is_not_tried_again_stays_in_the_table() -> None:
    results = {name: "" for name in matrix.TITLES}
    rows = [matrix.Combination("3.11", ray, "", results, {"ray": "2.54.1"}, "abc") for ray in ("middle", "newest")]
    before = matrix.page(rows)
    again = matrix.Combination("3.11", "newest", "", results, {"ray": "2.60.0"}, "def")
    page = matrix.page([matrix.Combination("3.11", "middle"), again, matrix.Combination("3.12", "middle")], before)
    middle, newest, other = [line for line in page.splitlines() if line.startswith("| 3.")]
    assert middle in before.splitlines()
    assert "2.60.0" in newest
    assert "def" in newest
    assert matrix.UNTRIED in other


def test_the_lowest_versions_are_those_of_the_project() -> None:
    wheel = Path("raydrive.whl")
    bound = re.search(r'"ray\[default\]>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert bound is not None
    assert matrix.requirements(matrix.Combination("3.11", "oldest"), wheel)[0] == f"ray[default]=={bound[1]}.0"
    lowest = matrix.requirements(matrix.Combination("3.11", "lowest"), wheel)
    assert "lowest-direct" in lowest
    assert str(ROOT / "pyproject.toml") in lowest
