"""What the imports inside functions save: worked out from the import statements, without importing anything."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from import_graph import AT_ONCE, LAZY, Import, files, imports_of

COMMENT = re.compile(r"# lazy: (?P<name>[\w.]+), (?P<seconds>[\d.]+) s\b|# lazy: (?P<reason>optional dependency)\b")
"""``# lazy: plotly, 0.3 s``: what is not imported before it is needed, and the seconds that this saves."""
LEAST_SAVED_S = 0.001
"""Seconds that an import inside a function saves at least; one that saves less stands at the top."""
OPTIONAL = {
    "optuna",
    "cmaes",
    "tensorboardX",
    "mlflow",
    "wandb",
    "pynvml",
    "pandas",
    "nbclient",
    "nbformat",
    "ipykernel",
    "IPython",
    "ipywidgets",
    "keras",
    "lightning",
    "pytorch_lightning",
    "xgboost",
}
"""Packages that raydrive runs without: extras, and what notebooks and training scripts bring."""


@dataclass(frozen=True)
class LazyImport:
    """A statement inside a function."""

    imports: tuple[Import, ...]
    saved: frozenset[str]
    """Modules that it imports and that its own module has not imported before; closed over what these import."""

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return self.imports[0].place

    @property
    def comment(self) -> re.Match[str] | None:
        """The comment on its lines, where there is one."""
        first = self.imports[0]
        lines = first.path.read_text().splitlines()[first.line - 1 : first.last_line]
        return COMMENT.search("\n".join(lines))


class Closures:
    """What is imported with a module, at once: of the package all, of other libraries what the package names."""

    def __init__(self, known: Mapping[str, Path]) -> None:
        self._eager = {
            module: [each.name for each in imports_of(module, path, known) if each.kind == AT_ONCE]
            for module, path in known.items()
        }
        out = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True)
        self._always = set(out.stdout.split())

    def of(self, modules: Iterable[str]) -> set[str]:
        """These modules, the packages they are in, and all that they import."""
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            parts = waiting.pop().split(".")
            for name in (".".join(parts[:count]) for count in range(1, len(parts) + 1)):
                if name not in found:
                    found.add(name)
                    waiting += self._eager.get(name, [])
        return found - self._always


@functools.cache
def lazy_imports() -> tuple[LazyImport, ...]:
    """Every import statement inside a function of the package, in the order of files and lines."""
    known = files()
    closures = Closures(known)
    found = []
    for module, path in known.items():
        before = closures.of([module])
        by_line: dict[int, list[Import]] = {}
        for each in imports_of(module, path, known):
            if each.kind == LAZY:
                by_line.setdefault(each.line, []).append(each)
        for statement in by_line.values():
            saved = closures.of(each.name for each in statement) - before
            found.append(LazyImport(tuple(statement), frozenset(saved)))
    return tuple(found)
