"""Warm start from recorded runs, without a cluster: what is refused, taken and copied, and who has the best."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raydrive import (
    BanditPolicy,
    BayesianParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    uniform,
)
from raydrive.api.display.console import last_words
from raydrive.api.submit.submission import RunReference, Submission
from raydrive.api.submit.warm_start import copy_warm_start, plan_warm_start, read_source
from raydrive.cli.app import run as raydrive
from raydrive.context import Run
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.errors import ConfigError, JournalError, StorageError
from raydrive.core.records import Began, Launch, Reported, Started, Suggested
from raydrive.core.records import dump as line_of
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.sweep.warm_start_data import dump, sampler_of
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.runtime.inline import run_inline
from raydrive.storage.checkpoints import manifests, publish
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import open_history
from raydrive.studio.data.whatif import what_if
from raydrive.sweepfile.loader import load_sweep
from raydrive.testing.sweep_invariants import check_journal, picture

Train = Callable[[dict[str, Any]], object]
X = RandomParameterSampling({"x": uniform(0, 1)})


def config(
    trials: int = 4, *, metric: str = "score", goal: str = "maximize", sampling: SamplingSpec = X, **more: Any
) -> RunConfig:
    return RunConfig(
        experiment="e",
        metric=Metric(name=metric, goal=PrimaryMetricGoal(goal)),
        sampling=sampling,
        limits=Limits(max_total_runs=trials, max_concurrent_runs=1, first_failures=0),
        trial=TrialSpec(kind="function", resume_argument=True),
        seed=3,
        **more,
    )


def logs(intervals: int) -> Train:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        for k in range(intervals):
            run.log("score", params["x"] + k / 100)

    return train


def recorded(
    storage: Path, number: int, made: RunConfig | None = None, train: Train | None = None, **given: Any
) -> HyperDriveRun:
    """A finished run in the storage, as a driver leaves it."""
    made = made or config()
    layout = RunLayout.create(storage, "e", f"e-20261125-12000{number}-000{number}")
    layout.write_config(json.dumps(made.to_json()).encode())
    if "heritage" in given:
        layout.write_warm_start(dump(given["heritage"]))
    writer = JournalWriter.open(layout.journal)
    trials = layout.folder.local_path
    assert trials is not None
    run_inline(made, train or logs(3), writer, files=trials / "trials", **given)
    layout.write_driver(dump_heartbeat({"state": "Completed", "at": time.time(), "epoch": 1}))
    return HyperDriveRun(layout)


def saved(run: HyperDriveRun, trial: int, tmp_path: Path, interval: int, content: str) -> None:
    """Leaves a checkpoint with the trial."""
    folder = tmp_path / f"made-{run.id}-{trial}-{interval}"
    folder.mkdir()
    (folder / "state").write_text(content)
    publish(run.layout, trial, folder, attempt=1, interval=interval, value=None, at=0.0)


def submission(made: RunConfig | None = None, parents: Any = (), children: Any = ()) -> Submission:
    from raydrive.api.references import child_references, run_references

    return Submission(
        config=made or config(),
        source_directory=None,
        resume_from=run_references(list(parents)),
        resume_child_runs=child_references(list(children)),
    )


def heir(storage: Path, number: int, wanted: Submission, train: Train) -> HyperDriveRun:
    """A run with parents, from ``launch``'s steps to its end, in this process."""
    import dataclasses

    descent = plan_warm_start(wanted, str(storage))
    layout = RunLayout.create(storage, "e", f"e-20261125-13000{number}-000{number}")
    lineage, warm_start = copy_warm_start(descent, layout)
    layout.write_warm_start(dump(warm_start))
    made = dataclasses.replace(wanted.config, lineage=lineage)
    layout.write_config(json.dumps(made.to_json()).encode())
    place = layout.folder.local_path
    assert place is not None
    run_inline(made, train, JournalWriter.open(layout.journal), files=place / "trials", warm_start=warm_start)
    return HyperDriveRun(layout)


# --- naming and refusing ---------------------------------------------------------------------------------------------


