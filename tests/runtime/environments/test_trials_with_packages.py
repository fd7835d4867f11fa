"""A trial actor gives its trials the environment that was asked for, and takes away what a command installs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from local_wheels import make_wheel, offline
from trial_actor_helpers import Driver, a_run, an_actor, end_of, values

from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.runtime.environments import build

LOG = (
    "python -c \"import smallest; from raydrive.context import Run; Run.get_context().log('score', smallest.VERSION)\""
)
LOG = LOG.replace("smallest.VERSION", "float(smallest.VERSION)")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two versions of a package, and a cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "wheels", "smallest", version)
    return tmp_path / "wheels"


def run_trials(folder: Path, count: int = 1, **trial: Any) -> list[list[Any]]:
    """Runs trials one after the other in one actor; returns the events of each."""

    async def main() -> list[list[Any]]:
        driver, ended = Driver(is_open=True), []
        layout, config = a_run(folder, lambda params: None, kind="command", **trial)
        async with an_actor(layout, config, driver) as actor:
            for number in range(count):
                before = len(driver.events)
                last = await asyncio.wait_for(actor.run(1, number, 1, {}, None, 0), 200)
                reported = driver.events[before:]
                # What was on its way to the driver when the trial ended comes with its end, too: drivers count it once.
                ended.append([*reported, *(event for event in last if event not in reported)])
        return ended

    return asyncio.run(main())


def test_trials_use_the_environment_that_is_built_for_them(tmp_path: Path, wheels: Path) -> None:
    environment = TrialEnvironment(tool="uv", requirements=offline(wheels, "smallest==1.0"))
    for events in run_trials(tmp_path, 2, command=LOG, environment=environment):
        assert end_of(events).exit_code == 0
        assert values(events) == [1.0]
    assert len(list((tmp_path / "cache" / "raydrive").rglob("smallest.py"))) == 1


def test_what_a_command_installs_is_gone_with_its_trial(tmp_path: Path, wheels: Path) -> None:
    environment = TrialEnvironment(tool="uv", requirements=offline(wheels, "smallest==1.0"))
    python = Path(build.built_python(environment))
    install = f"pip install -q --no-index --find-links {wheels} smallest==2.0"
    for events in run_trials(tmp_path, 2, command=f"{LOG} && {install} && {LOG}", environment=environment,
                             throw_away=True):  # fmt: skip
        assert end_of(events).exit_code == 0
        assert values(events) == [1.0, 2.0]
    assert "1.0" in next(python.parents[1].rglob("smallest.py")).read_text()


def test_an_environment_that_cannot_be_built_is_why_the_trial_fails(tmp_path: Path, wheels: Path) -> None:
    environment = TrialEnvironment(tool="uv", requirements=offline(wheels, "smallest==3.0"))
    (events,) = run_trials(tmp_path, command=LOG, environment=environment)
    assert "the environment of the trials cannot be built on" in str(events[-1])
    assert "smallest==3.0" in str(events[-1])
