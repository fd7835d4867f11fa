"""Hyperparameters that a command does not pass on: those that nothing can read are refused, of others there is a note.

A command need not name a parameter: a program may read all of them from ``RAYDRIVE_PARAMS``, ``AZUREML_SWEEP_NAME`` or
``Run.get_context().params``. A parameter is refused where that can be ruled out: the command runs a file of the code
folder, and neither the command, its environment variables, that folder, nor a package that it imports holds a trace of
any of these. ``docs/search-space.md`` has the rule for users.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.config.command_line import OF_PARAMETERS, references
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.errors import Problem, did_you_mean, show

_MOST_BYTES = 32_000_000
"""Bytes of code that are looked at; in a larger folder nothing is ruled out."""
_PUBLIC_FILES = 200
"""A package of more files is taken for a public library, which knows nothing of hyperparameters."""
_DATA = frozenset(".csv .tsv .parquet .npy .npz .png .jpg .jpeg .gif .txt .md .arrow .h5 .hdf5 .pt .ckpt .wav".split())  # noqa: SIM905
"""Endings of files that no program reads its arguments from."""
_PACKED = frozenset(".zip .whl .egg .jar .tar .gz .tgz .bz2 .xz .pyz .so .pyc .pkl .pickle".split())  # noqa: SIM905
"""Endings of files whose text cannot be seen."""
_VARIABLE = re.compile(rb"(?i)raydrive_|azureml_")
"""A variable that holds hyperparameters, or the beginning of its name."""
_CONTEXT = re.compile(rb"get_context|raydrive|azureml")
_PARAMS = re.compile(rb"params|get_details|get_properties|getattr|__dict__|vars\(")


@dataclass(slots=True)
class _Traces:
    """What was seen in code."""

    variable: bool = False
    context: bool = False
    params: bool = False
    hidden: bool = False
    """Whether something could not be looked at."""
    imports: set[str] = field(default_factory=set)
    left: int = _MOST_BYTES

    def add(self, text: bytes) -> None:
        self.variable = self.variable or _VARIABLE.search(text) is not None
        self.context = self.context or _CONTEXT.search(text) is not None
        self.params = self.params or _PARAMS.search(text) is not None

    @property
    def may_reach(self) -> bool:
        """Whether hyperparameters may be read otherwise than from the command."""
        return self.hidden or self.variable or (self.context and self.params)


def unused_parameters(spec: TrialSpec, names: Collection[str], source: Path | None, *, yaml: bool) -> list[Problem]:
    """Returns a problem for each parameter that cannot reach what the command runs.

    Args:
        spec: What a trial runs; scripts and functions get every parameter.
        names: The parameters.
        source: The code folder; None = there is none.
        yaml: Whether the advice is for a sweep file; else for Python.
    """
    if spec.kind != "command":
        return []
    where = "raydrive.unused_ok" if yaml else "unused_ok"
    bare = {name.lstrip("-"): name for name in names}
    problems = [
        Problem(where, show(name), "names of the search space", did_you_mean(name.lstrip("-"), list(bare)))
        for name in spec.unused_ok
        if name.lstrip("-") not in bare
    ]
    unused = [name for name in not_passed(spec.command, names) if not _is_named(name, spec.unused_ok)]
    literal = [name for name in unused if _placeholder(name, spec.command)]
    silent = [name for name in unused if name not in literal]
    if silent and _may_reach(spec, source):
        silent = []
    return problems + [_problem(name, spec.command, yaml) for name in unused if name in literal or name in silent]


def not_passed(command: str, names: Iterable[str]) -> Iterator[str]:
    """Yields the parameters that no reference of a command names."""
    if any(reference.is_all for reference in references(command)):
        return
    used = {reference.name.lstrip("-") for reference in references(command) if reference.scope in OF_PARAMETERS}
    yield from (name for name in names if name.lstrip("-") not in used)


def _is_named(name: str, allowed: Sequence[str]) -> bool:
    return name.lstrip("-") in {one.lstrip("-") for one in allowed}


def _placeholder(name: str, command: str) -> str:
    """``{lr}`` in the command, as other tools write a reference; empty where there is none."""
    found = re.search(rf"(?<!\$)\{{+\s*{re.escape(name.lstrip('-'))}\s*\}}+", command)
    return found[0] if found else ""


def _problem(name: str, command: str, yaml: bool) -> Problem:
    bare, written = name.lstrip("-"), _placeholder(name, command)
    reference = f"${{{{search_space.{bare}}}}}"
    allowed = f"{reference} in the command: nothing else reads the parameter, so it would have no effect"
    if written:
        allowed = f"{reference} in the command"
        found, fix = f"{written} in the command, which is not replaced by a value", f"Write {reference} in its place."
    else:
        found, fix = "a parameter that the command does not pass on", f"Add --{bare} {reference} to the command"
        ok = f"unused_ok: [{bare}] below raydrive:" if yaml else f"unused_ok={[bare]!r}"
        fix += f", or write {ok}."
    return Problem(f"search_space.{name}", found, allowed, fix)


def _may_reach(spec: TrialSpec, source: Path | None) -> bool:
    """Whether the program may read hyperparameters by itself, as far as can be seen."""
    traces = _Traces()
    traces.add(spec.command.encode(errors="replace"))
    traces.add(" ".join([*spec.environment_variables, *spec.environment_variables.values()]).encode(errors="replace"))
    if source is None or not _runs_a_file_of(spec.command, source):
        return True
    own = set[str]()
    _look(source, traces, own)
    for name in sorted(traces.imports - own - set(sys.stdlib_module_names) - {"raydrive", "azureml"}):
        _look_into_package(name, traces, foreign=bool(spec.python))
    return traces.may_reach


def _runs_a_file_of(command: str, source: Path) -> bool:
    """Whether a word of the command is a file of the code folder."""
    words = re.split(r"[\s;&|'\"()]+", command)
    try:
        return any(word and not word.startswith(("-", "$")) and (source / word).is_file() for word in words)
    except (OSError, ValueError):
        return False


def _look(folder: Path, traces: _Traces, own: set[str]) -> None:
    """Looks at every file below a folder, and notes the modules that are in it."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", "__pycache__", "outputs", "logs")]
        own.update(folders, (name.partition(".")[0] for name in files if name.endswith((".py", ".pyi"))))
        for name in files:
            _look_at(Path(root, name), traces)
            if traces.may_reach:
                return


