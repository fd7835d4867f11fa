"""Metrics found in what a script prints, however its output is cut into pieces, and each once."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress, TextColumn
from tqdm import tqdm

from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.reports.stdout_parser import MAX_LINE, PrintedReader


def found(spec: object, text: str) -> list[dict[str, Any]]:
    return PrintedReader(PrintedMetrics.of(spec), "accuracy").feed(text.encode(), last=True)


@pytest.mark.parametrize(
    ("spec", "text", "messages"),
    [
        ("val_acc=(?P<accuracy>[0-9.eE+-]+)", "epoch 1 val_acc=9.5e-1\n", [{"m": {"accuracy": 0.95}}]),
        ("val_acc=([0-9.]+)", "val_acc=0.5", [{"m": {"accuracy": 0.5}}]),  # the primary metric, and no end of line
        (r"(?P<name>[\w -]+): (?P<value>\S+)", "val-loss 1: 0.25\n", [{"m": {"val-loss 1": 0.25}}]),
        (r"step (?P<step>\d+) loss (?P<loss>\S+)", "step 3 loss nan\n", None),
        (r"step (?P<step>\d+) acc ([\d.]+)", "step 3 acc 0.5\n", [{"m": {"accuracy": 0.5}, "s": 3.0}]),
        (["a=(?P<a>\\d+)", "b=(?P<b>\\d+)"], "a=1 b=2\n", [{"m": {"a": 1.0, "b": 2.0}}]),  # one line, logged together
        ("a=(?P<a>\\d+)", "a=1 a=2\n a=3\n", [{"m": {"a": 1.0}}, {"m": {"a": 2.0}}, {"m": {"a": 3.0}}]),
        ("a=(?P<a>\\d+)", "a=1\r a=2\r\r a=3\r   \r\na=4\r\n", [{"m": {"a": 3.0}}, {"m": {"a": 4.0}}]),
        ("a=(?P<a>\\d+)", "a=1\b\b\ba=2\na=34\b5\n", [{"m": {"a": 2.0}}, {"m": {"a": 35.0}}]),
        ("a=(?P<a>\\d+)", "\x1b[1m\x1b[32ma\x1b[0m=\x1b]8;;x\x07\x1b[38;5;3m7\x1b[0m\n", [{"m": {"a": 7.0}}]),
        (r"(?P<step>\d+)/9 a=(?P<a>\d+)", "1/9 a=1\r1/9 a=2\r2/9 a=3\r2/9 a=4\n",
         [{"m": {"a": 2.0}, "s": 1.0}, {"m": {"a": 4.0}, "s": 2.0}]),
        ("a=(?P<a>\\d+)", "epoch 1: a=1\repoch 1: a=2\repoch 2: a=2\repoch 2: a=3\n",
         [{"m": {"a": 2.0}}, {"m": {"a": 3.0}}]),
        # That it goes back, nobody could tell the first time.
        ("a=(?P<a>\\d+)", "x\na=1\n\x1b[1A\x1b[2Ka=2\nb\n", [{"m": {"a": 1.0}}, {"m": {"a": 2.0}}]),
        ("a=(?P<a>\\d+)", "[default1]:a=1\n[default0]:a=2\n[rank3]: a=3\n", [{"m": {"a": 2.0}}]),
        ("a=(?P<a>\\d+)", "[1,2]<stdout>:a=4\n[1,0]<stdout>:a=5\n[7]<stdout>: a=6\n", [{"m": {"a": 5.0}}]),
        ({"format": "json"}, '[default0]:{"a": 1}\n[default1]:{"a": 2}\n', [{"m": {"a": 1}}]),
        ("a=(?P<a>\\d+)", "epoch 1 a=1\nepoch 1 a=1\nepoch 2 a=1\nepoch 1 a=1\na=1\na=1\n",
         [{"m": {"a": 1.0}}, {"m": {"a": 1.0}}, {"m": {"a": 1.0}}, {"m": {"a": 1.0}}]),
        ("stage=(?P<stage>\\w+)", "stage=warm\n", [{"m": {"stage": "warm"}}]),
        ("acc=(?P<accuracy>\\S+)", "raydrive: acc=1 is our own word\nacc=2\n", [{"m": {"accuracy": 2.0}}]),
        ({"format": "json"}, '{"acc": 0.5, "step": 2, "ok": true, "at": "x"}\n{"no": "number"}\n{bad}\n',
         [{"m": {"acc": 0.5}, "s": 2}]),
        ({"format": "json", "pattern": "loss (?P<loss>\\S+)"}, '{"acc": 1}\nloss 2\n',
         [{"m": {"acc": 1}}, {"m": {"loss": 2.0}}]),
    ],
)  # fmt: skip
def test_what_is_printed_is_logged(spec: object, text: str, messages: list[dict[str, Any]] | None) -> None:
    if messages is None:
        (message,) = found(spec, text)
        assert message["s"] == 3
        assert message["m"]["loss"] != message["m"]["loss"]
    else:
        assert found(spec, text) == messages


@given(
    st.lists(st.sampled_from(["acc=0.5", "été acc=1", "", "nothing", '{"acc": 2}', "acc=1 acc=2"]), max_size=8),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_pieces_do_not_matter(lines: list[str], cuts: list[int]) -> None:
    data = "\n".join(lines).encode()
    spec = PrintedMetrics(("acc=(?P<acc>[0-9.]+)",), json_lines=True)
    whole = PrintedReader(spec, "acc").feed(data, last=True)
    reader, start, pieces = PrintedReader(spec, "acc"), 0, []
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        pieces += reader.feed(data[start:cut])
        start = cut
    assert pieces + reader.feed(b"", last=True) == whole


def test_a_line_that_never_ends_is_not_kept() -> None:
    reader = PrintedReader(PrintedMetrics(("acc=(?P<acc>[0-9]+)",)), "acc")
    for _ in range(100):
        assert reader.feed(b"x" * MAX_LINE) == []
    assert reader.feed(b"\nacc=1\n") == [{"m": {"acc": 1.0}}]


# ---------------------------------------------------------------------- progress bars


def write_nested_tqdm(out: io.StringIO) -> None:
    for epoch in tqdm(range(3), file=out, mininterval=0):
        inner = tqdm(range(20), file=out, position=1, leave=False, mininterval=0)
        for batch in inner:
            inner.set_postfix(acc=epoch + batch / 100)


def write_stacked_tqdm(out: io.StringIO) -> None:
    outer = tqdm(range(3), file=out, mininterval=0)
    for epoch in outer:
        for _ in tqdm(range(20), file=out, position=1, mininterval=0):
            pass
        outer.set_postfix(acc=epoch + 0.19)


def write_tqdm_for_each_epoch(out: io.StringIO) -> None:
    for epoch in range(3):
        bar = tqdm(range(20), file=out, mininterval=0)
        for batch in bar:
            bar.set_postfix(acc=epoch + batch / 100)


def write_tqdm_that_is_reset(out: io.StringIO) -> None:
    bar = tqdm(total=20, file=out, mininterval=0)
    for epoch in range(3):
        bar.reset()
        bar.set_description(f"Epoch {epoch}")
        for batch in range(20):
            bar.update(1)
            bar.set_postfix(acc=epoch + batch / 100)
    bar.close()


def write_beside_tqdm(out: io.StringIO) -> None:
    for epoch in tqdm(range(3), file=out, mininterval=0):
        tqdm.write(f"acc={epoch + 0.19}", file=out)


def write_rich(out: io.StringIO) -> None:
    console = Console(file=out, force_terminal=True, width=80)
    for epoch in range(3):
        columns = TextColumn("{task.description}"), TextColumn("acc={task.fields[acc]}")
        with Progress(*columns, console=console, auto_refresh=False) as progress:
            first = progress.add_task("train", total=20, acc="none")
            progress.add_task("loading", total=20, acc="none")
            for batch in range(20):
                progress.update(first, advance=1, acc=epoch + batch / 100)
                progress.refresh()


def write_keras(out: io.StringIO, *, terminal: bool, batches: int = 20, beside: str = "") -> None:
    """What ``keras.utils.Progbar`` writes in ``fit(..., verbose=1)``, as of Keras 3."""
    for epoch in range(3):
        out.write(f"Epoch {epoch + 1}/3\n")
        width = 0
        for at in [*range(1, batches + 1), batches]:
            again = at == batches and out.getvalue().count(f"{batches}/{batches}") > epoch * 2
            out.write(beside if again else "")
            out.write("\b" * width + "\r" if terminal else "\n")
            bar = f"\x1b[1m{at:2d}/{batches}\x1b[0m \x1b[32m{'━' * at}\x1b[0m\x1b[37m{'━' * (batches - at)}\x1b[0m"
            out.write(f"{bar} \x1b[1m0s\x1b[0m 3ms/step - acc: {epoch + (at - 1) / 100:.4f} - loss: 0.5")
            width = 90
        out.write(" - val: 0.3\n")


def write_keras_2(out: io.StringIO) -> None:
    for epoch in range(3):
        out.write(f"Epoch {epoch + 1}/3\n")
        for at in range(1, 21):
            out.write(f"\n{at:2d}/20 [{'=' * at}>{'.' * (20 - at)}] - ETA: 1s - acc: {epoch + (at - 1) / 100:.4f}")
        out.write("\n")


@pytest.mark.parametrize(
    "write",
    [
        write_nested_tqdm,
        write_stacked_tqdm,
        write_tqdm_for_each_epoch,
        write_tqdm_that_is_reset,
        write_beside_tqdm,
        write_rich,
        lambda out: write_keras(out, terminal=True),
        lambda out: write_keras(out, terminal=False),
        lambda out: write_keras(out, terminal=False, beside="\nfrom a callback"),
        write_keras_2,
    ],
)
def test_a_bar_is_one_value_for_each_epoch(write: Callable[[io.StringIO], None]) -> None:
    out = io.StringIO()
    write(out)
    data = out.getvalue().encode()
    reader = PrintedReader(PrintedMetrics((r"(?<![\w])acc[=:] ?([\d.]+)",)), "acc")
    messages = [one for start in range(0, len(data), 17) for one in reader.feed(data[start : start + 17])]
    messages += reader.feed(b"", last=True)
    assert [message["m"]["acc"] for message in messages] == [0.19, 1.19, 2.19]


def test_bars_of_one_batch_count_once_for_each_epoch() -> None:
    out = io.StringIO()
    for epoch in range(3):
        for val in ("", " - val_acc: 0.9"):
            out.write(f"Epoch {epoch + 1}/3\n" if not val else "a callback\n")
            out.write(f"1/1 ━━━━ 1s 3ms/step - acc: {epoch}.5{val}\n")
    patterns = PrintedMetrics((r"\bacc: (?P<acc>[\d.]+)", r"val_acc: (?P<val>[\d.]+)"))
    messages = PrintedReader(patterns, "acc").feed(out.getvalue().encode(), last=True)
    assert [one["m"]["acc"] for one in messages if "acc" in one["m"]] == [0.5, 1.5, 2.5]
    assert [one["m"]["val"] for one in messages if "val" in one["m"]] == [0.9, 0.9, 0.9]


# ---------------------------------------------------------------------- what is said


def test_a_pattern_that_takes_too_long_costs_its_line_and_in_the_end_itself() -> None:
    reader = PrintedReader(PrintedMetrics((r"(a|aa)+$|acc=(?P<acc>\d+)",)), "acc")
    slow = b"a" * 60 + b"b\n"
    assert reader.feed(slow + b"acc=1\n") == [{"m": {"acc": 1.0}}]
    ((text, lost),) = reader.notices()
    assert "takes more than 0.05 s" in text
    assert lost
    assert reader.notices() == []  # told once
    for _ in range(120):
        reader.feed(slow)
    ((text, lost),) = reader.notices()
    assert "is no longer searched for" in text
    assert lost


@pytest.mark.parametrize(
    ("spec", "line", "said"),
    [
        (r"eval_loss: (\S+)", "eval_loss: 0.41.", "captured '0.41.', which is not a number; 0.41 in it would be valid"),
        (
            r"eval_loss: (\S+)",
            "eval_loss: 0,41",
            "captured '0,41', which is not a number; write 0.41 with a decimal point",
        ),
        (
            r"eval_loss=(\S+)",
            "eval_loss: 0.41",
            "no pattern found 'eval_loss' in a line that names it: 'eval_loss: 0.41'",
        ),
        ({"format": "json"}, "{'eval_loss': 0.41}", "a dict as Python prints it, and not JSON: {'eval_loss': 0.41}"),
        ({"format": "json"}, '{"eval_loss": "0.41"}', "a JSON line has '0.41', which is not a number"),
        ({"format": "json"}, '{"eval_loss": null}', "a JSON line has None, which is not a number"),
        ({"format": "json"}, 'INFO {"eval_loss": 0.41}', "has a JSON object after other text"),
        ({"format": "json"}, '{"eval": {"eval_loss": 0.41}}', "not as a key with a number"),
        ({"format": "json"}, "eval_loss 0.41", "is not a JSON object"),
        ({"format": "json"}, "nothing like it", ""),
        ({"format": "json"}, '{"eval_loss": 0.41}', ""),
    ],
)
def test_what_was_nearly_right_is_said(spec: object, line: str, said: str) -> None:
    reader = PrintedReader(PrintedMetrics.of(spec), "eval_loss")
    reader.feed(line.encode() + b"\n", last=True)
    assert said in reader.nearly()
    assert bool(said) == bool(reader.nearly())
