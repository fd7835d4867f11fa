"""Transformers: each evaluation of its ``Trainer`` is an interval; its own checkpoints are the trial's.

callback = RaydriveCallback()
trainer = Trainer(model, TrainingArguments(eval_strategy="epoch", save_strategy="epoch"), ..., callbacks=[callback])
trainer.train(resume_from_checkpoint=callback.ckpt_path)
"""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, BestRun

import raydrive
from raydrive.integrations.trial_report import Metrics, TrialReport

_CHECKPOINT = "checkpoint"


class RaydriveCallback(TrainerCallback):
    """Logs the metrics of each evaluation; one that the trainer saves a checkpoint after is logged together with that.

    Args:
        metrics: Names to log (``None`` = all), such as ``eval_loss``; a mapping has Transformers' names by the names
            to log.
        checkpoint: Whether the trainer's checkpoints are saved with the reports.
        every_n: Only every n-th evaluation is logged.
    """

    def __init__(self, metrics: Metrics = None, checkpoint: bool = True, every_n: int = 1) -> None:
        self._trial = TrialReport(metrics, checkpoint, every_n)
        self._waiting: dict[str, Any] = {}

    @property
    def ckpt_path(self) -> str | None:
        """Folder of the checkpoint to go on from, for ``trainer.train``; None at the beginning."""
        return self._trial.saved(_CHECKPOINT)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Takes the metrics of an evaluation."""
        if not state.is_world_process_zero or not self._trial.due():
            return
        if control.should_save and self._trial.saves:
            self._waiting = dict(metrics or {})
        else:
            self._trial.report(metrics or {}, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Logs what was evaluated at this step, with the checkpoint that the trainer has just saved."""
        waiting, self._waiting = self._waiting, {}
        folder = os.path.join(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}")
        if waiting:

            def save(target: str) -> None:
                shutil.copytree(folder, os.path.join(target, _CHECKPOINT))

            self._trial.report(waiting, state.global_step, save if os.path.isdir(folder) else None)


def hyperparameter_search(
    trainer: Any, space: Mapping[str, Any], *, metric: str = "eval_loss", goal: str = "minimize", **options: Any
) -> BestRun:
    """Tunes a ``Trainer``, as its own ``hyperparameter_search`` does with Optuna or Ray Tune.

    Each trial gets a copy of the trainer, sets the hyperparameters among its arguments, and makes the model anew.

    Args:
        trainer: A ``Trainer`` with ``model_init``. It is pickled, its data too.
        space: Parameter expressions by name: fields of ``TrainingArguments``, or what ``model_init(params)`` takes.
        metric: The metric of the evaluations to optimise.
        goal: ``minimize`` or ``maximize``.
        **options: Further arguments of ``raydrive.tune``, such as ``policy``, ``max_total_runs`` and ``resources``.

    Returns:
        Transformers' ``BestRun``: number of the trial, value, hyperparameters; ``run_summary`` is the
        ``HyperDriveRun``.

    Raises:
        ValueError: The trainer has no ``model_init``, or neither it nor the arguments take a hyperparameter.
        RaydriveError: The run failed, or no trial has a value.
    """
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
        run = raydrive.tune(_TrainerTrial(trainer, metric), space, metric=metric, goal=goal, **options)
    finally:
        trainer.model = trainer.model_wrapped = model
    best = run.get_best_run_by_primary_metric()
    if best is None or best.best_value is None:
        raise raydrive.RaydriveError(f"run {run.id}: no trial has a finite {metric}")
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
