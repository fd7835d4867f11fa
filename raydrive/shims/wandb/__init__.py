"""``wandb`` for training scripts: an installed one is used, and logs to the trial, too; without one a stand-in."""

from __future__ import annotations

import os
from typing import Any

from raydrive_trackers import installed, stand_in, trial, weights_and_biases

_in_a_trial = bool(os.environ.get("RAYDRIVE_CHANNEL"))
if _in_a_trial and not os.environ.get("WANDB_API_KEY"):
    os.environ.setdefault("WANDB_MODE", "offline")
_real = installed.load_real("wandb")

if _real is not None:
    if _in_a_trial:
        weights_and_biases.tee(_real)
else:
    stand_in.install("wandb")
    run: Any = None
    config: Any = weights_and_biases.Config(trial.parameters())
    summary: Any = weights_and_biases.Summary()
    Settings = stand_in.Nothing
    __version__ = "0.0.0"

    def init(*args: Any, **kwargs: Any) -> Any:
        """Begins a run, which is the trial."""
        global run, config, summary
        run = weights_and_biases.Run(**kwargs)
        config, summary = run.config, run.summary
        return run

    def log(data: Any, step: Any = None, commit: Any = None, **more: Any) -> None:
        """Logs to the run; begins one where there is none."""
        (run or init()).log(data, step, commit)

    def finish(*args: Any, **kwargs: Any) -> None:
        """Does nothing: the trial continues."""

    join = finish

    def login(*args: Any, **kwargs: Any) -> bool:
        """Returns True: nothing is signed in to."""
        return True

    def agent(*args: Any, **kwargs: Any) -> None:
        """Raises: a trial is one run of a sweep."""
        raise RuntimeError("wandb.agent in a trial: write the sweep as a file and start it with raydrive convert")

    sweep = agent

    def __getattr__(name: str) -> Any:
        """Returns what stands for any other name."""
        return stand_in.named(name)
