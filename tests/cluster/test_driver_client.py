"""Starting, finding and calling a run's driver: what goes wrong, and how that is said."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from raydrive import Experiment, HyperDriveConfig, HyperDriveRun, RandomParameterSampling, Run, Workspace, uniform
from raydrive.core.errors import ClusterError, RunNotFoundError
from raydrive.runtime.driver_client import (
    call_driver,
    driver_name,
    find_driver,
    is_known,
    start_driver,
    view_own_driver,
)
from raydrive.runtime.ray_cluster.connection import NAMESPACE
from raydrive.storage.run_layout import RunLayout

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def train(params: dict[str, Any]) -> None:
    Run.get_context().log("score", params["x"])
    time.sleep(600)


@pytest.fixture
def running(storage: str) -> Iterator[HyperDriveRun]:
    """A run whose trial does not end by itself."""
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}), "score", "maximize", 1, run_config=train, seed=1
    )
    run = Experiment(Workspace(storage), "called").submit(config)
    wait_until(lambda: run.refresh().reports == 1, "the first report")
    yield run
    run.cancel()
    run.wait_for_completion()


def test_a_driver_that_this_process_started_is_called(running: HyperDriveRun) -> None:
    assert is_known(running.layout)
    view = view_own_driver(running.layout)
    assert (view.state, view.actor) == ("Running", driver_name(running.layout))
    assert view.pid not in (0, os.getpid())


def test_a_call_that_takes_too_long_is_given_up(running: HyperDriveRun) -> None:
    with pytest.raises(ClusterError, match=rf"the driver of {running.id} did not answer within 1 s"):
        call_driver(running.layout, "wait", timeout_s=1.0)
    assert call_driver(running.layout, "sees", "config.json") is True


def test_an_error_inside_the_driver_is_one_line(running: HyperDriveRun) -> None:
    with pytest.raises(ClusterError, match=rf"^the driver of {running.id} failed: AttributeError: [^\n]*$"):
        call_driver(running.layout, "sees", 3)


def test_a_driver_that_is_gone_cannot_be_reached(running: HyperDriveRun) -> None:
    import ray

    ray.kill(find_driver(running.layout), no_restart=True)
    with pytest.raises(ClusterError, match=rf"the driver of {running.id} cannot be reached: "):
        call_driver(running.layout, "view")
    assert not view_own_driver(running.layout)
    from raydrive.api.submit.launch import resume

    resume(running.reader, address=None, force=True)
    assert view_own_driver(running.layout).epoch == 2


def test_a_copy_of_a_run_has_no_driver(running: HyperDriveRun, tmp_path: Path) -> None:
    """The heartbeat in it is the original's, whose driver is asked which folder it is for."""
    folder = tmp_path / "copy" / "called" / running.id
    folder.mkdir(parents=True)
    for name in ("config.json", "driver.json"):
        shutil.copy(Path(running.uri, name), folder)
    copy = RunLayout.open(str(folder))
    assert not is_known(copy)
    with pytest.raises(ClusterError, match=rf"run {running.id} has no live driver on the cluster at [^N]"):
        find_driver(copy)


def test_a_run_that_never_started_has_no_driver(storage: str) -> None:
    layout = RunLayout.create(storage, "called", "called-20261128-120000-0000")
    with pytest.raises(ClusterError, match=r"run called-20261128-120000-0000 has no driver: it was never started"):
        call_driver(layout, "view")


def test_what_a_driver_cannot_start_with_comes_through(storage: str) -> None:
    """A folder without a configuration: the driver's own error, not Ray's around it."""
    layout = RunLayout.create(storage, "called", "called-20261128-120000-0001")
    with pytest.raises(RunNotFoundError, match=r"called-20261128-120000-0001"):
        start_driver(layout, outlives=False)
    assert not is_known(layout)


def test_a_driver_that_does_not_start_in_time(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from raydrive.runtime import driver_client

    monkeypatch.setattr(driver_client, "START_TIMEOUT_S", 0.05)
    layout = RunLayout.create(storage, "called", "called-20261128-120000-0002")
    with pytest.raises(ClusterError, match=rf"^the driver of {layout.run_id} did not answer within 0 s$"):
        start_driver(layout, outlives=True)
    assert not is_known(layout)
    ray.kill(ray.get_actor(driver_name(layout), namespace=NAMESPACE), no_restart=True)
