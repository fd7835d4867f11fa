"""What a trial actor gives a trial and takes away again, and what it says of its output: without Ray."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from trial_actor_helpers import Driver, a_run, an_actor, of_kind, until, values

from raydrive.context import Run
from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.runtime.trial_events import NoteEvent


def run_actor(layout: Any, config: Any, trials: list[dict[str, Any]], *, stop_when: Path | None = None) -> list[Any]:
    """Runs trials one after the other in one actor, each until ``stop_when`` is there.

    Returns:
        All events, each once: a batch that is in flight when its attempt ends comes with its last events, too.
    """

    async def main() -> list[Any]:
        driver = Driver()
        driver.open.set()
        events = []
        async with an_actor(layout, config, driver) as actor:
            for number, params in enumerate(trials):
                result = asyncio.ensure_future(actor.run(1, number, 1, params, None, 0))
                if stop_when is not None:
                    await until(stop_when.exists)
                    await actor.stop(1, number, 1, 1.0)
                events += await asyncio.wait_for(result, 60)
        return list({repr(event): event for event in [*driver.events, *events]}.values())

    return asyncio.run(main())


def notes(events: list[Any]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((event.text, event.about) for event in of_kind(events, NoteEvent)))


@pytest.mark.parametrize("reuse", [False, True])
def test_temporary_files_are_gone_after_a_stop_and_after_the_actor(tmp_path: Path, reuse: bool) -> None:
    def train(params: dict[str, Any]) -> None:
        import multiprocessing.util
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        place = tempfile.mkdtemp(prefix="pymp-")
        with open(params["told"] + ".part", "w") as file:
            print(place, multiprocessing.util.get_temp_dir(), tempfile.gettempdir(), os.environ["TMPDIR"], file=file)
        os.rename(params["told"] + ".part", params["told"])
        time.sleep(60)

    told = tmp_path / "told"
    run_actor(*a_run(tmp_path, train, reuse_processes=reuse), [{"told": str(told)}], stop_when=told)
    made, of_multiprocessing, folder, variable = told.read_text().split()
    assert folder == variable
    assert os.path.dirname(made) == os.path.dirname(of_multiprocessing) == folder
    assert not os.path.exists(made)
    assert not os.path.exists(of_multiprocessing)
    assert not os.path.exists(folder)  # the actor is gone, too
    assert len(of_multiprocessing) < 76  # and sockets of 32 characters fit in 108


def test_a_kept_process_keeps_its_temporary_files(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        import raydrive

        place = getattr(raydrive, "place", None) or tempfile.mkdtemp()
        raydrive.place = place  # type: ignore[attr-defined]
        Run.get_context().log("score", float(os.path.isdir(place)))
        Run.get_context().tag("place", place)

    events = run_actor(*a_run(tmp_path, train, reuse_processes=True), [{}, {}])
    assert values(events) == [1.0, 1.0]


def test_a_temporary_folder_of_the_user_is_left_as_it_is(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        tempfile.mkdtemp(prefix="mine-")

    mine = tmp_path / "mine"
    mine.mkdir()
    run_actor(*a_run(tmp_path, train, environment_variables={"TMPDIR": str(mine)}), [{}])
    assert [path.name[:5] for path in mine.iterdir()] == ["mine-"]


def test_a_log_beyond_the_limit_loses_its_middle_and_a_notice_says_so(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        for number in range(30_000):
            print(f"line {number:06d}")

    events = run_actor(*a_run(tmp_path, train, log_limit=100_000), [{}])
    assert ("the middle of its log is dropped: it is longer than log_limit (100,000 bytes)", "") in notes(events)
    (log,) = (tmp_path / "storage").rglob("log.txt")
    text = log.read_text()
    assert len(text) < 110_000
    assert text.startswith("line 000000\nline 000001\n")
    assert "line 029999\n" in text
    assert "bytes of output are dropped: log_limit" in text


@pytest.mark.parametrize(
    ("printed", "metrics", "said"),
    [
        ("score: 0.41.", PrintedMetrics((r"score: (\S+)",)), "captured '0.41.', which is not a number"),
        (
            "{'score': 0.41}",
            PrintedMetrics(json_lines=True),
            "a dict as Python prints it, and not JSON: {'score': 0.41}",
        ),
    ],
)
def test_what_was_nearly_right_reaches_the_reason(
    tmp_path: Path, printed: str, metrics: PrintedMetrics, said: str
) -> None:
    def train(params: dict[str, Any]) -> None:
        print(params["printed"])

    ((text, about),) = notes(run_actor(*a_run(tmp_path, train, metrics=metrics), [{"printed": printed}]))
    assert said in text
    assert about == "metrics"


def test_a_text_that_was_logged_in_place_of_a_number_is_shown(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", "0.41.")

    ((text, about),) = notes(run_actor(*a_run(tmp_path, train), [{}]))
    assert text == "as 'score' it logged '0.41.', which is not a number; 0.41 in it would be valid"
    assert about == "metrics"


def test_why_a_process_is_not_used_again_is_a_notice(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        import threading

        threading.Thread(target=time.sleep, args=(1,), name="mine").start()

    (noted,) = [
        text for text, _ in notes(run_actor(*a_run(tmp_path, train, reuse_processes=True), [{}])) if "new" in text
    ]
    assert noted == "the next trial gets a new process: threads still run (mine)"
