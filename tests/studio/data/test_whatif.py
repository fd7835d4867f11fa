from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import config, record

from raydrive import RandomParameterSampling, uniform
from raydrive.core.early_stopping.policies import BanditPolicy, NoTerminationPolicy
from raydrive.core.errors import ConfigError
from raydrive.core.views.importance import analyse
from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.data.whatif import in_advance, what_if


def test_the_policy_of_the_run_gives_back_the_run(story: RunHistory) -> None:
    outcome = what_if(story, story.config.policy)
    then = {t.number: story.sweep.curves.length(t.number) for t in story.sweep.trials if t.stop_by == "policy"}
    assert {number: interval for number, interval, _ in outcome.stopped} == then
    assert [why for _, _, why in outcome.stopped] == [t.why for t in story.sweep.trials if t.stop_by == "policy"]
    assert outcome.best == story.sweep.best.value
    assert not outcome.lost_best
    assert outcome.unknown == 0
    from raydrive.core.views.summary import saving

    assert outcome.saved_s == pytest.approx(saving(story.sweep).seconds, rel=1e-6)


def test_a_policy_on_a_run_that_had_none_is_what_it_would_have_been(tmp_path: Path) -> None:
    free = open_history(record(tmp_path / "a", config(40)))
    policy = BanditPolicy(slack_factor=0.1, delay_evaluation=3)
    real = open_history(record(tmp_path / "b", config(40, policy=policy)))
    outcome = what_if(free, policy)
    assert [(n, k) for n, k, _ in outcome.stopped] == [
        (t.number, real.sweep.curves.length(t.number)) for t in real.sweep.trials if t.stop_by == "policy"
    ]
    assert outcome.trained_s == pytest.approx(sum(t.trained_s for t in real.sweep.trials), abs=0.01)
    assert outcome.unknown == 0
    assert 0 < outcome.saved_s < outcome.all_s


def test_a_harsh_policy_loses_the_best_and_says_so(tmp_path: Path) -> None:
    curves = {0: [0.5, 0.5, 0.5, 0.5], 1: [0.1, 0.2, 0.6, 0.9]}
    layout = record(tmp_path, config(2, concurrent=2), lambda number, _: [(1.0, v) for v in curves[number]])
    outcome = what_if(open_history(layout), {"type": "bandit", "slack_factor": 0.1})
    assert outcome.lost_best
    assert (outcome.best, outcome.recorded_best) == (0.5, 0.9)


def test_unknown_futures_are_counted_and_estimated(story: RunHistory) -> None:
    outcome = what_if(story, NoTerminationPolicy())
    stopped = sum(trial.stop_by == "policy" for trial in story.sweep.trials)
    assert outcome.unknown == stopped > 0
    assert outcome.beyond_s > 0
    assert outcome.saved_s == pytest.approx(0.0, abs=1e-6)


def test_all_problems_of_a_policy_at_once(story: RunHistory) -> None:
    with pytest.raises(ConfigError) as caught:
        what_if(story, {"type": "bandit", "slack_factor": -1, "evaluation_interval": 0.5})
    assert len(caught.value.problems) == 2


def test_choices_in_advance_begin_with_the_run_s_own(story: RunHistory) -> None:
    outcomes = in_advance(story)
    assert outcomes[0]["policy"] == story.config.policy.to_json()
    assert len({json.dumps(one["policy"]) for one in outcomes}) == len(outcomes) > 10


def test_importance_finds_what_matters(story: RunHistory) -> None:
    found = analyse(story.sweep)
    assert found["importance"][0][0] == "learning_rate"
    assert found["importance"][0][1] > 0.5
    assert found["explained"] > 0.1
    assert 0.5 < sum(share for _, share in found["importance"]) <= 1.0 + 1e-9
    first = found["slices"][0]
    assert first["name"] == "learning_rate"
    assert first["x"][first["mean"].index(max(first["mean"]))] == pytest.approx(0.01, rel=3.0)
    assert all(deviation >= 0 for deviation in first["sd"])


def test_importance_says_when_there_is_too_little(tmp_path: Path) -> None:
    found = analyse(open_history(record(tmp_path, config(4))).sweep)
    assert found["importance"] == []
    assert "4 of the 8 trials" in found["note"]


def test_no_figure_and_a_sentence_where_nothing_is_known(tmp_path: Path) -> None:
    rng = random.Random(1)
    run = record(tmp_path, config(40), lambda number, _: [(1.0, rng.random())])
    found = analyse(open_history(run).sweep)
    assert found["importance"] == []
    assert found["explained"] < 0.1
    assert found["note"] == (
        "what the 40 trials with a value show does not predict the value of another trial; "
        "more trials may help, or none of the hyperparameters matters within its range"
    )
    assert found["slices"]


def test_what_only_a_combination_explains_is_told(tmp_path: Path) -> None:
    space = RandomParameterSampling({"x": uniform(-1, 1), "y": uniform(-1, 1), "z": uniform(-1, 1)})
    given = replace(config(60), sampling=space)
    run = record(tmp_path, given, lambda _, params: [(1.0, params["x"] * params["y"])])
    found = analyse(open_history(run).sweep)
    assert sum(share for _, share in found["importance"]) < 0.1
    words, names = found["note"].rsplit(" of ", 1)
    assert words.endswith("% are explained only by combinations, above all")
    assert set(names.split(", ")) == {"x", "y"}


@pytest.fixture
def cli(tmp_path: Path):
    storage = tmp_path / "storage"
    record(
        storage,
        config(12, policy=BanditPolicy(slack_factor=0.1, delay_evaluation=3)),
        run_id="study-20261119-120000-00aa",
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys, typer\nfrom raydrive.cli import app as home, studio\n"
            "known = {c.name or c.callback.__name__ for c in home.app.registered_commands}\n"
            "if 'whatif' not in known: studio.register(home.app)\n"
            "sys.exit(home.run(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", code, *arguments, "--storage", str(storage)]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=tmp_path)

    return run


def test_the_command_line_answers(cli) -> None:
    done = cli("whatif", "last", "--policy", '{"type":"bandit","slack_factor":0.05}', "-o", "json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)["outcomes"][0]
    assert outcome["policy"]["slack_factor"] == 0.05
    done = cli("whatif", "last")
    assert done.returncode == 0, done.stderr
    assert "truncation selection" in done.stdout
    done = cli("whatif", "last", "--policy", '{"type":"bandit"')
    assert done.returncode == 2
    assert "not valid JSON" in done.stderr
    done = cli("whatif", "last", "--policy", '{"type":"bandti"}')
    assert done.returncode == 2
    assert "Did you mean 'bandit'?" in done.stderr


def test_the_command_line_writes_a_report_and_exports(cli, tmp_path: Path) -> None:
    done = cli("report", "last", "-o", "r.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "r.html\n"
    assert (tmp_path / "r.html").stat().st_size > 4_000_000
    done = cli("export", "last", "--to", "cvs")
    assert done.returncode == 2
    assert "Did you mean 'csv'?" in done.stderr
    done = cli("export", "last", "--to", "csv", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "study-20261119-120000-00aa-trials.csv").read_text().splitlines()) == 13
