"""Families of tasks for ``quality.py``: each seed gives another task of the same kind.

    python benchmarks/quality.py --tasks benchmarks/own_kinds/choose.py     # seeds that changes are judged by
    python benchmarks/quality.py --tasks benchmarks/own_kinds/check.py      # seeds that nothing was chosen by

* noisy: a table of error rates, each cell trained once, so that noise is as large as the differences among good cells;
  its numbers given as whole numbers, as shuffled lists of numbers, or as labels without an order;
* gated: options under which most other parameters have no effect, which the space does not declare;
* plain: neither of the two.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
Columns = Mapping[str, Array]
Dim = dict[str, Any]
KNOWN = Path(__file__).with_name("known.json")
_QUANTILES = (0.0, 0.02, 0.18, 0.5, 0.7, 0.82, 1.0)
_ERRORS = (0.031, 0.036, 0.05, 0.09, 0.2, 0.5, 0.9)


def real(name: str, low: float, high: float, log: bool = False) -> Dim:
    """Returns a dimension of real numbers."""
    return {
        "name": name,
        "type": "float",
        "low": float(low),
        "high": float(high),
        "log": log,
        "q": None,
        "choices": None,
    }


def whole(name: str, low: int, high: int, log: bool = False) -> Dim:
    """Returns a dimension of whole numbers."""
    return {"name": name, "type": "int", "low": low, "high": high, "log": log, "q": None, "choices": None}


def option(name: str, choices: Sequence[Any]) -> Dim:
    """Returns a choice."""
    return {"name": name, "type": "choice", "low": None, "high": None, "log": False, "q": None, "choices": [*choices]}


def spread(dim: Dim, u: Array) -> Array:
    """Returns the values at positions in [0, 1]; every option and every whole number has an equal share."""
    u = np.clip(u, 0.0, 1.0 - 1e-12)
    if dim["type"] == "choice":
        return np.array(dim["choices"], dtype=object)[(u * len(dim["choices"])).astype(int)]
    low, high = dim["low"], dim["high"]
    if dim["type"] == "int":
        if not dim["log"]:
            return (low + u * (high - low + 1)).astype(int)
        a, b = np.log(low - 0.5), np.log(high + 0.5)
        return np.clip(np.round(np.exp(a + u * (b - a))), low, high).astype(int)
    return np.exp(np.log(low) + u * np.log(high / low)) if dim["log"] else low + u * (high - low)


def unit(dim: Dim, values: Array) -> Array:
    """Returns the positions in [0, 1] of numbers."""
    x, low, high = np.asarray(values, float), dim["low"], dim["high"]
    return np.log(x / low) / np.log(high / low) if dim["log"] else (x - low) / (high - low)


@dataclass(frozen=True)
class Task:
    """A function to minimise, as ``quality.py`` takes it."""

    name: str
    space: list[Dim]
    function: Callable[[Columns], Array]
    """Values of configurations given as columns."""

    @property
    def budget(self) -> int:
        """Trials: 20 a dimension, 100 at most."""
        return min(20 * len(self.space), 100)

    @cached_property
    def _known(self) -> tuple[float, float]:
        low, median = json.loads(KNOWN.read_text(encoding="utf-8"))[self.name]
        return float(low), float(median)

    @property
    def optimum(self) -> float:
        """The best known value."""
        return self._known[0]

    @property
    def rs_median(self) -> float:
        """The median of random search over the whole budget."""
        return self._known[1]

    def evaluate(self, params: Mapping[str, Any]) -> float:
        """Returns the value of a configuration."""
        return float(self.function({name: np.array([value]) for name, value in params.items()})[0])

    def measure(self) -> tuple[float, float]:
        """Returns the best of 100,000 random configurations, the best 32 climbed on, and random search's median."""
        rng, d = np.random.default_rng(zlib.crc32(self.name.encode())), len(self.space)

        def values(u: Array) -> Array:
            return self.function({dim["name"]: spread(dim, u[:, j]) for j, dim in enumerate(self.space)})

        pool = rng.random((max(1000 * self.budget, 100_000), d))
        found = values(pool)
        median = float(np.median(found[: 1000 * self.budget].reshape(1000, -1).min(axis=1)))
        order = np.argsort(found)[:32]
        x, best = pool[order], found[order]
        step = np.full(32, 0.3)
        for _ in range(1500):
            moved = rng.random(x.shape) < max(0.3, 1 / d)
            y = np.clip(x + moved * step[:, None] * rng.standard_normal(x.shape), 0, 1)
            jump = rng.random(32) < 0.2
            y[jump, rng.integers(d, size=jump.sum())] = rng.random(jump.sum())
            new = values(y)
            better = new < best
            x[better], best[better] = y[better], new[better]
            step = np.clip(step * np.where(better, 1.3, 0.98), 1e-4, 0.5)
        return float(best.min()), median


