"""Loops of one's own that call ``run.report``, of torch, of JAX and of flax, in a real trial."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

import raydrive
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


def with_flax(params: dict[str, Any]) -> None:
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import optax
    from flax.serialization import from_bytes, to_bytes

    X, y = (jnp.asarray(each) for each in SAMPLES)
    model = nn.Sequential([nn.Dense(8), nn.relu, nn.Dense(2)])
    weights = model.init(jax.random.key(0), X)
    optimizer = optax.adam(0.01)
    state = {"weights": weights, "optimizer": optimizer.init(weights), "epoch": 0}

    @jax.jit
    def step(weights: Any, moments: Any) -> Any:
        def loss_of(weights: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(model.apply(weights, X), y).mean()

        loss, slope = jax.value_and_grad(loss_of)(weights)
        change, moments = optimizer.update(slope, moments)
        return loss, optax.apply_updates(weights, change), moments

    run = Run.get_context()
    if run.resume_from:
        state = from_bytes(state, (Path(run.resume_from) / "state.msgpack").read_bytes())
    for epoch in range(state["epoch"] + 1, EPOCHS + 1):
        loss, state["weights"], state["optimizer"] = step(state["weights"], state["optimizer"])
        state["epoch"] = epoch
        Path("ck").mkdir(exist_ok=True)
        Path("ck/state.msgpack").write_bytes(to_bytes(state))
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


class TestFlaxLoop(CallbackContract):
    pytestmark = needs("flax", "optax")
    train = staticmethod(with_flax)
    metric = "loss"
    goal = "minimize"


def that_returns(params: dict[str, Any]) -> float:
    """Trains without a library, and returns its last value, as functions for other tools do."""
    run, loss, first = Run.get_context(), 1.0, 1
    if run.resume_from:
        first, loss = map(float, (Path(run.resume_from) / "state").read_text().split())
    for epoch in range(int(first), EPOCHS + 1):
        loss *= 0.5
        Path("ck").mkdir(exist_ok=True)
        Path("ck/state").write_text(f"{epoch + 1} {loss}")
        run.report({"loss": loss}, step=epoch, checkpoint="ck")
        after_interval(params, epoch)
    return loss


def that_returns_a_dict(params: dict[str, Any]) -> dict[str, float]:
    return {"loss": that_returns(params), "epochs": EPOCHS}


class TestLoopThatReturns(CallbackContract):
    train = staticmethod(that_returns)
    metric = "loss"
    goal = "minimize"


class TestLoopThatReturnsADict(CallbackContract):
    train = staticmethod(that_returns_a_dict)
    metric = "loss"
    goal = "minimize"


def with_nni(params: dict[str, Any]) -> None:
    sys.path.insert(0, str(Path(raydrive.__file__).parent / "shims"))  # as in scripts
    import nni

    run, loss, first = Run.get_context(), 1.0, 1
    if run.resume_from:
        first, loss = map(float, (Path(run.resume_from) / "state").read_text().split())
    for epoch in range(int(first), EPOCHS + 1):
        loss *= 0.5
        nni.report_intermediate_result(loss)
        Path("ck").mkdir(exist_ok=True)
        Path("ck/state").write_text(f"{epoch + 1} {loss}")
        run.save_checkpoint("ck")
        after_interval(params, epoch)
    nni.report_final_result(loss)


class TestNni(CallbackContract):
    train = staticmethod(with_nni)
    metric = "default"
    goal = "minimize"
