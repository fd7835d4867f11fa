"""The folders of an attempt without code: laid, used, and taken again only when nothing was left in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from raydrive.runtime.trial_actor.files.reusable_workdir import ReusableWorkdir


@pytest.mark.parametrize("link", [None, "elsewhere"])
def test_what_is_written_into_outputs_and_logs_is_in_the_trial_it_was_laid_for(
    tmp_path: Path, link: str | None
) -> None:
    workdir = ReusableWorkdir(tmp_path / "workdir", tmp_path / link if link else None)
    for number in range(3):
        files = tmp_path / f"trial-{number}"
        workdir.bind(files)
        assert sorted(os.listdir(workdir.cwd)) == ["logs", "outputs"]
        (workdir.cwd / "outputs" / "model").write_text(str(number))
        (workdir.cwd / "logs" / "notes").write_text(str(number))
        assert workdir.clear()
    for number in range(3):
        assert (tmp_path / f"trial-{number}/outputs/model").read_text() == str(number)
        assert (tmp_path / f"trial-{number}/logs/notes").read_text() == str(number)


def test_making_the_next_place_changes_nothing_but_the_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    workdir = ReusableWorkdir(tmp_path / "workdir", link)

    def state() -> dict[Path, tuple[int, int]]:
        paths = [tmp_path / "workdir", *(tmp_path / "workdir").rglob("*")]
        return {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths}

    workdir.bind(tmp_path / "first")
    before = state()
    assert workdir.clear()
    workdir.bind(tmp_path / "second")
    assert state() == before
    assert link.readlink() == tmp_path / "second"
    workdir.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


LEFT: dict[str, Callable[[ReusableWorkdir], object]] = {
    "a file": lambda workdir: (workdir.cwd / "model.bin").write_text("x"),
    "a hidden folder": lambda workdir: (workdir.cwd / ".cache").mkdir(),
    "a file in the scratch folder": lambda workdir: (workdir.scratch / "resume").mkdir(),
    "a checkpoint": lambda workdir: (workdir.staging / "7").mkdir(),
    "no outputs": lambda workdir: os.unlink(workdir.cwd / "outputs"),
    "other outputs": lambda workdir: (os.unlink(workdir.cwd / "outputs"), os.symlink("/tmp", workdir.cwd / "outputs")),
    "real outputs": lambda workdir: (os.unlink(workdir.cwd / "outputs"), (workdir.cwd / "outputs").mkdir()),
    "no working directory": lambda workdir: shutil.rmtree(workdir.cwd),
    "nothing": lambda workdir: shutil.rmtree(workdir.cwd.parent),
    "no staging": lambda workdir: os.rmdir(workdir.staging),
    "no permission": lambda workdir: os.chmod(workdir.cwd, 0o500),
}


@pytest.mark.parametrize("left", LEFT)
def test_a_desk_with_something_left_is_removed(tmp_path: Path, left: str) -> None:
    workdir = ReusableWorkdir(tmp_path / "workdir")
    workdir.bind(tmp_path / "trial")
    (workdir.cwd / "outputs/kept").write_text("kept")
    LEFT[left](workdir)
    assert not workdir.clear()
    assert not (tmp_path / "workdir").exists()
    assert (tmp_path / "trial/outputs/kept").read_text() == "kept"
