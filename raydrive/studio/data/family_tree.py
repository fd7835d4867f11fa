"""Where a run comes from, as a family: the runs it was warm-started from, theirs in turn, and what each brought.

A run's own configuration says what its parents brought, whatever became of them. Their parents are known only while
their configurations can still be read; where one cannot, the family ends there.
"""

from __future__ import annotations

from typing import Any

from raydrive.core.config.lineage import Lineage
from raydrive.core.errors import RaydriveError
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_config
from raydrive.studio.data.run_history import RunHistory
from raydrive.studio.data.thinned_curves import curve_json

MOST_RUNS = 24
MOST_GENERATIONS = 5
MOST_CURVES = 300


def family(history: RunHistory) -> dict[str, Any] | None:
    """Returns the lineage of a run, None where it has none.

    Args:
        history: The run.

    Returns:
        ``parents`` and ``continued`` as they are in the configuration, each with a ``text``; ``runs``: the family,
        this run first, each with its ``generation`` (0 = this run) and best value where known; ``ties``: pairs of run
        ids, the earlier one first, with what was brought.
    """
    lineage = history.config.lineage
    if not lineage:
        return None
    tree = _Tree()
    tree.add(history.layout.run_id, history.config.experiment, 0)
    tree.climb(history.layout, lineage, 1)
    raw = lineage.to_json()
    texts = {"parents": [one.text for one in lineage.parents], "continued": [one.text for one in lineage.continued]}
    for name, lines in texts.items():
        for one, text in zip(raw[name], lines, strict=True):
            one["text"] = text
            one.pop("params", None)
            one["here"] = not one.pop("uri", "")
    return {**raw, "runs": list(tree.runs.values()), "ties": tree.ties}


class _Tree:
    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.ties: list[list[Any]] = []

    def add(self, run: str, experiment: str, generation: int, **more: Any) -> bool:
        """Adds a run; returns whether it is new."""
        if run in self.runs or len(self.runs) >= MOST_RUNS:
            return False
        self.runs[run] = {"run": run, "experiment": experiment, "generation": generation, **more}
        return True

    def climb(self, layout: RunLayout, lineage: Lineage, generation: int) -> None:
        """Adds the parents of a run, and theirs."""
        brought: dict[str, list[str]] = {}
        above: dict[str, tuple[str, str]] = {}
        for parent in lineage.parents:
            learned = "" if parent.learned is None else f", {parent.learned} learned from"
            brought.setdefault(parent.run, []).append(f"{parent.compared} curves{learned}")
            best = {"best": parent.best, "best_trial": parent.best_trial}
            if self.add(parent.run, parent.experiment, generation, state=parent.state, trials=parent.trials, **best):
                above[parent.run] = (parent.experiment, parent.uri)
        for run in dict.fromkeys(one.run for one in lineage.continued):
            of = [one for one in lineage.continued if one.run == run]
            brought.setdefault(run, []).append(f"{len(of)} trial{'s' * (len(of) != 1)} continued")
            if self.add(run, of[0].experiment, generation):
                above[run] = (of[0].experiment, of[0].uri)
        for run, texts in brought.items():
            if run in self.runs:
                self.ties.append([run, layout.run_id, "; ".join(texts)])
        if generation < MOST_GENERATIONS:
            for run, (experiment, uri) in above.items():
                self._climb_from(layout, experiment, run, uri, generation + 1)

    def _climb_from(self, layout: RunLayout, experiment: str, run: str, uri: str, generation: int) -> None:
        try:
            earlier = layout.sibling(experiment, run, uri)
            lineage = read_config(earlier).lineage
        except RaydriveError:
            return  # it is gone, or can no longer be read
        self.climb(earlier, lineage, generation)


def ancestor_curves(history: RunHistory, most_points: int) -> list[list[Any]]:
    """Returns curves of earlier runs as ``[place of the run, trial, state, curve]``, an even spread of very many."""
    prior_trials = history.warm_start.prior_trials
    step = max(1, -(-len(prior_trials) // MOST_CURVES))
    return [[one.parent, one.trial, one.state, curve_json(one.curve, most_points)] for one in prior_trials[::step]]
