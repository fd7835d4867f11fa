"""Why a training process failed, by its last lines of output; with a hint if it did not find a file of its user."""

from __future__ import annotations

import os
import re
import signal

from raydrive import wire
from raydrive.core.out_of_memory.recognition import BY_KERNEL, LINES, marked
from raydrive.core.reports.older_libraries import of_older_library
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.runtime.trial_actor.fork_client import Exit

_MISSING = re.compile(
    r"no such file|not found|filenotfound|doesn't exist|does not exist|(cannot|can't|unable to) .*(find|open|read)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"""'([^']+)'|"([^"]+)\"""")
_OLDER = (
    "The script is written for {}: name a Python that has it in raydrive.python, or set raydrive.environments to uv "
    "and the version in the conda or requirements file; docs/packages.md"
)
_WORDS = re.compile(r"[^\s:,;()<>]+")


def why_ended(exit_: Exit, prepared: Prepared, submit_dir: str = "") -> str:
    """Returns the last words of a failed process.

    Args:
        exit_: How it ended.
        prepared: Its files; a hint goes into its log.
        submit_dir: Folder that the run was submitted from; empty = not known.
    """
    if exit_.code == 0:
        return ""
    words = exit_.error or prepared.last_words(exit_.failed_rank or 0)
    if where := hint(words, str(prepared.cwd), submit_dir):
        prepared.note(where)
        words = f"{words}. {where}"
    older = of_older_library(prepared.last_lines(exit_.failed_rank or 0, LINES))
    if older is not None:
        way_out = _OLDER.format(older[1])
        prepared.note(way_out)
        words = f"{older[0].rstrip('.')}. {way_out}"
    if exit_.oom and exit_.code in (-signal.SIGKILL, 128 + signal.SIGKILL):  # itself, or below a shell
        return BY_KERNEL
    words = marked(words, prepared.last_lines(exit_.failed_rank or 0, LINES))
    # A process of its tree, or another one of the node: what the script itself says of its end is not hidden.
    return f"{words} (during that time the kernel killed a process for lack of memory)" if exit_.oom else words


def hint(words: str, cwd: str, submit_dir: str) -> str:
    """Returns a sentence on where the file is that a trial has not found; empty where that is not known here.

    Args:
        words: The last line of the trial's log.
        cwd: The trial's working directory.
        submit_dir: Folder that the run was submitted from; empty = not known.
    """
    if not submit_dir or not _MISSING.search(words):
        return ""
    quoted = [one or other for one, other in _QUOTED.findall(words)]
    for path in quoted or _WORDS.findall(words):
        if os.path.isabs(path) or path.strip(".") == "" or "\0" in path:
            continue
        if not os.path.exists(os.path.join(cwd, path)) and os.path.exists(os.path.join(submit_dir, path)):
            return (
                f"{path} is in the folder of submission, {submit_dir}, but a trial runs in its own folder: use "
                f"the absolute path, or os.path.join(os.environ[{wire.SUBMIT_DIR!r}], {path!r})"
            )
    return ""
