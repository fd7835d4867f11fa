"""What a freshly forked process does to become a training process: a program, a Python script or a function.

It ends as ``python script.py`` would: the codes of ``SystemExit``, a traceback and 1 for an exception, threads joined,
``atexit`` run, streams flushed. Its ``stdout`` is line-buffered, so that the log of a running trial is the log of now.
"""

from __future__ import annotations

# What ``signal`` is made of: its own functions make enums of all numbers and handlers that they take and return, and a
# forked process pays for each page that this touches.
import _signal  # type: ignore[import-not-found]
import atexit
import builtins
import contextlib
import errno
import faulthandler
import fcntl
import importlib.machinery
import itertools
import os
import signal
import socket
import stat
import sys
import threading
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from raydrive import variables, wire
from raydrive.runtime.fork_server import prefork, process_reset, process_reuse, process_tree, user_modules
from raydrive.runtime.fork_server.job_order import ServedJob
from raydrive.runtime.fork_server.system_exit import exit_code

FAILURE = b"\0E"
"""Begins a part of what is written to the status pipe: the sentence that follows, up to a zero byte, is why the job
could not start."""
MODULES = b"\0M"
"""Begins a part of what is written to the status pipe: names of installed modules that the job has imported follow."""
_MAX_MODULES, _MAX_FAILURE = 50_000, 10_000  # a pipe takes 64 KiB without a reader
_OURS = frozenset({__file__, os.path.join(os.path.dirname(__file__), "return_value.py")})
"""Files of ours in which a traceback of the user's code begins."""
CANNOT_START = 127
"""Exit code of a process that could not become the job, as in shells."""

_PYTHON_RESTORES = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")  # ignored by Python, expected at their default by programs
OURS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals that the parent handles in its own way, and blocks while it forks: until a child has let go of that way, a
SIGTERM meant for the child would do there what it does in the parent."""
set_mask = _signal.pthread_sigmask
"""``signal.pthread_sigmask`` without its enums; for the parent, too, around each fork."""


class CannotStart(Exception):
    """The job cannot be started; the text is a sentence for the user."""


def run_job(
    job: ServedJob | None, status: int, parent: int, close: list[int], orders: socket.socket | None
) -> NoReturn:
    """Turns this process into the job and never returns.

    Args:
        job: What to run; None = a Python job that ``orders`` will bring, the only one.
        status: Write end of the pipe for what the parent should know.
        parent: Process id of the parent.
        close: File descriptors that belong to the parent.
        orders: Where further jobs come from; None = there are none.
    """
    code = CANNOT_START
    try:
        _detach_from_parent(parent, close)
        if job is not None and job["argv"]:
            job = _own_share(job, status)
            _attach_log_and_cwd(job)
            _execute(job["argv"], job["env"])
        _refresh_interpreter()
        if job is None and orders is not None:
            job, orders = prefork.next_job(orders), None
        if job is not None:
            job = _own_share(job, status)
            _attach_log_and_cwd(job)
            code = _run_python(job, status, orders)
    except CannotStart as problem:
        os.write(status, FAILURE + str(problem).encode()[:_MAX_FAILURE] + b"\0")
    except BaseException as problem:  # a mistake of ours must not unwind into the parent's code
        os.write(status, FAILURE + f"{type(problem).__name__}: {problem}".encode()[:_MAX_FAILURE] + b"\0")
    finally:
        os._exit(code)


def _own_share(job: ServedJob, status: int) -> ServedJob:
    """Forks the processes of a job that has several, and returns in each of them what it runs."""
    if not job["ranks"]:
        return job
    # Few trials have several processes on a node.
    from raydrive.runtime.fork_server import local_ranks  # lazy: raydrive.runtime.fork_server.local_ranks, 0.001 s

    job = local_ranks.split(job, status)
    _seed("numpy.random")
    return job


def _detach_from_parent(parent: int, close: list[int]) -> None:
    """Own session, default signals."""
    os.setsid()
    process_tree.rename("python")  # the helper's own name tells it from all that it has forked
    process_tree.die_with_parent(parent)
    _default_signals()
    for fd in close:
        os.close(fd)


def _default_signals() -> None:
    _signal.set_wakeup_fd(-1)
    for number in OURS:
        _signal.signal(number, _signal.default_int_handler if number == signal.SIGINT else _signal.SIG_DFL)
    set_mask(signal.SIG_SETMASK, ())


def _attach_log_and_cwd(job: ServedJob) -> None:
    """Own streams and working directory."""
    try:
        log = _open_log(job["log_path"])
    except OSError as error:
        raise CannotStart(f"cannot write the log {job['log_path']!r}: {_reason(error)}") from None
    nothing = _open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)
    try:
        os.chdir(job["cwd"])
    except OSError as error:
        raise CannotStart(f"cannot start in the directory {job['cwd']!r}: {_reason(error)}") from None


def _open_log(path: str) -> int:
    """Opens the log for what this process prints; an earlier trial may have put a FIFO there, or a link to elsewhere.

    Raises:
        OSError: If it is not a file, or cannot be opened.
    """
    try:
        log = _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        kind = {errno.ELOOP: "a link", errno.ENXIO: "a FIFO or a socket"}.get(error.errno or 0)
        raise OSError(error.errno, f"{kind} is in its place") if kind else error from None
    if not stat.S_ISREG(os.fstat(log).st_mode):
        os.close(log)
        raise OSError(errno.EINVAL, "it is not a file")
    os.set_blocking(log, True)
    return log


def _open(path: str, flags: int) -> int:
    """Opens a file as none of the three descriptors that a process has from the start, which it may have closed."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o666)
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _execute(argv: list[str], env: Mapping[str, str]) -> NoReturn:
    for name in _PYTHON_RESTORES:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], argv, env)
    except (OSError, ValueError) as error:
        raise CannotStart(_why_not(argv, error, env)) from None


