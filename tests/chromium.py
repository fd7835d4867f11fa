"""Sees to it that the tests of the studio's pages find a browser: `make test` calls this file.

Chromium is the one thing that `make test` installs outside the checkout. So what is installed and why is printed before
it is done; where the right to do it is missing, the command to run is printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
"""Programs that will do."""
COMMANDS = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"])
BY_HAND = "sudo apt-get update && sudo apt-get install -y chromium"
WHY = "The tests of the studio's pages look at them in a real browser, and this machine has no chromium."


def provide(*, root: bool) -> int:
    """Installs chromium if there is none; returns the exit code.

    Args:
        root: Whether this process may install packages.
    """
    if any(map(shutil.which, NAMES)):
        return 0
    _say(WHY)
    if shutil.which("apt-get") is None:
        _say("This system has no apt-get. Install chromium with its own package manager, then run make again:")
        _say("`chromium` or `chromium-browser` must be on the PATH.")
        return 1
    if not root:
        _say(f"Only root may install it. Run this, then make again:\n\n    {BY_HAND}\n")
        return 1
    _say("Installing Debian's package chromium on this machine, about 400 MB with what it needs:")
    for command in COMMANDS:
        _say(f"    {' '.join(command)}")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            _say("\n".join(done.stdout.splitlines()[-8:]))
            _say(f"That failed. Mend it, or have somebody run this; then run make again:\n\n    {BY_HAND}\n")
            return 1
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(provide(root=os.geteuid() == 0))
