"""Where a file of the repository stands on the site, and links rewritten accordingly.

Pages are written for two readers: on a code host links lead to files of the repository, on the site to its pages. What
lies outside ``docs`` and is linked from a page becomes a page that shows it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
"""A link or a picture of Markdown; a reference definition is not used in these pages."""
LANGUAGES = {".py": "python", ".sh": "bash", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml", ".R": "r"}
"""How files are highlighted."""


def is_shown(path: Path) -> bool:
    """Returns whether a file needs a page that shows it: it is no page and no picture of ``docs``.

    Args:
        path: Absolute path below the root of the repository.
    """
    inside = path.is_relative_to(DOCS) and (path.is_dir() or path.suffix == ".md" or "images" in path.parts)
    return not inside


def site_path(path: Path) -> Path:
    """Returns where a file or folder of the repository stands on the site, relative to its root.

    Args:
        path: Absolute path below the root of the repository.
    """
    if not is_shown(path):
        inside = path.relative_to(DOCS)
        if path.is_dir():
            return inside / "index.md"
        return inside.with_name("index.md") if inside.name == "README.md" else inside
    inside = path.relative_to(ROOT)
    if path.is_dir():
        return "files" / inside / "index.md"
    if path.suffix == ".md":
        return "files" / inside.with_name("index.md" if inside.name == "README.md" else inside.name)
    return ("files" / inside).with_name(f"{inside.name}.md")


def rewritten(text: str, page: Path, here: Path, linked: set[Path]) -> str:
    """Returns the text of a page with its links as the site needs them.

    Args:
        text: Markdown.
        page: The page in the repository.
        here: Where it stands on the site, relative to its root.
        linked: Receives the files outside ``docs`` that it links.
    """

    def link(found: re.Match[str]) -> str:
        target, _, anchor = found[2].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        path = Path(os.path.normpath(page.parent / target))
        if not path.is_relative_to(ROOT) or not path.exists():
            return found[0]
        if is_shown(path):
            linked.add(path)
        there = os.path.relpath(site_path(path), here.parent)
        if found[1] == f"[{path.name}](" and path.suffix == ".md":
            return f"[{title_of(path)}]({there}{f'#{anchor}' if anchor else ''})"
        return f"{found[1]}{there}{f'#{anchor}' if anchor else ''}{found[3]}"

    fenced = re.split(r"(?ms)(^(`{3,}|~{3,})[^\n]*\n.*?^\2[ \t]*$)", text)
    # `re.split` with two groups: text, block, fence, text, ...
    parts = [LINK.sub(link, part) if number % 3 == 0 else part for number, part in enumerate(fenced) if number % 3 != 2]
    return "".join(parts)


def title_of(page: Path) -> str:
    """Returns the first heading of a page: what its links are called on the site.

    Args:
        page: The page in the repository.
    """
    found = re.search(r"(?m)^# +(.+)$", page.read_text())
    return found[1] if found else page.name


def shown(path: Path) -> str:
    """Returns the page that shows a file or lists a folder."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        readme = path / "README.md"
        if readme.exists():
            return readme.read_text()
        files = sorted(one for one in path.iterdir() if one.name not in ("__pycache__", "outputs", "logs"))
        return f"# {name}\n\n" + "".join(f"- [{one.name}]({one.name})\n" for one in files)
    if path.suffix == ".md":
        return path.read_text()
    language = LANGUAGES.get(path.suffix, "makefile" if path.name == "Makefile" else "text")
    fence = "`" * (max((len(run) for run in re.findall("`+", path.read_text())), default=2) + 3)
    return f"# {name}\n\n{fence}{language}\n{path.read_text().rstrip()}\n{fence}\n"