def _why_not(argv: list[str], error: OSError | ValueError, env: Mapping[str, str]) -> str:
    """Returns a sentence on why a program cannot be executed, and what to do."""
    program = argv[0]
    text = f"cannot start {program!r}: "
    if isinstance(error, ValueError):
        return f"{text}{error}"
    if error.errno == errno.E2BIG:
        return f"{text}{variables.too_long(argv, env)}"
    is_path = os.path.dirname(program) != ""
    if error.errno == errno.ENOENT and is_path and os.path.exists(program):
        return f"{text}the interpreter named in its first line does not exist"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if is_path:
            return f"{text}no such file"
        script = program.endswith(".py") and os.path.isfile(program)
        advice = f"; write: python {program}" if script else ""
        return f"{text}no such program on the PATH of the trial{advice}"
    if error.errno == errno.EACCES:
        return f"{text}it is a directory" if os.path.isdir(program) else f"{text}it is not executable (chmod +x?)"
    if error.errno == errno.ENOEXEC:
        return f"{text}neither a program of this machine nor a script with an interpreter in its first line (#!)"
    return f"{text}{_reason(error)}"


def _run_python(job: ServedJob, status: int, orders: socket.socket | None) -> int:
    """Runs the function or script in this process, and everything Python does at its end."""
    imports = _Imports(status) if job.get("learns", True) else None
    wire.after_message = None if imports is None else imports.tell
    _apply_environment(*job["changes"])
    if os.environ.get("RAYDRIVE_GPU_MEMORY"):  # Python has begun already: as `sitecustomize` of a new one
        importlib.import_module("raydrive_gpu_limits").install()
    if job["script"]:
        with contextlib.suppress(ValueError):
            sys.path.remove(job["code_dir"])  # Python would not have it there either
        code = _call(lambda: _run_script(job["script"], job["arguments"]))
    else:
        code = _call(lambda: _run_function(job, orders))
    code = _call(threading._shutdown) or code  # type: ignore[attr-defined]  # joins what is not a daemon
    code = _call(atexit._run_exitfuncs) or code
    process_reset.flush()
    if imports is not None:
        imports.tell()
    return code


