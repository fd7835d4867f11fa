"""Whatever a request asks for, the studio answers with a sentence, and sends nobody to another host."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import Served, config, record

Serve = Callable[..., Served]
RUN = "study-20261119-120000-00ab"
PAGE = f"/runs/study/{RUN}"
MANY_DIGITS = "9" * 5000


def get(served: Served, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.putrequest("GET", path)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, dict(answer.getheaders())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{PAGE}/trials/{MANY_DIGITS}", 404),
        (f"{PAGE}/trials/{MANY_DIGITS}/log", 404),
        (f"{PAGE}/trials/{MANY_DIGITS}/file?name=x", 404),
        (f"{PAGE}/trials/{'9' * 30}", 404),
        (f"{PAGE}/trials/%C2%B2", 404),
        (f"{PAGE}/trials/0/file?name=%00", 404),
        (f"{PAGE}/trials/0/file?name={'a' * 5000}", 404),
        (f"{PAGE}/whatif?policy={'[' * 3000}", 400),
        (f"{PAGE}/whatif?policy={MANY_DIGITS}", 400),
        (f"{PAGE}/whatif?policy=%7B%22type%22:%22bandit%22,%22slack_factor%22:1{'0' * 400}%7D", 400),
        (f"{PAGE}/whatif?policy=%22%5Cud800%22", 400),
        ("/runs/%ff/%00", 404),
        ("/runs/study/%00", 404),
    ],
)
def test_what_is_not_there_is_said_in_a_short_sentence(serve: Serve, storage: Path, path: str, status: int) -> None:
    record(storage, config(3), run_id=RUN)
    found, text, _ = get(serve(storage), path)
    assert found == status
    assert json.loads(text)["error"]
    assert len(text) < 12_000


@pytest.mark.parametrize("start", [MANY_DIGITS, "9" * 30, "9" * 18, "-1", "²"])
def test_a_log_from_anywhere_is_answered(serve: Serve, storage: Path, start: str) -> None:
    layout = record(storage, config(3), run_id=RUN)
    layout.attempt(0, 1).write_whole("log.txt", b"hello\n", durable=False)
    status, text, _ = get(serve(storage), f"{PAGE}/trials/0/log?from={start.encode().hex() if start == '²' else start}")
    assert status == 200
    assert json.loads(text)["text"] in ("", "hello\n")


@pytest.mark.parametrize("mark", [MANY_DIGITS, f"{MANY_DIGITS}.1", "-1.5", "1.2.3", "x.y"])
def test_a_stream_from_anywhere_begins_anew(serve: Serve, storage: Path, mark: str) -> None:
    record(storage, config(3), run_id=RUN)
    served = serve(storage)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request("GET", f"{PAGE}/events", headers={"Last-Event-ID": mark})
    answer = connection.getresponse()
    assert answer.status == 200
    assert [answer.readline() for _ in range(3)][2] == b"event: whole\n"
    answer.close()
    connection.close()


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example/", "///evil.example/", "//evil.example", "http://evil.example//evil.example/"),
        *("/\\evil.example/", "\\\\evil.example/", "/%5Cevil.example/", "/%09/evil.example", "/%2Fevil.example"),
    ],
)
def test_the_token_leaves_the_address_and_nobody_leaves_the_studio(serve: Serve, storage: Path, path: str) -> None:
    served = serve(storage, token="open-sesame", host="0.0.0.0")
    status, _, headers = get(served, f"{path}?token=open-sesame")
    if status != 302:
        assert status in (400, 404), "not a request that is taken at all"
        return
    assert headers["Location"][:1] == "/"
    assert headers["Location"][1:2] not in ("/", "\\", "\t")


def test_only_runs_of_its_own_storage_are_shown(serve: Serve, storage: Path, tmp_path: Path) -> None:
    record(storage, config(3), run_id=RUN)
    record(tmp_path / "other", config(3), run_id="study-20261119-120000-00cd")
    served = serve(storage)
    elsewhere = f"{tmp_path}/other/study".replace("/", "%2F")
    for experiment in (elsewhere, "..%2Fother%2Fstudy"):
        assert get(served, f"/runs/{experiment}/study-20261119-120000-00cd")[0] == 404
    assert get(served, PAGE)[0] == 200
