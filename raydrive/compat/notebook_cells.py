"""The code cells of a notebook: what of them is Python, and what only Azure's service could do."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.errors import ConfigError, Problem

_INSTALLS = re.compile(
    r"^\s*[%!]+\s*(sudo\s+)?(\S*python\S*\s+-m\s+)?(uv\s+)?(pip3?|conda|mamba)\s+(install|uninstall|update|upgrade|remove)\b"
)
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_SERVICE = re.compile(
    r"\b[\w-]+(?:\.[\w-]+)*\.(?:azurecontainer\.io|azureml\.(?:ms|net)|ml\.azure\.com|cloudapp\.azure\.com|azmk8s\.io"
    r"|azurewebsites\.net|azurecr\.io|vault\.azure\.net|management\.azure\.com)\b"
)
"""Hosts of services of Azure: deployed models, registries, vaults."""
_NOT_REACHED = {
    "ConnectTimeout", "ConnectionError", "ConnectionRefusedError", "HTTPError", "MaxRetryError", "NewConnectionError",
    "ReadTimeout", "SSLError", "Timeout", "TimeoutError", "URLError", "gaierror",
}  # fmt: skip
"""Classes of errors of those that could not call a host."""
_LANGUAGES = ("%%bash", "%%sh", "%%html", "%%javascript", "%%js", "%%latex", "%%markdown", "%%script", "%%svg")


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A cell of code; its number counts code cells from 1."""

    number: int
    source: str


def code_cells(file: Path) -> list[CodeCell]:
    """Returns the code cells of a notebook.

    Raises:
        ConfigError: If it is not a notebook.
    """
    try:
        cells = json.loads(file.read_text(encoding="utf-8-sig"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(Problem(str(file), str(error), "a notebook of format 4")) from error
    return [CodeCell(number, source) for number, source in enumerate(sources, 1)]


def installs(source: str) -> list[str]:
    """Returns the lines of a cell that would change packages."""
    return [line.strip() for line in source.split("\n") if _INSTALLS.match(line)]


def without_installs(source: str) -> str:
    """Returns a cell in which lines that would change packages are printed instead of run."""
    out: list[str] = []
    for line, goes_on in _lines(source):
        if goes_on:
            continue
        indent = line[: len(line) - len(line.lstrip())]
        out.append(f"{indent}print({f'not run: {line.strip()}'!r})" if _INSTALLS.match(line) else line)
    return "\n".join(out)


def _lines(source: str) -> Iterator[tuple[str, bool]]:
    """The lines, and whether each continues with a line that would change packages."""
    inside = False
    for line in source.split("\n"):
        yield line, inside
        inside = (inside or bool(_INSTALLS.match(line))) and line.rstrip().endswith("\\")


def written_file(source: str) -> tuple[str, bool, str] | None:
    """Returns what ``%%writefile`` at the top of a cell writes: the name, whether it is added to, the text."""
    first, _, rest = source.lstrip("\n").partition("\n")
    words = first.split()
    if not words or words[0] not in ("%%writefile", "%%file") or len(words) < 2:
        return None
    return words[-1].strip("\"'"), "-a" in words, rest + "\n" * (not rest.endswith("\n"))


def python_of(source: str) -> str:
    """Returns what of a cell is Python: lines of magics and of the shell are left out, as many as they continue."""
    first = source.lstrip("\n").partition("\n")[0].strip()
    if first.startswith(_LANGUAGES) or written_file(source) is not None:
        return ""
    out: list[str] = []
    inside = False
    for line in source.split("\n"):
        left = line.lstrip()
        captured = re.match(r"^(\s*[\w, ]+?)\s*=\s*[!%]", line)
        if inside or left[:1] in ("%", "!"):
            out.append("" if inside else line[: len(line) - len(left)] + "pass")
            inside = line.rstrip().endswith("\\")
        elif captured:
            out.append(f"{captured[1]} = []")
        else:
            out.append(line[:-1] if left.endswith("?") and not left.startswith("#") else line)
    return "\n".join(out)


def made_by(source: str) -> set[str]:
    """Returns the names that a cell makes: those it assigns, imports and defines; none where it is not Python."""
    try:
        tree = ast.parse(python_of(source))
    except SyntaxError:
        return set()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def not_made_by(source: str, line: int) -> list[str]:
    """Returns the variables that a cell would have assigned, had it not ended in a line; none where it is not Python.

    Args:
        source: The cell.
        line: From 1.
    """
    try:
        tree = ast.parse(python_of(source))
    except SyntaxError:
        return []
    behind = [statement for statement in tree.body if (statement.end_lineno or 0) >= line]
    nodes = [node for statement in behind for node in ast.walk(statement)]
    return sorted({node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)})


@dataclass(slots=True)
class Gaps:
    """What only Azure's service could do in a notebook, cell by cell, and the names that are missing for it."""

    answers: list[str] = field(default_factory=list)
    """Sentences for people, one for each such cell."""
    missing: dict[str, int] = field(default_factory=dict)
    """Names, and the cell that would have made them."""

    def goes_on(self, cell: CodeCell, name: str, text: str) -> bool:
        """Returns whether the notebook continues behind a cell that failed, and notes why.

        Args:
            cell: The cell.
            name: Name of the error's class.
            text: Its text.
        """
        answer = ""
        undefined = _UNDEFINED.search(text)
        if name == "NotHereError":
            answer = text.strip().partition("\n")[0]
        elif name == "NameError" and undefined and undefined[1] in self.missing:
            answer = f"needs {undefined[1]}, which cell {self.missing[undefined[1]]} did not define"
        elif cell.source.strip() in self.missing:  # IPython takes a name alone for a magic, such as %run
            answer = f"needs {cell.source.strip()}, which cell {self.missing[cell.source.strip()]} did not define"
        elif name in _NOT_REACHED and (host := _SERVICE.search(text) or _SERVICE.search(cell.source)):
            answer = f"calls {host[0]}, a service that runs in Azure"
        if not answer:
            return False
        self.answers.append(f"cell {cell.number}: {answer}")
        for made in made_by(cell.source):
            self.missing.setdefault(made, cell.number)
        return True

    def worked(self, cell: CodeCell) -> None:
        """Takes note that a cell ran to its end: what it makes is there."""
        for name in made_by(cell.source):
            self.missing.pop(name, None)


def plan_of(cells: list[CodeCell], allow_installs: bool) -> Iterator[str]:
    """Yields what would become of each cell, before anything runs."""
    from raydrive.compat.azureml._names import way_out  # lazy: raydrive.compat.azureml._names, 0.02 s

    aliases: dict[str, tuple[str, str]] = {}
    for cell in cells:
        written, wanted = written_file(cell.source), installs(cell.source)
        try:
            tree: ast.AST = ast.parse(python_of(cell.source))
        except SyntaxError as error:
            yield f"cell {cell.number}: line {error.lineno} is not Python: {error.msg}"
            continue
        aliases |= {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("azureml") and node.module
            for alias in node.names
        }
        used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in aliases]
        answers = dict.fromkeys(answer for name in used if (answer := way_out(*aliases[name])))
        submits = any(isinstance(node, ast.Attribute) and node.attr == "submit" for node in ast.walk(tree))
        said = [f"writes {written[0]}"] if written else []
        said += [f"{'runs' if allow_installs else 'does not run'} {line}" for line in wanted]
        said += [f"stops at: {answer}" for answer in answers] or ["submits"] * submits
        yield f"cell {cell.number}: {'; '.join(said) or 'runs'}"
