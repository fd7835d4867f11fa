"""Optuna's own library, with ``Study.optimize`` carried out by raydrive: all else of a study is what it was."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from raydrive.compat.tuners import optuna_trials
from raydrive.compat.tuners.optuna_space import Distributions, Given, completed, discovered, expression_of
from raydrive.compat.tuners.tuner_calls import Tuning, carried_out
from raydrive.context import Run

METRIC = "value"
"""What an objective returns, and what it reports on the way."""
DEFAULT_TRIALS = 100
LEAST_TIMEOUT_S = 60
"""In which an objective that takes no time is called thousands of times by Optuna, in its own process."""
DETAILS = "tuner.json"
_optimize = optuna.study.Study.optimize
_report = Trial.report
_made: list[tuple[str, Any]] = []
_create_study, _load_study = optuna.create_study, optuna.load_study


def install(submits: bool) -> None:
    """Has every study's ``optimize`` carried out by raydrive.

    Args:
        submits: Whether this process starts runs. Else it is no error that a storage has a study already, because each
            trial runs the script again, nor that there is no such storage where the trial runs.
    """
    setattr(optuna.study.Study, "optimize", _optimized)  # noqa: B010  (to mypy, a method is no variable)
    if not submits:
        for module in (optuna, optuna.study, optuna.study.study):
            setattr(module, "create_study", _opened)  # noqa: B010
            setattr(module, "load_study", _loaded)  # noqa: B010


def forget() -> None:
    """Deletes the studies that this process has made in storages; of a script that was run to be converted."""
    for study_name, storage in _made:
        with contextlib.suppress(Exception):  # each storage has errors of its own
            optuna.delete_study(study_name=study_name, storage=storage)
    _made.clear()


def _opened(*, study_name: Any = None, storage: Any = None, load_if_exists: bool = False, **given: Any) -> Any:
    if storage is None:
        return _create_study(study_name=study_name, **given)
    try:
        known = study_name in optuna.get_all_study_names(storage)
        study = _create_study(study_name=study_name, storage=storage, load_if_exists=True, **given)
    except Exception:  # each storage has errors of its own
        return _create_study(study_name=study_name, **given)
    if not known:
        _made.append((study.study_name, storage))
    return study


def _loaded(*, study_name: Any = None, storage: Any = None, **given: Any) -> Any:
    """A study of a storage, which may be another one where the trial runs: then it is empty."""
    try:
        return _load_study(study_name=study_name, storage=storage, **given)
    except Exception:  # each storage has errors of its own
        return _create_study(study_name=study_name, **given)


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
        continues=f"{id(study)}",
    )
    if "RAYDRIVE_TRIAL" not in os.environ:  # a trial has its values
        found = discovered(study, func)
        _describe(tuning, study, func, found, n_trials, timeout, n_jobs)
        _points(tuning, study, found)
    for one in carried_out(tuning):
        added = optuna_trials.add(study, one, METRIC)
        for callback in callbacks or ():
            callback(study, added)


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
    if tuning.space:
        names = ", ".join(sorted(tuning.space))
        tuning.report.append(f"The search space was found by beginning the objective a few times: {names}.")


def _points(tuning: Tuning, study: Any, found: Distributions) -> None:
    """Fills in the points that wait in the study."""
    points = []
    for number, trial in enumerate(study.get_trials(deepcopy=False, states=(TrialState.WAITING,))):
        point = completed(trial.system_attrs.get("fixed_params", {}), found, number)
        if point is not None and tuning.sampling["type"] != "grid":
            points.append(point)
        else:
            tuning.report.append(f"enqueue_trial {number + 1}: not carried over; a value is not in the search space.")
    if points:
        tuning.own["points"] = points


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
        "system_attrs": {name: value for name, value in one.system_attrs.items() if _is_json(value)},  # constraints
    }
    folder = Path(run.output_directory)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{DETAILS}.part"
    part.write_text(json.dumps(about))
    part.replace(folder / DETAILS)  # whole at each moment: a trial may be ended in between


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
