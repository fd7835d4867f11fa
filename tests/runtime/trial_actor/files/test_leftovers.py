"""What a script left in its working directory: what is new there, what is kept, and what links in outputs lead to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raydrive.runtime.trial_actor.files import leftovers
from raydrive.runtime.trial_actor.files.leftovers import amount, look, move_kept, resolve_links, sizes_of, take_replaced
from raydrive.storage.code_snapshot import SMALL_BYTES, make_workdir
from raydrive.storage.folder.contained import remove_tree


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """A working directory with code: two small files, one of them in a folder, and a large one."""
    code = tmp_path / "home" / "code"
    (code / "lib").mkdir(parents=True)
    (code / "train.py").write_text("x = 1")
    (code / "lib" / "results.csv").write_text("1,2")
    (code / "large.bin").write_bytes(b"x" * (SMALL_BYTES + 1))
    files = tmp_path / "files"
    return make_workdir(code, tmp_path / "home" / "work", files / "outputs", files / "logs")


def text(cwd: Path, *keep: str) -> str:
    return look(cwd, cwd.parent / "code", keep).text()


def test_the_code_itself_is_nothing_new(cwd: Path) -> None:
    assert text(cwd) == ""
    (cwd / "lib" / "results.csv").write_text("1,2")  # the same again
    (cwd / "outputs" / "model").write_text("kept")
    os.symlink("train.py", cwd / "link")
    (cwd / "empty").mkdir()
    assert text(cwd) == ""


def test_what_is_not_kept_is_named_with_its_size(cwd: Path) -> None:
    (cwd / "wandb" / "run").mkdir(parents=True)
    for number in range(14):
        (cwd / "wandb" / "run" / str(number)).write_bytes(b"x" * 85_714)
    hint = "to raydrive.keep or write below outputs/"
    assert text(cwd) == f"not kept: wandb/ (1.2 MB, 14 files); add it {hint}"
    (cwd / "lib" / "results.csv").write_text("3,4")  # of the code, and now another
    (cwd / "train.py").write_text("x = 1\n")
    three = "wandb/ (1.2 MB, 14 files), train.py (6 bytes), lib/ (3 bytes, 1 file)"
    assert text(cwd) == f"not kept: {three}; add them {hint}"
    for number in range(5):
        (cwd / f"runs{number}").mkdir()
        (cwd / f"runs{number}" / "events").write_text("x")
    assert (
        text(cwd) == f"not kept: {three}, runs0/ (1 byte, 1 file), runs1/ (1 byte, 1 file) and 3 more; add them {hint}"
    )


def test_a_large_file_of_the_code_that_was_replaced_is_new(cwd: Path) -> None:
    os.unlink(cwd / "large.bin")
    (cwd / "large.bin").write_bytes(b"y")
    assert "large.bin (1 byte)" in text(cwd)


def test_a_large_file_of_the_code_that_was_changed_for_everybody_is_named_once(cwd: Path, tmp_path: Path) -> None:
    code = cwd.parent / "code"
    sizes_of(code)
    os.chmod(code / "large.bin", 0o644)  # as good as root
    with (cwd / "large.bin").open("ab") as file:
        file.write(b"y")
    left = look(cwd, code, ["*.bin"])
    assert left.shared_text() == (
        "changed in place for all trials on this node, because files of the code above 1.0 MB are shared: large.bin"
    )
    assert move_kept(left.kept, tmp_path / "kept", cwd) == {}
    assert (tmp_path / "kept" / "large.bin").stat().st_size == SMALL_BYTES + 2
    assert look(cwd, code, []).shared_text() == ""


def test_caches_are_nothing_that_anybody_misses(cwd: Path) -> None:
    for name in ("__pycache__/x.pyc", ".pytest_cache/v/x", ".cache/torch/x", "lib/__pycache__/y.pyc", "z.pyc"):
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        (cwd / name).write_text("x")
    (cwd / "tagged").mkdir()
    (cwd / "tagged" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    (cwd / "tagged" / "data").write_text("x")
    assert text(cwd) == ""
    assert list(look(cwd, None, [".cache/**"]).kept) == [".cache/torch/x"]


def test_what_is_left_out_on_purpose_is_not_named(cwd: Path) -> None:
    (cwd / "scratch").mkdir()
    (cwd / "scratch" / "x").write_text("x")
    assert "scratch/" in text(cwd)
    assert text(cwd, "!scratch/**") == ""


def test_the_look_is_bounded(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "MOST_NAMES", 10)
    for number in range(30):
        (cwd / f"f{number}").write_text("x")
    assert "at least" in text(cwd)
    assert len(look(cwd, None, ["f*"]).kept) == 30


def test_a_working_copy_of_a_checkpoint_is_not_missed(cwd: Path) -> None:
    for name in ("state/model", "state/deep/optimizer", "other/model"):
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        (cwd / name).write_text("xy")
    left = look(cwd, cwd.parent / "code", [])
    left.forget([{"model": 2, "deep/optimizer": 2}])
    assert list(left.others) == ["other/model"]
    left.forget([{}, {"model": 3}])
    assert list(left.others) == ["other/model"]


def test_kept_files_are_moved_under_their_names(cwd: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9\n")
    (cwd / "wandb" / "run-1").mkdir(parents=True)
    (cwd / "wandb" / "run-1" / odd).write_text("data")
    os.symlink("run-1", cwd / "wandb" / "latest-run")
    os.symlink(cwd / "wandb" / "run-1" / odd, cwd / "wandb" / "absolute")
    os.symlink(tmp_path, cwd / "wandb" / "elsewhere")
    os.symlink("nowhere", cwd / "wandb" / "dangling")
    os.mkfifo(cwd / "wandb" / "pipe")
    (cwd / "lib" / "results.csv").write_text("3,4")
    left = look(cwd, cwd.parent / "code", ["wandb/**", "*.csv"])
    assert left.text() == ""
    failed = move_kept(left.kept, tmp_path / "kept", cwd)
    kept = tmp_path / "kept"
    assert (kept / "wandb" / "run-1" / odd).read_text() == "data"
    assert (kept / "wandb" / "latest-run" / odd).read_text() == "data"
    assert (kept / "wandb" / "absolute").read_text() == "data"
    assert (kept / "lib" / "results.csv").read_text() == "3,4"
    assert failed == {
        "wandb/elsewhere": "a link to a folder that is not kept",
        "wandb/dangling": "a dangling link",
    }


def test_outputs_that_a_script_has_made_anew_are_its_outputs(cwd: Path, tmp_path: Path) -> None:
    os.unlink(cwd / "outputs")  # rm -rf outputs
    (cwd / "outputs" / "deep").mkdir(parents=True)
    (cwd / "outputs" / "deep" / "model").write_text("weights")
    os.unlink(cwd / "logs")
    os.symlink("/nowhere", cwd / "logs")
    failed = take_replaced(cwd, tmp_path / "files")
    assert (tmp_path / "files" / "outputs" / "deep" / "model").read_text() == "weights"
    assert failed == {"logs": "the script replaced it with a link to /nowhere"}


def test_what_links_in_outputs_lead_to_takes_their_place_before_it_is_removed(cwd: Path, tmp_path: Path) -> None:
    outputs, home = tmp_path / "files" / "outputs", cwd.parent
    (cwd / "big.bin").write_text("big")
    (cwd / "ckpt" / "deep").mkdir(parents=True)
    (cwd / "ckpt" / "deep" / "m").write_text("m")
    for name, target in {
        "one": cwd / "big.bin", "two": cwd / "big.bin", "folder": cwd / "ckpt", "again": cwd / "ckpt",
        "data": home / "code" / "large.bin", "whole": cwd, "inputs": home / "code", "loop": Path(), "out": tmp_path,
    }.items():  # fmt: skip
        os.symlink(target, outputs / name)
    taken: set[str] = set()
    failed = resolve_links(outputs, [cwd], home, "outputs", taken)
    assert "add it" not in look(cwd, home / "code", [], taken).text()
    assert sorted(failed) == ["outputs/inputs", "outputs/whole"]
    for name in ("one", "two"):
        assert (not (outputs / name).is_symlink(), (outputs / name).read_text()) == (True, "big")
    for name in ("folder", "again"):
        assert (outputs / name / "deep" / "m").read_text() == "m"
    assert (outputs / "data").stat().st_size == SMALL_BYTES + 1
    assert not (outputs / "data").is_symlink()
    assert (outputs / "loop").is_symlink()


def test_deep_nesting_is_nothing_to_fail_at(tmp_path: Path) -> None:
    (tmp_path / "cwd").mkdir()
    here = os.getcwd()
    try:
        os.chdir(tmp_path / "cwd")
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("x").write_text("x")
    finally:
        os.chdir(here)
    assert "d/ (1 byte, 1 file)" in look(tmp_path / "cwd", None, []).text()
    remove_tree(tmp_path / "cwd")
    assert not (tmp_path / "cwd").exists()


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1200, "1.2 kB"), (3e9, "3.0 GB")]
)
def test_amounts(size: float, words: str) -> None:
    assert amount(size) == words
