"""Runs a notebook cell by cell with the mirror as ``azureml``; what only Azure's service could do does not end it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from raydrive.compat.notebook_cells import CodeCell, Gaps, not_made_by, without_installs
from raydrive.core.reports.older_libraries import of_older_library

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_TUNERS = "from pathlib import Path as _P; from raydrive.compat.tuners import scripts as _s; _s.stand_in(_P"
_OURS = "from raydrive.compat import azure_sdk; azure_sdk."


def executed(
    nbclient: Any, notebook: Any, file: Path, allow_installs: bool, most_trials: int | None = None
) -> tuple[str, list[str]]:
    """Runs the cells of a notebook, whose outputs it gets, and waits for every run that they started.

    Args:
        nbclient: The module.
        notebook: The notebook, of format 4.
        file: Where it was read from, an absolute path; it runs in that folder.
        allow_installs: Whether lines that change packages are run.
        most_trials: Trials of each run, at most; None = as many as it has.

    Returns:
        Why it failed, empty where it did not, and a sentence for each cell that only Azure's service could do.
    """
    begin = f"{_OURS}install({most_trials})\nimport azureml.core\n{_TUNERS}({str(file)!r}), [])"
    own = [_hidden(notebook, begin), _hidden(notebook, f"{_OURS}end_of_notebook()")]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.cells = [own[0], *notebook.cells, own[1]]
    client = nbclient.NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(file.parent)}}
    )
    gaps = Gaps()
    failed = ""
    with client.setup_kernel():
        try:
            _run(client, own[0], 0, own[0].source)
            failed = _cells(nbclient, client, notebook, gaps, allow_installs)
            ended = _run(client, own[1], len(notebook.cells) - 1, own[1].source)
            failed = failed or _text(ended)
        except nbclient.exceptions.DeadKernelError:
            failed = "the notebook's process died; its runs continue or can be resumed: raydrive list"
        finally:
            notebook.cells = notebook.cells[1:-1]
    return failed, gaps.answers


def _hidden(notebook: Any, source: str) -> Any:
    return type(notebook)(
        cell_type="code",
        metadata=type(notebook)(),
        execution_count=None,
        source=source,
        outputs=[],
        id=str(len(source)),
    )


def _cells(nbclient: Any, client: Any, notebook: Any, gaps: Gaps, allow_installs: bool) -> str:
    number = 0
    own = _hidden(notebook, f"{_OURS}finish()")  # by hand, a run has ended before the next cell is started
    for index, each in enumerate(notebook.cells):
        if each.cell_type != "code" or index in (0, len(notebook.cells) - 1):
            continue
        number += 1
        cell = CodeCell(number, each.source)
        error = _run(client, each, index, each.source if allow_installs else without_installs(each.source))
        _run(client, own, 0, own.source)
        if error is None:
            gaps.worked(cell)
        elif not gaps.goes_on(cell, error.ename, str(error.evalue)):
            return f"cell {number}: {_text(error)}{_hint(error)}"
        else:
            stale = not_made_by(each.source, _line(error))  # later cells shall not take older values for them
            _run(client, own, 0, f"[globals().pop(name, None) for name in {stale!r}];")
    return ""


def _line(error: Any) -> int:
    """The line of the cell in which it ended; 1 where that is not known."""
    found = re.search(r"Cell In\s?\[\d+\], line (\d+)", _ESCAPES.sub("", str(error.traceback)))
    return int(found[1]) if found else 1


def _run(client: Any, cell: Any, index: int, source: str) -> Any:
    """Runs a cell with this source, and returns its error, None where there is none."""
    given, cell.source = cell.source, source
    try:
        client.execute_cell(cell, index)
    except Exception as error:
        if not hasattr(error, "ename"):
            raise
        return error
    finally:
        cell.source = given
    return None


def _text(error: Any) -> str:
    return "" if error is None else _ESCAPES.sub("", f"{error.ename}: {error.evalue}").strip()


def _hint(error: Any) -> str:
    """What to do about a module that is missing, or about a library that is newer than the notebook."""
    older = of_older_library([_text(error)])
    if older is not None:
        return f"\nThe notebook is written for {older[1]}: run raydrive in an environment that has it"
    found = re.search(r"No module named '([\w.]+)'", str(error.evalue))
    if not found:
        return ""
    if found[1].startswith("azureml"):
        return f"\n{found[1]} is not provided by raydrive; see docs/coming-from-azure.md"
    return f"\nInstall it into the Python that runs raydrive: pip install {found[1].partition('.')[0]}"
