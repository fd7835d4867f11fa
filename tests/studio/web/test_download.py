"""A trial's files reach a viewer's disk, whole and under their own names; nothing else of the machine does."""

from __future__ import annotations

import http.client
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import Served, Watched, config, record

from raydrive.storage.run_layout import RunLayout
from raydrive.studio.web.download import BLOCK

Serve = Callable[..., Served]
RUN = "study-20261119-120000-00ab"
HOSTILE = [
    '"><img src=x onerror=alert(1)>.html',
    "a\r\nSet-Cookie: x=1\r\n.txt",
    "déjà vu ✓.txt",
    'quote"semicolon;.bin',
    "-rf %2e%2e%2f.txt",
    "back\\..\\slash",
]


@pytest.fixture
def layout(storage: Path) -> RunLayout:
    return record(storage, config(2), run_id=RUN)


def fetch(served: Served, name: str, trial: str = "0", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    query = urllib.parse.quote(name, safe="")
    connection.request("GET", f"/runs/study/{RUN}/trials/{trial}/file?name={query}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, dict(answer.getheaders())


@pytest.mark.parametrize("size", [0, 5, BLOCK, 2 * BLOCK + 7])
def test_a_file_arrives_whole(serve: Serve, storage: Path, layout: RunLayout, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    layout.outputs(0).write_whole("model.bin", data[:size], durable=False)
    status, body, headers = fetch(serve(storage), "outputs/model.bin")
    assert (status, body) == (200, data[:size])
    assert headers["Content-Disposition"].startswith('attachment; filename="model.bin"')


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_a_name_and_nothing_more(serve: Serve, storage: Path, layout: RunLayout, name: str) -> None:
    layout.outputs(0).write_whole(name, b"<script>alert(1)</script>", durable=False)
    status, body, headers = fetch(serve(storage), f"outputs/{name}")
    assert (status, body) == (200, b"<script>alert(1)</script>")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers
    plain, extended = headers["Content-Disposition"].removeprefix("attachment; ").split("; ")
    assert set(plain.removeprefix('filename="').removesuffix('"')) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    )
    assert urllib.parse.unquote(extended.removeprefix("filename*=UTF-8''")) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/etc/passwd", "../../../config.json", "outputs/../../../config.json", "outputs//model.bin"),
        *(
            "outputs",
            "outputs/",
            "outputs/none",
            "outputs/out",
            "outputs/folder/secret",
            "outputs/model.bin\0",
            "outputs/loop",
        ),
    ],
)
def test_nothing_else_is_given_away(serve: Serve, storage: Path, layout: RunLayout, tmp_path: Path, name: str) -> None:
    outputs = layout.outputs(0)
    outputs.write_whole("model.bin", b"mine", durable=False)
    (tmp_path / "secret").write_text("root:x")
    assert outputs.local_path is not None
    (outputs.local_path / "out").symlink_to(tmp_path / "secret")
    (outputs.local_path / "folder").symlink_to(tmp_path)
    (outputs.local_path / "loop").symlink_to("loop")
    status, body, headers = fetch(serve(storage), name)
    assert (status, headers["Content-Type"].split(";")[0]) == (404, "application/json")
    assert b"root:x" not in body


def test_a_name_that_is_no_text_is_listed_and_given_away_escaped(
    serve: Serve, storage: Path, layout: RunLayout
) -> None:
    outputs = layout.outputs(0).local_path
    assert outputs is not None
    outputs.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(outputs) + b"/caf\xe9.txt")).write_bytes(b"mine")
    assert fetch(serve(storage), "outputs/caf%E9.txt")[:2] == (200, b"mine")


def test_who_may_not_look_may_not_download(serve: Serve, storage: Path, layout: RunLayout) -> None:
    layout.outputs(0).write_whole("model.bin", b"mine", durable=False)
    local, secret = serve(storage), serve(storage, host="0.0.0.0", token="open-sesame")
    assert fetch(local, "outputs/model.bin", Host="evil.example")[0] == 403
    assert fetch(secret, "outputs/model.bin")[0] == 401
    assert fetch(secret, "outputs/model.bin", Cookie="raydrive_studio=open-sesame")[:2] == (200, b"mine")
    assert fetch(local, "outputs/model.bin", trial="9")[0] == 404


def test_a_click_saves_a_file(serve: Serve, storage: Path, layout: RunLayout, watched: Watched, tmp_path: Path) -> None:
    for name in ("model.bin", HOSTILE[0]):
        layout.outputs(0).write_whole(name, name.encode(), durable=False)
    page = watched.open(f"{serve(storage).url}/runs/study/{RUN}#/trial/0")
    for name in ("model.bin", HOSTILE[0]):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=f"outputs/{name}").click()
        waiting.value.save_as(tmp_path / "saved")
        assert (tmp_path / "saved").read_text() == name
    assert page.url.endswith("#/trial/0")
    assert watched.dialogs == []
    assert watched.errors == []
    assert watched.outside == []
