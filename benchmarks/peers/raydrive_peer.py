"""raydrive's own sampler (``algorithm="gp"``), played in raydrive's environment as the peers are in theirs."""

from __future__ import annotations

from typing import Any

from _raydrive_sampler import Raydrive

PACKAGE = "raydrive"


class Peer(Raydrive):
    """As ask and tell."""

    def __init__(self, space: list[dict[str, Any]], seed: int, workers: int, trials: int) -> None:
        super().__init__(space, seed, "gp")
