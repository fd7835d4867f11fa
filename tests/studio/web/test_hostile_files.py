"""A trial puts other things in the place of its files: the studio, reports and commands say so and go on."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import shutil
import socket
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import Served, retried

from raydrive.api.run import HyperDriveRun
from raydrive.cli.app import run
from raydrive.core.errors import RaydriveError
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.run_history import open_history
from raydrive.studio.web.report import write_report

Serve = Callable[..., Served]
SECRET = "root:x:the secret of another user"
LOG, MODEL = "attempt-3/log.txt", "outputs/model.pkl"


@pytest.fixture
def layout(storage: Path) -> RunLayout:
    return retried(storage)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the storage with files of the same names, as /etc has a shadow."""
    for name in (LOG, MODEL, "attempt-1/log.txt", "attempt-2/log.txt", "outputs/secret.txt"):
        path = tmp_path / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    return tmp_path / "etc"


def listen(path: Path, _: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


INSTEAD: dict[str, Callable[[Path, Path], object]] = {
    "absolute link": lambda path, target: path.symlink_to(target),
    "relative link": lambda path, target: path.symlink_to(os.path.relpath(target, path.parent)),
    "FIFO": lambda path, _: os.mkfifo(path),
    "socket": listen,
    "endless device": lambda path, _: path.symlink_to("/dev/zero"),
    "folder": lambda path, _: path.mkdir(),
    "circle": lambda path, _: path.symlink_to(path.name),
    "nothing": lambda path, _: None,
}


def replace(layout: RunLayout, outside: Path, name: str, instead: str) -> None:
    """Puts something in the place of a file or folder of the trial; an empty name is the trial's folder."""
    root = layout.trial(0).local_path
    assert root is not None
    path = root / name if name else root
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    INSTEAD[instead](path, outside / name if name else outside)


def get(served: Served, layout: RunLayout, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request("GET", f"/runs/{layout.experiment}/{layout.run_id}{path}")
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, text


@pytest.mark.parametrize("replaced", [LOG, "attempt-3", MODEL, "outputs", ""])
@pytest.mark.parametrize("instead", INSTEAD)
def test_the_studio_answers_with_a_sentence(
    serve: Serve, storage: Path, layout: RunLayout, outside: Path, replaced: str, instead: str
) -> None:
    replace(layout, outside, replaced, instead)
    served = serve(storage)
    files = [LOG, MODEL, "outputs/secret.txt", "outputs", "attempt-3", "log.txt"]
    paths = ["/trials/0", "/trials/0/log", "/trials/0/log?from=3", *(f"/trials/0/file?name={name}" for name in files)]
    with concurrent.futures.ThreadPoolExecutor(60) as pool:  # more than the studio has threads
        answers = list(pool.map(lambda path: (path, *get(served, layout, path)), paths * 7))
    for path, status, text in answers:
        assert SECRET not in text, path
        assert status in (200, 403, 404, 502), (path, status, text)
        if status != 200:
            assert json.loads(text)["error"], path
    page = json.loads(get(served, layout, "/trials/0")[1])
    assert page["number"] == 0
    assert get(served, layout, "/document")[0] == 200


@pytest.mark.parametrize("replaced", [LOG, MODEL, "outputs", ""])
@pytest.mark.parametrize("instead", INSTEAD)
def test_reports_and_the_python_interface_read_nothing_else(
    layout: RunLayout, outside: Path, tmp_path: Path, replaced: str, instead: str
) -> None:
    replace(layout, outside, replaced, instead)
    write_report(open_history(layout), tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    assert SECRET not in report
    child = HyperDriveRun(layout).get_child(0)
    for ask in (
        child.logs,
        child.get_file_names,
        child.get_details,
        lambda: child.download_file(LOG, str(tmp_path / "copy")),
        lambda: child.download_file(MODEL, str(tmp_path / "copy")),
        lambda: child.download_file("outputs/secret.txt", str(tmp_path / "copy")),
    ):
        try:
            found = ask()
        except RaydriveError as error:
            found = error
        assert SECRET not in str(found)
        if (tmp_path / "copy").exists():
            assert SECRET not in (tmp_path / "copy").read_text()


@pytest.mark.parametrize("replaced", [LOG, ""])
@pytest.mark.parametrize("instead", INSTEAD)
def test_commands_say_what_they_do_not_read(
    storage: Path,
    layout: RunLayout,
    outside: Path,
    capfd: pytest.CaptureFixture[str],
    replaced: str,
    instead: str,
) -> None:
    replace(layout, outside, replaced, instead)
    for line in (["logs", layout.run_id, "0"], ["best", layout.run_id, "-o", "json"]):
        code = run([*line, "--storage", str(storage)])
        out, err = capfd.readouterr()
        assert SECRET not in out + err
        assert "Traceback" not in err
        assert code in (0, 1, 5)
        assert bool(code) == err.startswith("Error: "), err
        assert (line[0] == "logs") or json.loads(out)["value"] == 0.62


def test_the_page_names_what_it_does_not_list(layout: RunLayout, outside: Path, serve: Serve, storage: Path) -> None:
    outputs = layout.outputs(0).local_path
    assert outputs is not None
    (outputs / "shadow").symlink_to(outside / LOG)
    os.mkfifo(outputs / "pipe")
    page = json.loads(get(serve(storage), layout, "/trials/0")[1])
    assert [MODEL, 2048] in page["files"]
    assert not {"outputs/shadow", "outputs/pipe"} & {name for name, _ in page["files"]}
    assert "outputs/pipe (a FIFO)" in page["files_note"]
    assert "outputs/shadow (a link that leaves the folder of the run)" in page["files_note"]
    query = urllib.parse.quote("outputs/shadow", safe="")
    status, text = get(serve(storage), layout, f"/trials/0/file?name={query}")
    assert (status, "leads out of the run's folder" in json.loads(text)["error"]) == (404, True)


def test_all_files_are_copied_but_what_leaves_the_run(layout: RunLayout, outside: Path, tmp_path: Path) -> None:
    outputs = layout.outputs(0).local_path
    assert outputs is not None
    (outputs / "a-shadow").symlink_to(outside / LOG)
    (outputs / "latest.pkl").symlink_to("model.pkl")
    child = HyperDriveRun(layout).get_child(0)
    with pytest.warns(UserWarning, match=r"not copied: outputs/a-shadow \(a link that leaves"):
        copies = child.download_files("outputs/", str(tmp_path / "copies"))
    names = [os.path.relpath(path, tmp_path / "copies") for path in copies]
    assert names == ["outputs/latest.pkl", "outputs/model.pkl"]
