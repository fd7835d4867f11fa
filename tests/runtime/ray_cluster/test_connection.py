"""Which attempts wait for room, and which only for a process that is starting."""

from __future__ import annotations

import pytest

from raydrive.runtime.ray_cluster.connection import granted, shortage

HALF = {"CPU": 1.0, "GPU": 0.5}
ONE_GPU = {"CPU": 8.0, "GPU": 1.0, "memory": 1e9}


@pytest.mark.parametrize(
    ("wanted", "free", "held", "starting", "expected"),
    [
        (HALF, {"CPU": 6.0, "memory": 1e9}, 0, 2, 2),  # both have their half, though "free: 0 GPU" is what Ray says
        (HALF, {"CPU": 6.0}, 0, 4, 2),  # two of four
        (HALF, {"CPU": 6.0}, 2, 2, 0),  # those who have started have it
        (HALF, {"CPU": 6.0}, 1, 2, 1),
        (HALF, {"CPU": 8.0, "GPU": 1.0}, 0, 2, 0),  # nothing is in use yet
        (HALF, {"CPU": 0.0, "GPU": 1.0}, 0, 2, 0),  # somebody uses the cores, and not for trials of this kind
        (HALF, {"CPU": 7.0, "GPU": 0.5}, 0, 2, 1),
        ({"CPU": 0.1}, {"CPU": 7.7}, 0, 5, 3),  # sums of fractions
        ({"TPU": 1.0}, {"CPU": 0.0}, 0, 2, 0),  # a resource that no node has
        ({}, {}, 0, 2, 0),
    ],
)
def test_what_is_in_use_tells_who_has_room(
    wanted: dict[str, float], free: dict[str, float], held: int, starting: int, expected: int
) -> None:
    assert granted(wanted, ONE_GPU, free, held=held, starting=starting) == expected


CORES = {"CPU": 8.0, "GPU": 1.0}


@pytest.mark.parametrize(
    ("wanted", "free", "held", "expected"),
    [
        (
            {"CPU": 1.0},
            {"CPU": 0.0},
            8,
            "until another trial of this run ends; each reserves 1 CPU, free in the cluster: 0 CPU",
        ),
        (
            {"CPU": 3.0},
            {"CPU": 2.0},
            2,
            "until another trial of this run ends; each reserves 3 CPU, free in the cluster: 2 CPU",
        ),
        (  # others use two cores, which would not be enough for a trial either
            {"CPU": 3.0},
            {"CPU": 0.0},
            2,
            "until another trial of this run ends; each reserves 3 CPU, free in the cluster: 0 CPU",
        ),
        (
            HALF,
            {"CPU": 6.0},
            2,
            "until another trial of this run ends; each reserves 0.5 GPU, free in the cluster: 0 GPU",
        ),
        ({"CPU": 1.0}, {"CPU": 0.0}, 7, "waiting for 1 CPU; free in the cluster: 0 CPU"),  # another run has one
        (
            {"CPU": 8.0},
            {"CPU": 7.0},
            0,
            "waiting for 8 CPU; free in the cluster: 7 CPU",
        ),  # none of ours is there to end
        (
            {"CPU": 4.0},
            {"CPU": 4.0},
            1,
            "waiting for one node to have 4 CPU free, or for its process to start",
        ),
    ],
)
def test_a_trial_waits_for_those_of_its_run_or_for_others(
    wanted: dict[str, float], free: dict[str, float], held: int, expected: str
) -> None:
    assert shortage(wanted, CORES, free, held=held) == expected
