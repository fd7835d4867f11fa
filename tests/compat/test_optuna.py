"""Optuna's samplers under raydrive's protocol."""

from __future__ import annotations

import pytest

pytest.importorskip("optuna", reason="an extra: pip install 'raydrive[optuna]'")

from raydrive.compat.optuna import OptunaParameterSampling
from raydrive.core.errors import ConfigError
from raydrive.core.samplers import Sampling
from raydrive.core.space import choice, loguniform, quniform, uniform
from raydrive.core.unseen import Seen
from raydrive.testing.samplers import ParameterSpace, SamplerContract


class TestTpe(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> Sampling:
        return OptunaParameterSampling(parameter_space, seed=seed, options={"n_startup_trials": 4})


class TestRandom(SamplerContract):
    def sampling(self, parameter_space: ParameterSpace, seed: int) -> Sampling:
        return OptunaParameterSampling(parameter_space, seed=seed, sampler="RandomSampler")


def test_it_learns() -> None:
    space = {"lr": loguniform(-9, -2), "units": quniform(8, 64, 8), "kind": choice("a", "b")}
    sampler = OptunaParameterSampling(space).build(0, True)
    history: list[Seen] = []
    for number in range(40):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        value = -abs(suggestion.params["units"] - 40) / 8 - (suggestion.params["kind"] == "a")
        history.append(Seen(number, suggestion.params, value, "Completed"))
    early = sum(seen.value or 0 for seen in history[:10]) / 10
    late = sum(seen.value or 0 for seen in history[-10:]) / 10
    assert late > early + 0.5


@pytest.mark.parametrize(
    ("sampler", "options", "words"),
    [
        ("TPESampeler", {}, "TPESampler"),
        ("CmaEsSampler", {}, "keeps its state outside the trials"),
        ("TPESampler", {"candidates": 3}, "arguments of TPESampler"),
    ],
)
def test_what_cannot_be_used_is_said_by_name(sampler: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        OptunaParameterSampling({"x": uniform(0, 1)}, sampler=sampler, options=options)


def test_configurations_of_another_space_are_passed_over() -> None:
    sampler = OptunaParameterSampling({"kind": choice("a", "b"), "x": uniform(0, 1)}).build(0, True)
    history = [Seen(0, {"kind": "gone", "x": 0.5}, 1.0, "Completed"), Seen(1, {"y": 1}, 1.0, "Completed")]
    suggestion = sampler.ask(2, history)
    assert suggestion is not None
    assert suggestion.params["kind"] in ("a", "b")
