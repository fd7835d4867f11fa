"""Who imports whom inside the package: at once, inside functions, and for types only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "raydrive"
SHIMS = PACKAGE / "shims"
AT_ONCE, LAZY, TYPE_ONLY = "at once", "lazy", "type only"


@dataclass(frozen=True)
class Import:
    """One name that a statement imports."""

    module: str
    """The module that imports."""
    name: str
    """The module that is imported."""
    kind: str
    """``AT_ONCE``, ``LAZY`` or ``TYPE_ONLY``."""
    path: Path
    line: int
    last_line: int

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def module_of(path: Path) -> str:
    """The name under which a file is imported: the shims are top-level modules for the Pythons of training scripts."""
    parts = path.relative_to(SHIMS if SHIMS in path.parents else ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files() -> dict[str, Path]:
    """The package's files by module; without the shim that stands for ``raydrive`` itself."""
    return {module_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if SHIMS / "raydrive" not in path.parents}


def imports_of(module: str, path: Path, known: Mapping[str, Path]) -> list[Import]:
    """Every import of a file, with the submodule where a statement names one."""
    tree = ast.parse(path.read_text(), str(path))
    return list(_imports(tree, module, path, known, AT_ONCE))


def _imports(node: ast.AST, module: str, path: Path, known: Mapping[str, Path], kind: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inner = kind
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            inner = TYPE_ONLY
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and kind == AT_ONCE:
            inner = LAZY
        if isinstance(child, ast.Import | ast.ImportFrom):
            for name in _names(child, module, path, known):
                yield Import(module, name, kind, path, child.lineno, child.end_lineno or child.lineno)
        yield from _imports(child, module, path, known, inner)


def _names(node: ast.Import | ast.ImportFrom, module: str, path: Path, known: Mapping[str, Path]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
    return list(dict.fromkeys(deep if (deep := f"{base}.{alias.name}") in known else base for alias in node.names))


def graph(known: Mapping[str, Path]) -> dict[str, set[str]]:
    """By module, what it imports of the package, lazily and for types included, and the packages these are in.

    The public list of ``raydrive`` itself is left out: it hands out names of all layers, and `test_house` checks it.
    """
    edges: dict[str, set[str]] = {}
    for module, path in known.items():
        found = {each.name for each in imports_of(module, path, known) if each.name in known}
        found |= {package for name in found for package in _packages(name) - _packages(module)}
        edges[module] = set() if module == "raydrive" else (found & known.keys()) - {module}
    return edges


def _packages(module: str) -> set[str]:
    """The packages that a module is in: who imports it imports them first."""
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan), each sorted, largest first."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in sorted(edges[module]):
            if other not in order:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], order[other])
        if low[module] == order[module]:
            place = stack.index(module)
            component = stack[place:]
            del stack[place:]
            if len(component) > 1:
                found.append(sorted(component))

    for module in sorted(edges):
        if module not in order:
            visit(module)
    return sorted(found, key=lambda component: (-len(component), component))