def _look_at(path: Path, traces: _Traces) -> None:
    ending = path.suffix.casefold()
    if ending in _DATA:
        return
    try:
        size = path.stat().st_size
        traces.left -= size
        if ending in _PACKED or traces.left < 0 or path.is_symlink():
            traces.hidden = True
            return
        text = path.read_bytes()
    except OSError:
        traces.hidden = True
        return
    traces.add(text)
    if ending == ".py":
        traces.imports |= _imported(text)
    elif ending == ".ipynb":
        traces.hidden = True


def _imported(text: bytes) -> set[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return set()
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _look_into_package(name: str, traces: _Traces, *, foreign: bool) -> None:
    """Looks at an imported package that is small enough to be somebody's own; one that is not here is hidden."""
    try:
        spec = None if foreign else importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        traces.hidden = True
        return
    for folder in spec.submodule_search_locations or ():
        files = [Path(root, file) for root, _, names in os.walk(folder) for file in names if file.endswith(".py")]
        if len(files) > _PUBLIC_FILES:
            return
        package = _Traces(left=traces.left)
        for file in files:
            _look_at(file, package)
        traces.hidden = traces.hidden or package.variable or (package.context and package.params)
    if spec.origin and not spec.submodule_search_locations and spec.origin.endswith(".py"):
        _look_at(Path(spec.origin), traces)
