"""``determined.core``: a context for the trial."""

from raydrive_trackers.core_api import (
    Context,
    DistributedContext,
    DownloadMode,
    EarlyExitReason,
    PreemptMode,
    SearcherMode,
    TensorboardMode,
    init,
)

__all__ = [
    "Context",
    "DistributedContext",
    "DownloadMode",
    "EarlyExitReason",
    "PreemptMode",
    "SearcherMode",
    "TensorboardMode",
    "init",
]
