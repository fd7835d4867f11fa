"""The site's search: words of users lead to the page that answers, and the built index is asked real queries."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
_EMPTY = "const WORDS = {};"


def words_by_page() -> dict[str, list[str]]:
    """Returns what users type, by the page that answers, as the site names it: ``how-to/budget``."""
    return tomllib.loads((HERE / "search.toml").read_text("utf-8"))


def with_words(page: str, text: str) -> str:
    """Returns a page with the words that lead to it, which its readers do not see.

    Args:
        page: Its path in the site, without its ending.
        text: The page.
    """
    lines = words_by_page().get(page)
    return f"{text}\n```{{container}} sd-d-none\n{'; '.join(lines)}\n```\n" if lines else text


def scorer() -> str:
    """Returns the script that orders what is found, with the words."""
    return (HERE / "scorer.js").read_text("utf-8").replace(_EMPTY, f"const WORDS = {json.dumps(words_by_page())};")


def misses(html: Path) -> list[str] | None:
    """Returns the queries whose page is not among the first three that the built site finds; None without Node.

    Args:
        html: The built site.
    """
    node = shutil.which("node")
    if node is None:
        return None
    queries = tomllib.loads((HERE / "search_queries.toml").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "queries.json")
        file.write_text(json.dumps(queries))
        done = subprocess.run(
            [node, str(HERE / "search_check.js"), str(html), str(file)], capture_output=True, text=True, check=False
        )
    return [*done.stdout.splitlines(), *done.stderr.splitlines()] if done.returncode else []
