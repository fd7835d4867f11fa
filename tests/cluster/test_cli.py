"""The installed command line against a Ray cluster that somebody else started, and on an embedded one."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import heads
import psutil
import pytest
from terminal import (
    CTRL_C,
    RAYDRIVE,
    Terminal,
    code,
    environment,
    processes_of,
    raydrive,
    write_config,
)
from waiting import wait_until

from raydrive import HyperDriveRun

pytestmark = pytest.mark.ray

# Trial 0 goes on after its third step when somebody who follows its log has read that step.
STEPS = """
echo "begin $1"
for k in 1 2 3 4 5 6; do
  raydrive log score=$1 loss=0.$k
  echo "step $k of $1"
  if [ "$1.$k" = 1.3 ]; then
    waited=0
    while [ ! -e "$RAYDRIVE_FILES_DIR/../../read" ]; do
      sleep 0.1
      waited=$((waited + 1))
      if [ $waited = 600 ]; then echo "read by nobody"; break; fi
    done
  fi
done
echo "model of $1" > outputs/model.txt
"""
BROKEN_OFF = """
raydrive log score=$1
if [ "$RAYDRIVE_ATTEMPT" = 1 ] && [ ! -e "$RAYDRIVE_FILES_DIR/../../again" ]; then sleep 600; fi
for k in 2 3 4; do raydrive log score=$1; done
"""
STUBBORN = """
trap '' TERM
raydrive log score=$1
while true; do sleep 0.2; done
"""
RECORD = """
import json, os, signal, sys, subprocess
kind = sys.argv[sys.argv.index("--kind") + 1]
seen = {
    "argv": sys.argv[1:],
    "name": __name__,
    "file": __file__,
    "path0": os.path.realpath(sys.path[0]),
    "cwd": os.getcwd(),
    "env": {name: value for name, value in os.environ.items() if name.startswith("RAYDRIVE_")},
    "folders": [os.path.isdir("outputs"), os.path.isdir("logs")],
}
with open("outputs/seen.json", "w") as file:
    json.dump(seen, file)
with open("logs/note.txt", "w") as file:
    file.write(kind)
if kind == "silent":
    sys.exit(0)
subprocess.run(["raydrive", "log", "score=1", "wrong=2"], check=True)
if kind == "three":
    print("out of luck", file=sys.stderr)
    sys.exit(3)
if kind == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if kind == "raises":
    raise ValueError("no such data set: \\u017c\\u00f3\\u0142w")
"""


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """A cluster of another process, as ``ray start --head`` leaves it; gives its address."""
    with heads.head("--include-dashboard=false") as (address, _):
        yield address


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name has a space and letters of more than one byte, with the scripts of this file."""
    folder = tmp_path_factory.mktemp("runs") / "mój folder"
    folder.mkdir()
    code(folder, steps_sh=STEPS, broken_sh=BROKEN_OFF, stubborn_sh=STUBBORN, record_py=RECORD)
    return folder


@pytest.fixture(scope="module")
def storage(place: Path) -> str:
    return str(place / "the storage")


