"""Loops of one's own that call ``run.report``, of torch and of JAX, in a real trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

from raydrive.context import Run

SAMPLES = make_classification(200, random_state=0)


def with_torch(params: dict[str, Any]) -> None:
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = (torch.tensor(each) for each in SAMPLES)
    model = torch.nn.Sequential(torch.nn.Linear(20, 8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run, first = Run.get_context(), 1
    if run.resume_from:
        saved = torch.load(Path(run.resume_from) / "state.pt")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        first = saved["epoch"] + 1
    for epoch in range(first, EPOCHS + 1):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(X.float()), y)
        loss.backward()
        optimizer.step()
        Path("ck").mkdir(exist_ok=True)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save({**state, "random": torch.get_rng_state()}, "ck/state.pt")
        run.report({"loss": loss}, step=epoch, checkpoint="ck")
        after_interval(params, epoch)


def with_jax(params: dict[str, Any]) -> None:
    import pickle

    import jax
    import jax.numpy as jnp

    X, y = (jnp.asarray(each) for each in SAMPLES)

    def loss_of(weights: Any) -> Any:
        logits = X @ weights
        return jnp.mean(jnp.logaddexp(0.0, jnp.where(y == 1, -logits, logits)))

    step = jax.jit(jax.value_and_grad(loss_of))
    run, weights, first = Run.get_context(), jnp.zeros(20), 1
    if run.resume_from:
        weights, first = pickle.loads((Path(run.resume_from) / "state.pkl").read_bytes())
    for epoch in range(first, EPOCHS + 1):
        loss, slope = step(weights)
        weights = weights - 0.1 * slope
        Path("ck").mkdir(exist_ok=True)
        Path("ck/state.pkl").write_bytes(pickle.dumps((weights, epoch + 1)))
        run.report({"loss": loss}, step=epoch, checkpoint="ck")
        after_interval(params, epoch)


class TestTorchLoop(CallbackContract):
    pytestmark = needs("torch")
    train = staticmethod(with_torch)
    metric = "loss"
    goal = "minimize"


class TestJaxLoop(CallbackContract):
    pytestmark = needs("jax")
    train = staticmethod(with_jax)
    metric = "loss"
    goal = "minimize"
