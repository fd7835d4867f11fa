"""Every Python of a trial with a share of a GPU's memory begins with this; no package, the standard library only."""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

try:
    import raydrive_gpu_limits
except ImportError:  # another Python, which is told not to look at PYTHONPATH
    pass
else:
    raydrive_gpu_limits.install()


def run_next() -> None:
    """Runs the ``sitecustomize`` that Python would have found without this one."""
    here = os.path.dirname(os.path.abspath(__file__))
    rest = [path for path in sys.path if os.path.abspath(path or os.curdir) != here]
    spec = PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


run_next()
