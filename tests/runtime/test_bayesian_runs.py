"""Whole runs with a sampler that learns, and what runs beside its thinking."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy, Policy, TruncationSelectionPolicy
from raydrive.core.records import CANCELED
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.runtime.simulated import simulate
from raydrive.testing.memory import Memory
from raydrive.testing.runners import function_config
from raydrive.testing.sweep_invariants import check_journal


def learning(number: int, params: Any) -> list[tuple[float, float]]:
    """Twelve epochs towards an end that depends on both parameters; what ends well starts slowly."""
    end = 1.0 - (params["x"] - 0.3) ** 2 - (params["y"] - 0.6) ** 2
    return [(1.0, end - (0.2 + 0.6 * end) / k) for k in range(1, 13)]


@pytest.mark.parametrize(
    "policy",
    [
        MedianStoppingPolicy(evaluation_interval=1, delay_evaluation=4),
        BanditPolicy(slack_factor=0.1, delay_evaluation=4),
        TruncationSelectionPolicy(truncation_percentage=50, evaluation_interval=2, delay_evaluation=4),
    ],
    ids=["median", "bandit", "truncation"],
)
def test_every_policy_works_together_with_bayesian_sampling(policy: Policy) -> None:
    """HyperDrive forbids it. The journal holds what was expected of each proposal, and judges to the same again."""
    sampling = BayesianParameterSampling({"x": uniform(0, 1), "y": uniform(0, 1)})
    config = replace(function_config(policy=policy, max_total_runs=20, max_concurrent_runs=4), sampling=sampling)
    memory = Memory()
    sweep = simulate(config, learning, writer=memory)
    assert len(sweep.trials) == 20
    assert any(trial.state == CANCELED for trial in sweep.trials)
    assert sweep.best is not None
    assert sweep.best.value > 0.8  # the optimum after twelve epochs is 0.933
    suggested = [fact for line in memory.lines for fact in facts(line) if fact["kind"] == "Suggested"]
    assert [fact["origin"] for fact in suggested[:8]] == ["initial"] * 8
    for fact in suggested[-5:]:
        assert fact["origin"] == "model"
        assert {"predicted_mean", "predicted_deviation", "log_expected_improvement"} <= fact["details"].keys()
    check_journal(config, memory.lines)


def facts(line: str) -> list[dict[str, Any]]:
    entry = json.loads(line)
    return [part for part in (entry if isinstance(entry, list) else [entry]) if "kind" in part]
