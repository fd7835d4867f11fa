"""Paths and URIs of folders: options of a store stay at the end, whatever is added to the path or taken from it."""

from __future__ import annotations

import re

SCHEME_PATTERN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: C:\ is not a scheme


def split_options(place: str) -> tuple[str, str]:
    """Returns a path or URI without the options of its store, and these with their question mark.

    >>> split_options("s3://bucket/runs?region=eu-west-1"), split_options("/runs/why?")
    (('s3://bucket/runs', '?region=eu-west-1'), ('/runs/why?', ''))
    """
    base, mark, options = place.partition("?") if SCHEME_PATTERN.match(place) else (place, "", "")
    return base, f"{mark}{options}"


def within(place: str, name: str) -> str:
    """Returns the place of a file or folder below a path or URI.

    >>> within("s3://bucket/runs?region=eu-west-1", "digits/last")
    's3://bucket/runs/digits/last?region=eu-west-1'
    """
    base, options = split_options(place)
    return f"{base.rstrip('/')}/{name}{options}"


def above(place: str, levels: int) -> str:
    """Returns the folder that is some levels above a path or URI.

    >>> above("s3://bucket/runs/digits/last?region=eu-west-1", 2)
    's3://bucket/runs?region=eu-west-1'
    """
    base, options = split_options(place)
    return f"{base.rstrip('/').rsplit('/', levels)[0]}{options}"
