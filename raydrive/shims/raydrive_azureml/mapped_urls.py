"""Addresses of the web that the site's mapping knows: read from the file that they stand for, by whatever opens them.

``pandas.read_csv(URL)`` and ``urllib.request.urlopen(URL)`` ask the opener of the process. Nodes often have no
internet.
"""

from __future__ import annotations

import email.message
import os
import sys
import urllib.request
import urllib.response
from typing import Any

from raydrive_azureml.data import local, mapping

_said: set[str] = set()


class _Mapped(urllib.request.BaseHandler):
    """Opens mapped addresses before the handlers of the web do."""

    handler_order = 100

    def http_open(self, request: Any) -> Any:
        """Returns the file that the address stands for, None where no rule of the mapping fits."""
        place = _file(request.full_url)
        if place is None:
            return None
        headers = email.message.Message()
        headers["Content-Length"] = str(os.path.getsize(place))
        answer: Any = urllib.response.addinfourl(open(place, "rb"), headers, request.full_url, 200)  # noqa: SIM115
        answer.msg = "OK"
        return answer

    https_open = http_open


def _file(url: str) -> str | None:
    fits = any(url == rule or (rule.endswith("/") and url.startswith(rule)) for rule in mapping())
    place = local(url) if fits else ""
    if not os.path.isfile(place):
        return None
    if url not in _said:
        _said.add(url)
        print(f"raydrive: {url} is read from {place}, as input_mapping says", file=sys.stderr, flush=True)
    return place


def install_opener() -> None:
    """Makes it the opener of this process."""
    urllib.request.install_opener(urllib.request.build_opener(_Mapped))