def data(result: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    """What a command printed with ``-o json``."""
    assert result.returncode == code, result.stderr
    out: dict[str, Any] = json.loads(result.stdout)
    return out


def status(run: str, storage: str) -> dict[str, Any]:
    return data(raydrive("status", run, "-o", "json", RAYDRIVE_STORAGE=storage))


# ---------------------------------------------------------------------- a cluster that is there already


@dataclass(frozen=True)
class Detached:
    """A run that was submitted by a process that is gone."""

    run: str
    storage: str
    talk: str
    followed: list[str]
    watched: subprocess.CompletedProcess[str]
    uri: str


@pytest.fixture(scope="module")
def detached(head: str, place: Path, storage: str) -> Detached:
    """A shell script in a v2 file with inputs and ``&&``, submitted with --detach and followed from other processes."""
    config = write_config(
        place / "steps.yaml",
        "echo ${{inputs.who}} && sh steps.sh ${{search_space.x}}",
        {"x": [1, 2, 3, 4]},
        inputs={"who": "it's me"},
    )
    submitted = raydrive("submit", config, "--address", head, "--detach", RAYDRIVE_STORAGE=storage)
    assert submitted.returncode == 0, submitted.stderr
    (run,) = submitted.stdout.split()
    uri = status(run, storage)["storage"]
    followed = []
    with subprocess.Popen(
        [RAYDRIVE, "logs", run, "0", "-f"], stdout=subprocess.PIPE, text=True, env=environment(RAYDRIVE_STORAGE=storage)
    ) as follower:
        assert follower.stdout is not None
        for line in follower.stdout:
            followed.append(line.rstrip("\n"))
            if line.startswith("step 3"):
                Path(uri, "read").touch()
        assert follower.wait() == 0
    # PATH has nothing of raydrive: the environment need not be activated.
    watched = raydrive("watch", run, RAYDRIVE_STORAGE=storage)
    return Detached(run, storage, submitted.stderr, followed, watched, uri)


def test_detach_prints_the_id_and_the_run_goes_on_alone(detached: Detached) -> None:
    assert detached.run.startswith("steps-")
    assert f"raydrive watch {detached.run}" in detached.talk
    assert "Ray" not in detached.talk.replace("raydrive", "")
    row = status("last", detached.storage)
    assert (row["run"], row["status"], row["completed"], row["best"], row["best_trial"]) == (
        detached.run,
        "Completed",
        4,
        4.0,
        3,
    )


def test_logs_are_followed_while_the_trial_runs(detached: Detached) -> None:
    assert detached.followed == ["it's me", "begin 1", *(f"step {k} of 1" for k in range(1, 7))]
    again = raydrive("logs", detached.run, 0, RAYDRIVE_STORAGE=detached.storage)
    assert again.stdout.splitlines() == detached.followed


def test_watch_prints_plain_lines_on_a_pipe(detached: Detached) -> None:
    assert detached.watched.returncode == 0
    assert detached.watched.stdout == ""
    talk = detached.watched.stderr
    assert "\x1b" not in talk
    assert "trial 3 Completed: best score 4; ended by itself after 6 intervals" in talk
    assert f"{detached.run}  Completed · 4/4 trials · 4 completed · best score 4 (trial 3)" in talk
    assert f"raydrive best {detached.run} -o json" in talk


def test_trials_as_table_json_and_csv(detached: Detached) -> None:
    def show(*options: str) -> str:
        result = raydrive("trials", detached.run[:-2], *options, RAYDRIVE_STORAGE=detached.storage)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    rows = json.loads(show("-o", "json"))["trials"]
    assert [(row["trial"], row["params"]["x"], row["best"]) for row in rows] == [
        (3, 4, 4),
        (2, 3, 3),
        (1, 2, 2),
        (0, 1, 1),
    ]
    parsed = list(csv.DictReader(io.StringIO(show("-o", "csv", "--sort", "number"))))
    assert [row["trial"] for row in parsed] == ["0", "1", "2", "3"]
    assert parsed[0]["why"] == "ended by itself after 6 intervals"
    header, *lines = show("--top", "2").splitlines()
    assert header.split()[:2] == ["trial", "state"]
    assert [line.split()[0] for line in lines] == ["3", "2"]


def test_best_has_files_and_the_exact_command(detached: Detached, tmp_path: Path) -> None:
    row = data(raydrive("best", detached.run, "-o", "json", RAYDRIVE_STORAGE=detached.storage))
    assert (row["trial"], row["value"], row["params"]) == (3, 4.0, {"x": 4})
    assert row["files"] == ["attempt-1/log.txt", "outputs/model.txt"]
    assert Path(row["artifacts"], "model.txt").read_text() == "model of 4\n"
    child = HyperDriveRun.open(detached.uri).get_child(3)
    assert row["command"] == """echo 'it'"'"'s me' && sh steps.sh 4"""
    assert child.get_details()["runDefinition"]["arguments"][-1] == row["command"]
    assert Path(child.download_file("outputs/model.txt", str(tmp_path / "in" / "m.txt"))).read_text() == "model of 4\n"


def test_list_to_a_reader_that_stops_reading(detached: Detached) -> None:
    line = (
        f"{RAYDRIVE} list | head -1; {RAYDRIVE} trials {detached.run} -o csv | head -0; {RAYDRIVE} logs last 0 | true"
    )
    result = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=environment(RAYDRIVE_STORAGE=detached.storage)
    )
    assert result.stderr == ""
    assert result.stdout.startswith("run ")


