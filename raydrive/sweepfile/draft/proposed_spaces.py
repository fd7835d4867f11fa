"""A search space for an option of a script, proposed by its name, kind and default."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from raydrive.sweepfile.draft.option import Option

Expression = dict[str, Any]
NEVER = re.compile(
    r"(^|_)(seed|epochs?|steps?|iterations?|iters?|data|dataset|path|dir|folder|file|out|output|outputs|log|logs|"
    r"device|cuda|gpus?|cpus?|workers?|num_workers|jobs|n_jobs|port|host|rank|world_size|local_rank|verbose|debug|"
    r"resume|resume_from|checkpoint|name|project|entity|split|fold|folds|amp|fp16|bf16|save|url|token|version|"
    r"interval|every|patience|limit|max_steps|max_epochs|num_epochs)(_|$)"
)
"""Names of options that say how long, where or from what is trained, and not how well."""


def proposed_space(option: Option) -> Expression | None:
    """Returns the expression to propose for an option, as a sweep file has it; None where it is not to be tuned.

    Args:
        option: The option.
    """
    name = option.name.casefold().replace("-", "_")
    if option.choices:
        return None if NEVER.search(name) else {"type": "choice", "values": list(option.choices)}
    if option.style == "inverse" or NEVER.search(name):
        return None
    if option.kind == "bool":
        return {"type": "choice", "values": [True, False]}
    if option.kind == "str":
        return None
    for pattern, make in _KNOWN:
        if re.search(pattern, name):
            return make(option)
    return None


def _logarithmic(low: float, high: float, factor: float = 10.0) -> Callable[[Option], Expression]:
    """Around the default, or the usual bounds where there is none."""

    def make(option: Option) -> Expression:
        default = option.default
        if isinstance(default, int | float) and not isinstance(default, bool) and default > 0:
            return _log_range(_rounded(default / factor), _rounded(default * factor))
        return _log_range(low, high)

    return make


def _log_range(low: float, high: float) -> Expression:
    return {"type": "log_range", "min_value": low, "max_value": high}


def _whole(low: int, high: int) -> Callable[[Option], Expression]:
    """On a logarithmic scale: from a quarter of the default to four times it."""

    def make(option: Option) -> Expression:
        default = option.default
        if isinstance(default, int) and not isinstance(default, bool) and default >= 4:
            return {"type": "log_int", "min_value": default // 4, "max_value": default * 4}
        return {"type": "log_int", "min_value": low, "max_value": high}

    return make


def _counted(low: int, high: int) -> Callable[[Option], Expression]:
    return lambda option: {"type": "int_range", "min_value": low, "max_value": high}


def _uniform(low: float, high: float) -> Callable[[Option], Expression]:
    return lambda option: {"type": "uniform", "min_value": low, "max_value": high}


def _batches(option: Option) -> Expression:
    default = option.default
    if isinstance(default, int) and not isinstance(default, bool) and default >= 2:
        return {"type": "choice", "values": [default // 2, default, default * 2, default * 4]}
    return {"type": "choice", "values": [16, 32, 64, 128]}


def _rounded(value: float) -> float:
    """Two significant digits: 0.003 / 10 is 0.0003 and not 0.00030000000000000003."""
    digits = 1 - math.floor(math.log10(abs(value)))
    return round(value, max(digits, 0))


_KNOWN: tuple[tuple[str, Callable[[Option], Expression]], ...] = (
    (r"(^|_)(lr|learning_rate|eta|step_size|base_lr|init_lr)(_|$)", _logarithmic(1e-5, 0.1)),
    (r"(weight_decay|wd|l2|l1|reg|alpha|lambda|penalty|decay)(_|$)", _logarithmic(1e-6, 0.01)),
    (r"(^|_)(c|gamma|epsilon|eps|temperature|tau|sigma)(_|$)", _logarithmic(1e-3, 10.0)),
    (r"dropout|drop_rate|drop_prob|label_smoothing|mixup", _uniform(0.0, 0.5)),
    (r"momentum|beta1|beta_1", _uniform(0.8, 0.99)),
    (r"beta2|beta_2", _uniform(0.9, 0.999)),
    (r"subsample|colsample|bagging_fraction|feature_fraction|max_features|max_samples", _uniform(0.5, 1.0)),
    (r"warmup_(ratio|fraction)", _uniform(0.0, 0.2)),
    (r"batch", _batches),
    (r"(n_estimators|num_trees|num_leaves|num_boost_round|trees|n_neighbors|rounds)", _whole(16, 256)),
    (r"max_depth|depth|layers|n_layer|num_blocks|heads", _counted(1, 8)),
    (r"hidden|units|width|dim|channels|embed|neurons|filters|size|min_child|min_samples", _whole(16, 256)),
)
"""Patterns of names, the first that fits counts, with what is proposed for such an option."""
