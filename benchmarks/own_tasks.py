"""Tasks of our own for ``quality.py``, so that a sampler is not judged by five public ones only; numpy alone.

    python benchmarks/quality.py --tasks benchmarks/own_tasks.py
    python benchmarks/own_tasks.py          # measures optimum and random-search median of each again

They are of the kinds that the public tasks are of: formulas (separable, rotated, many wells), made-up training
problems (a valley in the learning rate that moves with batch size and momentum, divergence beyond it, noise), tables
over coarse levels (a random network that is smooth on the whole and rough in detail; with choices and long bad tails),
and a tree learner with plateaus. No sampler of raydrive was fitted to them, but variants were compared on them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Params = Mapping[str, Any]
Dim = dict[str, Any]

# optimum (best of some hundred thousand evaluations) and median of random search at the task's budget
KNOWN = {
    "branin": (0.3978873577391209, 1.1342495189844506),
    "ackley5": (0.0, 16.945928156616873),
    "levy6": (0.0, 9.918421326003312),
    "rosenrot4": (0.3787954919354693, 42.88319187457697),
    "wells5": (-0.8589663416155698, -0.6240201518988314),
    "rastrigin3": (0.0, 4.005169877061486),
    "michalewicz4": (-3.7119439994908925, -2.418110269042938),
    "mixed6": (-0.06292699647706343, 0.052032612398197814),
    "training7": (5.736971562063223, 6.751940131477699),
    "training7b": (5.585107228963559, 6.746105058274293),
    "table5": (0.5364703205801529, 0.6402823154657946),
    "table5b": (0.7374563808775181, 0.8512469124495485),
    "network9": (1.0444488413799435, 2.0438407382035946),
    "tree5": (0.19710071721613395, 0.20492695179464598),
}


def real(name: str, low: float, high: float, log: bool = False, q: float | None = None) -> Dim:
    """Returns a dimension of real numbers, on a grid of step ``q`` if given."""
    return {"name": name, "type": "float", "low": float(low), "high": float(high), "log": log, "q": q, "choices": None}


def whole(name: str, low: int, high: int, log: bool = False) -> Dim:
    """Returns a dimension of whole numbers."""
    return {"name": name, "type": "int", "low": low, "high": high, "log": log, "q": None, "choices": None}


def option(name: str, choices: Sequence[Any]) -> Dim:
    """Returns a dimension of unordered options."""
    return {"name": name, "type": "choice", "low": None, "high": None, "log": False, "q": None, "choices": [*choices]}


def at(dim: Dim, u: float) -> Any:
    """Returns the value at position ``u`` in [0, 1]; every option, step and whole number has an equal share."""
    u = min(max(float(u), 0.0), 1.0 - 1e-12)
    if dim["type"] == "choice":
        return dim["choices"][int(u * len(dim["choices"]))]
    low, high, q = dim["low"], dim["high"], dim["q"]
    if dim["type"] == "int":
        if not dim["log"]:
            return int(low + int(u * (high - low + 1)))
        a, b = np.log(low - 0.5), np.log(high + 0.5)
        return int(min(max(round(float(np.exp(a + u * (b - a)))), low), high))
    if q:
        return float(min(low + int(u * (round((high - low) / q) + 1)) * q, high))
    return (
        float(np.exp(np.log(low) + u * (np.log(high) - np.log(low)))) if dim["log"] else float(low + u * (high - low))
    )


@dataclass(frozen=True)
class Task:
    """A function to minimise, as ``quality.py`` takes it."""

    name: str
    space: list[Dim]
    function: Callable[[Params], float]

    @property
    def budget(self) -> int:
        """Trials: 20 a dimension, 100 at most."""
        return min(20 * len(self.space), 100)

    @property
    def optimum(self) -> float:
        """The best known value."""
        return KNOWN[self.name][0]

    @property
    def rs_median(self) -> float:
        """The median of random search over the whole budget."""
        return KNOWN[self.name][1]

    def evaluate(self, params: Params) -> float:
        """Returns the value of a configuration."""
        return float(self.function(params))

    def measure(self) -> tuple[float, float]:
        """Returns the best value of 101 random searches, climbed on from the best eight, and their median."""
        rng, d = np.random.default_rng(zlib.crc32(self.name.encode())), len(self.space)

        def value(u: Array) -> float:
            return self.evaluate({dim["name"]: at(dim, x) for dim, x in zip(self.space, u, strict=True)})

        pool = rng.random((101 * self.budget, d))
        values = np.array([value(u) for u in pool])
        best = values.min()
        for start in np.argsort(values)[:8]:
            x, v, step = pool[start].copy(), values[start], 0.3
            for _ in range(1500):
                y, moved = x.copy(), rng.random(d) < max(0.3, 1 / d)
                moved[rng.integers(d)] = True
                y[moved] = np.clip(y[moved] + step * rng.standard_normal(moved.sum()), 0, 1)
                if rng.random() < 0.2:
                    y[rng.integers(d)] = rng.random()
                w = value(y)
                x, v, step = (y, w, min(step * 1.3, 0.5)) if w < v else (x, v, max(step * 0.97, 1e-4))
            best = min(best, v)
        return float(best), float(np.median(values.reshape(101, -1).min(axis=1)))


# --- formulas --------------------------------------------------------------------------------------------------------


def numbers(params: Params, d: int) -> Array:
    """Returns x0 to x(d-1)."""
    return np.array([params[f"x{k}"] for k in range(d)])


def rotation(d: int, seed: int) -> Array:
    """Returns a random rotation."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
    return np.asarray(q * np.sign(np.diag(r)))


