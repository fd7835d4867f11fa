"""The page as one HTML text: modules bundled, plotly.js from its Python package, a policy that lets nothing in or out.

The same page is a report (data inside), the live studio (data from its own server) and a frame in a notebook. The
content-security policy names the scripts by their hashes: text from a run that became markup by some mistake of ours
would still not run. plotly.js compiles its WebGL shaders' wrappers with ``Function``, hence ``unsafe-eval``, and sets
styles on elements, hence ``unsafe-inline`` for styles only.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

from raydrive.api.display.self_contained_html import UNPACK, as_data, csp, inline, packed_plotly, plotly_js

MODULES = (
    "util.js", "store.js", "source.js", "chart.js", "metrics.js", "axiskeys.js", "parallel.js", "scatter.js",
    "repeats.js", "timeline.js", "table.js", "control.js", "trial.js", "insight.js", "lineage.js", "schedules.js",
    "app.js",
)  # fmt: skip
"""In order: a module comes after those it imports."""
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[a-z]+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)


def static(name: str) -> str:
    """Returns the text of one of the page's own files."""
    return resources.files("raydrive.studio").joinpath("static").joinpath(name).read_text(encoding="utf-8")


@cache
def bundle() -> str:
    """Returns all modules as one: their imports are of each other, and no two define the same name."""
    parts = [_EXPORT.sub("", _IMPORT.sub("", static(name))) for name in MODULES]
    return "\n".join(parts)


def report_page(data: dict[str, Any], title: str, *, packed: bool = False) -> str:
    """Returns a page that holds its data and needs nothing else.

    Args:
        data: ``document``, ``details``, ``series``, ``analysis`` and ``whatif``.
        title: Text for the window's title until the page is drawn.
        packed: Whether plotly.js is compressed: 3 MB less, half a second later.
    """
    held = _data("raydrive-report", data)
    if packed:
        script = inline(UNPACK + bundle())
        body = f'{held}\n{packed_plotly()}\n<script type="module">{script}</script>'
        return _page(title, csp([script], live=False), body)
    plotly, script = inline(plotly_js()), inline(bundle())
    scripts = f'<script>{plotly}</script>\n<script type="module">{script}</script>'
    return _page(title, csp([plotly, script], live=False), f"{held}\n{scripts}")


def live_page(base: str, title: str, *, may_control: bool) -> tuple[str, str]:
    """Returns a page that gets its data from a server, and its content-security policy.

    Args:
        base: Path of the run's data on the server.
        title: Text for the window's title until the page is drawn.
        may_control: Whether it shows buttons that change the run.
    """
    script = inline(bundle())
    scripts = f'<script src="/static/plotly.min.js"></script>\n<script type="module">{script}</script>'
    policy = csp([script], live=True)
    return _page(
        title, policy, f"{_data('raydrive-live', {'base': base, 'may_control': may_control})}\n{scripts}"
    ), policy


def _data(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{as_data(value)}</script>'


def _page(title: str, policy: str, body: str) -> str:
    shown = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f'<title>{shown}</title><link rel="icon" href="data:,"><style>{static("style.css")}</style></head>'
        '<body><div id="app"><noscript>This page draws its charts with JavaScript.</noscript></div>\n'
        f"{body}\n</body></html>\n"
    )
