"""Whether a storage can be used: asked without leaving anything behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raydrive.core.errors import StorageError
from raydrive.storage.check_storage import check_usable
from raydrive.storage.folder.open import open_folder


@pytest.mark.parametrize("thorough", [False, True])
def test_nothing_is_left_behind(tmp_path: Path, thorough: bool) -> None:
    check_usable(str(tmp_path / "a" / "b"), thorough=thorough)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    check_usable(str(tmp_path / "runs"), thorough=thorough)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_storage_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="runs"):
        check_usable(str(tmp_path / "runs" / "mine"))
    assert os.listdir(tmp_path) == ["runs"]


def test_a_storage_that_does_not_give_back_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(str(tmp_path))
    monkeypatch.setattr(type(folder), "read_or_none", lambda *_: None)
    with pytest.raises(StorageError, match=r"cannot rely on .* reads back as None"):
        check_usable(folder)
    assert list(tmp_path.iterdir()) == []
