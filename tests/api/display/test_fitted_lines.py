"""Lines of a terminal: words, paths and commands stay whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydrive.api.display.fitted_lines import fitted, fitted_pair

PATH = "/data/storage/digits/digits-20261119-120000-237c/trials/00034/outputs"


def test_what_fits_stays_as_it_is() -> None:
    assert fitted("a  b", 4) == ["a  b"]


def test_words_stay_whole_and_indented() -> None:
    line = "  Trials use the Python that raydrive runs in; install it there"
    assert fitted(line, 30) == ["  Trials use the Python that", "  raydrive runs in; install it", "  there"]


def test_a_path_is_never_broken() -> None:
    assert fitted(f"  artifacts: {PATH}", 80) == ["  artifacts:", f"  {PATH}"]
    assert fitted(f"  artifacts: {PATH}", 20) == ["  artifacts:", f"  {PATH}"], "where no line is long enough, too"


def test_a_path_below_home_is_written_as_shells_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert fitted("in /home/someone/raydrive/digits-20261119-120000", 40) == ["in ~/raydrive/digits-20261119-120000"]
    assert (
        fitted("in /home/someoneelse/raydrive/digits-20261119", 40)[1] == "/home/someoneelse/raydrive/digits-20261119"
    )


def test_a_hint_keeps_its_command_in_a_line_that_can_be_pasted() -> None:
    hint = "  raydrive trials digits-20261119-120000-237c        # all trials and why each ended"
    assert fitted(hint, 60) == ["  # all trials and why each ended", "  raydrive trials digits-20261119-120000-237c"]
    assert fitted(hint, 80) == ["  raydrive trials digits-20261119-120000-237c  # all trials and why each ended"]
    line = "The run has not ended. To resume it: raydrive resume digits-20261119-120000-237c"
    assert fitted(line, 60)[-1] == "raydrive resume digits-20261119-120000-237c"


def test_a_value_stands_beside_its_name_or_below_it() -> None:
    name = "storage           "
    assert fitted_pair(name, "/data", 80) == [f"{name}/data"]
    assert fitted_pair(name, PATH, 80) == ["storage", f"  {PATH}"]
    told = ["why      all of the trials", "         have failed"]
    assert fitted_pair("why      ", "all of the trials have failed", 30) == told


def test_a_command_goes_on_behind_backslashes() -> None:
    name = "command  "
    command = "python train.py --learning-rate 0.01 --momentum 0.9"
    lines = fitted_pair(name, command, 40)
    assert max(map(len, lines)) <= 40
    assert " ".join("\n".join(lines).removeprefix(name).replace("\\\n", " ").split()) == command
    quoted = "sh -c 'echo two  words that are long enough not to fit'"
    assert fitted_pair(name, quoted, 40) == ["command", quoted], "nothing is changed between quotes"


def test_folders_and_home_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert fitted("see /data/storage/digits", 12) == ["see", str(Path("/data/storage/digits"))]
