"""Builds the site: `make docs`, or `python docs/site/build.py [--out FOLDER] [--only-pages]`.

Pages of ``docs`` are copied to ``build/docs/pages`` with their links rewritten; the reference is written from the code
where a page has a line ``<!-- generated: NAME ... -->``; Sphinx makes HTML of all of it, with warnings as errors. The
result needs no network: no script, style or font comes from elsewhere, which is checked at the end.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from api_reference import api_reference, callbacks_reference  # noqa: E402
from cli_reference import cli_reference  # noqa: E402
from links import DOCS, ROOT, rewritten, shown, site_path  # noqa: E402
from messages import errors_reference  # noqa: E402
from search import misses, scorer, with_words  # noqa: E402
from sweep_reference import expressions_reference, policies_reference, sweep_reference  # noqa: E402

GENERATED = {
    "command line": cli_reference,
    "sweep file": sweep_reference,
    "expressions": expressions_reference,
    "policies": policies_reference,
    "Python": api_reference,
    "callbacks": callbacks_reference,
    "errors": errors_reference,
}
MARK = re.compile(r"<!-- generated: ([A-Za-z ]+?)\..*?-->", re.DOTALL)
DIAGRAM = re.compile(r"<!-- diagram: ([a-z-]+)\.(.*?)-->\n\n```mermaid\n.*?\n```", re.DOTALL)
SKIPPED = ("site", "images")
OUTSIDE = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["'](https?:)?//""")


def pages() -> list[Path]:
    """Returns the pages of the documentation, in the repository."""
    found = sorted(DOCS.rglob("*.md"))
    return [page for page in found if page.relative_to(DOCS).parts[0] not in SKIPPED]


def prepare(folder: Path) -> None:
    """Writes every page of the site as Markdown for Sphinx.

    Args:
        folder: Where to; what is there is removed first.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(DOCS / "images", folder / "images")
    shutil.copy(Path(__file__).with_name("conf.py"), folder)
    (folder / "scorer.js").write_text(scorer())
    linked: set[Path] = set()
    for page in pages():
        text = MARK.sub(lambda mark: GENERATED[mark[1]](), _pictures(page.read_text(), page))
        head = "---\nnosearch: true\n---\n" if page.parent.name == "decisions" else ""  # not what a user looks for
        _write(folder, page, head + rewritten(text, page, site_path(page), linked) + _contents(page))
    done: set[Path] = set()
    while linked - done:
        for path in sorted(linked - done):
            done.add(path)
            base = path / "README.md" if path.is_dir() else path
            text = rewritten(shown(path), base, site_path(path), linked)
            _write(folder, path, "---\norphan: true\nnosearch: true\n---\n" + text)


def _write(folder: Path, path: Path, text: str) -> None:
    file = folder / site_path(path)
    text = with_words(str(site_path(path).with_suffix("")), text)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _pictures(text: str, page: Path) -> str:
    """Diagrams as pictures: drawing them in the reader's browser would need a large script."""
    up = "../" * (len(page.relative_to(DOCS).parts) - 1)
    return DIAGRAM.sub(lambda found: f"![{found[2].strip()}]({up}images/diagrams/{found[1]}.svg)", text)


def _contents(page: Path) -> str:
    """The tree of contents that an index page stands for: a part for each heading, in the order of its links."""
    if page.name != "README.md":
        return ""
    trees, seen = [], set()
    parts = re.split(r"(?m)^## +(.*)$", page.read_text())
    titled = list(zip(["", *parts[1::2]], parts[0::2], strict=True))
    for title, body in titled[1:] or titled:  # what is linked above the first heading stands below one, too
        entries = []
        for target in re.findall(r"\]\(([^)#\s]+\.md)\)", body):
            path = (page.parent / target).resolve()
            inside = path.is_relative_to(DOCS if page.parent == DOCS else page.parent)
            if inside and path not in seen and path.exists() and path != page:
                seen.add(path)
                entries.append(f"/{site_path(path).with_suffix('')}")
        # The pages of a folder with an index of its own stand below that index.
        entries = [one for one in entries if f"{one.rpartition('/')[0]}/index" not in entries or one.endswith("/index")]
        if entries:
            caption = f":caption: {title}\n" if title else ""
            trees.append("\n```{toctree}\n:hidden:\n" + caption + "\n" + "\n".join(entries) + "\n```\n")
    return "\n" + "".join(trees)


def check_offline(html: Path) -> list[str]:
    """Returns what pages would load from elsewhere.

    Args:
        html: The built site.
    """
    return [
        f"{page.relative_to(html)}: {found[0]}"
        for page in sorted(html.rglob("*.html"))
        for found in OUTSIDE.finditer(page.read_text())
    ]


def main() -> int:
    """Builds; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    parser.add_argument("--only-pages", action="store_true", help="Stop before Sphinx.")
    given = parser.parse_args()
    source, html = given.out / "pages", given.out / "html"
    prepare(source)
    if given.only_pages:
        return 0
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", given.out / "doctrees", source, html]
    done = subprocess.run([sys.executable, *map(str, command)], check=False)
    if done.returncode:
        return done.returncode
    outside = check_offline(html)
    for line in outside:
        print(f"loads from elsewhere: {line}", file=sys.stderr)
    missed = misses(html)
    if missed is None:
        print("The search was not tried: that needs Node.")
    for line in missed or ():
        print(f"search: {line}", file=sys.stderr)
    print(f"The site is in {html}: open {html / 'index.html'}")
    return int(bool(outside or missed))


if __name__ == "__main__":
    sys.exit(main())
