"""A loop with Accelerate in a real trial."""

from __future__ import annotations

import os
import warnings
from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

pytestmark = needs("accelerate", "torch")
SAMPLES = make_classification(200, random_state=0)


def train(params: dict[str, Any]) -> None:
    warnings.simplefilter("ignore")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch
    from accelerate import Accelerator
    from torch.utils.data import DataLoader, TensorDataset

    from raydrive.integrations.accelerate import RaydriveTrial

    torch.manual_seed(0)
    X, y = (torch.tensor(each, dtype=torch.float32) for each in SAMPLES)
    model = torch.nn.Sequential(torch.nn.Linear(20, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    loader = DataLoader(TensorDataset(X[:150], y[:150]), 50, shuffle=True)
    accelerator = Accelerator(cpu=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    trial = RaydriveTrial(accelerator)
    for epoch in range(trial.resume(), EPOCHS):
        for samples, labels in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(samples)[:, 0], labels)
            accelerator.backward(loss)
            optimizer.step()
        with torch.no_grad():
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(X[150:])[:, 0], y[150:])
        trial.report({"val_loss": loss}, step=epoch + 1)
        after_interval(params, epoch + 1)


class TestAccelerate(CallbackContract):
    train = staticmethod(train)
    metric = "val_loss"
    goal = "minimize"
