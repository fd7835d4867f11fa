"""``compare``: from the command line, and as a page of the studio."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from recorded import by_hand, config, create, write

from raydrive.cli.app import run
from raydrive.core.errors import RunNotFoundError
from raydrive.core.records import Started, dump
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, log_range, uniform
from raydrive.storage.run_layout import find_run
from raydrive.studio.web.compare_page import compare_link, compare_page
from raydrive.studio.web.runs_page import RunStates, runs_page

A, B = "digits-20260101-000000-aaaa", "digits-20260102-000000-bbbb"


def a_run(storage: Path, run_id: str, bests: list[float], **changes: Any) -> None:
    space = changes.pop("space", {"x": uniform(0, 1)})
    run_config = config(len(bests), space=space, experiment="digits", **changes)
    write(
        create(storage, run_config, run_id),
        by_hand(run_config, [({"x": number / 10}, (0.1, best), 0, "") for number, best in enumerate(bests)]),
    )


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "storage"
    a_run(place, A, [0.5, 0.9, 0.7])
    space = {"x": uniform(0, 2)}
    a_run(place, B, [0.6, 0.8], space=space, sampling=RandomParameterSampling(space, rule="sobol"))
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(place))
    return place


def test_as_json(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", A, B, "-o", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["notes"] == []
    assert [(one["run"], one["best"], one["best_trial"], one["trials_ended"]) for one in found["runs"]] == [
        (A, 0.9, 1, 3),
        (B, 0.8, 1, 2),
    ]
    curve = [(point["trials"], point["value"]) for point in found["runs"][0]["curve"]]
    assert curve == [(1, 0.5), (2, 0.9), (3, 0.9)]
    # A trial of two intervals takes 3 s there: one before each value, one before its end.
    assert [point["elapsed_s"] for point in found["runs"][0]["curve"]] == [3.0, 6.0, 9.0]
    assert found["runs"][0]["params"] == {"x": 0.1}
    assert sorted(found["differences"]) == [
        "limits.max_total_trials",
        "sampling_algorithm.rule",
        "search_space.x",
    ]
    assert found["differences"]["sampling_algorithm.rule"] == ["random", "sobol"]
    assert found["differences"]["limits.max_total_trials"] == [3, 2]


def test_as_a_table_and_as_csv(
    storage: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert run(["compare", A[:18], B[:18]]) == 0
    lines = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert lines[0] == ["run", A, B]
    for line in (
        ["best", "accuracy", "0.9", "0.8"],
        ["best", "after", "1", "trial", "0.5", "0.6"],
        ["best", "after", "2", "trials", "0.9", "0.8"],
        ["best", "after", "3", "trials", "0.9", "-"],
        ["trials", "3", "of", "3", "2", "of", "2"],
        ["elapsed", "9.0s", "6.0s"],
        ["best", "parameters", "x=0.1", "x=0.1"],
        ["sampling_algorithm.rule", "random", "sobol"],
    ):
        assert line in lines
    assert run(["compare", A, B, "-o", "csv"]) == 0
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(capfd.readouterr().out))}
    assert (rows["best accuracy"][A], rows["best accuracy"][B]) == ("0.9", "0.8")
    assert (rows["trials"][A], rows["best after 3 trials"][B]) == ("3", "")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("runs", [2, 3, 5])
def test_no_line_is_wider_than_the_terminal(
    storage: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, runs: int
) -> None:
    """Nor where output goes to a file; what differs is in the words of a sweep file."""
    names = [A, B]
    for number in range(2, runs):
        names.append(f"digits-2026010{number + 1}-000000-cccc")
        space = {"x": log_range(1e-3, 0.1), "opt": choice({"sgd": {"momentum": uniform(0, 0.9)}}, "adam")}
        point = {"x": 0.01, "opt": "adam"}
        run_config = config(1, space=space, experiment="digits")
        write(create(storage, run_config, names[-1]), by_hand(run_config, [(point, (0.1, 0.2), 0, "")]))
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["compare", *names]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(" ".join(lines).split())
    assert "type: uniform" in words
    if runs > 2:
        assert "loguniform" not in words
        assert "log_range" in words
    if runs == 5:
        assert lines[:6] == ["run", *(f"  {letter}  {name}" for letter, name in zip("ABCDE", names, strict=True))]


def test_runs_of_one_configuration(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a_run(storage, "digits-20260103-000000-cccc", [0.4, 0.5, 0.6])
    assert run(["compare", A, "last"]) == 0
    assert "The configurations are the same." in capfd.readouterr().err


def test_a_run_that_was_extended_has_the_limit_that_it_has_now(
    storage: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_config = config(3, space={"x": uniform(0, 1)}, experiment="digits")
    lines = by_hand(run_config, [({"x": number / 10}, (0.1, 0.5), 0, "") for number in range(3)])
    longer = Started(2e9, 2, limits={"max_total_runs": 7})
    write(create(storage, run_config, "digits-20260103-000000-cccc"), [*lines, dump(longer, ())])
    assert run(["compare", A, "last", "-o", "json"]) == 0
    found = json.loads(capfd.readouterr().out)["differences"]
    assert found["limits.max_total_trials"] == [3, 7]


def test_runs_that_rank_by_different_metrics(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a_run(storage, "digits-20260103-000000-cccc", [0.4], metric="loss")
    assert run(["compare", A, B, "last"]) == 0
    told = "Note: the runs rank trials by different values (accuracy, accuracy, loss): their bests are not comparable"
    assert told in capfd.readouterr().err


@pytest.mark.parametrize(("names", "code"), [([A], 2), ([A, A], 2), ([A, "nosuch"], 2), ([], 2)])
def test_what_cannot_be_compared(storage: Path, capfd: pytest.CaptureFixture[str], names: list[str], code: int) -> None:
    assert run(["compare", *names]) == code
    assert "Traceback" not in capfd.readouterr().err


def test_the_page(storage: Path) -> None:
    infos = [find_run(str(storage), name) for name in (A, B)]
    page = compare_page(str(storage), [f"digits/{A}", f"digits/{B}"])
    assert page.count("<polyline") == 2
    assert "sampling_algorithm.rule" in page
    assert "<td>random</td><td>sobol</td>" in page
    assert "<td>0.9</td><td>0.8</td>" in page
    assert "<script" not in page
    assert compare_link(infos[:1]) == f"/compare?run=digits%2F{A}"


def test_a_page_of_one_run_offers_the_others(storage: Path) -> None:
    page = compare_page(str(storage), [f"digits/{A}"])
    assert "<polyline" not in page
    assert f"/compare?run=digits%2F{A}&amp;run=digits%2F{B}" in page
    assert compare_page(str(storage), []).count("<td><a href=") == 2


def test_a_viewer_opens_runs_of_the_storage_only(storage: Path, tmp_path: Path) -> None:
    a_run(tmp_path / "elsewhere", "digits-20260103-000000-cccc", [0.4])
    outside = tmp_path / "elsewhere" / "digits" / "digits-20260103-000000-cccc"
    for name in (str(outside), "../elsewhere/digits/digits-20260103-000000-cccc", "s3://bucket/x", "digits/last", A):
        with pytest.raises(RunNotFoundError, match="EXPERIMENT/ID of a run of this storage"):
            compare_page(str(storage), [name])


def test_names_of_a_run_are_no_markup(storage: Path) -> None:
    a_run(storage, "digits-20260103-000000-cccc", [0.4], metric="<b>loss</b>")
    page = compare_page(str(storage), [f"digits/{A}", "digits/digits-20260103-000000-cccc"])
    assert "<b>loss" not in page


def test_the_list_of_runs_has_best_trials_and_duration(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page, _ = runs_page(str(storage), RunStates())
    assert "<th>best</th><th>trials</th><th>duration</th>" in page
    cells = '<td data-label="best">0.9</td><td data-label="trials">3 of 3</td><td data-label="duration">9.0s</td>'
    assert cells in page
    assert f'href="/compare?run=digits%2F{A}"' in page
    assert run(["list"]) == 0
    (row,) = (line.split() for line in capfd.readouterr().out.splitlines() if line.startswith(A))
    assert row[3:] == ["3/3", "accuracy", "0.9", "9"]
