"""A tracking store of the user's own, from which the trial hears too; the store itself gets everything as before."""

from __future__ import annotations

import functools
import threading
from typing import Any, Callable  # noqa: UP035  (Python 3.8)

from raydrive_mlflow.ledger import LEDGER

_depth = threading.local()


def tee(store: Any) -> Any:
    """Wraps the methods of a store through which things are logged, and returns it.

    One method may call another (``log_metric`` of some stores is a ``log_batch`` of one): only the outermost counts.
    """
    for name, heard in _HEARD.items():
        if hasattr(store, name):
            setattr(store, name, _heard(getattr(store, name), heard))
    queue: Any = getattr(store, "_async_logging_queue", None)
    if hasattr(queue, "_logging_func"):
        queue._logging_func = store.log_batch  # it was given the method before it was wrapped
    return store


def _heard(method: Callable[..., Any], heard: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        outermost = not getattr(_depth, "inside", False)
        _depth.inside = True
        try:
            result = method(*args, **kwargs)
        finally:
            _depth.inside = not outermost
        if outermost:
            heard(result, *args, **kwargs)
        return result

    return call


def _create_run(
    result: Any,
    experiment_id: Any = None,
    user_id: Any = None,
    start_time: Any = None,
    tags: Any = (),
    *args: Any,
    **kw: Any,
) -> None:
    name = kw.get("run_name") or (args[0] if args else None) or ""
    LEDGER.created(result.info.run_id, str(name), {tag.key: tag.value for tag in tags or ()})


def _log_metric(result: Any, run_id: str, metric: Any) -> None:
    LEDGER.log(run_id, [metric])


def _log_param(result: Any, run_id: str, param: Any) -> None:
    LEDGER.log(run_id, (), [param])


def _set_tag(result: Any, run_id: str, tag: Any) -> None:
    LEDGER.log(run_id, (), (), [tag])


def _log_batch(result: Any, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
    LEDGER.log(run_id, metrics, params, tags)


_HEARD: dict[str, Callable[..., None]] = {
    "create_run": _create_run,
    "log_metric": _log_metric,
    "log_param": _log_param,
    "set_tag": _set_tag,
    "log_batch": _log_batch,
}