def test_runs_are_named_by_object_id_prefix_last_and_folder(tmp_path: Path) -> None:
    runs = [recorded(tmp_path / "storage", n) for n in range(2)]
    names = [runs[0], runs[0].id, "e-20261125-120000", runs[0].uri, f"file://{runs[0].uri}"]
    for name in names:
        [parent] = plan_warm_start(submission(parents=[name]), str(tmp_path / "storage")).lineage.parents
        assert (parent.run, parent.uri, parent.trials, parent.compared) == (runs[0].id, "", 4, 4)
    [last] = plan_warm_start(submission(parents=["last"]), str(tmp_path / "storage")).lineage.parents
    assert last.run == runs[1].id
    relative = RunReference(run=f"./storage/e/{runs[0].id}", where="w", base=tmp_path)
    wanted = Submission(config=config(), source_directory=None, resume_from=(relative,))
    [found] = plan_warm_start(wanted, str(tmp_path / "other")).lineage.parents
    assert found.uri == runs[0].uri  # in another storage: by its folder


def test_everything_wrong_is_said_at_once_each_with_its_place(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    good, loss = recorded(storage, 0), recorded(storage, 1, config(metric="loss", goal="minimize"), lambda params: None)
    other = recorded(storage, 2, config(sampling=RandomParameterSampling({"y": uniform(0, 1)})), lambda params: None)
    parents = [good, good.id, loss, "nobody", 7]
    children = [good.get_child(0), f"{good.id}_0", f"{good.id}_9", other.get_child(0), "nobody_1"]
    with pytest.raises(ConfigError) as caught:
        plan_warm_start(submission(config(trials=4), parents, children), str(storage))
    problems = {problem.where: str(problem) for problem in caught.value.problems}
    assert list(problems) == [
        *("resume_from[1]", "resume_from[2]", "resume_from[3]", "resume_from[4]"),
        *("resume_child_runs[1]", "resume_child_runs[2]", "resume_child_runs[3]", "resume_child_runs[4]"),
    ]
    assert "It is already listed as resume_from[0]" in problems["resume_from[1]"]
    assert (
        "goal is to minimize 'loss'; allowed: a run whose goal is to maximize 'score', as in this one"
        in problems["resume_from[2]"]
    )
    assert "No run 'nobody'" in problems["resume_from[3]"]
    assert "found 7; allowed: a HyperDriveRun" in problems["resume_from[4]"]
    assert "found trial 0 of e-20261125-120000-0000 again" in problems["resume_child_runs[1]"]
    assert "one of its trials: 0 to 3" in problems["resume_child_runs[2]"]
    assert "no value of x" in problems["resume_child_runs[3]"]
    # and the fifth is one more than the run has trials
    assert [problem.found for problem in caught.value.problems if "to continue" in problem.found] == [
        "5 trials to continue"
    ]
    assert "Raise max_total_runs, or name fewer" in str(caught.value)
    trials = tuple(
        replace(one, where=f"raydrive.{one.where}") for one in submission(children=children).resume_child_runs
    )
    of_a_file = replace(submission(config(trials=4)), resume_child_runs=trials)
    with pytest.raises(ConfigError, match=r"Raise limits\.max_total_trials, or name fewer"):
        plan_warm_start(of_a_file, str(storage))


def test_the_python_configuration_checks_at_birth(tmp_path: Path) -> None:
    run = recorded(tmp_path / "storage", 0)

    def made(**more: Any) -> HyperDriveConfig:
        return HyperDriveConfig(X, "score", "maximize", 2, run_config=logs(1), **more)

    with pytest.raises(ConfigError, match=r"resume_from\[1\]: found e-20261125-120000-0000 again"):
        made(resume_from=[run, run])
    with pytest.raises(ConfigError, match="resume_child_runs\\[0\\]: found 'nothing'; allowed: a trial"):
        made(resume_child_runs=["nothing"])
    with pytest.raises(ConfigError, match="3 trials to continue; allowed: at most 2"):
        made(resume_child_runs=[run.get_child(n) for n in range(3)])
    plain, going_on = made(resume_from=run), made(resume_child_runs=run.get_child(1))
    assert not plain.config.trial.resume_argument
    assert going_on.config.trial.resume_argument
    assert not made(resume_child_runs=run.get_child(1), resume_argument=False).config.trial.resume_argument


def test_a_run_somebody_works_on_is_refused_and_an_interrupted_one_is_not(tmp_path: Path) -> None:
    layout = RunLayout.create(tmp_path, "e", "e-20261125-120000-0000")
    layout.write_config(json.dumps(config().to_json()).encode())
    facts = [
        (Started(1.0, 1), ()),
        (Suggested(2.0, 0, {"x": 0.5}), (Launch(0, 1, {"x": 0.5}),)),
        (Began(3.0, 0, 1), ()),
        (Reported(4.0, 0, 1, 1, 1, 0.7), ()),
    ]
    JournalWriter.open(layout.journal).append([line_of(*entry) for entry in facts])
    layout.write_driver(json.dumps({"state": "Running", "at": time.time(), "epoch": 1}).encode())
    for wanted in (submission(parents=[layout.run_id]), submission(children=[f"{layout.run_id}_0"])):
        with pytest.raises(ConfigError, match="which is still Running"):
            plan_warm_start(wanted, str(tmp_path))
    layout.write_driver(json.dumps({"state": "Interrupted", "at": time.time(), "epoch": 1}).encode())
    lineage = plan_warm_start(submission(parents=[layout.run_id]), str(tmp_path)).lineage
    assert (lineage.parents[0].state, lineage.parents[0].compared) == ("Interrupted", 1)
    assert plan_warm_start(submission(children=[f"{layout.run_id}_0"]), str(tmp_path)).lineage.continued[0].source == ""


def test_a_damaged_record_is_used_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    run = recorded(tmp_path, 0)
    segment = max(Path(run.uri, "journal").glob("*.jsonl"), key=lambda path: path.stat().st_size)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:8], b"[broken]\n", *lines[9:]]))
    assert HyperDriveRun.open(run.uri).get_status() == "Damaged"
    lineage = plan_warm_start(submission(parents=[run.id]), str(tmp_path)).lineage
    assert lineage.parents[0].compared >= 1
    assert "is used as far as it is readable" in lineage.notes[0]


