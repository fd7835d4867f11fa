"""A page of the studio without scripts."""

from __future__ import annotations

import html

from raydrive.studio.web.page import static

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def plain_page(title: str, body: str, *, refresh_s: int = 0) -> str:
    """Returns the page; the theme is the system's, as choosing one needs a script.

    Args:
        title: The window's title.
        body: HTML below the page's frame.
        refresh_s: Seconds after which a browser loads it again; 0 = never.
    """
    css = static("style.css")
    dark = css[css.index(':root[data-dark="yes"]') :].split("}", 1)[0].replace(':root[data-dark="yes"]', ":root") + "}"
    refresh = f'<meta http-equiv="refresh" content="{refresh_s}">' if refresh_s else ""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}'
        f'<link rel="icon" href="data:,"><style>{css} @media (prefers-color-scheme: dark) {{ {dark} }}</style></head>'
        f'<body><div id="app">{body}</div></body></html>'
    )
