"""A page of the studio without charts: the list of runs, runs side by side."""

from __future__ import annotations

import html

from raydrive.studio.web.page import static

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Content-security policy of such a page without a script."""
DARK = ':root[data-dark="yes"]'
"""Selector of the dark theme in the pages' style."""


def plain_page(title: str, body: str, script: str = "") -> str:
    """Returns the page; its theme is the system's, until a script sets the one that was chosen on a run's page.

    Args:
        title: The window's title.
        body: HTML below the page's frame.
        script: A script, as ``inline`` gives it; empty = none.
    """
    css = static("style.css")
    dark = css[css.index(DARK) :].split("}", 1)[0].replace(DARK, ":root:not([data-dark])") + "}"
    run = f"<script>{script}</script>" if script else ""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{css} @media (prefers-color-scheme: dark) {{ {dark} }}</style></head>'
        f'<body><div id="app">{body}</div>{run}</body></html>'
    )