def test_a_warm_start_that_changes_nothing_says_so(tmp_path: Path) -> None:
    run = recorded(tmp_path, 0)
    assert "has no effect" in plan_warm_start(submission(parents=[run]), str(tmp_path)).lineage.notes[0]
    policy = BanditPolicy(slack_amount=0.1)
    assert plan_warm_start(submission(config(policy=policy), [run]), str(tmp_path)).lineage.notes == ()
    learning = config(sampling=BayesianParameterSampling({"x": uniform(0, 1)}))
    assert plan_warm_start(submission(learning, [run]), str(tmp_path)).lineage.notes == ()


# --- taking ----------------------------------------------------------------------------------------------------------


def test_a_run_needs_no_parent_any_more_once_it_began(tmp_path: Path) -> None:
    parent = recorded(tmp_path, 0, train=logs(5))
    best = parent.get_best_run_by_primary_metric()
    assert best is not None
    saved(parent, best.number, tmp_path, 3, "three")
    wanted = submission(config(4, policy=BanditPolicy(slack_amount=0.05)), [parent], [best])
    seen: list[tuple[float, str | None]] = []

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        seen.append((params["x"], Path(run.resume_from, "state").read_text() if run.resume_from else None))
        logs(5)(params)

    x = best.params["x"]
    run = heir(tmp_path, 1, wanted, train)
    before = picture(run.sweep)
    lines = [line_of(*entry) for entry in JournalReader(run.layout.journal).read()]
    shutil.rmtree(parent.uri)
    again = HyperDriveRun.open(run.uri)
    assert picture(again.sweep) == before
    assert picture(check_journal(run.config, lines, again.sweep.warm_start)) == before
    assert seen[0] == (x, "three")
    assert [content for _, content in seen[1:]] == [None, None, None]
    first = run.sweep.trials[0]
    assert (first.start, first.checkpoint, first.origin) == (3, "1", "resumed")
    assert len(run.sweep.trials) == 4
    assert run.sweep.curves.length(0) == 8
    assert f"3 of them in {best.id}" in first.why
    assert json.loads(run.get_details()["properties"]["resume_from"]) == [parent.id]
    assert json.loads(run.get_details()["properties"]["resume_child_runs"]) == [best.id]
    stopped = [trial.why for trial in run.sweep.trials if trial.stop_by == "policy"]
    assert any("set by trial 0" in why for why in stopped)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_outputs_stand_in(tmp_path: Path) -> None:
    parent = recorded(tmp_path, 0, train=logs(5))
    for interval, content in ((2, "two"), (4, "four")):
        saved(parent, 1, tmp_path, interval, content)
    Path(parent.uri, "trials/00001/checkpoints/00002/files/state").write_text("rotten")
    outputs = Path(parent.uri, "trials/00002/outputs")
    (outputs / "model").mkdir()
    (outputs / "model/weights").write_text("w")
    wanted = submission(children=[f"{parent.id}_{n}" for n in (1, 2, 3)])
    planned = plan_warm_start(wanted, str(tmp_path)).lineage.continued
    assert [(one.source, one.interval) for one in planned] == [("checkpoint 2", 4), ("outputs", 5), ("", 0)]

    found: list[str | None] = []

    def train(params: dict[str, Any]) -> None:
        folder = Run.get_context().resume_from
        found.append(",".join(sorted(p.name for p in Path(folder).rglob("*") if p.is_file())) if folder else None)
        logs(1)(params)

    run = heir(tmp_path, 1, wanted, train)
    taken = run.lineage.continued
    assert [(one.source, one.interval) for one in taken] == [("checkpoint 1", 2), ("outputs", 5), ("", 0)]
    assert "state is damaged" in taken[0].note
    assert "using the previous one" in taken[0].note
    assert found == ["state", "weights", None, None]
    assert [manifest.interval for manifest in manifests(run.layout, 0)] == [2]
    assert [run.sweep.curves.length(n) for n in range(4)] == [3, 6, 1, 1]
    assert any("damaged" in line for line in run.lineage.lines())
    assert "from the beginning" in taken[2].text


