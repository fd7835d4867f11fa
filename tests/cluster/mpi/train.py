"""What the ranks of an MPI trial run: they add up numbers, log, and end as the first argument says."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from raydrive import Run

NAMES = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "NODE_RANK"),
    *("MASTER_ADDR", "AZ_BATCH_MASTER_NODE", "AZUREML_NODE_COUNT", "RAYDRIVE_MPI_ORDER"),
    *("OMPI_MCA_btl_sm_backing_directory", "OMPI_MCA_btl_vader_backing_directory"),
)

parser = argparse.ArgumentParser()
parser.add_argument("what")
parser.add_argument("--x", type=float)
arguments = parser.parse_args()


def save_at_the_end(*_: object) -> None:
    time.sleep(1.5)
    Path("outputs", f"{run.rank}.saved").write_text("saved")
    sys.exit(0)


if arguments.what == "saves":
    signal.signal(signal.SIGTERM, save_at_the_end)
run = Run.get_context()
found = {name: os.environ.get(name) for name in NAMES}
Path("outputs", f"rank-{run.rank}.json").write_text(json.dumps({**found, "size": run.world_size}))
Path("outputs", f"{run.rank}.pid").write_text(str(os.getpid()))
Path("outputs", f"{run.rank}-parent.pid").write_text(str(os.getppid()))
print(f"this is rank {run.rank} of {run.world_size}", flush=True)
steps = 3 if arguments.what == "meets" else 2000
for step in range(steps):
    run.log("score", arguments.x + step)
    if arguments.what == "meets":
        from mpi4py import MPI

        run.log("total", MPI.COMM_WORLD.allreduce(run.rank + 1))
    if arguments.what == "fails" and step == 3 and run.rank == 3:
        raise ValueError("rank three is ill")
    if arguments.what == "dies" and step == 3 and run.rank == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if arguments.what != "meets":
        time.sleep(0.05)
