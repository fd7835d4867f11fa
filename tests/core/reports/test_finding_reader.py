"""The primary metric is found in what a script prints, by its name."""

from __future__ import annotations

import re

import pytest

from raydrive.core.reports.finding_reader import FindingReader, proposal
from raydrive.core.reports.printed_pairs import nearness, pairs_of
from raydrive.core.reports.stdout_parser import PrintedReader


def values(primary: str, text: str, piece: int = 1 << 20) -> list[tuple[float, float | None]]:
    """Value and step of each message, from output that arrives in pieces."""
    reader, data, messages = FindingReader(primary, python=False), text.encode(), []
    for start in range(0, len(data), piece):
        messages += reader.feed(data[start : start + piece])
    messages += reader.feed(b"", last=True)
    return [(message["m"][primary], message.get("s")) for message in messages if primary in message["m"]]


@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    ("primary", "text", "expected"),
    [
        ("val_acc", "epoch 1: val_acc=0.2\nepoch 2: val_acc=0.3\n", [0.2, 0.3]),
        (
            "test_loss",
            "Train: 1 Loss: 2.3\nTest: mean loss: 0.5\nTrain: 2 Loss: 2.2\nTest: mean loss: 0.4\n",
            [0.5, 0.4],
        ),
        ("accuracy", "train acc: 0.9\ntest acc: 0.8\ntrain acc: 0.95\ntest acc: 0.85\n", [0.8, 0.85]),
        ("rmse", "[0]\ttrain-rmse:0.9\teval-rmse:0.95\n[1]\ttrain-rmse:0.1\teval-rmse:0.3\n", [0.95, 0.3]),
        ("loss", "step 1 loss=nan\nstep 2 loss=0.5\n", [0.5]),
        ("acc", "val_acc: 0.5 acc: 0.7\n", [0.7]),
        ("accuracy", "no value of it\n", []),
        ("acc", "acc=0.1 acc=0.2", []),
    ],
)
def test_values_are_found_however_they_arrive(primary: str, text: str, expected: list[float], piece: int) -> None:
    found = [value for value, _ in values(primary, text, piece)]
    assert found == expected


def test_what_was_printed_before_it_was_found_counts() -> None:
    text = "epoch 1: acc=0.1\nepoch 2: acc=0.2\nepoch 3: acc=0.3\n"
    assert [value for value, _ in values("accuracy", text)] == [0.1, 0.2, 0.3]


def test_the_pattern_is_told_once() -> None:
    reader = FindingReader("val_acc", python=True)
    reader.feed(b"val_acc=0.5\n")
    reader.feed(b"val_acc=0.6\n")
    ((told, recorded),) = reader.notices()
    assert recorded
    assert told == r"metric_from_stdout reads 'val_acc' by metrics=r'\bval_acc\s*=\s*(?P<val_acc>[-+0-9.eE]*[0-9])'"
    assert reader.notices() == []


def test_a_proposed_pattern_reads_what_it_was_made_of() -> None:
    text = "[1]\ttraining's auc: 0.9\tvalid_0's auc: 0.8\n[2]\ttraining's auc: 0.95\tvalid_0's auc: 0.85\n"
    found = pairs_of(text.splitlines()).found("auc")
    assert found is not None
    messages = PrintedReader(found.spec(), "auc").feed(text.encode(), last=True)
    assert messages == [{"m": {"auc": 0.8}, "s": 1.0}, {"m": {"auc": 0.85}, "s": 2.0}]
    assert found.setting(python=False) in proposal(text, "auc", python=False, logged=False)


@pytest.mark.parametrize("primary", ["eval/acc", "1st", "step", "name", "eval-acc", "Genauigkeit ä"])
def test_a_metric_whose_name_is_no_name_of_a_group_is_found(primary: str) -> None:
    assert [value for value, _ in values(primary, f"{primary}: 0.5\n")] in ([0.5], [])
    found = pairs_of([f"{primary}: 0.5"]).found(primary)
    assert found is None or re.compile(found.pattern)


def test_who_has_logged_is_told_of_near_names_only() -> None:
    assert proposal("took: 3.5\n", "accuracy", python=False, logged=True) == ""
    assert proposal("0.5\n", "accuracy", python=False, logged=True) == ""
    assert "'acc' in 1 of 1 line (0.5)" in proposal("acc: 0.5\n", "accuracy", python=False, logged=True)


@pytest.mark.parametrize(
    ("primary", "better", "worse"),
    [
        ("accuracy", "val_acc", "train_acc"),
        ("accuracy", "accuracy", "val_accuracy"),
        ("loss", "eval_loss", "train_loss"),
        ("val_acc", "val accuracy", "train_acc"),
        ("f1", "f1_macro", "precision"),
    ],
)
def test_the_better_name(primary: str, better: str, worse: str) -> None:
    assert nearness(primary, better) > nearness(primary, worse)


@pytest.mark.parametrize(
    ("primary", "printed"), [("val_acc", "val_loss"), ("accuracy", "auc"), ("val_acc", "train_acc")]
)
def test_another_metric_is_not_taken(primary: str, printed: str) -> None:
    assert nearness(primary, printed) == 0.0
