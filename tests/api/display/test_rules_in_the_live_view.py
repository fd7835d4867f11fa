"""The live view of a run that a rule may end shows how far it is by that rule."""

from __future__ import annotations

import json
from pathlib import Path

from raydrive.api.display.live_view import LiveView
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.records import Began, Reported, Started, Suggested, dump
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader


def test_rules_stand_below_the_best(tmp_path: Path) -> None:
    layout = RunLayout.create(str(tmp_path), "e", "e-20261129-120000-0001")
    config = RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=4, max_concurrent_runs=2),
        trial=TrialSpec(kind="command", command="true"),
        seed=0,
        rules=RunRules.of({"finish_when": {"target": 0.9, "no_improvement": 3}}),
    )
    layout.write_config(json.dumps(config.to_json()).encode())
    sweep = Sweep(config)
    facts = [Started(1.0, 1), Suggested(1.0, 0, {"x": 0.5}), Began(1.0, 0, 1), Reported(2.0, 0, 1, 1, 1, 0.5)]
    with JournalWriter.open(layout.journal) as writer:
        writer.append([dump(fact, sweep.handle(fact)) for fact in facts])
    run = RunReader(layout)
    run.refresh()
    stands = run.status()
    lines = [line.plain for line in LiveView(run).draw(stands.summary, stands.beat, 100, 30)]
    assert "target 0.9: best 0.5" in lines
    assert "no improvement: 0 of 3 trials" in lines
