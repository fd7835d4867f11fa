"""What every tracker must keep, as tests to inherit.

Subclass, say how to make yours and how to read back what it keeps; pytest collects the rest:

    class TestMyTracker(TrackerContract):
        def make(self, folder: Path, about: About) -> Tracker:
            return MyTracker({"dir": str(folder)}, about)

        def kept(self, folder: Path, about: About) -> Kept:
            ...

Needs nothing but pytest, raydrive and the tracker's library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from raydrive.core.records import CANCELED, COMPLETED, FAILED
from raydrive.trackers.protocol import About, Improved, Logged, RunEnded, Tracker, TrialBegan, TrialEnded, Update

ABOUT = About(run_id="sweep-20260101-000000-0abc", experiment="sweep", metric="val/loss", maximize=False)


@dataclass
class Kept:
    """What a tracker keeps, read back."""

    best: list[tuple[int, float]] = field(default_factory=list)
    """Step and value of the bests of the run."""
    curves: dict[int, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)
    """Step and value of each metric by name, by trial; in the order of steps, each step once."""
    params: dict[int, dict[str, str]] = field(default_factory=dict)
    """Hyperparameters as text, by trial."""
    ended: dict[int | None, bool] = field(default_factory=dict)
    """Whether a trial, or the run (None), has ended, and ended well."""


def began(trial: int) -> TrialBegan:
    """Returns the beginning of a trial."""
    return TrialBegan(1000.0 + trial, trial, {"lr": 0.5 + trial, "model": {"net": {"depth": 3}}, "note": "ü b"})


def logged(trial: int, step: int) -> Logged:
    """Returns values of a trial."""
    return Logged(1010.0 + step, trial, step, {"val/loss": 1.0 / (step + trial), "acc": float(step)}, step - 1)


class TrackerContract:
    """Tests that every tracker passes; ``make`` and ``kept`` are the only things to write."""

    def make(self, folder: Path, about: About) -> Tracker:
        """Returns a tracker that stores its updates in a folder, or at a server that the test has."""
        raise NotImplementedError

    def kept(self, folder: Path, about: About) -> Kept:
        """Reads back what is kept of a run."""
        raise NotImplementedError

    def test_a_run_is_kept_as_it_was_told(self, tmp_path: Path) -> None:
        """Two trials side by side, one that failed, and the run."""
        tracker = self.make(tmp_path, ABOUT)
        tracker.begin()
        tracker.deliver([began(0), began(1), logged(0, 1), Improved(1011.0, 0, 1, 1.0), logged(1, 1)])
        tracker.deliver(
            [Improved(1011.0, 1, 2, 0.5), logged(0, 2), TrialEnded(1020.0, 0, COMPLETED, "ended by itself")]
        )
        tracker.deliver([TrialEnded(1021.0, 1, FAILED, "exit code 1"), RunEnded(1022.0, COMPLETED, "all have ended")])
        tracker.close()
        found = self.kept(tmp_path, ABOUT)
        assert found.best == [(1, 1.0), (2, 0.5)]
        assert found.curves == {
            0: {"val/loss": [(1, 1.0), (2, 0.5)], "acc": [(1, 1.0), (2, 2.0)]},
            1: {"val/loss": [(1, 0.5)], "acc": [(1, 1.0)]},
        }
        assert {trial: params["lr"] for trial, params in found.params.items()} == {0: "0.5", 1: "1.5"}
        assert found.params[0]["note"] == "ü b"
        assert found.ended == {None: True, 0: True, 1: False}

    def test_another_instance_goes_on_in_what_is_there(self, tmp_path: Path) -> None:
        """As after a crash of the process, and in a run that is resumed."""
        first = self.make(tmp_path, ABOUT)
        first.begin()
        first.deliver([began(0), logged(0, 1)])
        first.close()
        second = self.make(tmp_path, ABOUT)
        second.begin()
        second.deliver([logged(0, 2), TrialEnded(1020.0, 0, CANCELED, "bandit"), RunEnded(1021.0, CANCELED, "user")])
        second.close()
        third = self.make(tmp_path, ABOUT)
        third.begin()
        third.deliver([began(1), logged(1, 1), TrialEnded(1030.0, 1, COMPLETED, "ended by itself")])
        third.deliver([RunEnded(1031.0, COMPLETED, "all have ended")])
        third.close()
        found = self.kept(tmp_path, ABOUT)
        assert {trial: len(curves["val/loss"]) for trial, curves in found.curves.items()} == {0: 2, 1: 1}
        assert found.ended == {None: True, 0: False, 1: True}

    def test_what_is_told_again_changes_nothing(self, tmp_path: Path) -> None:
        """Values that had arrived when the process died are sent again by the next one."""
        told: list[Update] = [
            *(began(0), logged(0, 1), Improved(1011.0, 0, 1, 1.0), logged(0, 2), Improved(1012.0, 0, 2, 0.5)),
            *(TrialEnded(1020.0, 0, COMPLETED, "ended by itself"), RunEnded(1022.0, COMPLETED, "all have ended")),
        ]
        for _ in range(2):
            tracker = self.make(tmp_path, ABOUT)
            tracker.begin()
            tracker.deliver(told)
            tracker.close()
        found = self.kept(tmp_path, ABOUT)
        assert found.curves == {0: {"val/loss": [(1, 1.0), (2, 0.5)], "acc": [(1, 1.0), (2, 2.0)]}}
        assert found.best == [(1, 1.0), (2, 0.5)]
        assert found.ended == {None: True, 0: True}

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300], ids=str)
    def test_odd_values_and_names_do_no_harm(self, tmp_path: Path, value: float) -> None:
        """What the tracker cannot keep of them takes nothing else along."""
        tracker = self.make(tmp_path, ABOUT)
        tracker.begin()
        tracker.deliver([began(0), Logged(1010.0, 0, 1, {"val/loss": value, "odd @ name!": 1.0, "acc": 1.0})])
        tracker.deliver([logged(0, 2), TrialEnded(1020.0, 0, COMPLETED, "x" * 10_000)])
        tracker.close()
        assert self.kept(tmp_path, ABOUT).curves[0]["acc"] == [(1, 1.0), (2, 2.0)]

    def test_runs_do_not_meet(self, tmp_path: Path) -> None:
        """Two runs of one place have their own trials."""
        other = About(run_id="sweep-20260101-000000-1abc", experiment="sweep", metric="val/loss", maximize=False)
        for about, steps in ((ABOUT, 1), (other, 2)):
            tracker = self.make(tmp_path, about)
            tracker.begin()
            tracker.deliver([began(0), *(logged(0, step) for step in range(1, steps + 1))])
            tracker.close()
        for about, steps in ((ABOUT, 1), (other, 2)):
            assert len(self.kept(tmp_path, about).curves[0]["val/loss"]) == steps
