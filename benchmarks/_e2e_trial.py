"""A trial of raydrive in ``end_to_end.py``: a script, so that what each start imports is preloaded.

python _e2e_trial.py TASK RECORD SAVES(0 or 1)
"""

from __future__ import annotations

import sys
from pathlib import Path

from _e2e_training import save, train

from raydrive.context import Run


def main() -> None:
    """Trains, from the checkpoint that it is given where there is one."""
    task, record, saves = sys.argv[1:]
    run = Run.get_context()
    begin_with = Path(run.resume_from) if run.resume_from is not None else None
    for training, epoch, accuracy in train(task, dict(run.params), record, begin_with):
        if saves == "1":
            save(training, epoch, Path("checkpoint"))
            run.report({"accuracy": accuracy}, step=epoch, checkpoint="checkpoint")
        else:
            run.report({"accuracy": accuracy}, step=epoch)


if __name__ == "__main__":
    main()
