"""Addresses of the web that the site's mapping knows, in code that submits: read from the file that they stand for."""

from __future__ import annotations

import os

from raydrive.azure_data import open_from_files
from raydrive.compat.azure_notices import note
from raydrive.sweepfile.inputs_outputs import DataMapping


def read_mapped(mapping: DataMapping) -> None:
    """Has ``pandas.read_csv(URL)`` and the like read what the mapping says, in this process."""

    def find(url: str) -> str | None:
        place = mapping.resolve(url)
        if place is None or not os.path.isfile(place):
            return None
        note(f"{url} is read from {place}, as input_mapping says")
        return place

    if any(rule.startswith(("http://", "https://")) for rule in mapping.rules):
        open_from_files(find)
