"""A trial with each library at work on one node, which is killed; prints the curves before and after it as JSON.

    python node_loss_scenarios.py MODULE:CLASS...

Each names a ``CallbackContract``. Its run has two trials, of which one stays at its third interval until the node is
gone. The raylet gets SIGKILL: its trial actors, fork servers and training processes end with it, and the drivers too.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("", "chaos", "runtime", "integrations")]

from raylets import Raylets  # noqa: E402
from waiting import wait_until  # noqa: E402

from raydrive import Experiment, GridParameterSampling, HyperDriveConfig, HyperDriveRun, Resources, Workspace, choice  # noqa: E402
from raydrive.storage.checkpoints import manifests  # noqa: E402

STAYS_AT = 3
PATIENCE_S = 600.0


def submitted(contract: Any, storage: Path) -> HyperDriveRun:
    """Two trials: one that trains on, and one that stays."""
    sampling = GridParameterSampling({"stay": choice(0, STAYS_AT)})
    config = HyperDriveConfig(
        *(sampling, contract.metric, contract.goal, 2, 2), run_config=contract.train, resources=Resources(cpus=0.1)
    )
    return Experiment(Workspace(str(storage)), contract.__name__).submit(config)


def is_ready(run: HyperDriveRun) -> bool:
    """Whether one trial has ended, and the other one stays with its checkpoint recorded."""
    run.refresh()
    trials = {trial.params["stay"]: trial for trial in run.sweep.trials}
    if len(trials) < 2 or trials[0].open:
        return False
    saved = [one.number for one in manifests(run.layout, trials[STAYS_AT].number) if one.interval == STAYS_AT]
    return trials[STAYS_AT].checkpoint in map(str, saved)


def came_of(run: HyperDriveRun) -> list[dict[str, Any]]:
    """The trial that trained on, then the one whose node was lost."""
    run.wait_for_completion(show_output=False, raise_on_error=False)
    return [
        {
            "state": trial.state,
            "why": trial.why,
            "attempt": trial.attempt,
            "losses": trial.losses,
            "curve": list(run.sweep.curves.values(trial.number)),
        }
        for trial in sorted(run.sweep.trials, key=lambda trial: trial.params["stay"])
    ]


def main() -> None:
    """Runs all of them at the same time, so that one node is lost for all."""
    contracts = {
        name: getattr(importlib.import_module(name.split(":")[0]), name.split(":")[1]) for name in sys.argv[1:]
    }
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "storage"
        with Raylets(Path(folder) / "cluster", storage, nodes=1) as cluster:
            runs = {name: submitted(contract, storage) for name, contract in contracts.items()}
            for name, run in runs.items():
                wait_until(lambda run=run: is_ready(run), f"{name} to stay", PATIENCE_S)  # type: ignore[misc]
            cluster.kill_one(lambda nodes: nodes[0])
            cluster.restore()
            found = {name: came_of(run) for name, run in runs.items()}
    print(json.dumps(found))  # last: libraries and Ray print, too


if __name__ == "__main__":
    main()