class _Imports:
    """Names the modules that a job has imported, for the jobs after it: at its end, and with each message before.

    A job that is stopped or paused by a signal tells nothing at its end.

    Args:
        status: Write end of the pipe to the parent.
    """

    def __init__(self, status: int) -> None:
        self._status, self._pipe, self._pid = status, os.fstat(status).st_ino, os.getpid()
        self._known, self._left = len(sys.modules), _MAX_MODULES

    def tell(self) -> None:
        """Names those imported since the last call."""
        count = len(sys.modules)
        if count <= self._known or os.getpid() != self._pid:
            return
        # From the end: looking at every name would copy the memory that holds them, which is the helper's.
        names = _installed([*itertools.islice(reversed(sys.modules), count - self._known)][::-1])
        self._known = count
        while len(text := ",".join(names)) >= self._left and names:
            del names[len(names) // 2 :]
        if names:
            self._left -= len(text) + len(MODULES)
            with contextlib.suppress(OSError):  # closed by the user, with all that was open
                if os.fstat(self._status).st_ino == self._pipe:
                    os.write(self._status, MODULES + text.encode())


def _split(said: bytes, part: bytes) -> list[str]:
    """The texts of one kind in what was written to the status pipe."""
    return [one.partition(b"\0")[0].decode(errors="replace") for one in said.split(part)[1:]]


def failure(said: bytes) -> str | None:
    """Returns why the job could not start, None if it did."""
    return next(iter(_split(said, FAILURE)), None)


def imported(said: bytes) -> list[str]:
    """Returns the modules that the job has imported, in this order."""
    return [name for text in _split(said, MODULES) for name in text.split(",")]


def _refresh_interpreter() -> None:
    """Makes a forked interpreter look like one that has just been started, whatever its job will be."""
    # Finalizers of the parent's objects (its temporary directories, say) are the parent's to run.
    for finalizer in list(getattr(weakref.finalize, "_registry", ())):
        finalizer.atexit = False
    # Python reseeds `random` in a forked child, numpy does not: every trial would draw the same numbers.
    _seed("numpy.random")


def open_streams() -> None:
    """Makes this process's streams those that its forked processes want: it costs each of them nothing then."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not replaced by a preloaded module
            stream.reconfigure(line_buffering=True)
    with contextlib.suppress(Exception):  # replaced by something that is not a file
        faulthandler.enable()


def _apply_environment(removed: list[str], changed: Mapping[str, str]) -> None:
    """Gives a forked interpreter the environment of its job.

    Args:
        removed: Names that this process has and the job has not.
        changed: What the job has and this process has not, or otherwise.
    """
    if "TMPDIR" in changed:
        _forget_temporary_folder()
    _change(removed, changed)
    for entry in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if entry and entry not in sys.path:
            sys.path.insert(0, entry)


def _forget_temporary_folder() -> None:
    """Has ``tempfile`` look for its folder again, where a preloaded module had it do so and no other was chosen."""
    module: Any = sys.modules.get("tempfile")
    if module is not None and module.tempdir in (os.environ.get("TMPDIR"), "/tmp"):
        module.tempdir = None


def changes(present: Mapping[str, str], env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Returns the names to remove from an environment, and what to set in it, to make it ``env``.

    Nearly all of it is the same, and each name that is set costs a call of setenv.
    """
    changed = {name: text for name, text in env.items() if present.get(name) != text}
    return [name for name in present if name not in env], changed


def _change(removed: list[str], changed: Mapping[str, str]) -> None:
    for name in removed:
        del os.environ[name]
    for name, text in changed.items():
        os.environ[name] = text


def _seed(*modules: str) -> None:
    """Has each of these modules that is loaded draw numbers of its own."""
    for name in modules:
        module = sys.modules.get(name)
        if module is not None:
            module.seed()


def _call(action: Callable[[], object]) -> int:
    """Calls ``action`` and returns the exit code that Python would give it."""
    try:
        action()
    except SystemExit as end:
        return exit_code(end)
    except CannotStart:
        raise
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BaseException as error:
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename in _OURS:
            traceback = traceback.tb_next  # the user's traceback starts with the user's code
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        return 1
    return 0


def _run_function(job: ServedJob, orders: socket.socket | None) -> None:
    """Calls the function of the job, and of those that follow in this process."""
    if job["cwd"] not in sys.path:
        sys.path.insert(0, job["cwd"])
    function = user_modules.load(job["function_path"])
    for one in process_reuse.jobs(job, orders, _begin_again):
        params = one["params"]
        result = function(variables.with_tuples(params, one["tuples"]) if one["tuples"] else params)
        if result is not None:
            # Not above: few functions return something.
            from raydrive.runtime.fork_server import (
                return_value,  # lazy: raydrive.runtime.fork_server.return_value, 0.004 s
            )

            return_value.take(result, one["metric"])


def _begin_again(job: ServedJob, before: ServedJob) -> None:
    """Makes this process, which has had a job before, look to this one as a new process would."""
    _attach_log_and_cwd(job)
    _change(*changes(os.environ, {**job["env"], wire.FUNCTION: job["function_path"]}))
    _seed("random", "numpy.random")
    if job["cwd"] != before["cwd"]:
        sys.path[:] = [job["cwd"], *(entry for entry in sys.path if entry != before["cwd"])]


def _run_script(script: str, arguments: list[str]) -> None:
    """Runs a file as ``__main__``, which it stays until the process ends, as under ``python script``."""
    path = os.path.abspath(script)
    main = types.ModuleType("__main__")
    main.__file__ = path
    main.__dict__["__builtins__"] = builtins
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    sys.modules["__main__"] = main
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print(f"cannot open the script {path!r}: {_reason(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    exec(compile(source, path, "exec"), main.__dict__)


def _installed(names: list[str]) -> list[str]:
    """Those of the loaded modules that belong to Python or an installed package: never the user's own code."""
    found = []
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str) and process_reset.is_installed(file):
            found.append(name)
    return found
