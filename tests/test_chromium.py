"""Installing a browser for the tests: what is told before, and what is told when it cannot be done."""

from __future__ import annotations

from pathlib import Path

import chromium
import pytest


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH, and empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", chromium.NAMES)
def test_a_browser_that_is_there_is_enough(programs: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    _program(programs / name, "")
    _program(programs / "apt-get", f"echo called >> {programs}/calls")
    assert chromium.provide(root=True) == 0
    assert capfd.readouterr() == ("", "")
    assert not (programs / "calls").exists()


def test_what_is_installed_and_why_is_told_first(programs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _program(programs / "apt-get", f'echo "$@" >> {programs}/calls')
    assert chromium.provide(root=True) == 0
    assert (programs / "calls").read_text().splitlines() == [" ".join(command[1:]) for command in chromium.COMMANDS]
    told = capfd.readouterr().err
    assert told.index("real browser") < told.index("chromium on this machine") < told.index("apt-get install -y")


def test_without_the_right_the_command_to_run_is_told(programs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _program(programs / "apt-get", f"echo called >> {programs}/calls")
    assert chromium.provide(root=False) == 1
    told = capfd.readouterr().err
    assert "Only root may install it" in told
    assert "\n    sudo apt-get update && sudo apt-get install -y chromium\n" in told
    assert not (programs / "calls").exists()


def test_what_apt_answers_is_shown(programs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _program(programs / "apt-get", 'echo "E: Unable to fetch some archives" >&2; exit 100')
    assert chromium.provide(root=True) == 1
    told = capfd.readouterr().err
    assert told.index("apt-get update -qq") < told.index("E: Unable to fetch") < told.index("sudo apt-get update &&")


def test_a_system_without_apt(programs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert chromium.provide(root=True) == 1
    assert "no apt-get" in capfd.readouterr().err
