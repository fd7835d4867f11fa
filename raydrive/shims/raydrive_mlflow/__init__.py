"""MLflow of a training script: what it logs reaches the trial, whatever tracking server it uses.

MLflow finds the entry points beside this package and imports it when ``mlflow`` itself is imported. Works with mlflow
and mlflow-skinny from 1.30 to 3.17, on Python 3.8 and up.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable  # noqa: UP035  (Python 3.8)

_TRACKING = "mlflow.tracking._tracking_service.utils"


def tracking_store(store_uri: str, artifact_uri: str | None = None, **kwargs: Any) -> Any:
    """Builds the store of ``raydrive://`` URIs."""
    from raydrive_mlflow.store import build  # lazy: mlflow, 1.1 s

    return build()


def model_registry_store(store_uri: str | None = None, tracking_uri: str | None = None, **kwargs: Any) -> Any:
    """Builds the model registry of ``raydrive://`` URIs."""
    from raydrive_mlflow.models import build  # lazy: mlflow, 1.0 s

    return build()


def _teeing(builder: Callable[..., Any]) -> Callable[..., Any]:
    """The builder of another store, such that what is logged there reaches the trial too."""

    @functools.wraps(builder)
    def build(*args: Any, **kwargs: Any) -> Any:
        from raydrive_mlflow.tee import tee  # lazy: raydrive_mlflow.tee, 0.009 s

        return tee(builder(*args, **kwargs))

    return build


def _watch(registry: Any) -> None:
    """Has every other tracking store send to the trial too, those registered from now on included.

    Builders are wrapped, not stores: a store asked for here would be built under the lock of its builder.
    """
    register = registry.register
    for scheme, builder in list(registry._registry.items()):
        register(scheme, _teeing(builder))

    def register_watched(scheme: str, builder: Callable[..., Any]) -> None:
        register(scheme, builder if builder is tracking_store else _teeing(builder))

    registry.register = register_watched
    if "azureml" not in registry._registry:
        register(
            "azureml", tracking_store
        )  # a workspace's URI; the real plugin replaces this one where it is installed


_loading = sys.modules.get(_TRACKING)
if _loading is not None and hasattr(_loading, "_tracking_store_registry"):
    _watch(_loading._tracking_store_registry)
