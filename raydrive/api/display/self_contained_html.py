"""HTML that needs nothing but itself: scripts named by their hashes, plotly.js packed, a frame for a notebook's cell.

A frame with its document inside (``srcdoc``) is shown by every front end that shows HTML, by VS Code without any
extension and by exported notebooks alike, and nothing in it asks the network for anything. plotly.js is 4.8 MB; packed
it is 2 MB, which matters in a notebook, where every output carries its own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

UNPACK = """const packed = document.getElementById("raydrive-plotly");
if (packed) {
  const bytes = Uint8Array.from(atob(packed.textContent), (one) => one.charCodeAt(0));
  (0, eval)(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text());
  packed.remove();
}
"""
"""The beginning of a module that draws with a packed plotly.js. The policy has to allow ``eval`` for plotly's WebGL
anyway; what is evaluated comes out of the same document."""
_FIGURE = """const figure = JSON.parse(document.getElementById("raydrive-figure").textContent);
Plotly.newPlot("figure", figure.data, figure.layout, { ...figure.config, responsive: true });
"""


@cache
def plotly_js() -> str:
    """Returns plotly.js as the plotly package ships it."""
    import plotly  # lazy: plotly, 0.02 s

    return (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


@cache
def packed_plotly() -> str:
    """Returns an element that holds plotly.js for ``UNPACK``."""
    packed = base64.b64encode(zlib.compress(plotly_js().encode(), 6)).decode()
    return f'<script type="text/plain" id="raydrive-plotly">{packed}</script>'


def as_data(value: Any) -> str:
    """Returns JSON that can stand inside a script element: no ``<``, so no end tag and no comment can begin."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=str)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def inline(script: str) -> str:
    """Returns a script as it can be in a script element, character by character what its hash is of."""
    return script.replace("</script", "<\\/script").replace("\r\n", "\n")


def csp(scripts: list[str], *, live: bool, evaluates: bool = True) -> str:
    """Returns the content-security policy of a page.

    Args:
        scripts: The inline scripts that may run.
        live: Whether it talks to the server it came from.
        evaluates: Whether it holds plotly.js, which compiles the wrappers of its shaders.
    """
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    own, compiled = "'self'" if live else "'none'", " 'unsafe-eval'" if evaluates else ""
    return (
        f"default-src 'none'; script-src {hashes}{' ' + own if live else ''}{compiled}; style-src 'unsafe-inline'; "
        f"img-src data: blob:; font-src data:; connect-src {own}; worker-src blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def frame_html(document: str, height: int) -> str:
    """Returns a document as an element for a notebook.

    Args:
        document: Its HTML, which has to bring all it needs.
        height: Pixels.
    """
    return (
        f'<iframe srcdoc="{html.escape(document, quote=True)}" sandbox="allow-scripts allow-downloads" width="100%" '
        f'height="{height}" style="border:1px solid #ccc;border-radius:8px" title="raydrive"></iframe>'
    )


def figure_html(figure: dict[str, Any], height: int) -> str:
    """Returns a plotly figure as an element for a notebook.

    Args:
        figure: ``data``, ``layout`` and ``config``, as JSON values.
        height: Pixels.
    """
    script = inline(UNPACK + _FIGURE)
    return frame_html(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{csp([script], live=False)}">'
        "<style>html,body,#figure{height:100%;margin:0;background:#fff;overflow:hidden}</style></head>"
        f'<body><div id="figure"></div><script type="application/json" id="raydrive-figure">{as_data(figure)}</script>'
        f'{packed_plotly()}<script type="module">{script}</script></body></html>',
        height,
    )
