"""Whole runs on virtual time in which the model decides which trial trains on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from raydrive.core.records import CANCELED, COMPLETED, Finish, Started
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check_journal, picture

WHOLE = 16


def learning(number: int, params: Any) -> list[tuple[float, float]]:
    """Learns towards the height of a hill; larger is better."""
    end = 1.0 - (params["x"] - 0.3) ** 2 - 0.4 * (params["y"] - 0.6) ** 2
    return [(1.0, end * (1.0 - math.exp(-t / (2.0 + 4.0 * params["y"])))) for t in range(1, WHOLE + 1)]


def test_trials_pause_and_go_on_and_the_run_ends_with_a_whole_training() -> None:
    memory = Memory()
    sampling = BayesianParameterSampling(
        {"x": uniform(0, 1), "y": uniform(0, 1)}, fidelity="intervals", max_intervals=WHOLE
    )
    config = function_config(max_total_runs=24, max_concurrent_runs=3)
    config = replace(config, sampling=sampling)
    sweep = simulate(config, learning, writer=memory)
    assert picture(check_journal(config, memory.lines)) == picture(sweep)
    assert sweep.finished is not None
    assert sweep.finished == Finish(COMPLETED, "max_total_runs of 24 reached")
    assert {trial.state for trial in sweep.trials} == {COMPLETED, CANCELED}
    best = max(sweep.trials, key=lambda trial: sweep.curves.overall(trial.number) or 0.0)
    assert best.state == COMPLETED, "the best trial has trained to its end"
    trained = sum(sweep.curves.length(trial.number) for trial in sweep.trials)
    assert trained < 0.8 * len(sweep.trials) * WHOLE
    sweep.handle(Started(sweep.last_at, 2, limits={"max_total_runs": 26}))
    assert sweep.free_slots == 2, "a run that is extended asks for new configurations again"
    lines = "".join(memory.lines)
    assert lines.count('"Pause"') > lines.count('"Resumed"') > 2
