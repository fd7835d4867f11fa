"""The one helper process of a trial actor: forks training processes from warm Python, and guards their trees.

It is started once per actor, leaves the actor's family by a double fork (Ray kills the children of its workers), and
lives in a session of its own. The actor holds the other end of its control socket: end of file means that the actor
is gone, whatever took it, and then the running job is ended with its grace period and so is this process.

**Warm, and still its own process.** Modules named in ``preload`` are imported once, here. So are, before its
second Python job, the *installed* modules (never the user's own) that the first one had imported at its end: a trial
that imports scikit-learn then starts in 10 ms instead of 1.3 s. The user's code itself, at module level too, runs in
every trial afresh. Nothing that makes forking unsafe may live here: when an import starts a thread or opens a GPU,
this process replaces itself (``exec``; same id, same socket) and does without. numpy's and scipy's own pools are
safe: OpenBLAS ends them before a fork.

Control protocol, JSON lines. In: ``{"do": "setup", ...}``, ``{"do": "run", "job": {...}}``, ``{"do": "stop",
"grace_s": 5}``. Out: ``{"ready": pid, "problems": {module: why}}``, ``{"began": pid}``, ``{"ended": {...}}`` with the
fields of ``Exit``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from raydrive.runtime.fork_server import (
    boot,
    child,
    fork_safety,
    local_ranks,
    orphans,
    prefork,
    process_reset,
    process_reuse,
    process_tree,
)
from raydrive.runtime.fork_server.job_order import JobOrder, ServedJob

_HELPERS = ("cloudpickle", "raydrive.context")


class ForkServer:
    """The loop of the helper process.

    Args:
        control: The socket shared with the actor.
        state: What an earlier incarnation of this process left; empty the first time.
    """

    def __init__(self, control: socket.socket, state: dict[str, Any]) -> None:
        self._control = control
        self._setup: dict[str, Any] = state.get("setup", {})
        self._problems: dict[str, str] = state.get("problems", {})
        self._learns: bool = state.get("learns", True)
        self._received = bytes.fromhex(state.get("received", ""))
        self._learned: list[str] = []
        self._env: dict[str, str] | None = None
        """The environment of this process, where nothing can have changed it since."""
        self._helped = False
        self._tree: process_tree.Tree | None = None
        self._status = -1
        self._reused: process_reuse.ReusedProcess | None = None
        """The main process, where it may have further jobs."""
        self._preforked: prefork.PreforkedChild | None = None
        """The main process of the next job, forked while this one runs."""
        self._spared_pids: set[int] = set()
        """Its process id, as long as it is there and waits."""
        self._learned_all = False
        """Whether the last job has left nothing to import, so that the next one can be forked already."""
        self._prefork_at = float("inf")
        """When to fork it."""
        self._oom = 0
        self._renewed = ""
        """Why the main process is not used again."""
        self._ending = False
        self._poll = select.poll()
        self._wake, wake = os.pipe()
        for fd in (self._wake, wake):
            os.set_blocking(fd, False)
        self._owned = [control.fileno(), self._wake, wake]
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process_tree.become_subreaper()

    def serve(self) -> None:
        """Serves the actor until it is gone and nothing is left of its last job."""
        poll = self._poll
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        if self._setup:
            self._prepare()
        while True:
            self._read_lines()
            if self._tree is not None and self._tree.step():
                self._report(self._tree)
                continue
            if self._ending and self._tree is None:
                break
            if time.monotonic() >= self._prefork_at:
                self._prefork()
            for fd, _ in poll.poll(self._wait_ms()):
                if fd == self._wake:
                    self._drain()
                elif self._reused is not None and fd == self._reused.socket.fileno():
                    self._hear_main(self._reused)
                elif not self._receive():
                    poll.unregister(fd)
        self._dismiss()
        self._dismiss_preforked()
        for path in self._setup.get("remove", ()):
            with contextlib.suppress(OSError):
                _remove(path)

    def _wait_ms(self) -> float | None:
        """Milliseconds until there is something to do, whatever happens; None for no such time."""
        if self._tree is None:
            return None
        due_s = self._tree.wait_s()
        wait_s = min(self._prefork_at - time.monotonic(), float("inf") if due_s is None else due_s)
        return None if wait_s == float("inf") else max(0.0, wait_s) * 1000 + 1

    def _end(self, *_: object) -> None:
        """The actor is gone, or a signal ends this process: end the job first."""
        if not self._ending:
            self._ending, self._prefork_at = True, float("inf")
            if self._tree is not None:
                self._tree.stop()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake, 4096):
                pass

    # ------------------------------------------------------------------ talking to the actor

    def _receive(self) -> bool:
        try:
            data = self._control.recv(1 << 16)
        except ConnectionError:
            data = b""
        self._received += data
        if not data:
            self._end()
        return bool(data)

    def _read_lines(self) -> None:
        while b"\n" in self._received and not self._ending:
            line, _, rest = self._received.partition(b"\n")
            order = json.loads(line)
            if order["do"] == "run":
                # Still in the buffer: preparing may replace this process, and the next incarnation reads it again.
                self._warm_up(order["job"])
            self._received = rest
            if order["do"] == "setup":
                self._setup = order
                self._learns = order["learn"]
                self._prepare()
            elif order["do"] == "run":
                self._launch(order["job"])
            elif order["do"] == "stop" and self._tree is not None:
                self._tree.stop(order["grace_s"])

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._end()

    # ------------------------------------------------------------------ one job

    def _launch(self, job: ServedJob) -> None:
        self._oom, self._renewed = process_tree.oom_kills(), ""
        job["code_dir"] = self._setup["code_dir"]
        if not job["argv"]:
            job["changes"] = self._changes(job["env"])
        self._tree = self._launch_again(job) or self._launch_preforked(job) or self._fork(job)
        self._send({"began": self._tree.main})
        if prefork.suits(job) and self._learned_all and process_tree.sees_children():
            self._prefork_at = time.monotonic() + prefork.AFTER_S

    def _fork(self, job: ServedJob) -> process_tree.Tree:
        ours, orders = socket.socketpair() if job["reuse"] else (None, None)
        pid, self._status = self._forked(job, ours, orders)
        if ours and orders:
            orders.close()
            self._reused = process_reuse.ReusedProcess(pid, ours, job["grace_s"])
            self._poll.register(ours, select.POLLIN)
        return process_tree.Tree(pid, job["grace_s"], self._spared_pids)

    def _forked(
        self, job: ServedJob | None, ours: socket.socket | None, orders: socket.socket | None
    ) -> tuple[int, int]:
        """Forks a process for a job; returns its id and the read end of its status pipe.

        Args:
            job: None = ``orders`` brings it.
            ours: This process's end of the socket of ``orders``.
            orders: The other end.
        """
        status, theirs = os.pipe()
        close = [*self._owned, status, *([ours.fileno()] if ours else [])]
        if job is None:
            close.append(self._status)  # of the job that runs now
        parent = os.getpid()
        gc.freeze()  # the child's collector then leaves these pages alone, and they stay shared
        with warnings.catch_warnings():
            # Python 3.12 on warns of any thread; those that can be here (see _import) are safe.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.set_mask(signal.SIG_BLOCK, child.OURS)
            try:
                pid = os.fork()
                if pid == 0:
                    child.run_job(job, theirs, parent, close, orders)
            except OSError:
                os.close(status)
                os.close(theirs)
                raise
            finally:
                child.set_mask(signal.SIG_UNBLOCK, child.OURS)
        os.close(theirs)
        return pid, status

    def _changes(self, env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """Returns how ``env`` differs; found here, because what a forked process looks at is copied for it."""
        if self._env is None:
            self._env = dict(os.environ)
        return child.changes(self._env, env)

    def _report(self, tree: process_tree.Tree) -> None:
        """Reports to the actor how the job ended."""
        self._tree, self._prefork_at = None, float("inf")
        said, rank = local_ranks.read_status(self._status)
        os.close(self._status)
        if self._reused is not None:
            self._renewed = self._renewed or self._reused.last_word()
        self._release()
        code, error = tree.code, ""
        if (failure := child.failure(said)) is not None:
            code, error = None, failure
        elif self._learns:
            self._learned = child.imported(said) or self._learned
        self._learned_all = not self._learned
        if tree.left:
            error = f"{len(tree.left)} processes of the trial cannot be killed: {', '.join(map(str, tree.left))}"
            self._end()  # they are this process's children for ever, so it cannot tell the next job's from them
        killed = code not in (0, None) and not tree.stopped and process_tree.oom_kills() > self._oom
        ended = {"code": code, "error": error, "cpu_s": tree.cpu_s, "max_rss_bytes": tree.max_rss_bytes, "oom": killed}
        self._send({"ended": {**ended, "renewed": self._renewed, "failed_rank": rank}})

    # ------------------------------------------------------------------ one process for several jobs

    def _launch_again(self, job: ServedJob) -> process_tree.Tree | None:
        """Gives a job to the process that waits for one; None if there is none, or it is not for this job."""
        tree = self._reused.give(job) if self._reused and job["reuse"] else None
        if tree is None:
            self._dismiss()
        return tree

    def _hear_main(self, reused: process_reuse.ReusedProcess) -> None:
        """The main process says that its job has ended, or it has gone."""
        over = reused.hear()
        tree = self._tree
        if over is None:
            self._renewed = self._renewed or reused.why
            if tree is None:
                self._dismiss()  # it ended while it waited for a job
            else:
                self._release()  # its end will be seen as any other's
        elif tree is not None and (tree.stopped or (why := process_reuse.running_descendants(tree.main))):
            self._renewed = "" if tree.stopped else why
            reused.refuse(self._renewed)
        else:
            self._tree = None  # it waits for the next one
            self._send({"ended": {"code": 0, "error": "", "oom": False, "kept": True, **over}})

    def _release(self) -> None:
        """Has no further jobs for the main process, which ends if it waits for one."""
        if self._reused is not None:
            self._poll.unregister(self._reused.socket)
            self._reused.socket.close()
            self._reused = None

    def _dismiss(self) -> None:
        """Ends the process that waits for a job, and returns when nothing is left of it."""
        waiting = self._reused
        self._release()
        if waiting is not None:
            waiting.end()
            os.close(self._status)

    # ------------------------------------------------------------------ the next job's process

    def _prefork(self) -> None:
        self._prefork_at = float("inf")
        with contextlib.suppress(
            OSError
        ):  # no more processes, memory or descriptors: the job that runs has to continue
            ours, orders = socket.socketpair()
            try:
                with orders:
                    pid, status = self._forked(None, ours, orders)
            except OSError:
                ours.close()
                raise
            self._preforked = prefork.PreforkedChild(pid, ours, status, self._spared_pids)

    def _launch_preforked(self, job: ServedJob) -> process_tree.Tree | None:
        """Gives a job to the process that was forked for it; None if there is none, or it has gone."""
        waiting = self._preforked
        if waiting is None or not prefork.suits(job) or not waiting.give(job):
            self._dismiss_preforked()
            return None
        self._preforked, self._status = None, waiting.status
        return process_tree.Tree(waiting.pid, job["grace_s"], self._spared_pids)

    def _dismiss_preforked(self) -> None:
        if self._preforked is not None:
            self._preforked.end()
            self._preforked = None

    # ------------------------------------------------------------------ warm imports

    def _prepare(self) -> None:
        """Imports what the user asked for, before the first job."""
        known = set(sys.path)
        sys.path.extend(entry for entry in self._setup["sys_path"] if entry not in known)
        if self._setup["code_dir"]:
            sys.path.insert(0, self._setup["code_dir"])
        wanted = [name for name in self._setup["preload"] if name not in self._problems]
        unsafe = self._import(wanted, self._problems)
        if unsafe:
            name, why = unsafe
            self._problems[name] = f"importing it {why}, so it is not preloaded: such a process cannot be forked"
            self._replace()
        self._send({"ready": os.getpid(), "problems": self._problems})
        if self._setup["forks"]:
            self._help()

    def _help(self) -> None:
        """Imports what every Python job needs; a tenth of a second that the first one does not wait for."""
        if not self._helped:
            self._helped = True
            self._import(_HELPERS, {})
            sys.modules["raydrive"].Run  # noqa: B018  (found now, it need not be looked for in each process)
            process_reset.library_roots()  # milliseconds, spent here once

    def _warm_up(self, job: JobOrder) -> None:
        """Imports, before a Python job, what makes it and its successors start fast."""
        if job["argv"] or self._reused is not None:
            return
        self._help()
        if self._learned and self._learns:
            self._dismiss_preforked()  # it would be without them
            names, self._learned = self._learned, []
            os.environ.update({name: text for name, text in job["env"].items() if not name.startswith("RAYDRIVE_")})
            if self._import(names, {}):
                self._learns = False
                self._replace()

    def _import(self, names: Iterable[str], problems: dict[str, str]) -> tuple[str, str] | None:
        """Imports modules; returns the first that made forking unsafe, and how.

        Args:
            names: Modules to import, in this order.
            problems: Receives why a module cannot be imported.
        """
        self._env = None  # a module may change it, and so may what has imported it
        for name in names:
            with fork_safety.unsafe_threads() as unsafe:
                try:
                    importlib.import_module(name)
                except BaseException as error:  # SystemExit too, for this process must outlive any module
                    problems[name] = f"{type(error).__name__}: {error}"
            if unsafe:
                return name, "starts threads"
            if fork_safety.uses_gpu():
                return name, "opens a GPU"
        sys.stdout.flush()
        sys.stderr.flush()
        child.open_streams()
        gc.collect()
        return None

    def _replace(self) -> None:
        """Starts over as a fresh interpreter in the same process, with the same socket and nothing imported."""
        state = {
            "setup": self._setup,
            "problems": self._problems,
            "learns": self._learns,
            "received": self._received.hex(),
        }
        # Not above: what it imports would be copied for each forked process.
        import tempfile  # lazy: tempfile, 0.002 s

        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(state).encode())
            file.flush()
            file.seek(0)
            for fd in (file.fileno(), self._control.fileno()):
                os.set_inheritable(fd, True)
            argv = boot.command(sys.executable, str(self._control.fileno()), str(file.fileno()))
            os.execv(sys.executable, argv)


def _remove(path: str) -> None:
    """Removes a file, a socket, or a folder with all that is in it.

    Raises:
        OSError: If there is nothing, or it stays.
    """
    if os.path.isdir(path) and not os.path.islink(path):
        from pathlib import Path  # lazy: pathlib, 0.003 s

        from raydrive.storage.folder.contained import remove_tree  # lazy: raydrive.storage.folder.contained, 0.01 s

        remove_tree(Path(path))
    else:
        os.unlink(path)


def main(arguments: list[str]) -> None:
    """Runs the helper process.

    Args:
        arguments: File descriptor of the control socket; in a process that has replaced itself, also of its state.
    """
    process_tree.rename(orphans.HELPER_NAME)
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    state: dict[str, Any] = {}
    if len(arguments) > 1:
        with open(int(arguments[1]), "rb") as file:
            state = json.loads(file.read())
    else:
        if os.fork():
            os._exit(0)  # Ray kills the children of its workers; this process has to outlive one to end its trial
        os.setsid()
        sys.argv = ["raydrive"]
    ForkServer(control, state).serve()
