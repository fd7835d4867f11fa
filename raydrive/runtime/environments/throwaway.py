"""Runs a command in a temporary environment on top of the Python that trials use, deleted after the command.

``python throwaway.py COMMAND...`` makes it and executes the command there. Standard library and Python 3.6 grammar
only: the trials' Python runs this file. It makes no copy: packages of the Python below are found, what the command
installs goes into the environment and comes first.
"""

import os
import shlex
import site
import sys
import sysconfig
import tempfile
import venv


def main(argv: list) -> None:  # type: ignore[type-arg]
    """Makes the environment and becomes the command."""
    place = os.path.join(tempfile.gettempdir(), f"environment-{os.getpid()}")
    below = [path for path in site.getsitepackages() if os.path.isdir(path)]
    own_pip = any(os.path.isdir(os.path.join(path, "pip")) for path in below)
    venv.EnvBuilder(symlinks=True, with_pip=not own_pip).create(place)
    python = os.path.join(place, "bin", "python")
    inside = sysconfig.get_path("purelib", vars={"base": place, "platbase": place})
    with open(os.path.join(inside, "_below.pth"), "w") as file:
        for path in below:
            file.write(f"import site; site.addsitedir({path!r})\n")
    for name in ("pip", "pip3"):
        command = os.path.join(place, "bin", name)
        with open(command, "w") as file:
            file.write(f'#!/bin/sh\nexec {shlex.quote(python)} -m pip "$@"\n')
        os.chmod(command, 0o755)
    env = dict(os.environ, VIRTUAL_ENV=place, PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    env["PATH"] = os.pathsep.join([os.path.join(place, "bin"), env.get("PATH", os.defpath)])
    for name in ("PYTHONHOME", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX"):
        env.pop(name, None)
    os.execvpe(argv[0], argv, env)


if __name__ == "__main__":
    main(sys.argv[1:])
