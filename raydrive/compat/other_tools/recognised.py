"""Which converter a file takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raydrive.compat.other_tools import determined, hydra, katib, nni, wandb
from raydrive.compat.other_tools.sweep_parts import Carried
from raydrive.settings.reader import read_text
from raydrive.settings.yaml_source import parse_yaml
from raydrive.sweepfile import other_tools as names

_CONVERTERS: Mapping[str, Callable[[Mapping[str, Any], Carried], None]] = {
    names.WANDB: wandb.convert,
    names.KATIB: katib.convert,
    names.DETERMINED: determined.convert,
    names.NNI: nni.convert,
    names.HYDRA: hydra.convert,
}


def carried_over(file: Path, base: Path) -> tuple[dict[str, Any], list[str]] | None:
    """Returns the sweep file that another tool's file means, and sentences about what does not carry over.

    Args:
        file: The file.
        base: Folder that the sweep file will be in.

    Returns:
        None where it is not the file of a tool that raydrive recognises.

    Raises:
        ConfigError: If it cannot be read, or with everything that cannot be converted.
    """
    root, _ = parse_yaml(read_text(file), str(file))
    raw = root.plain()
    tool = names.tool_of(raw)
    if not tool:
        return None
    carried = Carried(file, base)
    _CONVERTERS[tool](raw, carried)
    return carried.written(), [f"Read as a {tool}.", *carried.report]
