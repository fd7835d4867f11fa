"""Trials of scripts that tune: what runs a script as a trial would."""

from script_runs import run_script

__all__ = ["run_script"]
