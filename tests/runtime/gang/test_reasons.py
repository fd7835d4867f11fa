"""Why a trial of several nodes can never start, or waits: the sentences, and that their advice would do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.config.trial_spec import STRATEGIES, Resources
from raydrive.runtime.gang.placement import gangs_that_fit
from raydrive.runtime.gang.reasons import fits_by_nodes, why_never, why_never_here, why_nodes_wait
from raydrive.runtime.ray_cluster.connection import demand

BIG = {"CPU": 16.0, "GPU": 4.0}
SMALL = {"CPU": 16.0, "GPU": 2.0}
TWO = Resources(cpus=16, gpus=4, nodes=2, processes_per_node=4)
ASKED = "2 nodes with 4 GPUs and 16 CPUs each"


def test_a_trial_that_fits_has_no_reason() -> None:
    assert why_never(TWO, demand(TWO), [BIG, SMALL, BIG]) is None


@pytest.mark.parametrize(
    ("resources", "nodes", "reason", "advice"),
    [
        (
            TWO,
            [BIG, SMALL, SMALL],
            f"a trial asks for {ASKED}, each on its own machine (strategy STRICT_SPREAD), and 1 of the 3 machines "
            "could hold one of them.",
            "Write nodes: 1, a trial on one machine, or use a cluster that has more.",
        ),
        (
            Resources(cpus=1, gpus=1, nodes=3),
            [SMALL, BIG],
            "a trial asks for 3 nodes with 1 GPU and 1 CPU each, each on its own machine (strategy "
            "STRICT_SPREAD), and 2 of the 2 machines could hold one of them.",
            "Write strategy: PACK, which may place several nodes of a trial on one machine, or nodes: 2, or use a "
            "cluster that has more.",
        ),
        (
            Resources(cpus=1, gpus=3, nodes=2, strategy="STRICT_PACK"),
            [BIG, BIG],
            "a trial asks for 2 nodes with 3 GPUs and 1 CPU each, all on one machine (strategy STRICT_PACK), and no "
            "machine has room for more than 1 of them.",
            "Write strategy: PACK, which may place several nodes of a trial on one machine, or nodes: 1, a trial "
            "on one machine, or use a cluster that has more.",
        ),
        (
            Resources(cpus=1, gpus=8, nodes=2, strategy="PACK"),
            [BIG, BIG],
            "a trial asks for 2 nodes with 8 GPUs and 1 CPU each, and all machines together have room for 0 of them.",
            "Write smaller amounts, which are per node, or use a cluster that has more.",
        ),
    ],
)
def test_a_trial_that_never_fits(resources: Resources, nodes: list[dict[str, float]], reason: str, advice: str) -> None:
    assert why_never(resources, demand(resources), nodes) == (reason, advice)


def test_one_machine_has_an_advice_of_its_own() -> None:
    pair = Resources(cpus=1, nodes=2)
    assert "strategy: PACK" in why_never_here(pair, demand(pair), {"CPU": 2.0})
    packed = Resources(cpus=1, nodes=2, strategy="PACK")
    assert why_never_here(packed, demand(packed), {"CPU": 2.0}) == ""


@pytest.mark.parametrize(
    ("totals", "free", "held", "expected"),
    [
        ([BIG] * 3, [BIG, SMALL, {"CPU": 16.0}], 0, f"waiting for {ASKED}: 1 free"),
        ([BIG] * 4, [{}, {}, BIG, {}], 1, f"waiting for {ASKED}: 1 free"),  # another run has one
        ([BIG] * 3, [{}, {}, {}], 1, f"until another trial of this run ends; each reserves {ASKED}: 0 free"),
        ([BIG] * 3, [BIG, BIG, {}], 0, f"waiting for {ASKED}, or for its processes to start: 2 free"),
        ([BIG] * 3, None, 0, f"waiting for {ASKED}"),
    ],
)
def test_a_trial_waits_for_nodes(
    totals: list[dict[str, float]], free: list[dict[str, float]] | None, held: int, expected: str
) -> None:
    assert why_nodes_wait(TWO, demand(TWO), totals, free, held=held) == expected


def test_a_trial_waits_for_nodes_that_have_to_join() -> None:
    expected = f"waiting for {ASKED}: 1 in the cluster; no other machine has joined yet"
    assert why_nodes_wait(TWO, demand(TWO), [BIG, SMALL], [BIG, SMALL], held=0) == expected


def test_what_fits_is_listed_by_nodes() -> None:
    assert list(fits_by_nodes([BIG] * 3)) == [
        (1, "12 at once with 1 GPU on each; 3 at once with 4 GPU on each"),
        (2, "6 at once with 1 GPU on each; 1 at once with 4 GPU on each"),
    ]
    assert list(fits_by_nodes([{"CPU": 1.0}])) == [(1, "1 at once with 1 CPU on each")]
    assert list(fits_by_nodes([])) == []


@given(
    amounts=st.lists(st.integers(0, 4).map(float), min_size=1, max_size=4),
    gpus=st.integers(1, 5),
    nodes=st.integers(2, 5),
    strategy=st.sampled_from(STRATEGIES),
)
def test_what_the_advice_names_would_fit(amounts: list[float], gpus: int, nodes: int, strategy: str) -> None:
    resources = Resources(cpus=0, gpus=gpus, nodes=nodes, strategy=strategy)
    wanted, totals = demand(resources), [{"GPU": amount} for amount in amounts]
    found = why_never(resources, wanted, totals)
    assert (found is None) == (gangs_that_fit(wanted, nodes, strategy, totals) > 0)
    if found is None:
        return
    if "strategy: PACK" in found[1]:
        assert gangs_that_fit(wanted, nodes, "PACK", totals) > 0
    if "nodes: " in found[1]:
        fewer = int(found[1].partition("nodes: ")[2].split()[0].rstrip(","))
        assert gangs_that_fit(wanted, fewer, strategy, totals) > 0