def network(d: int, rng: np.random.Generator, bowl: float = 2.0) -> Callable[[Array], Array]:
    """Returns a random function of positions ``(m, d)``: a small network and a bowl; some dimensions hardly matter."""
    w = rng.standard_normal((24, d)) * rng.gamma(1.0, 1.5, d)
    b, v = 0.6 * rng.uniform(-1, 1, 24), 0.35 * rng.standard_normal(24)
    centre, steep = rng.uniform(0.2, 0.8, d), bowl * rng.gamma(1.0, 1.0, d)
    return lambda u: np.tanh((u - centre) @ w.T + b) @ v + ((u - centre) ** 2) @ steep


# --- noisy tables ----------------------------------------------------------------------------------------------------


def noisy(seed: int, given: str, noise: float = 0.14) -> Task:
    """Returns a table whose cells were trained once; ``given``: whole | numbers (shuffled) | labels."""
    rng = np.random.default_rng([1, seed])
    sizes = (10, 10, 3, 10, 10)
    levels = np.stack(np.meshgrid(*[np.linspace(0, 1, k) for k in sizes], indexing="ij"), -1).reshape(-1, 5)
    score = network(5, rng)(levels)
    rank = np.argsort(np.argsort(score)) / (len(score) - 1)
    mean = np.exp(np.interp(rank, _QUANTILES, np.log(_ERRORS)))
    error = np.clip(mean * (1 + noise * rng.standard_normal(len(mean))), 0.005, 1.0)
    table = (np.round(error * 700) / 700).reshape(sizes)
    names = "abcde"
    if given == "whole":
        space = [whole(name, 0, k - 1) for name, k in zip(names, sizes, strict=True)]
        return Task(f"noisy_whole_{seed}", space, lambda c: table[tuple(np.asarray(c[n], int) for n in names)])
    lists = []
    for k in sizes:
        order = rng.permutation(k)
        numbers = [float(10.0 ** (0.5 * i - 4)) for i in range(k)] if given == "numbers" else [f"o{i}" for i in order]
        lists.append([numbers[i] for i in order] if given == "numbers" else numbers)
    if given == "labels":  # a label says nothing about its level
        lists = [["".join(rng.choice(list("klmnprst"), 5)) for _ in numbers] for numbers in lists]
        codes = [{label: i for i, label in enumerate(numbers)} for numbers in lists]
        lists = [[numbers[i] for i in rng.permutation(len(numbers))] for numbers in lists]
    else:
        codes = [{number: i for i, number in enumerate(sorted(numbers))} for numbers in lists]

    def value(columns: Columns) -> Array:
        return table[tuple([code[x] for x in columns[n]] for n, code in zip(names, codes, strict=True))]

    return Task(f"noisy_{given}_{seed}", [option(n, x) for n, x in zip(names, lists, strict=True)], value)


# --- gates that the space does not declare ---------------------------------------------------------------------------


def machine(seed: int) -> Task:
    """A support vector machine: each kernel has parameters of its own."""
    rng = np.random.default_rng([2, seed])
    space = [
        option("kernel", ["linear", "polynomial", "radial"]),
        real("cost", 1e-3, 1e3, log=True),
        real("gamma", 1e-4, 1e2, log=True),
        whole("degree", 2, 5),
        real("tolerance", 1e-4, 1e-1, log=True),
        option("shrinking", ["yes", "no"]),
    ]
    best = rng.uniform(0.3, 0.7, (3, 2))
    floor = np.array([0.12, 0.1, 0.08]) + 0.03 * rng.random(3)
    slope, ridge, favourite = rng.uniform(0.3, 1.2, (3, 2)), rng.uniform(-0.8, 0.8), rng.integers(2, 5)

    def value(c: Columns) -> Array:
        kernel = np.array([["linear", "polynomial", "radial"].index(x) for x in c["kernel"]])
        cost, gamma = unit(space[1], c["cost"]), unit(space[2], c["gamma"])
        x = cost - best[kernel, 0] + np.where(kernel == 0, 0.0, ridge * (gamma - 0.5))
        y = np.where(kernel == 0, 0.0, gamma - best[kernel, 1])
        v = floor[kernel] + slope[kernel, 0] * x * x + slope[kernel, 1] * np.abs(y) ** 1.7 * 1.5
        v = v + np.where(kernel == 1, 0.02 * np.abs(np.asarray(c["degree"], float) - favourite), 0.0)
        v = v + 0.01 * unit(space[4], c["tolerance"]) ** 2
        return np.minimum(v, 0.45)

    return Task(f"machine_{seed}", space, value)


