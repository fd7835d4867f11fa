"""What a function returns instead of logging it: in this process, and in one of its own."""

from __future__ import annotations

import asyncio
import decimal
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from raydrive.context import Run
from raydrive.core.records import COMPLETED, FAILED
from raydrive.runtime.inline import run_inline
from raydrive.runtime.trial_actor.fork_client import ForkServerClient, Job
from raydrive.runtime.trial_actor.log_socket import LogSocket
from raydrive.testing.runners import function_config


def log(*values: float) -> None:
    for value in values:
        Run.get_context().log("score", value)


class Tensor:
    """Looks as one of torch with a single element."""

    shape = (1,)

    def item(self) -> float:
        return 0.25


@pytest.mark.parametrize(
    ("result", "curve", "said"),
    [
        (0.5, [0.5], "returned 0.5: it is recorded as 'score', its only value"),
        (3, [3.0], "returned 3"),
        (np.float32(0.5), [0.5], "returned 0.5"),
        (np.array(0.5), [0.5], "returned 0.5"),
        (Tensor(), [0.25], "returned 0.25"),
        (decimal.Decimal("0.5"), [0.5], "returned 0.5"),
        (float("inf"), [float("inf")], "returned inf"),
        ({"score": 0.5, "loss": np.int64(2)}, [0.5], "recorded as its last report: score, loss."),
        ({"score": 0.5, "model": object()}, [0.5], "ignored, being neither numbers nor strings: model (object)"),
        ({"loss": 2}, [], "loss; 'score' is not among them"),
        (
            {"model": [1, 2]},
            [],
            "a dict without anything to record; ignored, being neither numbers nor strings: model (list)",
        ),
        (True, [], "returned True: neither a number nor a dict of them, and not recorded; return {'score': value}"),
        ("done", [], "returned 'done': neither a number"),
        ((0.1, 0.2), [], "an object of type tuple: neither a number"),
        (np.ones(3), [], "an object of type ndarray: neither a number"),
    ],
)
def test_what_is_returned_is_the_last_report_or_said_not_to_be(
    result: Any, curve: list[float], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    sweep = run_inline(function_config(), lambda params: result)
    (trial,) = sweep.trials
    assert list(sweep.curves.values(0)) == curve
    assert trial.state == (COMPLETED if curve else FAILED)
    (note,) = trial.notes
    assert said in note
    assert f"raydrive: {note}\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("result", "curve", "notes"),
    [
        (None, [1.0, 2.0], 0),
        (2, [1.0, 2.0], 0),
        ({"score": 2.0}, [1.0, 2.0], 0),
        (3, [1.0, 2.0, 3.0], 1),
        ({"score": 3}, [1.0, 2.0, 3.0], 1),
        ({"score": 2, "loss": 1}, [1.0, 2.0], 1),
        (object(), [1.0, 2.0], 0),  # a line in the log: nothing is lost
    ],
)
def test_after_reports_the_last_value_once_more_is_none(result: Any, curve: list[float], notes: int) -> None:
    sweep = run_inline(function_config(), lambda params: (log(1, 2), result)[-1])
    assert list(sweep.curves.values(0)) == curve
    assert len(sweep.trials[0].notes) == notes


def test_generators_report_what_they_yield_and_coroutines_run(capfd: pytest.CaptureFixture[str]) -> None:
    def steps(params: dict[str, Any]) -> Iterator[Any]:
        yield 1.0
        yield {"score": 2.0, "loss": 0.5}
        yield 2.0
        return 4.0

    async def waits(params: dict[str, Any]) -> float:
        await asyncio.sleep(0)
        return 5.0

    def broken(params: dict[str, Any]) -> Iterator[float]:
        yield 1.0
        raise ValueError("no more")

    assert list(run_inline(function_config(), steps).curves.values(0)) == [1.0, 2.0, 2.0, 4.0]
    assert list(run_inline(function_config(), waits).curves.values(0)) == [5.0]
    sweep = run_inline(function_config(), broken)
    assert sweep.trials[0].why.endswith("ValueError: no more")
    assert "fork_server/return_value.py" not in capfd.readouterr().err  # the traceback begins with the user's code


@pytest.mark.parametrize("reuse", [False, True])
def test_in_a_process_of_its_own(tmp_path: Path, reuse: bool) -> None:
    def train(params: dict[str, Any]) -> Any:
        if params["x"] == 2:
            raise ValueError("no more")
        return {"score": params["x"], "loss": 1} if params["x"] else np.float64(0.5)

    def steps(params: dict[str, Any]) -> Iterator[float]:
        yield from train(params).values()
        raise ValueError("steps")

    messages: list[Any] = []

    async def main() -> None:
        channel = LogSocket()
        await channel.start()

        def take(lines: Any) -> list[Any]:
            messages.extend(lines)
            return []

        channel.take = take
        fork_server = await ForkServerClient.start()
        try:
            for number, (function, x) in enumerate([(train, 0), (train, 1), (train, 2), (steps, 1)]):
                await fork_server.run(
                    job(tmp_path, function, number, {"x": x}, channel.path, reuse and function is train)
                )
                await channel.drain()
        finally:
            await fork_server.close()
            await channel.close()

    asyncio.run(main())
    assert [one["m"] for one in messages if "m" in one] == [
        {"score": 0.5}, {"score": 1, "loss": 1}, {"score": 1}, {"score": 1}
    ]  # fmt: skip
    assert len([one for one in messages if "note" in one]) == 3
    logs = [(tmp_path / f"log-{number}").read_text() for number in range(4)]
    assert logs[0].startswith("raydrive: the function returned 0.5")
    for text in logs[2:]:
        assert text.splitlines()[-1].startswith("ValueError: ")
        assert "raydrive/runtime" not in text


def job(folder: Path, function: Callable[..., Any], number: int, params: Any, channel: str, reuse: bool) -> Job:
    path = folder / f"{function.__name__}.pkl"
    path.write_bytes(cloudpickle.dumps(function))
    return Job(
        function_path=str(path),
        params=params,
        metric="score",
        reuse=reuse,
        cwd=str(folder),
        env={"PATH": os.environ["PATH"], "RAYDRIVE_CHANNEL": channel},
        log_path=str(folder / f"log-{number}"),
        grace_s=1.0,
    )
