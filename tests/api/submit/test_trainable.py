"""What is accepted as a training function, and what is refused with the way out."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from raydrive import ConfigError, HyperDriveConfig, RandomParameterSampling, choice


def config(target: Any) -> HyperDriveConfig:
    sampling = RandomParameterSampling({"lr": choice(1, 2), "--batch_size": choice(3)})
    return HyperDriveConfig(sampling, "score", "maximize", 1, run_config=target)


def plain(params: dict[str, Any]) -> float:
    return float(params["lr"]) + len(params.items())


def named_like_one(lr: dict[str, Any]) -> Any:
    return lr["lr"]


def with_data(params: dict[str, Any], data: object) -> None: ...


def made_an_object(config: Any) -> Any:
    config = types.SimpleNamespace(**config)
    return config.lr


def within(params: Any) -> Any:
    return [params["lr"] for _ in range(3)] + [(lambda: params["lr"])()]


def yields(params: Any) -> Iterator[float]:
    yield 1.0


async def waits(params: Any) -> float:
    return 1.0


class Model:
    def __init__(self, params: object = None) -> None: ...

    def __call__(self, params: dict[str, Any]) -> Any:
        return params["lr"]

    def train(self, params: dict[str, Any]) -> Any:
        return params["lr"]

    def by_attribute(self, params: Any) -> Any:
        return params.lr


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (plain, "plain"),
        (named_like_one, "named_like_one"),
        (made_an_object, "made_an_object"),
        (within, "within"),
        (yields, "yields"),
        (waits, "waits"),
        (Model(), "Model"),
        (Model().train, "Model.train"),
        (functools.partial(with_data, data=3), "with_data"),
        (functools.partial(functools.partial(with_data, data=3), data=4), "with_data"),
        (functools.lru_cache(plain), "plain"),
        (functools.wraps(plain)(lambda *a, **k: plain(*a, **k)), "plain"),
        (lambda *args: args, "<lambda>"),
        (lambda params, other=1: params, "<lambda>"),
        (print, "print"),
    ],
)
def test_what_can_be_called_with_a_dict_is_taken(target: Any, name: str) -> None:
    assert config(target).config.trial.script == name


def keywords(lr: float, batch_size: int) -> None: ...


def keywords_and_defaults(lr: float, batch_size: int = 3) -> Any:
    return lr * 2


def keywords_and_more(lr: float, batch_size: int, data: object) -> None: ...


def one_keyword(lr: float) -> float:
    return lr * 2


def any_keywords(**values: float) -> None: ...


def no_argument() -> None: ...


def by_attribute(config: Any) -> Any:
    return config.lr


def by_misspelt_attribute(config: Any) -> Any:
    return config.batchsize


def optunas(trial: Any) -> Any:
    return trial.suggest_float("lr", 0, 1)


async def waits_and_yields(params: Any) -> AsyncIterator[int]:
    yield 1


class Remote:
    remote = None

    def __call__(self, *arguments: object) -> None:
        raise TypeError


Remote.__module__ = "ray.remote_function"


@pytest.mark.parametrize(
    ("target", "fix"),
    [
        (keywords, "lambda params: keywords(lr=params['lr'], batch_size=params['--batch_size'])."),
        (keywords_and_defaults, "lambda params: keywords_and_defaults(lr=params['lr'], batch_size="),
        (keywords_and_more, "keywords_and_more(lr=params['lr'], batch_size=params['--batch_size'], data=...)."),
        (one_keyword, "lambda params: one_keyword(lr=params['lr'])."),
        (any_keywords, "lambda params: any_keywords("),
        (no_argument, "Run.get_context().params"),
        (with_data, "functools.partial(with_data, data=...)"),
        (lambda a, b: a, "functools.partial(<lambda>, b=...)"),
        (by_attribute, "write config['lr'], or make an object: types.SimpleNamespace(**config)"),
        (by_misspelt_attribute, "write config['batch_size']"),
        (Model().by_attribute, "write params['lr']"),
        (functools.partial(by_attribute), "write config['lr']"),
        (optunas, "That is Optuna's trial"),
        (Model, "lambda params: Model(params).train()"),
        (Model.train, "Pass the method of an object: Model(...).train"),
        (waits_and_yields, "an async function without yield"),
        (Remote(), "without @ray.remote"),
        (None, "Pass the function itself, train, not its result"),
        (yields({}), "Pass the function itself"),
        ("train.py", "ScriptRunConfig(source_directory=..., script='train.py')"),
        ("python train.py", "ScriptRunConfig(source_directory=..., command='python train.py')"),
        (math, "Pass one of its functions: math."),
        (7, ""),
    ],
)
def test_what_would_never_do_its_work_is_refused_with_the_way_out(target: Any, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(target)
    (problem,) = caught.value.problems
    assert problem.where == "run_config"
    assert fix in problem.fix
    assert "a function of one argument" in problem.allowed or "a function train(params)" in problem.allowed


def test_a_report_to_another_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tune = types.ModuleType("ray.tune")
    tune.report = lambda *arguments: None  # type: ignore[attr-defined]

    def train(params: dict[str, Any]) -> None:
        tune.report({"score": params["lr"]})

    with pytest.raises(ConfigError, match=r"calls Ray Tune's tune\.report.*no effect here.*Run\.get_context\(\)\.log"):
        config(train)


def test_names_that_are_arguments_are_handed_over_at_once() -> None:
    sampling = RandomParameterSampling({"lr": choice(1, 2), "batch_size": choice(3)})
    with pytest.raises(ConfigError, match=r"lambda params: keywords\(\*\*params\)\."):
        HyperDriveConfig(sampling, "score", "maximize", 1, run_config=keywords)
