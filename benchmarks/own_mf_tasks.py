"""Learning-curve tasks of our own for ``benchmarks/intervals.py``, beside the public ones; numpy alone.

    python benchmarks/own_mf_tasks.py       # measures optimum and random-search median of each again

Their kinds: curves whose early ranks are the final ones; large models that learn slowly and end best; models that
overfit; values as noisy as the differences between good trials; a drop at three quarters of the training that changes
the ranks; a rough table with choices, some of which diverge; a training of nine intervals in which a third of the
space fails. Variants of raydrive's samplers were compared on them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from own_tasks import Teacher, at, option, real, rotation, whole

Array = np.ndarray
Params = Mapping[str, Any]
Dim = dict[str, Any]

# optimum (best of some ten thousand trainings, climbed on) and median of random search over 30 whole trainings
KNOWN: dict[str, tuple[float, float]] = {
    "own_power": (0.05858797360081189, 0.26614488704153255),
    "own_size": (0.30658224510659315, 0.3295403393601101),
    "own_overfit": (0.121220248237758, 0.15739862167338523),
    "own_noisy": (0.0931798626770896, 0.24190240001332602),
    "own_drop": (0.05301475257591588, 0.07653372503858506),
    "own_rough": (0.6101387467229966, 0.8068873436060959),
    "own_short": (0.09664830474767483, 0.10844090890233665),
}


@dataclass
class CurveTask:
    """A function to a learning curve, as the multi-fidelity harness takes it; smaller is better."""

    name: str
    space: list[Dim]
    max_epochs: int
    function: Callable[[Params, Array], Array]
    noise: float = 0.0
    full_trainings: int = 30
    ceiling: float = 10.0
    _known: dict[tuple[Any, ...], Array] = field(default_factory=dict)

    @property
    def optimum(self) -> float:
        """The best known value after the whole training."""
        return KNOWN[self.name][0]

    @property
    def rs_median(self) -> float:
        """The median of what random search reaches in 30 whole trainings."""
        return KNOWN[self.name][1]

    def snap(self, p: Params) -> dict[str, Any]:
        """Returns params as they are taken: whole numbers whole, steps exact."""
        out = dict(p)
        for d in self.space:
            if d["type"] != "choice":
                value = min(max(float(out[d["name"]]), d["low"]), d["high"])
                out[d["name"]] = round(value) if d["type"] == "int" else value
        return out

    def seconds(self, p: Params) -> float:
        """Returns virtual seconds of an epoch."""
        return 1.0

    def curve(self, p: Params) -> Array:
        """Returns the value after each epoch, shape ``(max_epochs,)``; noise is a function of the configuration."""
        key = tuple(p[d["name"]] for d in self.space)
        if key not in self._known:
            clean = self.function(p, np.arange(1.0, self.max_epochs + 1.0))
            rng = np.random.default_rng(zlib.crc32(repr(key).encode()))
            noisy = clean + self.noise * rng.standard_normal(self.max_epochs)
            if len(self._known) > 20_000:
                self._known.clear()
            self._known[key] = np.where(np.isfinite(noisy), np.minimum(noisy, self.ceiling), self.ceiling)
        return self._known[key]

    def measure(self) -> tuple[float, float]:
        """Returns the best final value of 301 random searches, climbed on from the best eight, and their median."""
        rng, d = np.random.default_rng(zlib.crc32(self.name.encode())), len(self.space)

        def value(u: Array) -> float:
            return float(self.curve(self.snap({k["name"]: at(k, x) for k, x in zip(self.space, u, strict=True)}))[-1])

        pool = rng.random((301 * self.full_trainings, d))
        values = np.array([value(u) for u in pool])
        best = values.min()
        for start in np.argsort(values)[:8]:
            x, v, step = pool[start].copy(), values[start], 0.3
            for _ in range(600):
                y, moved = x.copy(), rng.random(d) < max(0.3, 1 / d)
                moved[rng.integers(d)] = True
                y[moved] = np.clip(y[moved] + step * rng.standard_normal(moved.sum()), 0, 1)
                w = value(y)
                x, v, step = (y, w, min(step * 1.3, 0.5)) if w < v else (x, v, max(step * 0.97, 1e-3))
            best = min(best, v)
        return float(best), float(np.median(values.reshape(301, -1).min(axis=1)))


def unit(dim: Dim, value: Any) -> float:
    """Returns where a number lies in its range, 0 to 1."""
    if dim["log"]:
        return float((np.log(value) - np.log(dim["low"])) / (np.log(dim["high"]) - np.log(dim["low"])))
    return float((value - dim["low"]) / (dim["high"] - dim["low"]))


POWER = [real("lr", 1e-5, 1e-1, log=True), real("wd", 1e-6, 1e-2, log=True), *[real(f"x{k}", 0, 1) for k in range(4)]]
TURN = rotation(6, 21)


def power(p: Params, t: Array) -> Array:
    """Power laws; who is ahead stays ahead."""
    x = TURN @ (np.array([unit(d, p[d["name"]]) for d in POWER]) - np.array([0.6, 0.4, 0.3, 0.7, 0.55, 0.2]))
    bad = 1.0 - np.exp(-3.0 * np.sum(np.array([3.0, 1.5, 1.0, 0.5, 0.2, 0.1]) * x * x))
    end = 0.05 + 0.7 * bad
    return end + (1.0 - end) * (0.6 + 0.35 * bad) * t ** -(0.9 - 0.5 * bad)


SIZE = [
    whole("width", 16, 2048, log=True),
    whole("depth", 1, 12),
    real("lr", 1e-4, 1.0, log=True),
    real("dropout", 0.0, 0.7),
]


def size(p: Params, t: Array) -> Array:
    """Large models learn slowly and end best; too large a rate for the depth never learns."""
    large = (np.log2(p["width"]) - 4) / 7 + (p["depth"] - 1) / 11
    rate = np.log10(p["lr"]) + 1.8 + 0.7 * large
    end = 0.45 - 0.17 * large + 0.05 * rate**2 / (1 + 0.3 * abs(rate))
    end += 0.3 * (p["dropout"] - 0.1 - 0.15 * large) ** 2
    slow = 2.0 * 4.5**large * (1.0 + 0.6 * max(-rate, 0.0))
    y = end + (1.0 - end) / (1.0 + (t / slow) ** 1.6)
    return 1.0 - 0.1 * np.exp(-t) if rate > 1.0 else y


OVERFIT = [
    whole("units", 8, 1024, log=True),
    real("l2", 1e-7, 1e-1, log=True),
    real("lr", 1e-4, 1e-1, log=True),
    whole("batch", 8, 256, log=True),
    option("act", ["relu", "tanh", "elu"]),
]


def overfit(p: Params, t: Array) -> Array:
    """Little regularisation learns fast and gets worse again; the last value counts."""
    capacity, held = np.log2(p["units"]) / 10, (np.log10(p["l2"]) + 7) / 6
    rate = np.log10(p["lr"]) - 0.5 * np.log10(p["batch"] / 32)
    bias = 0.1 + 0.25 * (1 - capacity) ** 2 + 0.12 * max(held - 0.6, 0.0) ** 1.5 * 3
    bias += 0.06 * (rate + 2.4) ** 2 + {"relu": 0.0, "tanh": 0.02, "elu": 0.01}[p["act"]]
    fast = 10.0 ** (0.6 * (rate + 2.4)) / 4.0
    fit = bias + (0.7 - min(bias, 0.69)) * np.exp(-fast * t)
    gap = 0.3 * capacity**2 * (1 - held) ** 2 * (1.0 - np.exp(-fast * t / 6.0)) * np.log1p(t) / 3.0
    return fit + gap


NOISY = [real("lr", 1e-5, 1e-1, log=True), real("clip", 0.1, 10.0, log=True), *[real(f"x{k}", 0, 1) for k in range(3)]]


def noisy(p: Params, t: Array) -> Array:
    """A bowl of ends, a moderate decay; values vary as much as good ends differ."""
    u = np.array([unit(d, p[d["name"]]) for d in NOISY])
    z = u - np.array([0.55, 0.4, 0.7, 0.3, 0.5])
    end = 0.2 + np.sum(np.array([2.0, 0.5, 0.6, 0.3, 0.05]) * z * z) + 0.4 * max(u[0] - 0.75, 0.0)
    return end + (0.9 - 0.5 * end) * np.exp(-t / (4.0 + 12.0 * max(0.6 - u[0], 0.0)))


DROP = [
    real("lr", 1e-3, 1.0, log=True),
    real("momentum", 0.5, 0.99),
    real("wd", 1e-6, 1e-2, log=True),
    whole("blocks", 2, 20),
    real("smooth", 0.0, 0.4),
]


def drop(p: Params, t: Array) -> Array:
    """The rate falls to a tenth at three quarters: large rates are noisy before it, and gain most by it."""
    rate = np.log10(p["lr"] / (1 - p["momentum"] + 0.02)) + 0.3
    blocks = (p["blocks"] - 2) / 18
    end = 0.06 + 0.03 * (rate - 0.2 + 0.3 * blocks) ** 2 + 0.08 * (1 - blocks) ** 2 + 0.2 * (p["smooth"] - 0.12) ** 2
    end += 0.012 * (np.log10(p["wd"]) + 3.7 - 0.4 * rate) ** 2
    before = end + 0.05 * 10 ** (0.45 * rate)
    learnt = np.exp(-((t / (1.5 + 2.5 * np.exp(-rate))) ** 0.7))
    at_drop = 1.0 / (1.0 + np.exp(-(t - 0.75 * 40) * 2.0))
    y = (before + (end - before) * at_drop) * (1 - learnt) + 0.9 * learnt
    return y if rate < 1.5 else 0.9 + 0.0 * t


ROUGH = [
    whole("a", 0, 9),
    whole("b", 0, 5),
    option("kind", ["cell", "dense", "conv", "mix"]),
    whole("c", 0, 7),
    option("sched", ["cos", "step", "flat"]),
    whole("d", 0, 9),
]
LEVEL, PACE = Teacher((10, 6, 4, 8, 3, 10), 31, 0.07, 0.5), Teacher((10, 6, 4, 8, 3, 10), 32, 0.1, 0.3)


def rough(p: Params, t: Array) -> Array:
    """A table that is smooth on the whole and rough in detail; some of it diverges after a while."""
    kind, schedule = (
        ["cell", "dense", "conv", "mix"].index(p["kind"]),
        ["cos", "step", "flat"].index(p["sched"]),
    )
    levels = [p["a"], p["b"], kind, p["c"], schedule, p["d"]]
    end, pace = 0.2 * LEVEL(levels, (2, 4)), PACE(levels, (2, 4))
    y = end + 1.5 * (t + 0.5) ** -(0.4 + 0.5 / (1.0 + pace))
    late = 3 + 2 * p["b"]
    return np.where((t > late) & (p["a"] == 9), 5.0, y)


SHORT = [
    real("eta", 0.005, 0.5, log=True),
    whole("leaves", 4, 256, log=True),
    real("col", 0.2, 1.0),
    real("sub", 0.3, 1),
]


def short(p: Params, t: Array) -> Array:
    """Nine intervals of a boosted model; large steps overfit, a third of the space hardly learns."""
    eta, leaves = np.log10(p["eta"]) + 1.2, np.log2(p["leaves"]) - 5
    best = 0.1 + 0.02 * (leaves - 0.5 * eta) ** 2 / 4 + 0.08 * (p["col"] - 0.55) ** 2 + 0.05 * (p["sub"] - 0.8) ** 2
    best += 0.05 * max(eta, 0.0) ** 2 * (1 + p["leaves"] / 128)
    pace = 0.9 * 10 ** (0.8 * eta)
    return best + (0.6 - best) * np.exp(-pace * t) + 0.01 * max(eta, 0.0) * t


def tasks() -> list[CurveTask]:
    """Returns all of them."""
    return [
        CurveTask("own_power", POWER, 81, power, 0.002),
        CurveTask("own_size", SIZE, 50, size, 0.003),
        CurveTask("own_overfit", OVERFIT, 40, overfit, 0.004),
        CurveTask("own_noisy", NOISY, 50, noisy, 0.03),
        CurveTask("own_drop", DROP, 40, drop, 0.004),
        CurveTask("own_rough", ROUGH, 27, rough),
        CurveTask("own_short", SHORT, 9, short, 0.001),
    ]


if __name__ == "__main__":
    for task in tasks():
        print(f'    "{task.name}": {task.measure()},', flush=True)
