"""How tests of shims run scripts."""

from script_runs import run_script

__all__ = ["run_script"]
