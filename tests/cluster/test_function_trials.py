"""Function trials on a real cluster, through the Python API."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_until

import raydrive
from raydrive import (
    BanditPolicy,
    ConfigError,
    Experiment,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    RaydriveError,
    Resources,
    Run,
    Workspace,
    choice,
    uniform,
)
from raydrive.core.errors import ClusterError, RunOverError
from raydrive.core.sweep.sweep import Sweep

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    out = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                out.append(pid)
        except psutil.NoSuchProcess:
            continue
    return out


def config(train: Any, space: dict[str, Any] | None = None, **options: Any) -> HyperDriveConfig:
    options.setdefault("max_total_runs", 4)
    options.setdefault("max_concurrent_runs", 2)
    options.setdefault("resources", Resources(cpus=1))
    sampling = options.pop("sampling", None) or RandomParameterSampling(space or {"x": uniform(0, 1)})
    return HyperDriveConfig(sampling, "score", "maximize", run_config=train, seed=0, **options)


def submit(storage: str, settings: HyperDriveConfig) -> HyperDriveRun:
    return Experiment(Workspace(storage), "test").submit(settings)


def one(params: dict[str, Any]) -> None:
    Run.get_context().log("score", params["x"])


def test_tune_finds_the_best_trial(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        for epoch in range(3):
            run.log("score", -((params["x"] - 0.5) ** 2) + 0.01 * epoch, step=epoch)
            run.log("loss", 1.0 / (epoch + 1))
        Path("outputs/model.txt").write_text(str(params["x"]))

    run = raydrive.tune(
        train, {"x": uniform(0, 1)}, metric="score", max_total_runs=6, storage=storage, show_output=False
    )
    assert run.get_status() == "Completed"
    children = list(run.get_children())
    assert [child.get_status() for child in children] == ["Completed"] * 6
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert abs(best.params["x"] - 0.5) == min(abs(child.params["x"] - 0.5) for child in children)
    metrics = best.get_metrics()
    assert len(metrics["score"]) == 3
    assert metrics["loss"] == [1.0, 0.5, pytest.approx(1 / 3)]
    assert "outputs/model.txt" in best.get_file_names()
    target = best.download_file("outputs/model.txt", storage + "/copy.txt")
    assert Path(target).read_text() == str(best.params["x"])
    # The journal alone says the same.
    again = HyperDriveRun.open(run.uri)
    assert again.sweep.best == run.sweep.best
    assert run.trials_table().num_rows == 6
    assert run.metrics_table().num_rows == 6 * 6
    ranked = run.get_children_sorted_by_primary_metric()
    assert ranked[0]["run_id"] == best.id
    assert json.loads(ranked[0]["hyperparameters"]) == best.params


def test_each_trial_has_a_process_of_its_own(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        run.log("score", 1.0)
        run.log("pid", os.getpid())
        run.log("leak", float(getattr(os, "leaked", 0)))
        os.leaked = 1  # type: ignore[attr-defined]
        os.environ["LEAK"] = "1"
        os.chdir("/")

    run = submit(storage, config(train, max_total_runs=6))
    run.wait_for_completion()
    metrics = run.get_metrics().values()
    assert len({item["pid"] for item in metrics}) == 6
    assert {item["leak"] for item in metrics} == {0.0}


def test_the_policy_stops_a_trial_and_says_why(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        for _ in range(100):
            run.log("score", params["x"])
            time.sleep(0.05 if params["x"] < 0.5 else 0.01)

    settings = config(
        train,
        sampling=GridParameterSampling({"x": choice(1.0, 0.1, 0.2)}),
        policy=BanditPolicy(slack_amount=0.2, delay_evaluation=5),
        max_total_runs=3,
        max_concurrent_runs=2,
    )
    run = submit(storage, settings)
    run.wait_for_completion()
    states = [child.get_status() for child in run.get_children()]
    assert states == ["Completed", "Canceled", "Canceled"]
    why = run.get_child(1).why
    assert why.startswith("bandit: best 0.1 at interval")
    assert "set by trial 0" in why
    summary = run.refresh()
    assert summary.saving.stopped == 2
    assert summary.saving.intervals > 100


def test_a_stubborn_tree_is_gone_within_the_grace_period(storage: str) -> None:
    grandchild = "import os, signal, time; os.setsid(); signal.signal(15, signal.SIG_IGN); time.sleep(600)"

    def train(params: dict[str, Any]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", grandchild])
        run = Run.get_context()
        run.log("child", child.pid)
        run.log("me", os.getpid())
        time.sleep(1.0)
        run.log("score", 0.0)
        time.sleep(600)

    def good(params: dict[str, Any]) -> None:
        if params["x"] == 1:
            Run.get_context().log("score", 10.0)
        else:
            train(params)

    settings = config(
        good,
        sampling=GridParameterSampling({"x": choice(1, 2)}),
        policy=BanditPolicy(slack_amount=1),
        max_total_runs=2,
        max_concurrent_runs=1,
        grace_s=0.5,
    )
    run = submit(storage, settings)
    wait_until(
        lambda: run.refresh().total == 2 and bool(run.sweep.trials[1].stop_by), "2 reports and the stop of trial 1"
    )
    metrics = run.all_metrics(1)[1]
    pids = [int(metrics["child"][0]), int(metrics["me"][0])]
    wait_until(lambda: not alive(pids), "the end of the process tree", seen=lambda: alive(pids))
    run.wait_for_completion()
    assert run.get_child(1).get_status() == "Canceled"


def test_the_first_failures_end_the_run_with_the_last_error(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        raise ValueError("no such data set")

    run = submit(storage, config(train, max_total_runs=50))
    with pytest.raises(RaydriveError, match="no such data set"):
        run.wait_for_completion()
    assert run.get_status() == "Failed"
    assert len(run.sweep.trials) < 10
    failed = next(child for child in run.get_children() if child.get_status() == "Failed")
    assert "ValueError: no such data set" in failed.logs()
    assert failed.why == "exit code 1: ValueError: no such data set"


def test_a_trial_that_never_logs_the_metric_names_what_it_logged(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("Score", 1.0)

    run = submit(storage, config(train, max_total_runs=2))
    run.wait_for_completion(raise_on_error=False)
    assert run.get_status() == "Failed"
    assert "it logged 'Score'. Did you mean 'Score'?" in run.get_child(0).why
    assert run.refresh().metric_missing
    assert run.get_best_run_by_primary_metric() is None


@pytest.mark.parametrize("end", ["os._exit(7)", "segfault", "SystemExit"])
def test_crashes_end_a_process_not_the_run(storage: str, end: str) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        run.log("score", params["x"])
        if params["x"] == 2:
            if end == "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            elif end == "SystemExit":
                raise SystemExit(7)
            os._exit(7)

    settings = config(train, sampling=GridParameterSampling({"x": choice(1, 2, 3)}), max_total_runs=3)
    run = submit(storage, settings)
    run.wait_for_completion()
    assert [child.get_status() for child in run.get_children()] == ["Completed", "Failed", "Completed"]
    assert ("signal 11" if end == "segfault" else "exit code 7") in run.get_child(1).why


def test_failed_trials_are_tried_again_when_asked(storage: str, tmp_path: Path) -> None:
    marker = str(tmp_path / "failed-once")

    def train(params: dict[str, Any]) -> None:
        if not os.path.exists(marker):
            Path(marker).touch()
            raise RuntimeError("flaky")
        Run.get_context().log("score", 1.0)

    run = submit(storage, config(train, max_total_runs=1, max_attempts=2))
    run.wait_for_completion()
    child = run.get_child(0)
    assert child.get_status() == "Completed"
    assert child.get_details()["attempt"] == 2
    assert "flaky" in child.logs(attempt=1)


def test_cancel_a_trial_and_then_the_run(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1.0)
        time.sleep(600)

    run = submit(storage, config(train, max_total_runs=10))
    wait_until(lambda: run.refresh().reports >= 2, "2 reports")
    run.get_child(0).cancel("not this one")
    wait_until(lambda: run.get_child(0).get_status() == "Canceled", "the cancelled trial")
    assert run.get_child(0).why == "not this one"
    run.cancel()
    run.wait_for_completion()
    assert run.get_status() == "Canceled"
    assert {child.get_status() for child in run.get_children()} == {"Canceled"}


def test_the_duration_ends_a_run_as_completed(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", params["x"])
        time.sleep(600)

    run = submit(storage, config(train, max_total_runs=10, max_duration_minutes=2 / 60))
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert "max_duration" in run.why
    assert {child.get_status() for child in run.get_children()} == {"Canceled"}


def test_eight_half_gpus_run_at_once_and_each_sees_its_own(storage: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        run.log("gpu", os.environ["CUDA_VISIBLE_DEVICES"])
        run.log("score", 1.0)
        while not gate.exists():
            time.sleep(0.05)

    settings = config(
        train,
        sampling=GridParameterSampling({"x": choice(range(10))}),
        max_total_runs=10,
        max_concurrent_runs=10,
        resources=Resources(cpus=0.5, gpus=0.5),
    )
    run = submit(storage, settings)
    wait_until(lambda: run.refresh().reports >= 16, "16 reports")
    time.sleep(1.0)  # long enough for a ninth, if there were room for it
    assert run.refresh().counts["Running"] == 8
    gate.touch()
    run.wait_for_completion()
    gpus = [run.get_child(n).get_metrics()["gpu"] for n in range(8)]
    assert sorted(gpus) == ["0", "0", "1", "1", "2", "2", "3", "3"]
    assert [child.get_status() for child in run.get_children()] == ["Completed"] * 10


def test_without_a_gpu_none_is_visible(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("seen", repr(os.environ.get("CUDA_VISIBLE_DEVICES")))
        Run.get_context().log("score", 1.0)

    run = submit(storage, config(train, max_total_runs=1))
    run.wait_for_completion()
    assert run.get_child(0).get_metrics()["seen"] == "''"


def test_a_request_that_no_node_can_hold_is_refused_and_leaves_nothing(storage: str) -> None:
    with pytest.raises(ClusterError, match=r"asks for 1 CPU, 16 GPU.*4 GPU"):
        submit(storage, config(one, resources=Resources(gpus=16)))
    assert not Path(storage).exists()


def test_what_waits_says_why(storage: str, tmp_path: Path) -> None:
    import ray

    gate = tmp_path / "gate"

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1.0)
        while not gate.exists():
            time.sleep(0.05)

    run = submit(storage, config(train, max_total_runs=2, max_concurrent_runs=2, resources=Resources(cpus=6)))

    def why() -> list[str]:
        return list(run.heartbeat().get("waiting", {}).values())

    def free() -> str:
        """Of 8 CPU: 2, and fewer while Ray ends the actors of an earlier test."""
        return f"{ray.available_resources().get('CPU', 0.0):g}"

    wait_until(
        lambda: (
            why() == [f"until another trial of this run ends; each reserves 6 CPU, free in the cluster: {free()} CPU"]
        ),
        "what the second trial waits for, in the heartbeat",
        seen=lambda: (why(), free(), ray.util.list_named_actors(all_namespaces=True)),
    )
    gate.touch()
    run.wait_for_completion()
    assert run.get_status() == "Completed"


@pytest.mark.parametrize("reuse", [True, False])
def test_actors_are_reused_or_not(storage: str, reuse: bool) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1.0)
        # The fork server is the parent of a forked trial: one per actor.
        Run.get_context().log("fork_server", os.getppid())

    run = submit(storage, config(train, max_total_runs=3, max_concurrent_runs=1, reuse_actors=reuse))
    run.wait_for_completion()
    fork_servers = {item["fork_server"] for item in run.get_metrics().values()}
    assert len(fork_servers) == (1 if reuse else 3)


def test_a_function_is_called_again_in_the_same_process_when_asked(storage: str, tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        for _ in range(3):
            run.log("score", params["x"])
        run.log("pid", os.getpid())
        run.log("calls", getattr(os, "calls", 0))
        os.calls = getattr(os, "calls", 0) + 1  # type: ignore[attr-defined]
        Path("outputs/x.txt").write_text(str(params["x"]))
        Path("weights").mkdir()
        Path("weights/x.txt").write_text(str(params["x"]))
        run.save_checkpoint("weights")
        print("trial", run.number)
        if params["x"] == 3:
            raise ValueError("three")

    sampling = GridParameterSampling({"x": choice(0, 1, 2, 3, 4, 5)})
    settings = config(
        train, sampling=sampling, max_total_runs=6, max_concurrent_runs=1, reuse_processes=True, first_failures=0
    )
    run = submit(storage, settings)
    run.wait_for_completion()
    children = sorted(run.get_children(), key=lambda child: child.number)
    assert [child.get_status() for child in children] == ["Completed"] * 3 + ["Failed"] + ["Completed"] * 2
    metrics = [child.get_metrics() for child in children]
    assert [one["score"] for one in metrics] == [[child.params["x"]] * 3 for child in children]
    assert [one["calls"] for one in metrics] == [0, 1, 2, 3, 0, 1]
    assert len({one["pid"] for one in metrics}) == 2
    for child in children:
        assert [line for line in child.logs().splitlines() if line.startswith("trial")] == [f"trial {child.number}"]
        assert len(list((run.layout.folder.local_path / f"trials/{child.number:05d}/checkpoints").rglob("x.txt"))) == 1
        child.download_file("outputs/x.txt", str(tmp_path / "x.txt"))
        assert (tmp_path / "x.txt").read_text() == str(child.params["x"])


def test_reports_arrive_once_each_in_order_under_load(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        for k in range(2000):
            run.log("score", float(k))

    run = submit(storage, config(train, max_total_runs=4, max_concurrent_runs=4))
    run.wait_for_completion()
    for number, metrics in run.all_metrics().items():
        assert metrics["score"] == [float(k) for k in range(2000)], number
    assert run.refresh().reports == 8000


def test_replay_of_the_journal_is_the_run(storage: str) -> None:
    from raydrive.storage.journal.writer import JournalReader

    run = submit(storage, config(one, max_total_runs=20))
    run.wait_for_completion()
    replayed = Sweep.replay(run.config, JournalReader(run.layout.journal).read())
    assert replayed.finished == run.sweep.finished
    assert [(t.params, t.state, t.why) for t in replayed.trials] == [
        (t.params, t.state, t.why) for t in run.sweep.trials
    ]


def test_the_same_seed_gives_the_same_configurations(storage: str) -> None:
    first = submit(storage, config(one))
    second = submit(storage, config(one))
    for run in (first, second):
        run.wait_for_completion()
    assert [child.params for child in first.get_children()] == [child.params for child in second.get_children()]


def test_a_function_that_cannot_be_pickled_is_refused(storage: str) -> None:
    import threading

    lock = threading.Lock()

    def train(params: dict[str, Any]) -> None:
        lock.acquire()

    with pytest.raises(ConfigError, match="a function that can be pickled"):
        submit(storage, config(train))
    with pytest.raises(ConfigError, match="one argument"):
        config(lambda: None)


def test_a_completed_run_can_be_extended(storage: str) -> None:
    from raydrive.api.submit.launch import resume

    run = submit(storage, config(one, max_total_runs=3))
    run.wait_for_completion()
    with pytest.raises(RunOverError, match=f"To run 20 more trials: raydrive resume {run.id} --more 20"):
        resume(run.reader, address=None)
    run.resume(more=2)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    assert len(run.sweep.trials) == 5
    assert run.sweep.epoch == 2


def test_bayesian_sampling_thinks_beside_the_reports(storage: str) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", -((params["x"] - 0.3) ** 2) - (params["y"] - 0.7) ** 2)

    run = raydrive.tune(
        train,
        {"x": uniform(0, 1), "y": uniform(0, 1)},
        metric="score",
        sampling="bayesian",
        max_total_runs=20,
        storage=storage,
        show_output=False,
    )
    assert run.get_status() == "Completed"
    origins = [trial.origin for trial in run.sweep.trials]
    assert origins[0] == "initial"
    assert origins[-1] == "model"
    best = run.sweep.best
    assert best is not None
    assert best.value > -0.01


@dataclasses.dataclass
class Model:
    width: int


def widen(model: Model) -> Model:
    return Model(model.width + 1)


def test_what_is_defined_beside_a_function_is_found_by_name_and_what_it_returns_is_recorded(
    storage: str, tmp_path: Path
) -> None:
    def train(params: dict[str, Any]) -> dict[str, Any]:
        assert params == Run.get_context().params
        for method in ("fork", "spawn"):
            with multiprocessing.get_context(method).Pool(1) as pool:
                assert pool.map(widen, [Model(1)]) == [Model(2)]
        with open("outputs/model.pkl", "wb") as file:
            pickle.dump(Model(params["shape"][1]), file)
        print("here", os.environ["RAYDRIVE_SUBMIT_DIR"], os.getcwd())
        return {"score": sum(params["shape"]), "loss": 0.5}

    settings = config(train, sampling=GridParameterSampling({"shape": choice((1, 1), (1, 2))}), max_total_runs=2)
    run = submit(storage, settings)
    run.wait_for_completion()
    best = HyperDriveRun.open(run.uri).get_best_run_by_primary_metric()
    assert best is not None
    assert (best.params, best.get_metrics()) == ({"shape": (1, 2)}, {"score": 3, "loss": 0.5})
    assert best.notes[0].startswith("the function returned values and they are recorded as its last report: score")
    with open(best.download_file("outputs/model.pkl", str(tmp_path / "model.pkl")), "rb") as file:
        assert pickle.load(file) == Model(2)
    (line,) = [line for line in best.logs().splitlines() if line.startswith("here")]
    assert line.split()[1] == os.getcwd() != line.split()[2]


def test_a_trial_that_goes_on_has_the_tuples_of_its_space(storage: str) -> None:
    def train(params: dict[str, Any]) -> float:
        return float(params["shape"][1] if type(params["shape"]) is tuple else -1)

    first = submit(storage, config(train, {"shape": choice([[1, 7]])}, max_total_runs=1))
    first.wait_for_completion()
    space = {"shape": choice([(1, 7), (1, 8)])}
    run = submit(storage, config(train, space, max_total_runs=1, resume_child_runs=[first.get_child(0)]))
    run.wait_for_completion()
    assert (run.get_child(0).params, run.get_child(0).get_metrics()["score"]) == ({"shape": (1, 7)}, 7)
    again = submit(storage, config(train, space, max_total_runs=1, resume_child_runs=[run.get_child(0)]))
    again.wait_for_completion()
    assert again.get_child(0).params == HyperDriveRun.open(again.uri).get_child(0).params == {"shape": (1, 7)}