def booster(seed: int) -> Task:
    """Boosting: a linear booster ignores all that is about trees, and only one of the others drops trees."""
    rng = np.random.default_rng([3, seed])
    space = [
        option("booster", ["linear", "tree", "dart"]),
        real("lambda", 1e-3, 1e3, log=True),
        real("alpha", 1e-3, 1e3, log=True),
        whole("rounds", 8, 2000, log=True),
        real("eta", 1e-4, 1.0, log=True),
        real("gamma", 1e-4, 7.0, log=True),
        real("subsample", 0.1, 1.0),
        whole("depth", 1, 15),
        real("min_child", 2.7, 150.0, log=True),
        real("columns", 0.01, 1.0),
        real("rate_drop", 0.0, 1.0),
        real("skip_drop", 0.0, 1.0),
    ]
    sum_best = rng.uniform(0.4, 0.8)
    weights, centre = rng.gamma(1.0, 0.06, 7), rng.uniform(0.2, 0.9, 7)
    drop, linear, shrink = rng.uniform(0.02, 0.15), rng.uniform(0.03, 0.12), rng.uniform(0.2, 0.6, 2)
    mixed = network(7, rng, 0.0)

    def value(c: Columns) -> Array:
        kind = np.array([["linear", "tree", "dart"].index(x) for x in c["booster"]])
        u = np.stack([unit(dim, c[dim["name"]]) for dim in space[1:]], -1)
        learnt = 0.5 * (u[:, 2] + u[:, 3]) - sum_best * 0.5 - 0.15
        slow = np.where(learnt < 0, 2.0 * learnt**2, 0.5 * learnt**2)
        penalty = 0.08 * ((u[:, 0] - shrink[0]) ** 2 + (u[:, 1] - shrink[1]).clip(0) ** 2 * 3)
        trees = u[:, [4, 5, 6, 7, 8, 0, 1]]
        v = 0.1 + slow + penalty + ((trees - centre) ** 2) @ weights + 0.01 * mixed(trees)
        v = v + np.where(kind == 2, drop * u[:, 9] * (1.0 - u[:, 10]) - 0.01, 0.0)
        flat = 0.1 + linear + penalty + 0.05 * (u[:, 2] - 0.7).clip(None, 0) ** 2
        return np.minimum(np.where(kind == 0, flat, v), 0.5)

    return Task(f"booster_{seed}", space, value)


def switch(seed: int) -> Task:
    """Options of a method, under each of which other parameters count, few of them under the first."""
    rng = np.random.default_rng([4, seed])
    d, k = int(rng.integers(5, 9)), int(rng.integers(2, 5))
    space = [option("method", [f"m{i}" for i in range(k)])]
    space += [real(f"x{j}", 0, 1) if rng.random() < 0.7 else whole(f"x{j}", 1, 12) for j in range(d)]
    counts = rng.random((k, d)) < 0.6
    counts[0] = False
    counts[0, rng.integers(d)] = True
    functions = [network(d, rng) for _ in range(k)]
    offset = 0.8 * rng.random(k)

    def value(c: Columns) -> Array:
        kind = np.array([int(x[1:]) for x in c["method"]])
        u = np.stack([unit(dim, c[dim["name"]]) for dim in space[1:]], -1)
        own = np.stack([f(np.where(counts[i], u, 0.5)) for i, f in enumerate(functions)], -1)
        return np.exp(0.7 * (own[np.arange(len(kind)), kind] + offset[kind]))

    return Task(f"switch_{seed}", space, value)


# --- plain -----------------------------------------------------------------------------------------------------------


def wells(seed: int) -> Task:
    """Four wells in five or six dimensions, as narrow in each as chance has it."""
    rng = np.random.default_rng([5, seed])
    d = int(rng.integers(5, 7))
    centre, width, depth = rng.random((4, d)), 10 ** rng.uniform(-1, 1.2, (4, d)), np.array([1.0, 1.2, 2.6, 3.0])
    space = [real(f"x{j}", 0, 1) for j in range(d)]

    def value(c: Columns) -> Array:
        x = np.stack([np.asarray(c[dim["name"]], float) for dim in space], -1)
        return -np.exp(-((x[:, None] - centre) ** 2 * width).sum(-1)) @ depth

    return Task(f"wells_{seed}", space, value)


