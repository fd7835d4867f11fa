"""``examples/distributed/ddp.py`` on four raylets, and under plain torchrun: prints their curves as JSON."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "chaos"), str(ROOT / "tests" / "cluster")]

from gang_scenarios import facts, trial_actors  # noqa: E402
from raylets import Raylets  # noqa: E402
from waiting import wait_until  # noqa: E402

from raydrive import (  # noqa: E402
    BanditPolicy,
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    ScriptRunConfig,
    Workspace,
    uniform,
)
from raydrive.core.records import Checkpointed  # noqa: E402

EXAMPLE = ROOT / "examples" / "distributed"
TORCHRUN = f"{sys.executable} -m torch.distributed.run"
ONE_A_NODE = (
    f"{TORCHRUN} --nnodes $RAYDRIVE_NODE_COUNT --node-rank $NODE_RANK --master-addr $MASTER_ADDR "
    "--master-port $MASTER_PORT --nproc-per-node 2 ddp.py --lr ${{search_space.lr}}"
)


def submit(storage: Path, command: str, trials: int, processes: int, **options: Any) -> HyperDriveRun:
    config = HyperDriveConfig(
        RandomParameterSampling({"lr": uniform(0.001, 0.2)}),
        "loss",
        "minimize",
        trials,
        2,
        run_config=ScriptRunConfig(str(EXAMPLE), command=command),
        resources=Resources(cpus=1, nodes=2, processes_per_node=processes),
        seed=3,
        **options,
    )
    return Experiment(Workspace(str(storage)), "ddp").submit(config)


def curves(run: HyperDriveRun) -> list[dict[str, Any]]:
    run.wait_for_completion(show_output=False)
    return [
        {
            "lr": trial.params["lr"],
            "state": trial.state,
            "attempt": trial.attempt,
            "values": list(run.sweep.curves.values(trial.number)),
        }
        for trial in run.sweep.trials
    ]


def plain(lr: float) -> list[float]:
    """The curve of the same script under torchrun, without raydrive around it."""
    command = [*TORCHRUN.split(), "--standalone", "--nproc-per-node", "4", "ddp.py", "--lr", repr(lr)]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SystemExit(f"torchrun: {done.stderr[-4000:]}")
    return [float(value) for value in re.findall(r"loss = (\S+)", done.stdout + done.stderr)]


def main() -> None:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "storage"
        with Raylets(Path(folder) / "cluster", storage, nodes=4):
            script = "python ddp.py --lr ${{search_space.lr}}"
            policy = BanditPolicy(slack_factor=0.2, delay_evaluation=4)
            found["bandit"] = curves(submit(storage, script, 8, 2, policy=policy))
            found["torchrun"] = curves(submit(storage, ONE_A_NODE, 1, 1))
            run = submit(storage, f"{script} --pause-s 0.2", 1, 2)
            wait_until(lambda: sum(isinstance(fact, Checkpointed) for fact in facts(run)) > 3, "four checkpoints")
            os.kill(next(pid for name, pid in trial_actors() if not name), signal.SIGKILL)
            found["killed"] = curves(run)
    found["plain"] = {repr(one["lr"]): plain(one["lr"]) for kind in ("bandit", "torchrun") for one in found[kind]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
