"""What ``multiprocessing`` imports as the main module of a process that a function trial spawns.

The user's script would be imported there if a trial was that script; it is not, and may not even be on this machine. So
the function is loaded once more, and what came along with it of the user's ``__main__`` is found here. Under any other
name than the one that ``multiprocessing`` gives it, this module does nothing.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__mp_main__":
    from raydrive import wire
    from raydrive.runtime.fork_server import user_modules

    user_modules.load(os.environ[wire.FUNCTION])
    globals().update(
        {name: value for name, value in vars(sys.modules["__main__"]).items() if not name.startswith("__")}
    )
