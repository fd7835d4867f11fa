"""A ``Trainer`` of Transformers, tuned as a whole."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

from transformers.trainer_utils import BestRun

from raydrive.api.tune import tune
from raydrive.core.errors import RaydriveError
from raydrive.integrations.transformers import RaydriveCallback


def hyperparameter_search(
    trainer: Any,
    space: Mapping[str, Any] | None = None,
    *,
    metric: str = "eval_loss",
    goal: str = "minimize",
    **options: Any,
) -> BestRun:
    """Tunes a ``Trainer``, as its own ``hyperparameter_search`` does with Optuna or Ray Tune.

    Each trial gets a copy of the trainer, sets the hyperparameters among its arguments, and makes the model again.

    Args:
        trainer: A ``Trainer`` with ``model_init``. It is pickled, its data too.
        space: Parameter expressions by name: fields of ``TrainingArguments``, or what ``model_init(params)`` takes.
        metric: The metric of the evaluations to optimise.
        goal: ``minimize`` or ``maximize``.
        **options: Further arguments of ``raydrive.tune``, such as ``policy``, ``max_total_runs`` and ``resources``.
            Also the names that the method of a ``Trainer`` has: ``n_trials``, ``direction``, and ``hp_space``, a
            mapping or a function that returns one.

    Returns:
        Transformers' ``BestRun``: number of the trial, value, hyperparameters; ``run_summary`` is the
        ``HyperDriveRun``.

    Raises:
        ValueError: There is no space, the trainer has no ``model_init``, or neither it nor the arguments take a
            hyperparameter.
        RaydriveError: The run failed, or no trial has a value.
    """
    given = options.pop("hp_space", None)
    space = (given(None) if callable(given) else given) if space is None else space
    goal, trials = options.pop("direction", goal), options.pop("n_trials", None)
    options |= {} if trials is None else {"max_total_runs": trials}
    if not space:
        raise ValueError("hyperparameter_search: found no search space; expected space={NAME: expression}")
    if trainer.model_init is None:
        raise ValueError("hyperparameter_search: the trainer has no model_init, which makes the model for each trial")
    unknown = [name for name in space if not hasattr(trainer.args, name)]
    if unknown and not inspect.signature(trainer.model_init).parameters:
        raise ValueError(
            f"hyperparameter_search: found {', '.join(map(repr, unknown))}; expected fields of TrainingArguments, or "
            "a model_init(params) that takes them"
        )
    model, trainer.model, trainer.model_wrapped = trainer.model, None, None
    try:
        run = tune(_TrainerTrial(trainer, metric), space, metric=metric, goal=goal, **options)
    finally:
        trainer.model = trainer.model_wrapped = model
    best = run.get_best_run_by_primary_metric()
    if best is None or best.best_value is None:
        raise RaydriveError(f"run {run.id}: no trial has a finite {metric}")
    return BestRun(str(best.number), best.best_value, dict(best.params), run)


class _TrainerTrial:
    """The training function of a search: a trainer, and the metric that counts."""

    def __init__(self, trainer: Any, metric: str) -> None:
        self._trainer = trainer
        self._metric = metric

    def __call__(self, params: dict[str, Any]) -> None:
        """Trains with these hyperparameters, from the checkpoint of an earlier attempt where there is one."""
        trainer, callback = self._trainer, RaydriveCallback()
        for name, value in params.items():
            if hasattr(trainer.args, name):
                before = getattr(trainer.args, name)
                setattr(trainer.args, name, value if before is None else type(before)(value))
        trainer.args.output_dir = os.path.abspath("model")
        trainer.create_accelerator_and_postprocess()  # its state is one of the process, and did not come along
        trainer.add_callback(callback)
        trainer.train(resume_from_checkpoint=callback.ckpt_path, trial=params)
        if trainer.args.eval_strategy == "no":
            trainer.evaluate()
