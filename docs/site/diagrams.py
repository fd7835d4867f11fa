"""Draws the diagrams of docs/architecture.md as SVG: `python docs/site/diagrams.py MERMAID_JS`.

The page has them as Mermaid, which code hosts draw; the site, the concepts page and offline readers have the pictures.
MERMAID_JS is `dist/mermaid.min.js` of the npm package (`npm pack mermaid@11`); a browser draws them, without a network.
Each picture holds the sha256 of what it was drawn from, by which the tests find one that is out of date.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
PICTURES = DOCS / "images" / "diagrams"
DIAGRAM = re.compile(r"<!-- diagram: ([a-z-]+)\.(.*?)-->\n\n```mermaid\n(.*?)\n```", re.DOTALL)
SETTINGS = """{
    startOnLoad: false, securityLevel: "strict", theme: "neutral", fontFamily: "Helvetica, Arial, sans-serif",
    htmlLabels: false, flowchart: {htmlLabels: false, curve: "basis"}, state: {htmlLabels: false},
    deterministicIds: true, deterministicIDSeed: "raydrive"
}"""


def sources() -> dict[str, str]:
    """Returns the diagrams of the architecture page, by name."""
    return {name: source for name, _, source in DIAGRAM.findall((DOCS / "architecture.md").read_text())}


def digest(source: str) -> str:
    """Returns what a picture holds of its source.

    Args:
        source: Mermaid.
    """
    return hashlib.sha256(source.encode()).hexdigest()


def main(script: Path) -> None:
    """Draws all of them.

    Args:
        script: Mermaid as one file for browsers.
    """
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1200}, offline=True)
        page.set_content("<!doctype html><body></body>")
        page.add_script_tag(path=str(script))
        page.evaluate(f"mermaid.initialize({SETTINGS})")
        for name, source in sources().items():
            plain = re.sub("</?b>", "", source)  # a label of SVG has no bold part
            svg = page.evaluate(
                "([name, text]) => mermaid.render(name, text).then(one => one.svg)", [f"d-{name}", plain]
            )
            head, _, rest = svg.partition(">")
            background = f'<metadata>sha256 {digest(source)}</metadata><rect width="100%" height="100%" fill="#fff"/>'
            box = re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', head)
            if box is not None:
                background = background.replace("<rect ", f'<rect x="{box[1]}" y="{box[2]}" ')
                head = re.sub(r' width="100%"', f' width="{float(box[3]):.0f}" height="{float(box[4]):.0f}"', head)
            (PICTURES / f"{name}.svg").write_text(f"{head}>{background}{rest}\n")
            print(f"{name}.svg: {len(svg):,} bytes")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