def test_a_checkpoint_of_intervals_that_were_never_recorded_is_not_gone_on_from(tmp_path: Path) -> None:
    parent = recorded(tmp_path, 0, train=logs(3))
    for interval in (2, 5):
        saved(parent, 0, tmp_path, interval, "x")
    [one] = plan_warm_start(submission(children=[f"{parent.id}_0"]), str(tmp_path)).lineage.continued
    assert (one.source, one.interval) == ("checkpoint 1", 2)


def test_what_is_seen_of_a_trial_that_goes_on_is_its_whole_curve(tmp_path: Path) -> None:
    parent = recorded(tmp_path, 0, train=logs(4))
    saved(parent, 1, tmp_path, 4, "x")
    policy = BanditPolicy(slack_amount=9)
    run = heir(tmp_path, 1, submission(config(3, policy=policy), [parent], [parent.get_child(1)]), logs(3))
    story = open_history(run.layout)
    assert [len(past.times) for past in story.pasts] == [7, 3, 3]
    head = Documents(story).head()
    assert head["run"]["lineage"]["parents"][0]["run"] == parent.id
    assert head["best"]["trial"] == run.sweep.best.trial  # type: ignore[union-attr]
    outcome = what_if(story, {"type": "bandit", "slack_amount": 0.0})
    assert outcome.stopped  # measured against curves of the parent, too
    assert all(interval >= 5 for trial, interval, _ in outcome.stopped if trial == 0)


def test_an_heir_can_be_a_parent_with_what_its_trials_logged_on_both_sides(tmp_path: Path) -> None:
    first = recorded(tmp_path, 0, train=logs(3))
    saved(first, 0, tmp_path, 3, "x")
    second = heir(tmp_path, 1, submission(config(1), [first], [first.get_child(0)]), logs(2))
    descent = plan_warm_start(submission(parents=[second]), str(tmp_path))
    assert [list(one.curve) for one in descent.prior_trials] == [list(second.sweep.curves.values(0))]
    assert len(descent.prior_trials[0].curve) == 5
    assert descent.lineage.parents[0].trials == 1


