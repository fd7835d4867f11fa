"""Optuna's own library, with ``Study.optimize`` carried out by raydrive: all else of a study is what it was."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from raydrive.compat.tuners.optuna_space import Distributions, Given, discovered, expression_of
from raydrive.compat.tuners.tuner_calls import Finished, Tuning, carried_out
from raydrive.context import Run
from raydrive.core.records import COMPLETED, FAILED

METRIC = "value"
"""What an objective returns, and what it reports on the way."""
DEFAULT_TRIALS = 100
LEAST_TIMEOUT_S = 60
"""In which an objective that takes no time is called thousands of times by Optuna, in its own process."""
DETAILS = "tuner.json"
_optimize = optuna.study.Study.optimize
_report = Trial.report


def install() -> None:
    """Has every study's ``optimize`` carried out by raydrive."""
    setattr(optuna.study.Study, "optimize", _optimized)  # noqa: B010  (to mypy, a method is no variable)


def _optimized(
    study: Any,
    func: Callable[[Any], Any],
    n_trials: int | None = None,
    timeout: float | None = None,
    n_jobs: int = 1,
    catch: Any = (),
    callbacks: Sequence[Callable[[Any, FrozenTrial], None]] | None = None,
    **more: Any,
) -> None:
    """``Study.optimize``: the trials are added to the study when all of them are over."""
    found: Distributions = {}
    tuning = Tuning(
        tool="Optuna",
        train=lambda params: _attempt(study, func, params),
        metric=METRIC,
        goal=study.directions[0].name.lower(),
        value="last",
        name=study.study_name if not study.study_name.startswith("no-name") else "",
    )
    if "RAYDRIVE_TRIAL" not in os.environ:  # a trial has its values
        found = discovered(study, func)
        _describe(tuning, study, func, found, n_trials, timeout, n_jobs)
    for one in carried_out(tuning):
        study.add_trial(_frozen(one, found, len(study.directions)))
        for callback in callbacks or ():
            callback(study, study.get_trials(deepcopy=False)[-1])


# ------------------------------------------------------------------ what is tuned


def _describe(
    tuning: Tuning, study: Any, func: Any, found: Distributions, trials: int | None, timeout: float | None, jobs: int
) -> None:
    tuning.space = {name: expression_of(each) for name, each in found.items()}
    tuning.sampling = _sampling(study.sampler, tuning)
    tuning.policy = _policy(study.pruner, tuning) if _prunes(func) else {}
    if trials is None and tuning.sampling["type"] != "grid":
        trials = DEFAULT_TRIALS
        tuning.report.append(f"n_trials is not given: limits.max_total_trials is {trials}.")
    if timeout is not None and timeout < LEAST_TIMEOUT_S:
        tuning.report.append(f"timeout={timeout:g}: limits.timeout is {LEAST_TIMEOUT_S}; trials are processes here.")
        timeout = LEAST_TIMEOUT_S
    given = {"max_total_trials": trials, "timeout": timeout and math.ceil(timeout)}
    given["max_concurrent_trials"] = jobs if jobs > 1 else None
    tuning.limits = {name: value for name, value in given.items() if value}
    if jobs == 1:
        tuning.report.append("n_jobs=1: not carried over; as many trials train at a time as there is place.")
    if len(study.directions) > 1:
        tuning.report.append(
            f"Several objectives: the first one is optimised; the others are the metrics {METRIC}_1, ..."
        )
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    points = [dict(trial.system_attrs.get("fixed_params", {})) for trial in waiting]
    complete = [point for point in points if set(point) == set(tuning.space)]
    if complete:
        tuning.own["points"] = complete
    if len(complete) < len(points):
        tuning.report.append("enqueue_trial: points that do not have every parameter are not carried over.")
    if tuning.space:
        names = ", ".join(sorted(tuning.space))
        tuning.report.append(f"The search space was found by beginning the objective a few times: {names}.")


def _sampling(sampler: Any, tuning: Tuning) -> dict[str, Any]:
    kind = type(sampler).__name__
    if kind in ("GridSampler", "BruteForceSampler"):
        values = getattr(sampler, "_search_space", None) or {}
        tuning.space |= {name: {"type": "choice", "values": list(each)} for name, each in values.items()}
        if all(each["type"] == "choice" for each in tuning.space.values()):
            return {"type": "grid"}
    known = {"RandomSampler": "random", "QMCSampler": "sobol", "TPESampler": "tpe", "GPSampler": "bayesian"}
    if kind not in known:
        tuning.report.append(f"sampler {kind}: written as tpe.")
    return {"type": known.get(kind, "tpe")}