def test_cancel_a_trial_then_the_run(head: str, place: Path, storage: str) -> None:
    config = write_config(place / "sleepy.yaml", "sleep ${{search_space.x}}", {"x": [600, 601, 602]})
    other = "127.0.0.1:1"
    result = raydrive("submit", config, "--address", head, "--detach", RAYDRIVE_STORAGE=storage, RAY_ADDRESS=other)
    run = result.stdout.strip()
    assert f"--address {head} is used; RAY_ADDRESS={other} is not." in result.stderr.splitlines()
    wait_until(lambda: status(run, storage)["running"] == 2, "two running trials")
    assert raydrive("cancel", run, 0, RAYDRIVE_STORAGE=storage).returncode == 0
    wait_until(lambda: status(run, storage)["canceled"] == 1, "the cancelled trial")
    missing = raydrive("cancel", run, 77, RAYDRIVE_STORAGE=storage)
    assert missing.returncode != 0
    assert "TRIAL: found 77; allowed: the number of a trial: 0 to" in missing.stderr
    with Watching(run, storage) as watching:
        watching.until("trial 0 Canceled: best score -; canceled by ")
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(10) == 130
        assert f"The run continues. To watch it again: raydrive watch {run}" in watching.rest()
    assert raydrive("cancel", run, RAYDRIVE_STORAGE=storage).returncode == 0
    ended = raydrive("watch", run, RAYDRIVE_STORAGE=storage)
    assert ended.returncode == 4, ended.stderr
    again = raydrive("cancel", run, RAYDRIVE_STORAGE=storage)
    assert again.returncode == 0
    assert again.stderr.startswith("Note: the run had already ended: Canceled, canceled by ")
    assert processes_of(run) == []


