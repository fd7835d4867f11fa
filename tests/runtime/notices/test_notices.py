"""Notices of a run: what is told when, that it arrives, and that failures are told and change nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.notices.rules import EVENTS, Notify
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.notices import Notice, NoticeMaker
from raydrive.runtime.notices.sender import NoticeSender
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory


def config(**rules: Any) -> RunConfig:
    return RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=12, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=0,
        rules=RunRules.of(rules),
    )


def told(on: tuple[str, ...], curve: Any) -> list[Notice]:
    """What is told of a whole run on virtual time, entry by entry."""
    run, memory = config(), Memory()
    simulate(run, curve, writer=memory)
    sweep, found = Sweep(run), list[Notice]()
    maker = NoticeMaker(Notify(command="true", on=on), "run-1", sweep)
    for line in memory.lines:
        fact, decisions = records.load(line)
        sweep.apply(fact, decisions)
        found += maker.after(decisions, fact.at)
    return found


def test_the_end_is_told_once_with_the_best() -> None:
    (notice,) = told(EVENTS[:2], lambda trial, params: [(30.0, trial / 10)])
    assert notice.event == "finished"
    assert notice.text == "e run-1: Completed: all 12 trials have ended; best m 1.1 (trial 11)"
    data = notice.to_json()
    assert (data["best"], data["best_trial"], data["trials_ended"], data["state"]) == (1.1, 11, 12, "Completed")
    assert set(data["best_params"]) == {"x"}


def test_new_bests_are_told_no_more_often_than_once_a_minute_and_the_last_one_is() -> None:
    found = [one for one in told(("best",), lambda trial, params: [(25.0, trial / 10)]) if one.event == "best"]
    assert [one.data["best_trial"] for one in found] == [0, 3, 6, 9]


def test_what_was_known_is_not_told_again() -> None:
    run, memory = config(), Memory()
    sweep = simulate(run, lambda trial, params: [(25.0, 1.0)], writer=memory)
    assert NoticeMaker(Notify(command="true", on=("best",)), "r", sweep).after([], 1e9) == []


def test_an_interruption_is_told_where_that_is_wanted() -> None:
    sweep = Sweep(config())
    sweep.handle(records.Started(0.0, 1))
    (notice,) = NoticeMaker(Notify(command="true"), "r", sweep).interrupted("by its user", 5.0)
    assert notice.text == "e r: Interrupted: by its user; no trial has a value"
    assert NoticeMaker(Notify(command="true", on=("best",)), "r", sweep).interrupted("x", 5.0) == []


NOTICE = Notice("finished", "e r: Completed", {"run": "r", "state": "Completed"})


def sent(command: str, webhook: str, *notices: Notice) -> list[str]:
    """Sends notices; returns what failed."""
    failures: list[str] = []
    sender = NoticeSender(command, webhook, failures.append)
    for notice in notices:
        sender.send(notice)
    assert sender.finish(30.0)
    return failures


@contextmanager
def a_webhook(*answers: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers with these codes, the last one for ever; yields its address and what it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers[min(len(got), len(answers)) - 1])
            self.end_headers()

        def log_message(self, *arguments: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/abcdef", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_gets_the_json() -> None:
    with a_webhook(200) as (address, got):
        assert sent("", address, NOTICE, NOTICE) == []
    assert got == [{"text": "e r: Completed", "event": "finished", "run": "r", "state": "Completed"}] * 2


def test_a_webhook_that_fails_for_a_moment_is_asked_again() -> None:
    with a_webhook(503, 200) as (address, got):
        assert sent("", address, NOTICE) == []
    assert len(got) == 2


def test_a_webhook_that_refuses_is_told_and_its_address_is_not() -> None:
    with a_webhook(404) as (address, got):
        (failure,) = sent("", address, NOTICE)
    assert failure == "the notice 'finished' was not delivered: the webhook at 127.0.0.1 answered 404"
    assert len(got) == 1


def test_a_webhook_that_is_not_there_is_told_and_its_address_is_not() -> None:
    (failure,) = sent("", "http://127.0.0.1:9/services/abcdef", NOTICE)
    assert "cannot be reached" in failure
    assert "abcdef" not in failure


def test_a_command_finds_the_notice_in_variables_and_on_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = f'cat > {out}.json; echo "$RAYDRIVE_EVENT $RAYDRIVE_RUN $RAYDRIVE_STATE $RAYDRIVE_TEXT" > {out}'
    assert sent(command, "", NOTICE) == []
    assert out.read_text() == "finished r Completed e r: Completed\n"
    assert json.loads(Path(f"{out}.json").read_text())["event"] == "finished"


@pytest.mark.parametrize("command", ["exit 3", "echo abcdef >&2; exit 3"])
def test_a_command_that_fails_is_told_and_its_output_is_not(command: str) -> None:
    (failure,) = sent(command, "", NOTICE)
    assert failure == (
        "the notice 'finished' was not delivered: its command ended with exit code 3; its output is in the driver's log"
    )
