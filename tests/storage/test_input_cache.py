from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from raydrive.core.errors import StorageError
from raydrive.storage import input_cache
from raydrive.storage.input_cache import fetch_input


class Web:
    """A web server whose answers a test chooses."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, list[tuple[int, bytes, int]]] = {}
        """By path: status, body, and the length that is claimed; the last one again and again."""
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                answers = web.answers.get(self.path, [(404, b"", 0)])
                status, body, length = answers[0] if len(answers) == 1 else answers.pop(0)
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(input_cache.time, "sleep", lambda _: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    web = Web()
    yield web
    web.server.shutdown()
    web.server.server_close()
    web.thread.join()


def test_a_file_of_a_web_server_is_fetched_once(web: Web, tmp_path: Path) -> None:
    web.answers["/a/iris%20data.csv?sig=x"] = [(200, b"1,2\n", 4)]
    uri = f"{web.url}/a/iris%20data.csv?sig=x"
    found = [fetch_input(uri, tmp_path, folder=False) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].name == "iris data.csv"
    assert found[0].read_bytes() == b"1,2\n"
    assert len(web.asked) == 1


def test_many_that_want_the_same_wait_for_one(web: Web, tmp_path: Path) -> None:
    web.answers["/big"] = [(200, b"x" * 100_000, 100_000)]
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_input(f"{web.url}/big", tmp_path, folder=False)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8
    assert len(web.asked) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_what_fails_for_a_while_is_tried_again(web: Web, tmp_path: Path) -> None:
    web.answers["/x"] = [(503, b"", 0), (200, b"half", 8), (200, b"all of it", 9)]
    assert fetch_input(f"{web.url}/x", tmp_path, folder=False).read_bytes() == b"all of it"


@pytest.mark.parametrize(
    ("answer", "said", "times"),
    [
        ((404, b"", 0), "HTTP 404", 1),
        ((500, b"", 0), "HTTP 500", 3),
        ((200, b"half", 8), "4 of 8 bytes|more expected|IncompleteRead", 3),
    ],
)
def test_what_cannot_be_fetched_whole_leaves_nothing(
    web: Web, tmp_path: Path, answer: tuple[int, bytes, int], said: str, times: int
) -> None:
    web.answers["/x?sig=secret"] = [answer]
    with pytest.raises(StorageError, match=said) as caught:
        fetch_input(f"{web.url}/x?sig=secret", tmp_path, folder=False)
    assert "secret" not in str(caught.value)
    assert len(web.asked) == times
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_a_server_that_is_not_there_is_named(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match=r"cannot fetch http://127\.0\.0\.1:1/x"):
        fetch_input("http://127.0.0.1:1/x", tmp_path, folder=False)
    with pytest.raises(StorageError, match="does not list folders"):
        fetch_input(f"{web.url}/folder", tmp_path, folder=True)


def test_files_and_folders_of_other_storage(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "deep" / "b.txt").write_text("b")
    (tmp_path / "nothing").mkdir()
    cache = tmp_path / "cache"
    whole = fetch_input(source.as_uri(), cache, folder=True)
    assert sorted(str(path.relative_to(whole)) for path in whole.rglob("*.txt")) == ["a.txt", "deep/b.txt"]
    assert fetch_input((source / "a.txt").as_uri(), cache, folder=False).read_text() == "a"
    with pytest.raises(StorageError, match="it contains no file"):
        fetch_input((tmp_path / "nothing").as_uri(), cache, folder=True)
    with pytest.raises(StorageError, match="missing"):
        fetch_input((source / "missing.txt").as_uri(), cache, folder=False)
