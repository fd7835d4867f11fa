"""The command that starts a fork server, whatever the environment of its Python."""

from __future__ import annotations

from raydrive.package_path import IMPORT_ROOT

BOOT = (
    "import sys; sys.path[:] = [sys.argv[1], *(p for p in sys.path if p)]; "
    "from raydrive.runtime.fork_server import server; sys.path.pop(0); server.main(sys.argv[2:])"
)


def command(python: str, *arguments: str) -> list[str]:
    """Returns the command line.

    Args:
        python: The interpreter.
        arguments: Those of ``server.main``.
    """
    return [python, "-c", BOOT, IMPORT_ROOT, *arguments]
