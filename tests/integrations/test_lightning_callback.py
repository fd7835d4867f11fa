"""Lightning's callback in a real trial."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

pytestmark = needs("lightning", "torch")
SAMPLES = make_classification(200, random_state=0)


def fitted(params: dict[str, Any], on: str) -> None:
    warnings.simplefilter("ignore")
    import torch
    from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
    from torch.utils.data import DataLoader, TensorDataset

    from raydrive.integrations.lightning import RaydriveCallback

    class Model(LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(20, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))

        def loss(self, batch: Any) -> Any:
            X, y = batch
            return torch.nn.functional.binary_cross_entropy_with_logits(self.layers(X)[:, 0], y)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.loss(batch)
            self.log("train_loss", loss, on_epoch=True, on_step=False)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", self.loss(batch))

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), 0.01)

    class Pause(Callback):  # type: ignore[misc]
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            if on == "train_epoch_end":
                after_interval(params, trainer.current_epoch + 1)

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            if on == "validation_end" and not trainer.sanity_checking:
                after_interval(params, trainer.current_epoch + 1)

    seed_everything(0, verbose=False)
    X, y = (torch.tensor(each, dtype=torch.float32) for each in SAMPLES)
    loaders = [DataLoader(TensorDataset(X[part], y[part]), 50) for part in (slice(150), slice(150, None))]
    callback = RaydriveCallback(on=on)
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback, Pause()],
    )
    trainer.fit(Model(), *loaders, ckpt_path=callback.ckpt_path)


def at_validation(params: dict[str, Any]) -> None:
    fitted(params, "validation_end")


def at_epochs(params: dict[str, Any]) -> None:
    fitted(params, "train_epoch_end")


class TestAtTheEndOfValidation(CallbackContract):
    train = staticmethod(at_validation)
    metric = "val_loss"
    goal = "minimize"


class TestAtTheEndOfTrainingEpochs(CallbackContract):
    train = staticmethod(at_epochs)
    metric = "val_loss"
    goal = "minimize"
    others = ("train_loss",)


def test_another_hook_is_refused() -> None:
    from raydrive.integrations.lightning import RaydriveCallback

    with pytest.raises(ValueError, match="on: found 'epoch_end'; expected 'validation_end' or 'train_epoch_end'"):
        RaydriveCallback(on="epoch_end")
