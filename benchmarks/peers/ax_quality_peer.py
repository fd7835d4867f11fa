"""Ax with ``method="quality"``: a fully Bayesian model, sampled anew for each suggestion."""

from __future__ import annotations

import ax_peer

PACKAGE = ax_peer.PACKAGE


class Peer(ax_peer.Peer):
    """As ask and tell."""

    method = "quality"
