from __future__ import annotations

import json
import math
from pathlib import Path

from recorded import PARAMS, SPACE, START, by_hand, config, create, record, write

from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy
from raydrive.core.records import Began, Ended, Lost, Reported, Started, Suggested, dump
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.chart_axes import axes_of, flat
from raydrive.studio.data.page_data import Documents, thin
from raydrive.studio.data.policy_line import policy_line
from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.data.trial_page import detail


def rows_of(document: dict) -> list[dict]:
    return [dict(zip(document["head"]["row"], row, strict=True)) for row in document["rows"]]


def test_a_document_says_what_the_sweep_knows(story: RunHistory) -> None:
    document = Documents(story).full()
    rows = rows_of(document)
    assert [row["number"] for row in rows] == list(range(60))
    best = max(rows, key=lambda row: row["best"] if row["best"] is not None else -math.inf)
    assert document["head"]["best"]["trial"] == best["number"]
    stopped = [row for row in rows if row["stop_by"] == "policy"]
    assert len(stopped) == document["head"]["saving"]["stopped"] > 5
    assert all(row["cut"][0] == row["intervals"] and row["curve"][-1] < row["cut"][1] for row in stopped)
    assert [column["name"] for column in document["head"]["params"]] == list(SPACE)
    assert [column["kind"] for column in document["head"]["params"]] == ["number", "number", "steps", "category"]
    assert document["head"]["params"][0]["log"]
    json.dumps(document, allow_nan=False)


def test_since_gives_only_what_changed_and_the_same_in_the_end(storage: Path) -> None:
    run_config = config(6, policy=BanditPolicy(slack_factor=0.1))
    trials = [(PARAMS | {"momentum": i / 10}, [0.1 * i, 0.5 + 0.05 * i, 0.6], 0, "") for i in range(6)]
    lines = by_hand(run_config, trials)
    layout = create(storage, run_config)
    write(layout, lines[:12])
    story = open_history(layout)
    documents, page, seen = Documents(story), {}, 0
    for part in (lines[12:13], lines[13:20], [], lines[20:]):
        update = documents.since(seen)
        page.update({row[0]: row for row in update["rows"]})
        seen = update["head"]["entries"]
        if part:
            write(layout, part)
        story.refresh()
    update = documents.since(seen)
    assert len(update["rows"]) < 6
    page.update({row[0]: row for row in update["rows"]})
    assert [page[number] for number in sorted(page)] == Documents(open_history(layout)).full()["rows"]


def test_thinning_keeps_peaks_ends_and_limits() -> None:
    values = [math.sin(i / 50) for i in range(10_000)]
    values[4321] = 99.0
    values[77] = math.nan
    indices, kept = thin(values, 200)
    assert len(indices) <= 202
    assert 99.0 in kept
    assert indices[0] == 0
    assert indices[-1] == 9999
    assert thin([1.0, 2.0], 10) == ([0, 1], [1.0, 2.0])


def test_numbers_that_json_does_not_know(storage: Path) -> None:
    run_config = config(2)
    lines = by_hand(run_config, [(PARAMS, [math.nan, math.inf, 0.5, -math.inf], 0, ""), (PARAMS, [], 1, "boom")])
    layout = create(storage, run_config)
    write(layout, lines)
    document = Documents(open_history(layout)).full()
    json.dumps(document, allow_nan=False)
    assert rows_of(document)[0]["curve"] == [None, None, 0.5, None]
    assert rows_of(document)[1]["best"] is None


def test_attempts_and_how_each_ended(storage: Path) -> None:
    run_config = config(1)
    sweep, lines = Sweep(run_config), []
    for fact in (
        Started(START, 1),
        Suggested(START, 0, PARAMS, "random"),
        Began(START + 1, 0, 1, "node-1", 5, "0"),
        Reported(START + 2, 0, 1, 1, 1, 0.5),
        Lost(START + 9, 0, 1, "node node-1 died"),
        Began(START + 20, 0, 2, "node-2", 6, "1"),
        Reported(START + 21, 0, 2, 1, 1, 0.5),
        Reported(START + 22, 0, 2, 2, 2, 0.6),
        Ended(START + 23, 0, 2, 0),
    ):
        lines.append(dump(fact, sweep.handle(fact)))
    layout = create(storage, run_config)
    write(layout, lines)
    story = open_history(layout)
    first, second = story.pasts[0].tries
    assert first.how == "lost: node node-1 died"
    assert (second.node, second.gpus, second.how) == ("node-2", "1", "ended by itself")
    assert list(story.pasts[0].times) == [START + 2, START + 22], "a repeated interval keeps its first time"
    assert detail(story, 0)["losses"] == 1


def test_secrets_in_environment_variables_are_not_shared(storage: Path) -> None:
    from dataclasses import replace

    run_config = config(1)
    run_config = replace(run_config, trial=replace(run_config.trial, environment_variables={"HF_TOKEN": "hf_secret"}))
    layout = create(storage, run_config)
    write(layout, [dump(Started(START, 1), ())])
    assert "hf_secret" not in json.dumps(Documents(open_history(layout)).full())


def test_lines_of_the_policies_are_what_the_policies_do(story: RunHistory) -> None:
    """Every trial that a policy stops is beyond its line, every one it lets go on is not."""
    curves = story.sweep.curves
    for policy in (
        BanditPolicy(slack_factor=0.2, evaluation_interval=2),
        BanditPolicy(slack_amount=0.05),
        MedianStoppingPolicy(delay_evaluation=3),
        TruncationSelectionPolicy(truncation_percentage=30),
    ):
        line = policy_line(policy, curves, 20)
        seen = 0
        for interval, cut in zip(line["k"], line["v"], strict=True):
            for trial in curves.trials:
                if curves.length(trial) < interval:
                    continue
                verdict = policy.judge(trial, interval, curves)
                own = curves.best_until(trial, interval)
                assert verdict is not None
                assert own is not None
                worse = own <= cut if isinstance(policy, TruncationSelectionPolicy) else own < cut - 1e-9
                assert verdict.stop == worse, (policy, interval, trial)
                seen += 1
        assert seen > 100


def test_hyperparameters_of_any_shape_become_columns() -> None:
    rows = [
        flat({"--lr": 0.1, "model": {"type": "svm", "c": 2}, "sizes": [1, 2]}),
        flat({"--lr": 0.2, "model": {"type": "tree"}}),
    ]
    assert rows[0] == {"lr": 0.1, "model.type": "svm", "model.c": 2, "sizes": "[1, 2]"}
    from raydrive.core.space.search_space import Space, uniform

    columns = axes_of(Space({"--lr": uniform(0, 1)}), rows)
    assert [column.name for column in columns] == ["lr", "model.type", "model.c", "sizes"]


def test_a_damaged_journal_is_shown_as_far_as_it_goes(storage: Path) -> None:
    layout = record(storage, config(5))
    file = next(Path(layout.journal.local_path or "").glob("e*.jsonl"))
    text = file.read_text().splitlines(keepends=True)
    text[20] = "rubbish\n"
    file.write_text("".join(text))
    story = open_history(layout)
    assert "damaged" in story.trouble
    assert Documents(story).full()["head"]["total"] > 0
