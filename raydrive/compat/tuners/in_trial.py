"""Runs a script of another tuner in a trial: up to the call that the trial belongs to, and there what a trial does.

python -m raydrive.compat.tuners.in_trial CALL SCRIPT [ARGUMENT ...]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from raydrive.compat.tuners.scripts import install, run
from raydrive.compat.tuners.sweep_parts import EARLIER
from raydrive.compat.tuners.tuner_calls import ENDED, Finished, Tuning, take
from raydrive.context import Run


class TrialEnd(BaseException):
    """Ends the script when its trial has done its work; not an Exception, so that the script does not handle it."""


class InTrial:
    """Answers calls before the trial's own with what they found, and does the trial's work at its own.

    Args:
        call: Number of the trial's call, from 0.
        earlier: The trials of the calls before.
    """

    def __init__(self, call: int, earlier: list[list[Finished]]) -> None:
        self._call, self._earlier, self._seen = call, earlier, 0

    def tuned(self, tuning: Tuning) -> list[Finished]:
        """Returns the trials of an earlier call.

        Raises:
            TrialEnd: When the work of the trial is done.
        """
        number, self._seen = self._seen, self._seen + 1
        if number < self._call:
            return self._earlier[number] if number < len(self._earlier) else []
        run = Run.get_context()
        tuning.train(dict(run.params))
        if not tuning.metric:
            run.log(ENDED, 1)
        raise TrialEnd


def main(words: list[str]) -> int:
    """Runs a script, and returns the exit code.

    Args:
        words: Number of the call, the script, its arguments.
    """
    call, script = int(words[0]), Path(words[1])
    earlier = [[Finished(**one) for one in told] for told in json.loads(os.environ.pop(EARLIER, "[]"))]
    take(InTrial(call, earlier))
    install(script, submits=False)
    try:
        run(script, words[2:])
    except TrialEnd:
        return 0
    print(f"{script}: it ended before call {call} of its tuner, which this trial belongs to", file=sys.stderr)
    return 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
