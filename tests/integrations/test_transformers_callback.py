"""The callback of Transformers' Trainer in a real trial."""

from __future__ import annotations

import os
import warnings
from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

pytestmark = needs("transformers", "accelerate", "torch")
SAMPLES = make_classification(200, random_state=0)


def train(params: dict[str, Any]) -> None:
    warnings.simplefilter("ignore")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

    from raydrive.integrations.transformers import RaydriveCallback

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(20, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

        def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:
            logits = self.layers(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    class Pause(TrainerCallback):  # type: ignore[misc]
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            after_interval(params, round(state.epoch))

    set_seed(0)
    X, y = (torch.tensor(each) for each in SAMPLES)
    rows = [{"x": x.float(), "labels": label} for x, label in zip(X, y, strict=True)]
    arguments = TrainingArguments(
        output_dir="model",
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=50,
        learning_rate=0.01,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    callback = RaydriveCallback(metrics={"loss": "eval_loss", "seconds": "eval_runtime"})
    trainer = Trainer(Model(), arguments, None, rows[:150], rows[150:], callbacks=[callback, Pause()])
    trainer.train(resume_from_checkpoint=callback.ckpt_path)


class TestTransformers(CallbackContract):
    train = staticmethod(train)
    metric = "loss"
    goal = "minimize"
    others = ("seconds",)
