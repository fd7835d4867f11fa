"""Texts that users read, collected from the code: `python docs/site/messages.py` writes docs/messages.txt.

A text is a problem, an error, a printed line or an option's help, with ``{}`` for inserted values: the arguments of
functions that print or raise, and sentences that are assigned, returned or yielded on their way there.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "raydrive"
TARGET = ROOT / "docs" / "messages.txt"
PRINTS = {"say", "tell", "refusal", "Problem", "Verdict", "Option", "Argument", "warn"}
"""Functions and classes whose text arguments users read; the errors of ``raydrive.core.errors`` beside them."""
_SENTENCE = re.compile(r"[A-Za-z]{2,},? ([A-Za-z']+,? |\{\} )*[A-Za-z]{2,},? [A-Za-z]{2,}")
"""Three words in a row, values among them aside."""
_CODE = re.compile(r"</|/>|<[a-z]+[ >]|\\|\(\?|;base64|!important|px;|^import |exec |'none'|async ")
"""Marks of HTML, CSS, patterns and programs."""


def messages() -> list[str]:
    """Returns a line for each text, ``module: text``, in the order of the modules and their lines."""
    kinds = PRINTS | {
        node.name for node in _tree(PACKAGE / "core" / "errors.py").body if isinstance(node, ast.ClassDef)
    }
    lines = []
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        for text in dict.fromkeys(_texts(_tree(path), kinds)):
            lines.append(f"{where}: {text}")
    return lines


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _texts(tree: ast.Module, kinds: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in kinds:
            for argument in (*node.args, *(one.value for one in node.keywords if one.arg != "default")):
                text = re.sub(r"\s+", " ", _text(argument)).strip()
                if " " in text and re.search("[A-Za-z]{2}", text):
                    yield text
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.Return | ast.Yield) and node.value:
            for part in node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else [node.value]:
                text = re.sub(r"\s+", " ", _text(part)).strip()
                if _SENTENCE.search(text) and not _CODE.search(text):
                    yield text


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    """The text of a constant or an f-string; of a choice between two, both."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.IfExp):
        return " | ".join(part for part in (_text(node.body), _text(node.orelse)) if part)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (_text(node.left) or "{}") + (_text(node.right) or "{}")
    return ""


def errors_reference() -> str:
    """Returns errors and reasons as Markdown: for each its anchor, meaning and remedy."""
    from raydrive.cli.help.error_reference import error_entries

    entries = error_entries()
    lines = ["## Errors", ""]
    for entry in (one for one in entries if one.error):
        lines += [f"### {entry.id}", "", f"*{entry.error}*. {entry.text}", "", f"**What to do.** {entry.remedy}", ""]
    lines += ["## Reasons of trials and runs", ""]
    for entry in (one for one in entries if not one.error):
        lines += [f"### {entry.id}", "", entry.text, "", f"**What to do.** {entry.remedy}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    TARGET.write_text("\n".join(messages()) + "\n")
    print(f"{TARGET.relative_to(ROOT)}: {len(messages())} texts")
