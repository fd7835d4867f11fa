"""Puts these modules in the place of ``ray.tune``, ``ray.air`` and ``ray.train``, in this process only."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from raydrive.compat import ray_tune
from raydrive.compat.ray_tune import _callbacks, _session, _trainables, _tuner
from raydrive.compat.ray_tune._named import name_of

_PACKAGES = ("ray.tune", "ray.air", "ray.train")
_REAL = ("ray.tune.examples", "ray.tune.utils.mock_trainable")
"""Modules of Ray's that are scripts of this kind themselves: they are read where Ray is installed."""
_SHARED = ("report", "get_checkpoint", "get_context", "Checkpoint")
_CONFIGS = ("RunConfig", "CheckpointConfig", "FailureConfig")
_CONSTANTS = {
    "DONE": "done", "TRAINING_ITERATION": "training_iteration", "TIME_TOTAL_S": "time_total_s",
    "SHOULD_CHECKPOINT": "should_checkpoint", "TIMESTEPS_TOTAL": "timesteps_total", "TRIAL_ID": "trial_id",
}  # fmt: skip
"""Of ``ray.tune.result``."""


def install(submits: bool) -> None:
    """Makes ``import ray.tune`` and the like find what raydrive has of them.

    Args:
        submits: Whether this process starts runs; else ``ray.init`` does nothing, for a cluster is not needed.
    """
    import ray  # lazy: ray, 0.4 s

    for name in [name for name in sys.modules if _ours(name)]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder(Path(ray.__file__).parent))
    for package in _PACKAGES:
        module = ray_tune if package == "ray.tune" else _made(package)
        sys.modules[package] = module
        setattr(ray, package.partition(".")[2], module)
    if not submits:
        _connects_when_used(ray)


def _connects_when_used(ray: Any) -> None:
    """Has ``ray.init`` do nothing, and Ray connect by itself as soon as it is used."""
    from ray._private import auto_init_hook  # lazy: ray, 0.4 s

    connect = ray.init

    def connected() -> None:
        if auto_init_hook.enable_auto_connect and not ray.is_initialized():
            with auto_init_hook.auto_init_lock:
                if not ray.is_initialized():
                    connect()

    auto_init_hook.auto_init_ray = connected
    ray.init = _init


def _init(*args: Any, **kwargs: Any) -> Any:
    return name_of("context")


def _ours(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in _PACKAGES)


def _made(name: str) -> ModuleType:
    """A module in which every name stands for something."""
    module = ModuleType(name)
    module.__path__ = []
    last = name.rpartition(".")[2]
    found: dict[str, Any] = {}
    if name.startswith(("ray.train", "ray.air")):
        found.update({each: getattr(_session, each) for each in _SHARED})
        found.update({each: getattr(_tuner, each) for each in _CONFIGS})
        found["session"] = found["Session"] = _session_module() if last != "session" else None
    if last in ("session", "trainable", "tuner", "search", "sample", "schedulers", "experiment", "checkpoint"):
        found.update({each: getattr(_session, each) for each in _SHARED})
    if name == "ray.tune.result":
        found.update(_CONSTANTS)
    elif name.startswith(("ray.tune.integration.", "ray.air.integrations.", "ray.train.")):
        found.update(_callbacks.of(name))
    elif name in ("ray.tune.trainable", "ray.tune.tuner", "ray.tune.search.sample", "ray.tune.registry"):
        found.update({each: getattr(ray_tune, each) for each in ray_tune.__all__})
    elif name == "ray.tune.suggest.variant_generator":
        found["grid_search"] = ray_tune.grid_search
    elif name == "ray.tune.utils":
        found["validate_save_restore"] = lambda *args, **kwargs: True
    elif name == "ray.tune.trainable.util":
        found.update(with_parameters=_tuner.with_parameters, Trainable=_trainables.Trainable)
    module.__dict__.update({each: value for each, value in found.items() if value is not None})
    module.__dict__["__getattr__"] = name_of
    return module


def _session_module() -> ModuleType:
    module = ModuleType("ray.air.session")
    module.__dict__.update({each: getattr(_session, each) for each in _SHARED})
    context = _session.TrialContext()
    for each in (
        "get_trial_id",
        "get_trial_name",
        "get_world_rank",
        "get_world_size",
        "get_local_rank",
        "get_trial_dir",
    ):
        module.__dict__[each] = getattr(context, each)
    module.__dict__["__getattr__"] = name_of
    return module


class _Finder:
    """Finds every module below these packages.

    Args:
        ray: Folder of the installed Ray.
    """

    def __init__(self, ray: Path) -> None:
        self._ray = ray

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Returns the spec of such a module, None of all others."""
        if not _ours(name):
            return None
        if name.startswith(_REAL):
            place = self._ray.joinpath(*name.split(".")[1:])
            if place.with_suffix(".py").is_file():
                return importlib.util.spec_from_file_location(name, place.with_suffix(".py"))
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Makes the module."""
        return _session_module() if spec.name.endswith(".session") else _made(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Does nothing: the module is made."""
