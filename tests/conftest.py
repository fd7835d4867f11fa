"""What every test starts from: the same random examples everywhere, and none of the user's own settings."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import script_environment
from hypothesis import HealthCheck, settings

# The same examples on every machine, so that a red build is red everywhere; no deadline, because CI machines stall.
# HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Without bytecode every process that Ray starts compiles Ray from source: 2 to 3 times the start-up time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Small matrices on a busy machine: BLAS threads wait for each other's cores, and tests of the sampler take ten times as
# long. Ray gives its workers one thread for the same reason.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts what runs in its background with SIGINT ignored, and what the tests start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster address or storage in the developer's shell, or a trial we run in, must not reach a test."""
    for name in list(os.environ):
        if name.startswith("RAYDRIVE_") or name in {"RAY_ADDRESS", "RAY_NAMESPACE", "RAY_JOB_ID"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def old_python() -> str:
    """A Python of its own for training scripts: old, with an old MLflow, without raydrive and azureml."""
    return str(script_environment.make())


ROOMS = {
    "tests/cluster/test_cli.py": "own clusters",
    "tests/cluster/test_head.py": "own clusters",
    "tests/cluster/test_dashboard.py": "own clusters",
    "tests/chaos/": "own clusters",
    "tests/cluster/": "cluster",
    "tests/studio/": "browser",
}
"""Tests that do not run beside each other, by where they are: they share what takes long to start."""


def room_of(nodeid: str) -> str:
    """The room of a test; its own id when it needs none."""
    return next((room for prefix, room in ROOMS.items() if nodeid.startswith(prefix)), nodeid)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast tests first: what a cluster takes seconds to show, a pure test often shows at once.

    In several processes (``-n 3``) what has a room goes first: it takes longest, and mostly waits.
    """
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("ray", "slow")])
    if hasattr(config, "workerinput"):
        rooms = list(dict.fromkeys(ROOMS.values()))
        items.sort(key=lambda item: rooms.index(room) if (room := room_of(item.nodeid)) in rooms else len(rooms))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands each room to one process. (The plugin's own groups do nothing under pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return room_of(nodeid)

    config.option.loadscopereorder = False
    return Rooms(config, log)
