"""Two kinds of folder: a directory, and the same behind pyarrow, where it behaves like an object store's."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydrive.storage.folder import arrow as arrow_folder
from raydrive.storage.folder.arrow import ArrowFolder
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder


@pytest.fixture
def local(tmp_path: Path) -> Folder:
    return open_folder(tmp_path / "storage")


@pytest.fixture
def arrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    from pyarrow import fs

    monkeypatch.setattr(arrow_folder, "SETTLE_S", 0.0)
    path = str(tmp_path / "storage")
    return ArrowFolder(fs.LocalFileSystem(), path, f"arrow://host{path}?token=geheim")


@pytest.fixture(params=["local", "arrow"])
def folder(request: pytest.FixtureRequest) -> Folder:
    made: Folder = request.getfixturevalue(request.param)
    return made
