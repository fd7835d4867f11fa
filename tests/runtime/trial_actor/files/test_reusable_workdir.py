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
    desk = ReusableWorkdir(tmp_path / "desk", tmp_path / link if link else None)
    for number in range(3):
        files = tmp_path / f"trial-{number}"
        desk.bind(files)
        assert sorted(os.listdir(desk.cwd)) == ["logs", "outputs"]
        (desk.cwd / "outputs" / "model").write_text(str(number))
        (desk.cwd / "logs" / "notes").write_text(str(number))
        assert desk.clear()
    for number in range(3):
        assert (tmp_path / f"trial-{number}/outputs/model").read_text() == str(number)
        assert (tmp_path / f"trial-{number}/logs/notes").read_text() == str(number)


def test_making_the_next_place_changes_nothing_but_the_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    desk = ReusableWorkdir(tmp_path / "desk", link)

    def state() -> dict[Path, tuple[int, int]]:
        paths = [tmp_path / "desk", *(tmp_path / "desk").rglob("*")]
        return {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths}

    desk.bind(tmp_path / "first")
    before = state()
    assert desk.clear()
    desk.bind(tmp_path / "second")
    assert state() == before
    assert link.readlink() == tmp_path / "second"
    desk.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


LEFT: dict[str, Callable[[ReusableWorkdir], object]] = {
    "a file": lambda desk: (desk.cwd / "model.bin").write_text("x"),
    "a hidden folder": lambda desk: (desk.cwd / ".cache").mkdir(),
    "a file in the scratch folder": lambda desk: (desk.scratch / "resume").mkdir(),
    "a checkpoint": lambda desk: (desk.staging / "7").mkdir(),
    "no outputs": lambda desk: os.unlink(desk.cwd / "outputs"),
    "other outputs": lambda desk: (os.unlink(desk.cwd / "outputs"), os.symlink("/tmp", desk.cwd / "outputs")),
    "real outputs": lambda desk: (os.unlink(desk.cwd / "outputs"), (desk.cwd / "outputs").mkdir()),
    "no working directory": lambda desk: shutil.rmtree(desk.cwd),
    "nothing": lambda desk: shutil.rmtree(desk.cwd.parent),
    "no staging": lambda desk: os.rmdir(desk.staging),
    "no permission": lambda desk: os.chmod(desk.cwd, 0o500),
}


@pytest.mark.parametrize("left", LEFT)
def test_a_desk_with_something_left_is_removed(tmp_path: Path, left: str) -> None:
    desk = ReusableWorkdir(tmp_path / "desk")
    desk.bind(tmp_path / "trial")
    (desk.cwd / "outputs/kept").write_text("kept")
    LEFT[left](desk)
    assert not desk.clear()
    assert not (tmp_path / "desk").exists()
    assert (tmp_path / "trial/outputs/kept").read_text() == "kept"