class Watching:
    """``raydrive watch`` on a pipe."""

    def __init__(self, run: str, storage: str) -> None:
        self.process = subprocess.Popen(
            [RAYDRIVE, "watch", run], stderr=subprocess.PIPE, text=True, env=environment(RAYDRIVE_STORAGE=storage)
        )

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def until(self, text: str) -> None:
        assert self.process.stderr is not None
        assert any(text in line for line in self.process.stderr), f"{text!r} never came"

    def rest(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()


def test_doctor_reports_on_the_cluster(head: str, storage: str) -> None:
    rows = data(raydrive("doctor", "--address", head, "-o", "json", RAYDRIVE_STORAGE=storage))["checks"]
    checks = {row["check"]: row for row in rows}
    assert all(row["ok"] for row in rows), rows
    assert any(name.startswith("node ") and "4 CPU" in row["found"] for name, row in checks.items())
    assert "write, read and delete work" in checks["storage"]["found"]


def test_an_address_nobody_answers_at(place: Path, storage: str) -> None:
    config = write_config(place / "unreachable.yaml", "true ${{search_space.x}}", {"x": [1]})
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    for command in (["submit", config], ["doctor"]):
        result = raydrive(*command, "--address", address, RAYDRIVE_STORAGE=storage)
        assert result.returncode == 5
        printed = " ".join((result.stdout + result.stderr).split())
        assert f"no Ray cluster answers at '{address}': connection refused." in printed
        assert "gcs" not in result.stderr
    assert not Path(storage, "unreachable").exists()


def test_a_request_no_node_can_hold_is_refused(head: str, place: Path, storage: str) -> None:
    config = write_config(place / "greedy.yaml", "true ${{search_space.x}}", {"x": [1]}, resources={"cpus": 99})
    result = raydrive("submit", config, "--address", head, RAYDRIVE_STORAGE=storage)
    assert result.returncode == 5
    assert "asks for 99 CPU, and no node has that much" in result.stderr
    assert "4 CPU" in result.stderr
    assert not Path(storage, "greedy").exists()


KINDS = ["fine", "three", "killed", "raises", "silent"]


@pytest.fixture(scope="module")
def kinds(head: str, place: Path, storage: str) -> dict[str, HyperDriveRun]:
    """A Python script that records how it was started and then ends in many ways; started plainly, and forked."""
    runs = {}
    for name, preload in (("plain", []), ("forked", ["json"])):
        config = write_config(
            place / f"{name}.yaml",
            "python record.py --kind ${{search_space.kind}} --text ${{search_space.text}}",
            {"kind": KINDS, "text": ["a 'b' $c ż"]},
            limits={"max_total_trials": 5, "max_concurrent_trials": 4},
            raydrive={"preload": preload, "first_failures": 0},
        )
        result = raydrive("submit", config, "--address", head, RAYDRIVE_STORAGE=storage)
        assert result.returncode == 0, result.stderr
        runs[name] = HyperDriveRun.open(status("last", storage)["storage"])
    return runs


def _seen(run: HyperDriveRun, number: int) -> dict[str, Any]:
    path = Path(run.layout.trial(number).local_path or "", "outputs", "seen.json")
    seen: dict[str, Any] = json.loads(path.read_text())
    return seen


@pytest.mark.parametrize("start", ["plain", "forked"])
def test_a_script_gets_exactly_what_was_announced(kinds: dict[str, HyperDriveRun], place: Path, start: str) -> None:
    run = kinds[start]
    printed = data(raydrive("submit", place / f"{start}.yaml", "--dry-run", "-o", "json"))["trials"]
    folders = set()
    for number, kind in enumerate(KINDS):
        seen, details = _seen(run, number), run.get_child(number).get_details()
        assert seen["argv"] == ["--kind", kind, "--text", "a 'b' $c ż"]
        assert details["runDefinition"]["arguments"][1:] == ["record.py", *seen["argv"]]
        assert printed[number]["command"].endswith(f"record.py --kind {kind} --text 'a '\"'\"'b'\"'\"' $c ż'")
        assert (seen["name"], Path(seen["file"]).name) == ("__main__", "record.py")
        assert seen["path0"] == os.path.realpath(seen["cwd"])
        assert seen["folders"] == [True, True]
        folders.add(seen["cwd"])
        env = seen["env"]
        assert env["RAYDRIVE_RUN_ID"] == run.id
        assert run.get_child(number).get_file_names() == ["attempt-1/log.txt", "logs/note.txt", "outputs/seen.json"]
    assert len(folders) == len(KINDS), "a working directory of its own for each trial"


@pytest.mark.parametrize("start", ["plain", "forked"])
def test_how_a_script_ended_and_why(kinds: dict[str, HyperDriveRun], start: str) -> None:
    run = kinds[start]
    fine, three, killed, raises, silent = run.get_children()
    assert [child.get_status() for child in run.get_children()] == ["Completed"] + ["Failed"] * 4
    assert fine.why == "ended by itself after 1 interval"
    assert three.why == "exit code 3: out of luck"
    assert killed.why.startswith("killed by signal 9")
    assert raises.why == "exit code 1: ValueError: no such data set: żółw"
    assert "Traceback (most recent call last)" in raises.logs()
    assert silent.why == "ended without logging the primary metric 'score', or any other"


def test_forked_and_plain_scripts_see_the_same(kinds: dict[str, HyperDriveRun]) -> None:
    plain, forked = (_seen(kinds[start], 0) for start in ("plain", "forked"))
    for seen in (plain, forked):
        for key in ("cwd", "path0"):
            seen[key] = Path(seen[key]).name.split("-")[0]
        seen["env"] = sorted(seen["env"])
        seen["file"] = os.path.basename(seen["file"])
    assert plain == forked


def test_exit_codes_of_runs_without_a_result(head: str, place: Path, storage: str) -> None:
    failing = write_config(
        place / "failing.yaml", "python -c 'raise OSError(${{search_space.x}})'", {"x": [1, 2, 3, 4]}
    )
    result = raydrive("submit", failing, "--address", head, RAYDRIVE_STORAGE=storage)
    assert result.returncode == 1, result.stderr
    assert "the first 3 trials failed and none succeeded" in result.stderr
    assert "OSError: " in result.stderr
    assert result.stdout == ""
    other = write_config(
        place / "other.yaml", "raydrive log Score=${{search_space.x}}", {"x": [1]}, limits={"max_total_trials": 1}
    )
    result = raydrive("submit", other, "--address", head, RAYDRIVE_STORAGE=storage)
    assert result.returncode == 3, result.stderr
    assert "it logged 'Score'. Did you mean 'Score'?" in result.stderr
    best = raydrive("best", RAYDRIVE_STORAGE=storage)
    assert (best.returncode, best.stdout) == (3, "")
    assert "none logged a finite value of 'score'" in best.stderr


def test_a_metric_with_spaces_and_colons_and_a_site_file(head: str, place: Path, tmp_path: Path) -> None:
    name = "val: top-1 accuracy (%)"
    config = write_config(
        place / "odd.yaml",
        f"raydrive log '{name}'=${{{{search_space.x}}}}",
        {"x": [1, 2]},
        objective={"goal": "minimize", "primary_metric": name},
    )
    (tmp_path / "raydrive.toml").write_text(f'storage = "{tmp_path}/by toml"\naddress = "{head}"\n')
    # No flag, no variable: raydrive.toml of this folder says where.
    result = raydrive("submit", config, "--set", "limits.max_total_trials=1", "-o", "json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    row = json.loads(result.stdout)
    assert (row["metric"], row["value"], row["params"]) == (name, 1.0, {"x": 1})
    assert [item.name for item in (tmp_path / "by toml").iterdir()] == ["odd"]


# ---------------------------------------------------------------------- an embedded cluster


@contextlib.contextmanager
def window(*arguments: object, **options: Any) -> Iterator[Terminal]:
    terminal = Terminal(*arguments, **options)
    try:
        yield terminal
    finally:
        terminal.close()


def trials_with_processes(run: str) -> set[str]:
    """The trials of a run that have a training process; each has several."""
    found = set()
    for pid in processes_of(run):
        with contextlib.suppress(psutil.Error):
            found.add(psutil.Process(pid).environ().get("RAYDRIVE_TRIAL_ID", ""))
    return found


def begun(terminal: Terminal) -> str:
    """Waits until two trials train; returns the run's id."""
    run = terminal.wait_for(r"Run (\S+) in ").group(1)
    terminal.wait_for("2 running")
    wait_until(lambda: len(processes_of(run)) >= 2, "the processes of two trials")
    return run


UNIFORM = {"x": {"type": "uniform", "min_value": 0.0, "max_value": 1.0}}
SEEDED = {
    "sampling_algorithm": {"type": "random", "seed": 5},
    "limits": {"max_total_trials": 3, "max_concurrent_trials": 3},
}


def test_ctrl_c_leaves_a_run_that_resume_completes(place: Path, storage: str, head: str) -> None:
    config = write_config(
        place / "interrupted.yaml", "sh broken.sh ${{search_space.x}}", {}, search_space=UNIFORM, **SEEDED
    )
    announced = data(raydrive("submit", config, "--dry-run", "-o", "json"))["trials"]
    with window("submit", config, RAYDRIVE_STORAGE=storage) as terminal:
        run = begun(terminal)
        terminal.press(CTRL_C)
        assert terminal.wait() == 130, terminal.text
        assert processes_of(run) == []
        assert f"To resume the run: raydrive resume {run}" in " ".join(terminal.text.split())  # lines break anywhere
        assert "Traceback" not in terminal.text
        assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l"), "the cursor is hidden still"
    row = status(run, storage)
    assert (row["status"], row["completed"], row["failed"]) == ("Interrupted", 0, 0)
    # On another cluster, from storage alone, and nothing is given up: no trial failed, none was drawn anew. The third
    # may not have begun before; then this is its first attempt.
    Path(row["storage"], "again").touch()
    result = raydrive("resume", run, "--address", head, RAYDRIVE_STORAGE=storage)
    assert result.returncode == 0, result.stderr
    rows = data(raydrive("trials", run, "--sort", "number", "-o", "json", RAYDRIVE_STORAGE=storage))["trials"]
    assert [row["params"]["x"] for row in rows] == [row["params"]["x"] for row in announced]
    assert [(row["state"], row["intervals"]) for row in rows] == [("Completed", 4)] * 3


def test_ctrl_c_twice_does_not_wait_for_the_grace_period(place: Path, storage: str, head: str) -> None:
    config = write_config(
        place / "stubborn.yaml", "sh stubborn.sh ${{search_space.x}}", {"x": [1, 2]}, raydrive={"grace_s": 3600}
    )
    with window("submit", config, RAYDRIVE_STORAGE=storage) as terminal:
        run = begun(terminal)
        terminal.press(CTRL_C)
        terminal.wait_for("press Ctrl-C again to kill them at once")
        time.sleep(1.0)
        assert len(processes_of(run)) >= 2, "they have an hour"
        recorded = status(run, storage)["reports"]
        terminal.press(CTRL_C)
        assert terminal.wait() == 130
        wait_until(lambda: not processes_of(run), "the end of the trials")
    row = status(run, storage)
    assert (row["status"], row["reports"]) == ("Interrupted", recorded)  # nothing of what was recorded is lost
    # At once, without --force: the driver of a cluster that is gone from this machine is gone for certain.
    result = raydrive("resume", run, "--address", head, "--detach", RAYDRIVE_STORAGE=storage)
    assert (result.returncode, result.stdout) == (0, f"{run}\n"), result.stderr
    wait_until(lambda: status(run, storage)["running"] == 2, "two running trials")
    wait_until(lambda: trials_with_processes(run) == {f"{run}_0", f"{run}_1"}, "the processes of both trials")
    live = raydrive("resume", run, "--address", head, RAYDRIVE_STORAGE=storage)
    assert live.returncode == 5
    assert "has a live driver" in live.stderr
    for pid in processes_of(run):
        with contextlib.suppress(ProcessLookupError):  # the one before may have ended it
            os.kill(pid, signal.SIGKILL)
    assert raydrive("watch", run, RAYDRIVE_STORAGE=storage).returncode == 1  # all failed


def test_ctrl_c_when_the_last_trial_has_just_ended(place: Path, storage: str) -> None:
    code(place, ending_sh='raydrive log score=1; until [ -e "$RAYDRIVE_FILES_DIR/../../read" ]; do sleep 0.1; done\n')
    config = write_config(place / "ending.yaml", "sh ending.sh ${{search_space.x}}", {"x": [1]})
    with window("submit", config, RAYDRIVE_STORAGE=storage) as terminal:
        run = terminal.wait_for(r"Run (\S+) in ").group(1)
        wait_until(lambda: status(run, storage)["reports"] == 1, "the report of the trial")
        terminal.process.send_signal(signal.SIGSTOP)  # it has not seen the end of the run when the signal reaches it
        Path(status(run, storage)["storage"], "read").touch()
        wait_until(lambda: status(run, storage)["status"] == "Completed", "the end of the run")
        terminal.process.send_signal(signal.SIGINT)
        terminal.process.send_signal(signal.SIGCONT)
        assert terminal.wait() == 0, terminal.text
        assert "Interrupted" not in terminal.text
        assert "raydrive resume" not in terminal.text
        assert f"Best trial: 0 ({run}_0)" in terminal.text


def test_a_submitting_process_that_is_killed(place: Path, storage: str) -> None:
    config = write_config(place / "killed.yaml", "sh broken.sh ${{search_space.x}}", {"x": [1, 2]})
    with window("submit", config, RAYDRIVE_STORAGE=storage) as terminal:
        run = begun(terminal)
        terminal.process.kill()
        wait_until(lambda: not processes_of(run), "the end of the trials")
    heartbeat = Path(status(run, storage)["storage"], "driver.json")
    fresh = json.loads(heartbeat.read_text())
    del fresh["checksum"]  # as raydrive 0.1.0 wrote it
    heartbeat.write_text(json.dumps({**fresh, "at": fresh["at"] - 60}))  # as if a minute had passed
    row = status(run, storage)
    assert row["status"] == "NotResponding"
    watched = raydrive("watch", run, RAYDRIVE_STORAGE=storage)
    assert watched.returncode == 5
    assert f"To resume it: raydrive resume {run}" in watched.stderr
    heartbeat.write_text(json.dumps(fresh))
    result = raydrive("resume", run, RAYDRIVE_STORAGE=storage)
    assert result.returncode == 0, result.stderr
    assert status(run, storage)["completed"] == 2


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_interrupt_in_order_too(place: Path, storage: str, head: str, signal_: signal.Signals) -> None:
    config = write_config(place / "signals.yaml", "sleep ${{search_space.x}}", {"x": [600, 601]})
    # Under nohup this process ignores SIGHUP, and what it starts would inherit that.
    before = signal.signal(signal_, signal.SIG_DFL)
    process = subprocess.Popen(
        [RAYDRIVE, "submit", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(RAYDRIVE_STORAGE=storage),
    )
    signal.signal(signal_, before)
    assert process.stderr is not None
    talk = []
    for line in process.stderr:
        talk.append(line)
        if "started:" in line:
            break
    process.send_signal(signal_)
    talk += list(process.stderr)
    process.stderr.close()
    assert process.wait(30) == 130
    assert "Interrupted; everything recorded is kept" in "".join(talk) or signal_ == signal.SIGHUP
    assert "stack" not in "".join(talk)
    assert status("last", storage)["status"] == "Interrupted"


def test_the_terminal_picture(detached: Detached) -> None:
    with window("watch", detached.run, width=60, RAYDRIVE_STORAGE=detached.storage) as terminal:
        assert terminal.wait() == 0
        picture = terminal.text.split("Completed: all 4 trials")[0]
        assert "4/4 trials" in picture
        assert max(map(len, re.split(r"[\r\n]+", picture))) <= 60
        assert "\x1b[32m" in terminal.raw or "\x1b[1;32m" in terminal.raw
    with window("watch", detached.run, RAYDRIVE_STORAGE=detached.storage, NO_COLOR="1") as terminal:
        assert terminal.wait() == 0
        assert "\x1b[32m" not in terminal.raw
        assert "4/4 trials" in terminal.text
    with window("watch", detached.run, RAYDRIVE_STORAGE=detached.storage, CI="true") as terminal:
        assert terminal.wait() == 0
        assert "trial 3 Completed: best score 4" in terminal.text
        assert "\x1b[2K" not in terminal.raw
