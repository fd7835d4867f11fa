"""The first trial actor of a run, asked for before its driver has read anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from waiting import wait_until

import raydrive
from raydrive import HyperDriveRun, Resources, Run, uniform
from raydrive.core.records import Began
from raydrive.storage.journal.writer import JournalReader

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def train(params: dict[str, Any]) -> None:
    Run.get_context().log("score", params["x"])


def tuned(storage: str) -> HyperDriveRun:
    return raydrive.tune(
        train,
        {"x": uniform(0, 1)},
        metric="score",
        max_total_runs=4,
        max_concurrent_runs=2,
        resources=Resources(cpus=0.5),
        storage=storage,
        show_output=False,
    )


def actors_of(run: HyperDriveRun) -> list[str]:
    import ray

    return [
        row["name"]
        for row in ray.util.list_named_actors(all_namespaces=True)
        if f"{run.layout.key}:slot:" in row["name"]
    ]


def until_none(run: HyperDriveRun) -> None:
    wait_until(lambda: not actors_of(run), "the end of all trial actors", seen=lambda: actors_of(run))


def until_over(run: HyperDriveRun) -> None:
    """Its driver writes no more and has ended its actors; one whose journal goes earlier leaves them to others."""
    until_none(run)
    wait_until(lambda: run.heartbeat()["state"] == "Completed", "the last heartbeat, which would be written again")


def test_a_run_works_with_the_actor_that_its_driver_asked_for_first_and_leaves_none(storage: str) -> None:
    run = tuned(storage)
    began = [fact.actor for fact, _ in JournalReader(run.layout.journal).read() if isinstance(fact, Began)]
    assert len({actor for actor in began if ":slot:first-" in actor}) == 1
    assert len(set(began)) <= 2
    until_none(run)


def test_a_driver_of_a_run_that_is_over_keeps_no_reservation(storage: str) -> None:
    import ray

    from raydrive.runtime.ray_actors import DriverActor
    from raydrive.runtime.ray_cluster.connection import NAMESPACE

    run = tuned(storage)
    driver = ray.remote(DriverActor).options(num_cpus=0, namespace=NAMESPACE).remote(run.uri)
    ray.get(driver.start.remote())
    until_none(run)


def test_a_driver_that_cannot_start_keeps_no_reservation(storage: str) -> None:
    import ray

    from raydrive.runtime.ray_actors import DriverActor
    from raydrive.runtime.ray_cluster.connection import NAMESPACE

    run = tuned(storage)
    until_over(run)
    folder = run.layout.folder.local_path
    assert folder is not None
    given = json.loads((folder / "config.json").read_bytes())
    for path in (folder / "journal").iterdir():
        path.unlink()
    given["policy"] = {"kind": "none such"}  # what a trial actor reads of it is whole
    del given["checksum"]
    (folder / "config.json").write_text(json.dumps(given))
    driver = ray.remote(DriverActor).options(num_cpus=0, namespace=NAMESPACE).remote(run.uri)
    with pytest.raises(ray.exceptions.RayTaskError, match="policy"):
        ray.get(driver.start.remote())
    until_none(run)
    ray.kill(driver)


def test_the_first_actor_of_a_driver_that_died_before_its_first_trial_is_taken_over(storage: str) -> None:
    """Nothing in the journal tells of it: it held its reservation until its lease was over."""
    import ray

    from raydrive.runtime.ray_actors import DriverActor
    from raydrive.runtime.ray_cluster.connection import NAMESPACE

    run = tuned(storage)
    until_over(run)
    folder = run.layout.folder.local_path
    assert folder is not None
    for path in [*(folder / "journal").iterdir(), folder / "driver.json"]:
        path.unlink()
    driver_class = ray.remote(DriverActor).options(num_cpus=0, namespace=NAMESPACE)
    first = driver_class.remote(run.uri)  # it asks for an actor, and nothing tells it to start
    wait_until(lambda: len(actors_of(run)) == 1, "the actor of the first driver")
    (left,) = actors_of(run)
    ray.get(ray.get_actor(left, namespace=NAMESPACE).__ray_ready__.remote())  # one that is not yet made dies with it
    ray.kill(first)
    driver = driver_class.remote(run.uri)
    ray.get(driver.start.remote())
    ray.get(driver.wait.remote())
    began = {fact.actor for fact, _ in JournalReader(run.layout.journal).read() if isinstance(fact, Began)}
    assert left in began
    until_none(run)