def test_the_best_over_parents_is_a_child_of_its_own_run(tmp_path: Path) -> None:
    parent = recorded(tmp_path, 0, train=logs(9))
    run = heir(tmp_path, 1, submission(config(2, sampling=X), [parent]), logs(1))
    best, own = run.get_best_run_by_primary_metric(), run.get_best_run_by_primary_metric(include_resume_from_runs=False)
    assert best is not None
    assert own is not None
    assert best.id == f"{parent.id}_{parent.sweep.best.trial}"  # type: ignore[union-attr]
    assert own.parent is run
    first = run.lineage.parents[0]
    found = run.layout.sibling(first.experiment, first.run, first.uri)
    assert RunReader.open(found).id == parent.id
    # The whole storage may move; a parent may be deleted.
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    shutil.copytree(tmp_path, moved)
    again = HyperDriveRun.open(str(moved / "e" / run.id)).get_best_run_by_primary_metric()
    assert again is not None
    assert again.parent.uri == str(moved / "e" / parent.id)
    shutil.rmtree(parent.uri)
    with pytest.warns(UserWarning, match="is ignored because it cannot be read"):
        left = run.get_best_run_by_primary_metric()
    assert left is not None
    assert left.id == own.id


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_a_best_of_exactly_zero_counts(tmp_path: Path, goal: str) -> None:
    sign = -1.0 if goal == "maximize" else 1.0

    def logging(value: float) -> Train:
        return lambda params: Run.get_context().log("score", value)

    parent = recorded(tmp_path, 0, config(1, goal=goal), logging(0.0))
    run = heir(tmp_path, 1, submission(config(1, goal=goal), [parent]), logging(sign))
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.id == f"{parent.id}_0"
    assert best.best_value == 0.0


def test_an_earlier_run_is_compared_by_what_counts_in_the_new_one(tmp_path: Path) -> None:
    """Of the earlier run, ranked by best points, trial 0 peaked at 0.9 and ended at 0.1; trial 1 ended at 0.5."""
    curves = iter(([0.9, 0.1], [0.4, 0.5], [0.3, 0.2]))

    def train(params: dict[str, Any]) -> None:
        for value in next(curves):
            Run.get_context().log("score", value)

    parent = recorded(tmp_path, 0, config(2), train)
    made = config(1, sampling=BayesianParameterSampling({"x": uniform(0, 1)}))
    made = replace(made, metric=replace(made.metric, value="last"))
    run = heir(tmp_path, 1, submission(made, [parent]), train)
    assert [(one.best, one.best_trial) for one in run.lineage.parents] == [(0.5, 1)]
    assert [seen.value for seen in run.sweep.warm_start.seen(True, "last")] == [0.1, 0.5]
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.id == f"{parent.id}_1"
    assert run.get_best_run_by_primary_metric(include_resume_from_runs=False).best_value == 0.2  # type: ignore[union-attr]
    assert "An earlier run was better: 0.5, trial 1 of" in "\n".join(last_words(run.reader))


def test_a_missing_heritage_is_an_error_that_names_it(tmp_path: Path) -> None:
    run = heir(tmp_path, 1, submission(parents=[recorded(tmp_path, 0)]), logs(1))
    Path(run.uri, "heritage.jsonl").write_bytes(b"")
    with pytest.raises(JournalError, match="the warm-start data of e-20261125-130001-0001 cannot be read"):
        HyperDriveRun.open(run.uri)
    Path(run.uri, "heritage.jsonl").unlink()
    with pytest.raises(StorageError, match=r"heritage\.jsonl"):
        HyperDriveRun.open(run.uri)


def test_no_password_gets_into_a_lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from raydrive.api.submit import warm_start

    run = recorded(tmp_path, 0)
    source = read_source(run.reader)
    monkeypatch.setattr(type(run.layout), "uri", "s3://key:geheim@bucket/e/r?region=x")
    tracer = warm_start._Tracer(config(), None)
    assert "geheim" not in tracer._address(source)


# --- YAML and the command line ---------------------------------------------------------------------------------------

