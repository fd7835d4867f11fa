"""What commands print on a terminal of 80 and of 160 columns, and where there is none: nothing breaks inside a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recorded import PARAMS, by_hand, config, create, record, write
from terminal import PLAIN, Terminal, raydrive

from raydrive.core.early_stopping.policies import BanditPolicy

RUN, FAILED = "digits-random-20261119-120000-0060", "failed-20261119-120000-0008"
WHY = "ModuleNotFoundError: No module named 'a_package_with_a_name_of_its_own'"
COMMANDS = [
    ["list"],
    ["status", RUN],
    ["status", FAILED],
    ["status", "nosuch"],
    ["trials", RUN, "--top", "5"],
    ["trials", FAILED],
    ["best", RUN],
    ["best", FAILED],
    ["watch", RUN],
    ["watch", FAILED],
    ["whatif", RUN],
    ["whatif", RUN, "--policy", '{"type": "median_stopping"}'],
    ["export", RUN, "--to", "nosuch"],
    ["trials", "--sort", "nosuch"],
]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run under a policy, and one of which every trial failed."""
    folder = tmp_path_factory.mktemp("runs") / "storage"
    record(folder, config(30, policy=BanditPolicy(slack_factor=0.1), experiment="digits-random"), run_id=RUN)
    run_config = config(8, experiment="failed")
    write(create(folder, run_config, FAILED), by_hand(run_config, [(PARAMS, [], 1, WHY)] * 8))
    return folder


@pytest.fixture
def on_terminal(storage: Path) -> Iterator[Callable[..., list[str]]]:
    """Runs a command on a terminal and returns the lines it wrote."""
    opened: list[Terminal] = []

    def run(*arguments: str, width: int) -> list[str]:
        opened.append(Terminal(*arguments, width=width, height=40, RAYDRIVE_STORAGE=str(storage)))
        opened[-1].wait()
        # A picture in place begins again at its first line.
        return PLAIN.sub("", re.sub(r"\x1b\[\d*A", "\r\n", opened[-1].raw)).replace("\r", "").split("\n")

    yield run
    for one in opened:
        one.close()


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments)[:40])
def test_nothing_is_wider_than_the_terminal(
    on_terminal: Callable[..., list[str]], arguments: list[str], width: int
) -> None:
    lines = on_terminal(*arguments, width=width)
    assert any(lines)
    wide = [line for line in lines if len(line) > width and " " in line.strip()]
    assert wide == [], "only what has no blank may be wider: a path that is to be copied"


@pytest.mark.parametrize("width", [80, 160])
def test_failures_hints_and_paths_are_whole(on_terminal: Callable[..., list[str]], storage: Path, width: int) -> None:
    said = on_terminal("watch", FAILED, width=width)
    assert WHY in " ".join(line.strip() for line in said)
    assert f"  raydrive logs {FAILED} 7" in [line.split("  #")[0].rstrip() for line in said]
    lines = [line.strip() for line in on_terminal("watch", RUN, width=width)]
    hints = [line.split("  #")[0].rstrip() for line in lines]
    assert f"raydrive best {RUN} -o json" in hints
    assert any(line.endswith(f"{RUN}/trials/00021/outputs") or f"{RUN}/trials/" in line for line in lines)
    stands = [line.strip() for line in on_terminal("status", FAILED, width=width)]
    assert any(str(storage / "failed" / FAILED) in line for line in stands)
    assert WHY in " ".join(stands)


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("run", [RUN, FAILED])
def test_no_two_columns_have_one_name(on_terminal: Callable[..., list[str]], run: str, width: int) -> None:
    for command in ("watch", "trials"):
        (*_, head) = [line for line in on_terminal(command, run, width=width) if "state" in line.split()]
        names = head.split()
        assert len(names) == len(set(names)), head
        assert names[0] == "trial"


def test_a_list_of_runs_keeps_its_columns_together(on_terminal: Callable[..., list[str]]) -> None:
    narrow = on_terminal("list", width=80)
    assert narrow[0] == "run"
    assert narrow[1].split() == ["experiment", "status", "trials", "metric", "best", "elapsed_s"]
    at = narrow.index(RUN)
    assert narrow[at + 1].split()[:4] == ["digits-random", "Completed", "30/30", "accuracy"]
    wide = on_terminal("list", width=160)
    assert wide[0].split()[0] == "run"
    assert any(line.split()[:3] == [RUN, "digits-random", "Completed"] for line in wide)


def test_where_no_terminal_is_nothing_is_broken(storage: Path) -> None:
    def piped(*arguments: str) -> list[str]:
        done = raydrive(*arguments, RAYDRIVE_STORAGE=str(storage), COLUMNS="80")
        return [*done.stdout.splitlines(), *done.stderr.splitlines()]

    assert len(piped("list")) == 3
    assert len(piped("trials", FAILED)) == 9
    assert all(WHY in line for line in piped("trials", FAILED)[1:])
    assert [line.partition(":")[0] for line in piped("status", "nosuch")] == ["Error", "More"]
    (path,) = [line for line in piped("status", RUN) if line.startswith("storage")]
    assert path.split() == ["storage", str(storage / "digits-random" / RUN)]
    assert any(line.startswith(f"  raydrive trials {RUN}") and "# " in line for line in piped("watch", RUN))
    assert "Error: Invalid value for --sort: found 'nosuch'; allowed: best, number" in piped(
        "trials", "--sort", "nosuch"
    )
