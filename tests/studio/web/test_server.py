"""The live studio over HTTP, and a browser that watches a run go on."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded import PARAMS, START, Served, Watched, by_hand, config, create, record, write

from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.records import Started, dump
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader

Serve = Callable[..., Served]
RUN = "study-20261119-120000-00ab"
PAGE = f"/runs/study/{RUN}"


@pytest.fixture
def growing(storage: Path) -> tuple[RunLayout, list[str]]:
    """A run whose journal is yet to be written, and its lines."""
    run_config = config(6, policy=BanditPolicy(slack_factor=0.1))
    trials = [(PARAMS | {"momentum": i / 10}, [0.1 * i, 0.5 + 0.05 * i, 0.6], 0, "") for i in range(6)]
    return create(storage, run_config, RUN), by_hand(run_config, trials)


def get(
    served: Served, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request(method, path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, dict(answer.getheaders())


class Stream:
    """A reader of server-sent events, as a browser reads them."""

    def __init__(self, served: Served, last: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        self.connection.request("GET", f"{PAGE}/events", headers={"Last-Event-ID": last} if last else {})
        self.answer = self.connection.getresponse()
        self.events = self._read()

    def _read(self) -> Iterator[tuple[str, str, Any]]:
        found: dict[str, str] = {}
        while line := self.answer.readline():
            text = line.decode().rstrip("\n")
            if not text and "data" in found:
                yield found["event"], found["id"], json.loads(found["data"])
                found = {}
            elif ": " in text and not text.startswith(":"):
                name, value = text.split(": ", 1)
                found[name] = value

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def test_a_stream_is_resumed_where_it_was_cut_off(serve: Serve, storage: Path, growing: Any) -> None:
    layout, lines = growing
    write(layout, lines[:10])
    served = serve(storage)
    first = Stream(served)
    name, mark, whole = next(first.events)
    assert (name, mark) == ("whole", "0.10")
    page = {row[0]: row for row in whole["rows"]}
    first.close()
    write(layout, lines[10:18])
    second = Stream(served, mark)
    while mark != "0.18":
        name, mark, update = next(second.events)
        assert name == "changes"
        page.update({row[0]: row for row in update["rows"]})
    write(layout, lines[18:])
    while mark != f"0.{len(lines)}":
        _, mark, update = next(second.events)
        page.update({row[0]: row for row in update["rows"]})
    second.close()
    whole = json.loads(get(served, f"{PAGE}/document")[1])
    assert [page[number] for number in sorted(page)] == whole["rows"]


def test_fifty_viewers_are_served_from_one_reading(serve: Serve, storage: Path, growing: Any) -> None:
    layout, lines = growing
    write(layout, lines[:10])
    served = serve(storage)
    streams = [Stream(served) for _ in range(50)]
    assert all(next(stream.events)[0] == "whole" for stream in streams)
    write(layout, lines[10:])
    marks = [next(stream.events)[1] for stream in streams]
    for stream in streams:
        stream.close()
    assert set(marks) == {f"0.{len(lines)}"}


def test_answers_and_refusals(serve: Serve, storage: Path) -> None:
    record(storage, config(40), run_id=RUN)
    served = serve(storage)
    status, text, headers = get(served, "/")
    assert (status, RUN in text) == (200, True)
    status, text, headers = get(served, PAGE)
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert get(served, f"{PAGE}/trials/3")[0] == 200
    assert get(served, f"{PAGE}/trials/99")[0] == 404
    assert get(served, f"{PAGE}/trials/x")[0] == 404
    assert get(served, "/runs/study/none-such")[0] == 404
    assert get(served, "/runs/../../etc/passwd")[0] in (403, 404)
    status, text, _ = get(served, f"{PAGE}/whatif?policy=%7B%22type%22%3A%22bandti%22%7D")
    assert (status, "Did you mean" in text) == (400, True)
    status, text, _ = get(served, f"{PAGE}/whatif?policy=%22median_stopping%22")
    assert status == 200
    assert json.loads(text)["policy"]["type"] == "median_stopping"
    assert len(json.loads(get(served, f"{PAGE}/analysis")[1])["importance"]) == 4
    assert json.loads(get(served, f"{PAGE}/series?name=loss")[1])[0][0] == 0


def test_nothing_can_be_written_unless_allowed(serve: Serve, storage: Path) -> None:
    record(storage, config(3), run_id=RUN)
    served = serve(storage)
    assert get(served, f"{PAGE}/control", "POST", X_Raydrive="control")[0] in (404, 405)
    allowed = serve(storage, allow_control=True)
    assert get(allowed, f"{PAGE}/control", "POST")[0] == 403, "another site's form has no such header"
    for body in ('{"do": "cancel", "trial": "x"}', '{"do": "cancel", "trial": 99}', "[]", "{", '{"do": "nonsense"}'):
        unknown = get(allowed, f"{PAGE}/control", "POST", body=body, X_Raydrive="control")
        assert unknown[0] == 400, "a trial that is none must not end the whole run"
    assert '"may_control":true' in get(allowed, PAGE)[1]
    assert '"may_control":false' in get(served, PAGE)[1]


def test_strangers_are_kept_out(serve: Serve, storage: Path) -> None:
    record(storage, config(3), run_id=RUN)
    local = serve(storage)
    assert get(local, "/", Host="evil.example")[0] == 403, "a name of another's that leads here (DNS rebinding)"
    assert get(local, "/", Host=f"localhost:{local.port}")[0] == 200
    secret = serve(storage, host="0.0.0.0", token="open-sesame")
    assert get(secret, PAGE)[0] == 401
    assert get(secret, f"{PAGE}?token=wrong")[0] == 401
    status, _, headers = get(secret, f"{PAGE}?token=open-sesame")
    assert (status, headers["Location"]) == (302, PAGE)
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]
    assert get(secret, PAGE, Cookie="raydrive_studio=open-sesame")[0] == 200
    assert get(secret, PAGE, Authorization="Bearer open-sesame", Host="evil.example")[0] == 200


def test_a_browser_watches_a_run_go_on(serve: Serve, storage: Path, growing: Any, watched: Watched) -> None:
    layout, lines = growing
    write(layout, lines[:8])
    served = serve(storage)
    page = watched.open(f"{served.url}{PAGE}")
    watched.see("chart-metrics")
    assert page.locator("#run-state").inner_text() == "Running"
    page.locator("#trials tbody input").first.click()
    chosen = page.evaluate("[...raydrive.store.selection.set]")
    before = page.evaluate("raydrive.store.trials.length")
    write(layout, lines[8:])
    page.wait_for_function("raydrive.store.head.run.over")
    assert page.locator("#run-state").inner_text() == "Completed"
    assert page.evaluate("raydrive.store.trials.length") == 6 > before
    assert page.evaluate("[...raydrive.store.selection.set]") == chosen, "what was selected stays selected"
    page.get_by_role("button", name="What if?").click()
    page.wait_for_selector("#whatif-result .tile")
    assert "would stop" in page.locator("#whatif-result").inner_text()
    assert watched.outside == []
    assert watched.errors == []


def test_a_brush_survives_an_update_and_takes_in_what_comes(
    serve: Serve, storage: Path, growing: Any, watched: Watched
) -> None:
    layout, lines = growing
    write(layout, lines[:12])
    served = serve(storage)
    page = watched.open(f"{served.url}{PAGE}")
    page.evaluate(
        "() => { const c = raydrive.charts.parallel; c.brushes = { 'p:momentum': [0, 0.35] };"
        "raydrive.store.select('parallel', { test: c.rule(c.brushes) }); }"
    )
    early = page.evaluate("[...raydrive.store.selection.set]")
    write(layout, lines[12:])
    page.wait_for_function("raydrive.store.head.run.over")
    assert page.evaluate("[...raydrive.store.selection.set].sort()") == [0, 1, 2, 3]
    assert len(early) < 4
    watched.see("chart-parallel")
    ranges = page.evaluate("document.getElementById('chart-parallel').data[0].dimensions.map(d => d.constraintrange)")
    assert [one for one in ranges if one]


def test_a_browser_comes_back_to_a_studio_that_was_restarted(
    serve: Serve, storage: Path, growing: Any, watched: Watched
) -> None:
    layout, lines = growing
    write(layout, lines[:8])
    first = serve(storage)
    page = watched.open(f"{first.url}{PAGE}")
    first.close()
    page.wait_for_function("document.getElementById('live').textContent.includes('reconnecting')")
    write(layout, lines[8:])
    serve(storage, at=first.port)
    page.wait_for_function("raydrive.store.head.run.over && raydrive.store.trials.length === 6")
    assert page.evaluate("raydrive.store.trials.every(t => t.curve.length === t.intervals)")


def test_buttons_change_a_run_where_that_is_allowed(
    serve: Serve, storage: Path, growing: Any, watched: Watched
) -> None:
    layout, lines = growing
    write(layout, lines[:-4])
    run = RunReader.open(layout)
    layout.write_driver(dump_heartbeat({"state": "Interrupted", "epoch": run.sweep.epoch, "entries": 0}))
    watched.accept = True
    watched.page.set_default_timeout(30_000)
    page = watched.open(f"{serve(storage).url}{PAGE}")
    assert page.get_by_role("button", name="Pause").count() == 0
    page = watched.open(f"{serve(storage, allow_control=True).url}{PAGE}")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.locator("#paused").wait_for()
    assert "no further trial is started" in page.locator("#paused").inner_text()
    page.get_by_role("button", name="Unpause").click()
    page.get_by_role("button", name="Pause now").wait_for()
    over = page.evaluate("raydrive.store.trials.find(t => t.state === 'Completed').number")
    page.evaluate(f"location.hash = '#/trial/{over}'")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_function(f"raydrive.store.trials[{over}].state !== 'Completed'")
    page.evaluate("location.hash = ''")
    page.wait_for_function("document.querySelectorAll('#steps li').length === 3")
    assert "retry" in page.locator("#steps").inner_text()
    assert watched.errors == []


def test_a_log_is_followed(serve: Serve, storage: Path, watched: Watched) -> None:
    run_config = config(2)
    lines = by_hand(run_config, [(PARAMS, [0.1, 0.2], 0, "")])
    layout = create(storage, run_config, RUN)
    write(layout, lines[:-1])
    log = layout.attempt(0, 1)
    log.write_whole("log.txt", b"epoch 1\n", durable=False)
    served = serve(storage)
    page = watched.open(f"{served.url}{PAGE}#/trial/0")
    page.wait_for_function("document.querySelector('pre.log')?.textContent.includes('epoch 1')")
    log.write_whole("log.txt", b"epoch 1\nepoch 2 <script>\n", durable=False)
    page.wait_for_function("document.querySelector('pre.log')?.textContent.includes('epoch 2 <script>')")


def test_an_interruption_arrives_though_no_entry_says_so(serve: Serve, storage: Path, watched: Watched) -> None:
    run_config = config(2)
    layout = create(storage, run_config, RUN)
    write(layout, by_hand(run_config, [(PARAMS, [0.1, 0.2], 0, "")])[:-1])
    page = watched.open(f"{serve(storage).url}{PAGE}")
    page.wait_for_function("document.querySelector('#trials .state.running')")
    layout.write_driver(json.dumps({"state": "Interrupted", "epoch": 1, "at": time.time()}).encode())
    page.wait_for_function("document.querySelector('#run-state').textContent === 'Interrupted'")
    page.wait_for_function("document.querySelector('#trials .state.interrupted')")
    assert watched.errors == []


def test_an_empty_storage_and_a_run_without_a_journal(serve: Serve, storage: Path) -> None:
    storage.mkdir()
    served = serve(storage)
    assert "No runs" in get(served, "/")[1]
    layout = create(storage, config(3), RUN)
    assert json.loads(get(served, f"{PAGE}/document")[1])["rows"] == []
    write(layout, [dump(Started(START, 1), ())])
    assert json.loads(get(served, f"{PAGE}/document")[1])["head"]["entries"] == 1


def test_watching_ends_with_the_watchers(serve: Serve, storage: Path) -> None:
    record(storage, config(3), run_id=RUN)
    served = serve(storage)
    stream = Stream(served)
    next(stream.events)
    stream.close()
    assert threading.active_count() < 60
