"""Which scripts tune with Ray Tune, Optuna or an agent of W&B, and how they are run with raydrive in its place."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

from raydrive.compat.notebook_cells import code_cells, python_of, written_file

RAY_TUNE, OPTUNA, WANDB = "Ray Tune", "Optuna", "W&B"
_AZURE = re.compile(r"^\s*(?:import|from)\s+azure(?:ml|\.ai\.ml)\b", re.MULTILINE)
_RAY = re.compile(
    r"^\s*(?:import|from)\s+ray\.(?:tune|air)\b|^\s*from\s+ray\s+import\s.*\b(?:tune|air)\b|\bray\.tune\.", re.MULTILINE
)
_OPTUNA = re.compile(r"^\s*(?:import|from)\s+optuna\b", re.MULTILINE)
_WANDB = re.compile(r"^[^#\n]*\bwandb\.agent\s*\(|^\s*from\s+wandb\s+import\s.*\bagent\b", re.MULTILINE)


def source_of(file: Path) -> str:
    """Returns the Python of a script, or of the cells of a notebook."""
    if file.suffix == ".ipynb":
        return "\n".join(python_of(cell.source) for cell in code_cells(file))
    return file.read_text(encoding="utf-8-sig", errors="replace")


def tools_of(text: str) -> tuple[str, ...]:
    """Returns the tuners that a script uses by itself; none where it submits to Azure ML.

    Args:
        text: The script.
    """
    if _AZURE.search(text):
        return ()
    found = {RAY_TUNE: _RAY, OPTUNA: _OPTUNA, WANDB: _WANDB}
    return tuple(tool for tool, pattern in found.items() if pattern.search(text))


def tunes(file: Path) -> bool:
    """Returns whether a script or notebook tunes with one of these tuners."""
    return bool(tools_of(source_of(file)))


def install(file: Path, submits: bool) -> None:
    """Puts raydrive in the place of the tuners that a script, or a module beside it, uses.

    Args:
        file: The script.
        submits: Whether this process starts runs; else Ray is not started when the script asks for it.
    """
    beside = [path for path in file.absolute().parent.glob("*.py") if path != file.absolute()]
    texts = [source_of(file), *(path.read_text(encoding="utf-8", errors="replace") for path in beside[:100])]
    tools = {tool for text in texts for tool in tools_of(text)}
    if RAY_TUNE in tools:
        from raydrive.compat.ray_tune import _modules  # lazy: raydrive.compat.ray_tune, 0.01 s

        _modules.install(submits)
    if OPTUNA in tools_of(texts[0]) or (OPTUNA in tools and RAY_TUNE not in tools):
        from raydrive.compat.tuners import optuna_study  # lazy: optuna, 0.3 s

        optuna_study.install(submits)
    if WANDB in tools_of(texts[0]):
        from raydrive.compat.tuners import wandb_agent  # lazy: raydrive.compat.tuners.wandb_agent, 0.02 s

        wandb_agent.install()


def run(file: Path, arguments: list[str]) -> None:
    """Runs a script, or the cells of a notebook, as ``__main__``."""
    sys.argv = [str(file), *arguments]
    sys.path.insert(0, str(file.absolute().parent))
    if file.suffix != ".ipynb":
        runpy.run_path(str(file), run_name="__main__")
        return
    space = {"__name__": "__main__", "__file__": str(file), "display": _shown, "get_ipython": _Shell}
    for cell in code_cells(file):
        if (written := written_file(cell.source)) is not None:
            with Path(written[0]).open("a" if written[1] else "w", encoding="utf-8") as target:
                target.write(written[2])
        else:
            exec(compile(python_of(cell.source), f"{file}, cell {cell.number}", "exec"), space)


def _shown(*things: object, **options: object) -> None:
    """``display`` of a notebook, where nothing shows it."""


class _Shell:
    """What ``get_ipython`` returns: magics do nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _shown


def stand_in(file: Path, arguments: list[str]) -> None:
    """Has what a script or notebook tunes in this process carried out by runs, where it tunes with one of the tuners.

    Args:
        file: The script or notebook.
        arguments: Its arguments.
    """
    if not tunes(file):
        return
    from raydrive.compat.tuners.submitted import Submitter  # lazy: pydantic, 0.2 s
    from raydrive.compat.tuners.tuner_calls import take  # lazy: raydrive.compat.tuners.tuner_calls, 0.005 s

    take(Submitter(file, arguments))
    install(file, submits=True)
