"""Checkpoints of which several processes save parts: one checkpoint of all files, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydrive.runtime.gang.node_files import settle, while_training
from raydrive.runtime.gang.shards import merged
from raydrive.storage.checkpoints import (
    Manifest,
    UnstorableCheckpointError,
    complete,
    fetch_checkpoint,
    manifests,
    next_number,
    publish,
    put_files,
)
from raydrive.storage.run_layout import RunLayout


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout.create(str(tmp_path / "storage"), "parts", "parts-20261129-120000-0001")


def part(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name}.bin").write_text(text)
    return folder


def test_parts_count_when_the_manifest_is_written_and_are_fetched_as_one_folder(
    layout: RunLayout, tmp_path: Path
) -> None:
    number = next_number(layout, 0)
    parts = [
        put_files(layout, 0, number, part(tmp_path / f"rank-{rank}", **{f"of_{rank}": str(rank)}), first=1000 * rank)
        for rank in range(3)
    ]
    assert manifests(layout, 0) == []
    files, links = merged(parts)
    complete(layout, 0, Manifest(number, 1, 4, 0.5, 0.0, files, links))
    (found,) = manifests(layout, 0)
    fetched = fetch_checkpoint(layout, 0, found, tmp_path / "resume")
    assert sorted(path.name for path in fetched.iterdir()) == ["of_0.bin", "of_1.bin", "of_2.bin"]
    assert (fetched / "of_2.bin").read_text() == "2"


def test_a_checkpoint_that_is_saved_meanwhile_has_another_number(layout: RunLayout, tmp_path: Path) -> None:
    number = next_number(layout, 0)
    put_files(layout, 0, number, part(tmp_path / "rank-0", a="1"))
    whole = publish(layout, 0, part(tmp_path / "whole", b="2"), attempt=1, interval=1, value=None, at=0.0)
    assert whole.number == number + 1


def test_two_parts_with_a_file_of_one_name_are_refused_with_what_to_write(layout: RunLayout, tmp_path: Path) -> None:
    parts = [put_files(layout, 0, 1, part(tmp_path / f"rank-{rank}", model=str(rank))) for rank in range(2)]
    with pytest.raises(UnstorableCheckpointError, match=r"several processes saved model.bin .* model-rank-0"):
        merged(parts)


def test_what_a_node_leaves_goes_below_its_own_folders(tmp_path: Path) -> None:
    trial = tmp_path / "00000"
    own = while_training(trial, 2)
    part(own / "outputs" / "deep", a="1")
    (own / "logs").mkdir()
    part(while_training(trial, 1) / "outputs", b="2")
    assert settle(own, 2, ("outputs", "logs", "kept")) == {}
    assert (trial / "outputs" / "node_2" / "deep" / "a.bin").read_text() == "1"
    assert not (trial / "logs").exists()
    assert (trial / "nodes" / "1").is_dir()
    assert settle(while_training(trial, 1), 1, ("outputs",)) == {}
    assert not (trial / "nodes").exists()
    assert while_training(trial, 0) == trial
