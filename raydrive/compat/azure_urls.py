"""Addresses of the web that the site's mapping knows, in code that submits: read from the file that they stand for.

As ``raydrive/shims/raydrive_azureml/mapped_urls.py`` does in training scripts, whose Python may have no raydrive.
"""

from __future__ import annotations

import email.message
import os
import urllib.request
import urllib.response
from typing import Any

from raydrive.compat.azure_notices import note
from raydrive.sweepfile.inputs_outputs import DataMapping


class _Mapped(urllib.request.BaseHandler):
    """Opens mapped addresses before the handlers of the web do."""

    handler_order = 100

    def __init__(self, mapping: DataMapping) -> None:
        self._mapping = mapping

    def http_open(self, request: Any) -> Any:
        place = self._mapping.resolve(request.full_url)
        if place is None or not os.path.isfile(place):
            return None
        note(f"{request.full_url} is read from {place}, as input_mapping says")
        headers = email.message.Message()
        headers["Content-Length"] = str(os.path.getsize(place))
        answer: Any = urllib.response.addinfourl(open(place, "rb"), headers, request.full_url, 200)  # noqa: SIM115
        answer.msg = "OK"
        return answer

    https_open = http_open


def read_mapped(mapping: DataMapping) -> None:
    """Has ``pandas.read_csv(URL)`` and the like read what the mapping says, in this process."""
    if any(rule.startswith(("http://", "https://")) for rule in mapping.rules):
        urllib.request.install_opener(urllib.request.build_opener(_Mapped(mapping)))
