"""The state of a process before its first trial, and how to restore it: for ``process_reuse``.

Not all that a trial may leave behind, which is what its process is kept for; but all that would bring one trial's words
into another's log or files, or end a trial that has nothing to do with it.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import os
import signal
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

SETTLE_S = 0.1
"""Seconds that threads have to end once the function has asked them to."""
_HARMLESS = "tqdm."
"""A thread of this package looks after its progress bars as long as the process lives, and touches nothing else."""
_ONE_TRIAL = {"raydrive_mlflow.ledger": "MLflow treats everything that its process logs as one trial"}
"""Modules that know the trial of their process, and why they cannot have another."""
_TORCH = "; if they belong to torch.compile, set TORCHINDUCTOR_COMPILE_THREADS=1, which compiles without them"
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class ProcessState:
    """Notes what the process is like; made before the user's code runs."""

    def __init__(self) -> None:
        self.stdout, self.stderr = sys.stdout, sys.stderr
        self._excepthook = sys.excepthook
        self._signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._handlers = [handler for _, _, handler in _log_handlers()]
        self._at_exit = ""
        self._register = atexit.register
        atexit.register = self._note_exit  # type: ignore[assignment]

    def disarm_timers(self) -> None:
        """Stops all clocks that would interrupt this process later."""
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        faulthandler.cancel_dump_traceback_later()

    def why_not_reusable(self) -> str:
        """Why this process cannot have another trial; empty if it can."""
        for module, why in _ONE_TRIAL.items():
            if module in sys.modules:
                return why
        context: Any = sys.modules.get("raydrive.context")
        if context is not None and context.current().failed:
            return "run.fail() was called"
        ray: Any = sys.modules.get("ray")
        if ray is not None and ray.is_initialized():
            return "it is connected to Ray, and the actors of a trial end with its process"
        if self._at_exit:
            return f"{self._at_exit} was registered with atexit"
        if self.stdout.closed or self.stderr.closed:
            return "sys.stdout or sys.stderr is closed"
        until = time.monotonic() + SETTLE_S
        while threads := _threads():
            if time.monotonic() > until:
                return f"threads still run ({', '.join(threads)}){_TORCH if 'torch._inductor' in sys.modules else ''}"
            time.sleep(0.002)
        return ""

    def reset(self) -> None:
        """Hands over all that the trial has written, and forgets what was only its own."""
        flush()
        sys.stdout, sys.stderr, sys.excepthook = self.stdout, self.stderr, self._excepthook
        self._forget_log_handlers()
        signal.set_wakeup_fd(-1)
        for number, handler in self._signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        faulthandler.enable()
        context: Any = sys.modules.get("raydrive.context")
        if context is not None:
            context.reset_for_next_trial()

    def _note_exit(self, function: _Function, *arguments: Any, **named: Any) -> _Function:
        """Registers, and sees whether it was for the user's own code: libraries do so too, and mean the process."""
        if not is_installed(sys._getframe(1).f_code.co_filename):
            self._at_exit = getattr(function, "__name__", "a function")
        self._register(function, *arguments, **named)
        return function

    def _forget_log_handlers(self) -> None:
        """Removes handlers that write into the files of the trial before, or would write each line once more.

        A library's own, which it adds when it is imported, stay: there is no second import.
        """
        for name, logger, handler in _log_handlers():
            if any(handler is known for known in self._handlers):
                continue
            writes_a_file = hasattr(handler, "baseFilename")
            package = sys.modules.get(name.partition(".")[0])
            library = package is not None and is_installed(getattr(package, "__file__", None) or "")
            if writes_a_file or (type(handler).__module__ == "logging" and not library):
                logger.removeHandler(handler)
                with contextlib.suppress(Exception):  # its file is gone, or was closed
                    handler.close()


def flush() -> None:
    """Writes what the process has printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed or replaced by the user: theirs to flush
            stream.flush()


def is_installed(file: str) -> bool:
    """Whether a source file belongs to Python or an installed package: never the user's own code."""
    return file.startswith(library_roots())


@functools.cache
def library_roots() -> tuple[str, ...]:
    """Folders that hold the standard library and installed packages, each with its final separator."""
    paths = sysconfig.get_paths()
    roots = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots |= {entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))}
    return tuple(os.path.join(root, "") for root in roots)


def _log_handlers() -> list[tuple[str, Any, Any]]:
    """Handlers of ``logging``, each after the name and the logger it belongs to; the root's name is empty."""
    logging: Any = sys.modules.get("logging")
    if logging is None:
        return []
    loggers = [("", logging.root), *logging.root.manager.loggerDict.items()]
    # Some are placeholders for names that only others are below.
    return [(name, logger, handler) for name, logger in loggers for handler in getattr(logger, "handlers", ())]


def _threads() -> list[str]:
    """Names of other threads that run Python, and so could log into the next trial."""
    running = sys._current_frames().keys() - {threading.get_ident()}
    if not running:
        return []
    known = {thread.ident: thread for thread in threading.enumerate()}
    harmless = {ident for ident in running & known.keys() if type(known[ident]).__module__.startswith(_HARMLESS)}
    return sorted(known[ident].name if ident in known else "without a name" for ident in running - harmless)