SWEEP = """
type: sweep
experiment_name: e
trial: {{code: code, command: "python train.py --x ${{{{search_space.x}}}}"}}
search_space: {{x: {{type: uniform, min_value: 0, max_value: 1}}}}
objective: {{goal: {goal}, primary_metric: score}}
sampling_algorithm: bayesian
limits: {{max_total_trials: 3}}
raydrive:
  seed: 0
  warm_start: last
  resume_child_runs:
    - {{run: last, trials: [2]}}
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "storage"))
    path = tmp_path / "sweep.yml"
    path.write_text(SWEEP.format(goal="maximize"))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").touch()
    return path


def test_a_dry_run_shows_what_goes_on_and_what_is_brought(
    tmp_path: Path, sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = recorded(tmp_path / "storage", 0, config(9))
    saved(run, 2, tmp_path, 2, "x")
    assert raydrive(["submit", str(sweep), "--dry-run"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert f"--x {run.get_child(2).params['x']}" in lines[0]
    assert lines[0].rstrip("'").endswith("--resume-from DIR")
    assert "--resume-from" not in lines[1]
    assert f"warm start from {run.id}: curves of 8 of its 9 trials are used in comparisons" in err
    assert "the sampler learns from 8; 1 ignored (1: continues as a trial of this run)" in err
    assert f"trial 0 continues {run.id}_2: from its checkpoint 1, after 2 intervals" in err
    assert raydrive(["validate", str(sweep)]) == 0
    assert "warm start from" in capsys.readouterr().err


def test_the_file_is_blamed_at_the_right_place(tmp_path: Path, sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path / "storage", 0)
    sweep.write_text(SWEEP.format(goal="minimize"))
    assert raydrive(["validate", str(sweep)]) == 2
    assert f"{sweep}:11:15: raydrive.warm_start: found e-20261125-120000-0000, whose goal is" in capsys.readouterr().err
    changes = ["--set", "objective.goal=maximize", "--set", "raydrive.warm_start=[nobody]"]
    assert raydrive(["submit", str(sweep), "--dry-run", *changes]) == 2
    assert "--set raydrive.warm_start: raydrive.warm_start[0]: found 'nobody'" in capsys.readouterr().err


def test_site_settings_and_set_work_on_both(sweep: Path, tmp_path: Path) -> None:
    changes = ["raydrive.resume_child_runs=[last_0, {run: ./storage/e/r, trials: 1}]", "raydrive.warm_start=[a, b]"]
    loaded = load_sweep(sweep, overrides=changes).submission
    assert [one.run for one in loaded.resume_from] == ["a", "b"]
    assert [(one.run, one.trial) for one in loaded.resume_child_runs] == [("last", 0), ("./storage/e/r", 1)]
    assert loaded.resume_from[0].base == tmp_path
    assert loaded.config.trial.resume_argument
    off = load_sweep(sweep, overrides=["raydrive.resume_argument=false"]).submission
    assert not off.config.trial.resume_argument


def test_status_names_the_parents(tmp_path: Path, sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = tmp_path / "storage"
    parent = recorded(storage, 0)
    run = heir(storage, 1, submission(parents=[parent], children=[f"{parent.id}_1"]), logs(1))
    assert raydrive(["status", run.id]) == 0
    out = capsys.readouterr().out
    assert f"warm start {parent.id}: curves of 4 of its 4 trials" in " ".join(out.split())
    assert raydrive(["status", run.id, "-o", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["parents"][0]["run"] == parent.id
    assert said["continued"][0]["trial"] == 1
    assert raydrive(["status", parent.id, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["parents"] == []


def test_the_model_starts_with_the_parents_trials(tmp_path: Path) -> None:
    learning = BayesianParameterSampling({"x": uniform(0, 1)})
    parent = recorded(tmp_path, 0, config(10), lambda params: Run.get_context().log("score", -abs(params["x"] - 0.4)))
    descent = plan_warm_start(submission(config(sampling=learning), [parent]), str(tmp_path))
    import dataclasses

    made = dataclasses.replace(config(sampling=learning), lineage=descent.lineage)
    first = sampler_of(made, descent.warm_start).ask(0, [])
    assert first is not None
    assert first.origin == "model"


def test_what_the_end_says_of_a_better_parent(tmp_path: Path) -> None:
    from raydrive.api.display.console import last_words

    parent = recorded(tmp_path, 0, train=logs(9))
    run = heir(tmp_path, 1, submission(config(2), [parent]), logs(1))
    assert any(line.startswith("An earlier run was better: ") and parent.id in line for line in last_words(run.reader))
    better = heir(tmp_path, 2, submission(config(2), [parent]), logs(30))
    assert not any(line.startswith("An earlier run was better: ") for line in last_words(better.reader))
