"""What to add to the last words of a trial that has not found a file which stands in the folder of submission."""

from __future__ import annotations

import os
import re

from raydrive import wire

_MISSING = re.compile(
    r"no such file|not found|filenotfound|doesn't exist|does not exist|(cannot|can't|unable to) .*(find|open|read)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"""'([^']+)'|"([^"]+)\"""")
_WORDS = re.compile(r"[^\s:,;()<>]+")


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
                f"{path} is in the folder of submission, {submit_dir}, and a trial runs in a folder of its own: give "
                f"the absolute path, or os.path.join(os.environ[{wire.SUBMIT_DIR!r}], {path!r})"
            )
    return ""
