"""What every test starts from: the same random examples everywhere, and none of the user's own settings."""

from __future__ import annotations

import os

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast tests first: what a cluster takes seconds to show, a pure test often shows at once.

    In several processes (``-n 2 --dist loadgroup``) all tests of a cluster go to one of them, which starts with them,
    and all of a browser to one: neither cluster nor browser is started twice.
    """
    parallel = config.getoption("numprocesses", None) or hasattr(config, "workerinput")
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("ray", "slow")])
    if not parallel:
        return
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)
    for item in items:
        if item.get_closest_marker("ray") is not None:
            item.add_marker(pytest.mark.xdist_group("cluster"))
        elif "studio" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("browser"))