def branin(p: Params) -> float:
    """Three equal minima in two dimensions."""
    x, y = p["x0"], p["x1"]
    bowl = (y - 5.1 / (4 * np.pi**2) * x * x + 5 / np.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def ackley(p: Params) -> float:
    """One sharp hole in a rippled plain, away from the centre."""
    z = numbers(p, 5) - 3.7 * np.cos(np.arange(5))
    return float(-20 * np.exp(-0.2 * np.sqrt(np.mean(z * z))) - np.exp(np.mean(np.cos(2 * np.pi * z))) + 20 + np.e)


def levy(p: Params) -> float:
    """Ripples on a bowl."""
    w = 1 + (numbers(p, 6) - 1) / 4
    inner = np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2))
    return float(np.sin(np.pi * w[0]) ** 2 + inner + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


TURNED = rotation(4, 1)


def rosenrot(p: Params) -> float:
    """Rosenbrock's bent valley, turned away from the axes."""
    x = TURNED @ numbers(p, 4)
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def _wells() -> list[tuple[float, Array, Array, Array]]:
    rng = np.random.default_rng(5)
    centre, depth, width = rng.random((12, 5)), 0.3 + 0.7 * rng.random(12), rng.uniform(3, 14, (12, 5))
    return [(depth[k], width[k], centre[k], rotation(5, 100 + k)) for k in range(12)]


WELLS = _wells()


def wells(p: Params) -> float:
    """Twelve wells of different depth, each turned its own way."""
    x = numbers(p, 5)
    return float(-max(h * np.exp(-np.sum(w * (turn @ (x - c)) ** 2)) for h, w, c, turn in WELLS))


def rastrigin(p: Params) -> float:
    """A regular lattice of minima."""
    z = numbers(p, 3) - 0.37
    return float(np.sum(z * z + 3 * (1 - np.cos(2 * np.pi * z))))


def michalewicz(p: Params) -> float:
    """A sum of narrow valleys, one for each dimension."""
    x = numbers(p, 4)
    return float(-np.sum(np.sin(x) * np.sin(np.arange(1, 5) * x * x / np.pi) ** 6))


def mixed(p: Params) -> float:
    """A bowl whose centre moves with a choice."""
    centre = {"a": 0.2, "b": 0.5, "c": 0.8}[p["k"]]
    x = numbers(p, 4)
    v = np.sum(np.array([3, 1, 1, 0.3]) * (x - centre) ** 2) + {"a": 0.15, "b": 0.0, "c": 0.1}[p["k"]]
    more = 0.1 if p["m"] == "off" else 0.3 * (x[0] - 0.3) * (x[1] - 0.7)
    return float(v + more + 0.05 * np.sin(9 * x[2]))


# --- made-up training ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """An error with a valley in the logarithm of the learning rate; beyond ``cliff`` past it training diverges."""

    cliff: float = 0.0
    best: tuple[float, float, float] = (-2.3, 0.85, -3.0)
    noise: float = 0.01
    seed: int = 0

    def __call__(self, p: Params) -> float:
        """Returns the error; noise is a function of the configuration."""
        momentum = 0.5 * np.log10(1 / (1 - p["momentum"] + 0.02))
        rate = np.log10(p["lr"]) - 0.3 * 0.301 * (np.log2(p["batch"]) - 6) + momentum - 0.4
        diverged = 1 / (1 + np.exp(-12 * (rate - self.best[0] - 1.0 - self.cliff)))
        capacity = np.log2(p["units"]) + 0.7 * p["layers"]
        dropout = 0.12 * (capacity - 7).clip(0, 6) / 2
        fit = 0.05 * np.abs(capacity - 10) ** 1.3 + 0.25 * (p["dropout"] - dropout) ** 2
        decay = 0.02 * (np.log10(p["decay"]) - self.best[2]) ** 2
        slow = np.abs(np.minimum(rate - self.best[0], 0)) ** 1.5
        v = 6 + 8 * slow + 30 * fit + 12 * decay + 2 * (np.maximum(rate - self.best[0], 0)) ** 2
        v = v + diverged * (90 - v)
        draw = np.random.default_rng(zlib.crc32(repr(sorted(p.items())).encode()) + self.seed).standard_normal()
        return float(v * (1 + self.noise * draw))


TRAINING = [
    whole("batch", 16, 512, log=True),
    real("lr", 1e-4, 1e-1, log=True),
    real("momentum", 0.1, 0.99),
    real("decay", 1e-5, 1e-1, log=True),
    whole("layers", 1, 5),
    whole("units", 64, 1024, log=True),
    real("dropout", 0, 1),
]


class Teacher:
    """A random network over levels, as tables of trained networks look: smooth on the whole, rough in detail."""

    def __init__(self, sizes: Sequence[int], seed: int, rough: float, sharp: float) -> None:
        rng, d = np.random.default_rng(seed), len(sizes)
        self.sizes, self.rough, self.sharp, self.seed = sizes, rough, sharp, seed
        self.w = rng.standard_normal((24, d)) * rng.gamma(1.0, 1.5, d)
        self.b = rng.uniform(-1, 1, 24) * 2
        self.v = rng.standard_normal(24)
        self.centre = rng.uniform(0.2, 0.8, d)
        self.bowl = rng.gamma(1.0, 1.0, d)
        self.options = [rng.standard_normal(size) for size in sizes]

    def __call__(self, levels: Sequence[int], unordered: Sequence[int] = ()) -> float:
        """Returns the loss at levels, of which some dimensions are unordered."""
        u = np.array([k / (size - 1) for k, size in zip(levels, self.sizes, strict=True)], float)
        more = 0.0
        for j in unordered:
            more += 0.5 * self.options[j][levels[j]]
            u[j] = 0.2 * self.options[j][levels[j]]
        hidden = np.tanh(self.w @ (u - self.centre) + 0.3 * self.b)
        s = 0.35 * self.v @ hidden + more + 2.0 * np.sum(self.bowl * (u - self.centre) ** 2)
        draw = np.random.default_rng([self.seed, *levels]).standard_normal()
        return float(np.exp(self.sharp * s) * (1 + self.rough * draw))


TABLE = [whole(name, 0, 2 if name == "c" else 9) for name in "abcde"]
FIRST, SECOND = Teacher((10, 10, 3, 10, 10), 11, 0.05, 0.6), Teacher((10, 10, 3, 10, 10), 13, 0.08, 0.3)
LAYERED = Teacher((2, 2, 4, 3, 3, 6, 2, 6, 6), 12, 0.06, 1.0)
NETWORK = [
    option("a1", ["relu", "tanh"]),
    option("a2", ["relu", "tanh"]),
    whole("batch", 3, 6),
    real("d1", 0, 0.6, q=0.3),
    real("d2", 0, 0.6, q=0.3),
    whole("lr", 0, 5),
    option("s", ["cosine", "const"]),
    whole("u1", 4, 9),
    whole("u2", 4, 9),
]


def network(p: Params) -> float:
    """A table of networks with choices and a long bad tail."""
    first, second = (["relu", "tanh"].index(p[name]) for name in ("a1", "a2"))
    drops = round(p["d1"] / 0.3), round(p["d2"] / 0.3)
    schedule = ["cosine", "const"].index(p["s"])
    return LAYERED([first, second, p["batch"] - 3, *drops, p["lr"], schedule, p["u1"] - 4, p["u2"] - 4], (0, 1, 6))


def tree(p: Params) -> float:
    """A decision tree: whatever limits its size hides the other limits."""
    leaf = max(p["bucket"], p["split"] / 3.0)
    k = np.log2(1 + min(2.0 ** min(p["depth"], 12), 3000 / leaf, 1 / p["cp"]))
    impute = {"mean": 0.004, "median": 0.0, "hist": 0.012}[p["impute"]]
    ripple = 0.003 * np.sin(1.3 * leaf) * np.sin(k * 5)
    return float(0.2 + 0.02 * np.abs(k - 5.3) ** 1.4 + impute + 0.01 * (leaf / 60) ** 2 + ripple)


TREE = [
    real("cp", 9e-4, 1.0, log=True),
    whole("depth", 1, 30),
    whole("bucket", 1, 100),
    whole("split", 1, 100),
    option("impute", ["mean", "median", "hist"]),
]


def box(d: int, low: float, high: float) -> list[Dim]:
    """Returns d dimensions of real numbers."""
    return [real(f"x{k}", low, high) for k in range(d)]


def tasks() -> list[Task]:
    """Returns all of them."""
    letters = "abcde"
    return [
        Task("branin", [real("x0", -5, 10), real("x1", 0, 15)], branin),
        Task("ackley5", box(5, -32, 32), ackley),
        Task("levy6", box(6, -10, 10), levy),
        Task("rosenrot4", box(4, -2, 2), rosenrot),
        Task("wells5", box(5, 0, 1), wells),
        Task("rastrigin3", box(3, -2, 2.5), rastrigin),
        Task("michalewicz4", box(4, 0, np.pi), michalewicz),
        Task("mixed6", [option("k", ["a", "b", "c"]), option("m", ["on", "off"]), *box(4, 0, 1)], mixed),
        Task("training7", TRAINING, Training()),
        Task("training7b", TRAINING, Training(0.5, (-1.6, 0.5, -4.0), 0.02, 3)),
        Task("table5", TABLE, lambda p: FIRST([p[name] for name in letters])),
        Task("table5b", TABLE, lambda p: SECOND([p[name] for name in letters])),
        Task("network9", NETWORK, network),
        Task("tree5", TREE, tree),
    ]


if __name__ == "__main__":
    for task in tasks():
        print(task.name, *task.measure(), "known:", *KNOWN[task.name], flush=True)
