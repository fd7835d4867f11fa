"""A search of Transformers' Trainer on Ray."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from callback_contract import needs
from sklearn.datasets import make_classification

import raydrive

pytestmark = [*needs("transformers", "accelerate", "torch"), pytest.mark.ray]
SAMPLES = make_classification(200, random_state=0)


def a_trainer(folder: Path, with_params: bool = True) -> Any:
    import torch
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(20, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))

        def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:
            logits = self.layers(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    X, y = (torch.tensor(each) for each in SAMPLES)
    rows = [{"x": x.float(), "labels": label} for x, label in zip(X, y, strict=True)]
    arguments = TrainingArguments(
        output_dir=str(folder / "here"),
        num_train_epochs=4,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    init = (lambda params: Model(8 if params is None else params["width"])) if with_params else (lambda: Model(8))
    return Trainer(None, arguments, None, rows[:150], rows[150:], model_init=init)


def test_a_search_finds_the_best_arguments(tmp_path: Path) -> None:
    warnings.simplefilter("ignore")
    from raydrive.integrations.transformers_search import hyperparameter_search

    trainer = a_trainer(tmp_path)
    space = {"learning_rate": raydrive.choice(1e-6, 1e-2), "width": raydrive.choice(4, 16)}
    median = {"type": "median_stopping", "delay_evaluation": 2}
    best = hyperparameter_search(
        trainer,
        hp_space=lambda _: space,
        sampling="grid",
        policy=median,
        n_trials=4,
        direction="minimize",
        storage=str(tmp_path / "runs"),
        show_output=False,
    )
    assert best.hyperparameters["learning_rate"] == 1e-2
    trials = list(best.run_summary.get_children())
    assert [trial.get_status() in ("Completed", "Canceled") for trial in trials] == [True] * 4, [t.why for t in trials]
    assert best.objective == min(trial.best_value for trial in trials)
    assert trainer.model is not None  # as it was


def test_what_nothing_takes_is_refused(tmp_path: Path) -> None:
    from raydrive.integrations.transformers_search import hyperparameter_search

    with pytest.raises(ValueError, match="found no search space"):
        hyperparameter_search(a_trainer(tmp_path))
    with pytest.raises(ValueError, match="found 'width'; expected fields of TrainingArguments"):
        hyperparameter_search(a_trainer(tmp_path, with_params=False), {"width": raydrive.choice(4, 16)})
