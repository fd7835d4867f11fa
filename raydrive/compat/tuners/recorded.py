"""What a script would tune, without a run: ``raydrive convert``."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from raydrive.compat.tuners.scripts import install, run
from raydrive.compat.tuners.tuner_calls import Finished, Tuning, take
from raydrive.core.errors import ConfigError, Problem
from raydrive.storage.folder.current import current_folder


class _Recorded(BaseException):
    """Ends a script at its first call; not an Exception, so that the script does not handle it."""

    def __init__(self, tuning: Tuning) -> None:
        super().__init__("recorded")
        self.tuning = tuning


class _Recorder:
    def tuned(self, tuning: Tuning) -> list[Finished]:
        """Ends the script.

        Raises:
            _Recorded: Always.
        """
        raise _Recorded(tuning)


def tuning_of(file: Path) -> Tuning:
    """Runs a script or notebook in its folder, and returns what it tunes first.

    Args:
        file: Its absolute path.

    Raises:
        ConfigError: If it fails before, or tunes nothing.
    """
    before, folder = (sys.argv, list(sys.path)), current_folder()
    os.chdir(file.parent)
    take(_Recorder())
    allowed = "a script that calls Tuner(...).fit(), tune.run(...), study.optimize(...) or wandb.agent(...)"
    fix = "It is run up to its first call of the tuner."
    try:
        install(file, submits=False)
        run(file, [])
    except _Recorded as found:
        return found.tuning
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(file))]
        place = f"{own[-1].filename}:{own[-1].lineno}" if own else str(file)
        if isinstance(error, ModuleNotFoundError):
            fix = f"{fix} Install what is missing into the Python that runs raydrive: pip install {error.name}"
        raise ConfigError(Problem(place, f"{type(error).__name__}: {error}", allowed, fix)) from error
    finally:
        if (optuna_study := sys.modules.get("raydrive.compat.tuners.optuna_study")) is not None:
            optuna_study.forget()
        sys.argv, sys.path[:] = before[0], before[1]
        os.chdir(folder)
    raise ConfigError(Problem(str(file), "no such call", allowed, fix))