def _policy(pruner: Any, tuning: Tuning) -> dict[str, Any]:
    kind, own = type(pruner).__name__, vars(pruner)
    if kind == "NopPruner":
        return {}
    if kind in ("MedianPruner", "PercentilePruner"):
        tuning.report.append(
            f"pruner {kind}: written as median_stopping; raydrive ends trials, and should_prune is False."
        )
        first = max(int(own.get("_n_warmup_steps", 0)), int(own.get("_n_startup_trials", 0) and 1))
        return {
            "type": "median_stopping",
            "delay_evaluation": first,
            "evaluation_interval": int(own.get("_interval_steps", 1)),
        }
    if kind in ("SuccessiveHalvingPruner", "HyperbandPruner"):
        tuning.report.append(
            f"pruner {kind}: written as successive_halving; raydrive ends trials, and should_prune is False."
        )
        policy: dict[str, Any] = {"type": "successive_halving", "mode": "stop"}
        policy["reduction_factor"] = max(int(own.get("_reduction_factor", 3)), 2)
        for key, name in (("min_intervals", "_min_resource"), ("max_intervals", "_max_resource")):
            if isinstance(own.get(name), int):
                policy[key] = own[name]
        return policy
    tuning.report.append(f"pruner {kind}: not carried over.")
    return {}


def _prunes(func: Any) -> bool:
    """Whether the file of an objective asks for being pruned."""
    function = getattr(func, "func", func)
    call = getattr(function, "__code__", None) or getattr(vars(type(function)).get("__call__"), "__code__", None)
    if call is None:
        return False
    try:
        text = Path(call.co_filename).read_text(errors="replace")
    except OSError:
        text = " ".join(call.co_names)  # a cell of a notebook
    return "should_prune" in text or "PruningCallback" in text


# ------------------------------------------------------------------ what a trial does


def _attempt(study: Any, func: Callable[[Any], Any], params: Mapping[str, Any]) -> None:
    """Calls the objective once, with these values, and logs what it reports and returns."""
    run = Run.get_context()
    inner = optuna.create_study(
        directions=study.directions, sampler=Given(params, run.number or 0), pruner=optuna.pruners.NopPruner()
    )
    for name, value in study.user_attrs.items():
        inner.set_user_attr(name, value)
    setattr(Trial, "number", property(lambda self: run.number or 0))  # noqa: B010
    reported: list[float] = []

    def report(trial: Any, value: float, step: int) -> None:
        _report(trial, value, step)
        reported.append(float(value))
        if len(reported) == 1:
            _keep(inner, run)
        run.log(METRIC, float(value), step=step)

    setattr(Trial, "report", report)  # noqa: B010
    try:
        _optimize(inner, func, n_trials=1)
    finally:
        _keep(inner, run)
    done = inner.get_trials(deepcopy=False)[0]
    if done.state == TrialState.COMPLETE:
        values = list(done.values)
        for index, value in enumerate(values):
            if index or reported[-1:] != [value]:
                run.log(f"{METRIC}_{index}" if index else METRIC, value)
    elif done.state == TrialState.FAIL and not reported:  # a value that is no number: Optuna's trial fails, too
        raise SystemExit("the objective returned no finite number, so Optuna's trial failed")
    else:
        print("The objective pruned its trial.")


def _keep(inner: Any, run: Run) -> None:
    """Writes down what Optuna's trial holds, for the study of the script that submits."""
    one = inner.get_trials(deepcopy=False)[0]
    to_json = optuna.distributions.distribution_to_json
    about = {
        "state": one.state.name,
        "params": {name: one.distributions[name].to_internal_repr(value) for name, value in one.params.items()},
        "distributions": {name: to_json(each) for name, each in one.distributions.items()},
        "intermediate": {str(step): value for step, value in one.intermediate_values.items()},
        "user_attrs": {name: value for name, value in one.user_attrs.items() if _is_json(value)},
    }
    folder = Path(run.output_directory)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DETAILS).write_text(json.dumps(about))


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


# ------------------------------------------------------------------ what became of it


def _frozen(one: Finished, found: Distributions, objectives: int) -> FrozenTrial:
    """A trial of raydrive as one of the study."""
    about = one.details
    distributions = {
        name: optuna.distributions.json_to_distribution(text) for name, text in about.get("distributions", {}).items()
    }
    params = {name: distributions[name].to_external_repr(value) for name, value in about.get("params", {}).items()}
    names = [METRIC, *(f"{METRIC}_{index}" for index in range(1, objectives))]
    last = [list(one.metrics.get(name, ()))[-1:] for name in names]
    values = [float(each[0]) for each in last if each]
    good = len(values) == objectives and not any(math.isnan(value) for value in values)
    state = TrialState.PRUNED
    if one.state == FAILED or (one.state == COMPLETED and not good):
        state = TrialState.FAIL
    elif one.state == COMPLETED and about.get("state") != "PRUNED":
        state = TrialState.COMPLETE
    return create_trial(
        state=state,
        params=params,
        distributions=distributions,
        values=values if state == TrialState.COMPLETE or (state == TrialState.PRUNED and good) else None,
        intermediate_values={int(step): value for step, value in about.get("intermediate", {}).items()},
        user_attrs={**about.get("user_attrs", {}), "raydrive_trial": one.number},
    )
