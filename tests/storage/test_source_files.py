"""Which files of a source directory belong to its snapshot, and what is said of those that cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from raydrive.core.errors import ConfigError
from raydrive.storage.source_files import MAX_DEPTH, collect


def tree(root: Path, **files: str) -> Path:
    """Writes files; ``a__b="x"`` becomes ``a/b``."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def names(root: Path) -> list[str]:
    return [file.name for file in collect(root).files]


def refused(root: Path, **limits: int) -> dict[str, str]:
    """What is wrong, by place."""
    with pytest.raises(ConfigError) as caught:
        collect(root, **limits)
    return {problem.where: problem.found for problem in caught.value.problems}


def test_files_are_sorted_with_size_and_permissions(tmp_path: Path) -> None:
    root = tree(tmp_path, z="12345", a__b="1", a__c="")
    (root / "z").chmod(0o754)
    (root / "empty").mkdir()
    found = collect(root)
    assert [(file.name, file.size) for file in found.files] == [("a/b", 1), ("a/c", 0), ("z", 5)]
    assert found.files[-1].mode == 0o754
    assert found.files[0].path == str(root / "a" / "b")
    assert found.empty_folders == ["empty"]
    assert found.size == 6


def test_a_folder_of_which_all_is_ignored_counts_as_empty(tmp_path: Path) -> None:
    root = tree(tmp_path, keep="", logs__old="")
    (root / ".amlignore").write_text("logs/*\n")
    found = collect(root)
    assert [file.name for file in found.files] == [".amlignore", "keep"]
    assert found.empty_folders == ["logs"]


def test_git_environments_and_caches_are_left_out_at_any_depth(tmp_path: Path) -> None:
    root = tree(tmp_path, train="", deep__venv__x="", deep____pycache____x="")
    (root / "deep" / ".git").mkdir()
    (root / "deep" / ".git" / "HEAD").write_text("")
    (root / "deep" / ".venv").write_text("a file of that name is one of the user's")
    assert "train" in names(root)
    assert not [name for name in names(root) if "venv/" in name or ".git/" in name]
    assert "deep/.venv" in names(root)


def test_folders_can_be_excluded_by_their_real_path(tmp_path: Path) -> None:
    root = tree(tmp_path / "src", train="", runs__old="")
    (root / "link").symlink_to(root / "runs")
    assert [file.name for file in collect(root, exclude=[root / "runs"]).files] == ["train"]


def test_a_link_inside_gives_a_copy_and_a_circle_is_refused(tmp_path: Path) -> None:
    root = tree(tmp_path, data__a="1")
    (root / "again").symlink_to("data")
    assert names(root) == ["again/a", "data/a"]
    (root / "data" / "up").symlink_to("..")
    assert refused(root)["source_directory/data/up"] == f"is a link to a folder that contains it, {root}"


def test_all_that_cannot_be_packed_comes_at_once(tmp_path: Path) -> None:
    root = tree(tmp_path / "src", train="")
    (root / "broken").symlink_to("nothing")
    (root / "outside").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        found = refused(root)
    assert found == {
        "source_directory/broken": "is a link to 'nothing', which does not exist",
        "source_directory/outside": f"is a link that leads outside, to {tmp_path}",
        "source_directory/pipe": "is a socket, pipe or device",
        "source_directory/socket": "is a socket, pipe or device",
    }
    (root / ".raydriveignore").write_text("broken\noutside\npipe\nsocket\n")
    assert names(root) == [".raydriveignore", "train"]


def test_folders_too_deep(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(MAX_DEPTH + 1):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (found,) = refused(tmp_path).values()
    assert found == f"is below {MAX_DEPTH} folders"


@pytest.mark.parametrize(("limits", "word"), [({"max_files": 2}, "3 files"), ({"max_bytes": 100}, "150 bytes")])
def test_a_limit_that_is_passed_names_what_is_largest(tmp_path: Path, limits: dict[str, int], word: str) -> None:
    root = tree(tmp_path, data__big="x" * 99, data__small="x" * 50, train="x")
    with pytest.raises(ConfigError) as caught:
        collect(root, **limits)
    (problem,) = caught.value.problems
    assert word in problem.found
    assert "Largest files: data/big (99 bytes), data/small (50 bytes), train (1 bytes)." in problem.fix
    assert "Largest folders: data/ (" in problem.fix
    assert f"{root}/.raydriveignore" in problem.fix


def test_what_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    assert refused(path) == {"source_directory": f"{path} does not exist"}
    path.write_text("")
    assert refused(path) == {"source_directory": f"{path} is a file"}