def training(seed: int) -> Task:
    """The error of a network: a valley in the learning rate that moves with batch size; divergence beyond it."""
    rng = np.random.default_rng([6, seed])
    space = [
        whole("batch", 16, 512, log=True), real("lr", 1e-4, 1e-1, log=True), real("momentum", 0.1, 0.99),
        real("decay", 1e-5, 1e-1), whole("layers", 1, 5), whole("units", 64, 1024, log=True), real("dropout", 0, 1),
    ]  # fmt: skip
    rest, valley, cliff = network(7, rng, 1.0), rng.uniform(0.4, 0.7), rng.uniform(0.15, 0.4)
    shift, steep = rng.uniform(0.1, 0.4), rng.uniform(1, 4)

    def value(c: Columns) -> Array:
        u = np.stack([unit(dim, c[dim["name"]]) for dim in space], -1)
        rate = u[:, 1] - valley - shift * (u[:, 0] - 0.5) + shift * (u[:, 2] - 0.5)
        v = 8 * np.exp(0.35 * rest(u) + steep * rate**2)
        diverged = 1 / (1 + np.exp(-30 * (rate - cliff)))
        return v + diverged * (90 - np.minimum(v, 89))

    return Task(f"training_{seed}", space, value)


def grid(seed: int) -> Task:
    """A table over whole numbers and options with a long bad tail."""
    rng = np.random.default_rng([7, seed])
    space = [
        option("first", ["relu", "tanh"]), option("second", ["relu", "tanh"]), whole("batch", 3, 6),
        whole("drop", 0, 2), whole("lr", 0, 5), option("schedule", ["cosine", "const"]),
        whole("u1", 4, 9), whole("u2", 4, 9),
    ]  # fmt: skip
    f, effect, rough = network(5, rng), 0.5 * rng.standard_normal((3, 2)), int(rng.integers(1 << 30))

    def value(c: Columns) -> Array:
        codes = np.stack([np.array([dim["choices"].index(x) for x in c[dim["name"]]]) if dim["choices"] else
                          np.asarray(c[dim["name"]], int) - dim["low"] for dim in space], -1)  # fmt: skip
        u = codes[:, [2, 3, 4, 6, 7]] / np.array([3, 2, 5, 5, 5])
        bias = effect[0, codes[:, 0]] * (0.5 + u[:, 2]) + effect[1, codes[:, 1]] + effect[2, codes[:, 5]]
        ripple = np.sin(codes @ np.array([12.9, 78.2, 37.7, 4.1, 9.2, 17.3, 3.3, 51.1]) + rough % 97) * 0.05
        return np.exp(f(u) + bias) * (1 + ripple)

    return Task(f"grid_{seed}", space, value)


def turned(seed: int) -> Task:
    """A bent valley, turned away from the axes."""
    rng = np.random.default_rng([8, seed])
    d = int(rng.integers(3, 6))
    q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    space = [real(f"x{j}", -2, 2) for j in range(d)]

    def value(c: Columns) -> Array:
        x = np.stack([np.asarray(c[dim["name"]], float) for dim in space], -1) @ q.T
        return np.log1p((30 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (0.7 - x[:, :-1]) ** 2).sum(-1))

    return Task(f"turned_{seed}", space, value)


def tree(seed: int) -> Task:
    """A decision tree: whatever limits its size hides the other limits."""
    rng = np.random.default_rng([9, seed])
    space = [
        real("cp", 1e-3, 1.0, log=True), whole("depth", 1, 30), whole("bucket", 1, 100), whole("split", 1, 100),
        option("impute", ["mean", "median", "hist"]),
    ]  # fmt: skip
    best, power, costs = rng.uniform(3, 7), rng.uniform(1.1, 1.8), 0.01 * rng.random(3)

    def value(c: Columns) -> Array:
        leaf = np.maximum(np.asarray(c["bucket"], float), np.asarray(c["split"], float) / 3)
        size = np.minimum(2.0 ** np.minimum(np.asarray(c["depth"], float), 12), 3000 / leaf)
        k = np.log2(1 + np.minimum(size, 1 / np.asarray(c["cp"], float)))
        impute = costs[[space[4]["choices"].index(x) for x in c["impute"]]]
        return (
            0.2
            + 0.02 * np.abs(k - best) ** power
            + impute
            + 0.01 * (leaf / 60) ** 2
            + 0.003 * np.sin(1.3 * leaf + 5 * k)
        )

    return Task(f"tree_{seed}", space, value)


def of_seeds(first: int, second: int) -> list[Task]:
    """Returns the tasks of two seeds, weak kinds first."""
    return [
        *[noisy(seed, given) for seed in (first, second) for given in ("whole", "numbers", "labels")],
        *[family(seed) for seed in (first, second) for family in (machine, booster, switch)],
        *[family(seed) for seed in (first, second) for family in (wells, training, grid, turned, tree)],
    ]


if __name__ == "__main__":
    known = {task.name: task.measure() for task in (*of_seeds(0, 1), *of_seeds(10, 11))}
    KNOWN.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
