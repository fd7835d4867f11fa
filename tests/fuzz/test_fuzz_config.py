"""Mutated sweep files, settings and overrides: each gets an answer, none a traceback, and none takes long.

A seed and a number make a case, so that a case can be made again: ``case(seed, number, folder)``.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raydrive.api.workspace import Workspace
from raydrive.core.config.command_line import trial_argv
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, RaydriveError
from raydrive.core.sweep.warm_start_data import EMPTY, sampler_of
from raydrive.settings.reader import load_settings
from raydrive.sweepfile.loader import load_sweep

ROOT = Path(__file__).parents[2]
HANG_S = 10.0
LONGEST_MESSAGE = 400_000
"""Characters: a hundred problems, each of which is bounded."""
CASES = 400
"""Of `make test`; ``RAYDRIVE_FUZZ_S`` seconds of further seeds come on top."""
FULL = """\
$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json
type: sweep
name: a-name
display_name: "a name"
experiment_name: fuzz
description: |
  several
  lines
tags: {team: a, version: 1.10}
trial:
  command: >-
    python train.py --lr ${{search_space.lr}} --data ${{inputs.data}} $[[ --extra ${{inputs.extra}} ]]
    ${{search_space.flags}} --model '${{search_space.model}}' > ${{outputs.out}}/log
  code: .
  environment: azureml:any@latest
  environment_variables: {OMP_NUM_THREADS: 4}
  resources: {instance_count: 1}
sampling_algorithm: {type: random, rule: sobol, seed: 3}
search_space:
  lr: {type: loguniform, min_value: -9, max_value: -2}
  width: {type: quniform, min_value: 1, max_value: 9, q: 2}
  depth: {type: randint, upper: 4}
  noise: {type: normal, mu: 0, sigma: 1e-1}
  flags: {type: choice, values: ["--amp", "", "--opt adam"]}
  model:
    type: choice
    values:
      - {name: a, drop: {type: uniform, min_value: 0, max_value: 1}}
      - {name: b, size: [1, 2]}
objective: {goal: maximize, primary_metric: acc}
early_termination: {type: bandit, slack_factor: 0.1, evaluation_interval: 1, delay_evaluation: 5}
limits: {max_total_trials: 20, max_concurrent_trials: 4, timeout: 3600, trial_timeout: 60}
inputs:
  data: {type: uri_file, path: train.py, mode: ro_mount}
  size: 3
outputs:
  out: {type: uri_folder}
raydrive:
  storage: runs
  resources: {cpus: 1, gpus: 0.5, memory: 4GB, custom: {tpu: 1}}
  preload: [json]
  grace_s: 1.5
  max_attempts: 2
  secrets: {TOKEN_OF_MINE: env}
  metrics: {pattern: "acc=(?P<acc>[0-9.]+)"}
  environment_variables: {A: b}
  input_mapping: {"azureml:iris": s3://bucket/iris}
"""
TOML = """\
storage = "runs"
address = "auto"
seed = 3
grace_s = 2.5
preload = ["json"]
[resources]
cpus = 1
gpus = 0.5
custom = {tpu = 1}
[environment_variables]
A = "b"
[secrets]
T = "env"
[input_mapping]
"azureml:iris" = "s3://bucket/iris"
"""
OVERRIDES = (
    "limits.max_total_trials=5", "search_space.lr.max_value=-1", "search_space.lr={type: choice, values: [1]}",
    "trial.command=python train.py", "raydrive.seed=1", "tags.x=1", "early_termination=null",
    "sampling_algorithm.type=grid", "search_space.model.values[0].drop.max_value=2", "inputs.data.path=train.py",
    "search_space.flags.values[1]=--x",
)  # fmt: skip
ODD = (
    "", "null", "~", "true", "-1", "0", "1e999", ".nan", "-.inf", "9" * 5000, "0x" + "f" * 4000, "1_000", "12:30:45",
    "2001-01-01", '"\\0"', '"\\ud800"', '"\\x1b[31m"', "'" + "y" * 100_000 + "'", "[]", "{}", "[1, [2, {a: 3}]]",
    "{a: {b: {c: 1}}}", "[" * 300, "[" * 3000 + "]" * 3000, "{a: " * 200, "&a [*a]", "*nobody", "!!set {a, b}",
    "!!omap [a: 1]", "!!binary aGk=", "!!python/object:os.system x", "!<tag:x> 1", "@x", "`x`", "%x", "a: b", "- x",
    "? x", "| x", ">", "<<: x", "...", "---", "# x", "${{search_space.lr}}", "${{", "$[[",
    "${{inputs." + "x" * 2000 + "}}", "{search_space.lr}", "file:///etc", "azureml:a@b", "s3://",
    "git@github.com:a/b.git", "~nobody/x", "/", "..", "a" * 300, "a/b", "\u202e", "\ufeff", "é", "\U0001f600", "\t",
    "choice", "sobol",
)  # fmt: skip
TOML_ODD = (
    "1", "-1", "1e999", "nan", "inf", "true", '""', '"\\u0000"', "[]", "{}", "[[1]]", '"' + "y" * 100_000 + '"',
    "9" * 5000, "0x" + "f" * 5000, "1979-05-27", "07:32:00", "[" * 3000 + "]" * 3000, "{a=" * 300, "'''x\ny'''",
    "{a = {b = {c = 1}}}", "[1, 'a']",
)  # fmt: skip


@dataclass
class Count:
    """What a fuzzer has seen."""

    cases: int = 0
    refused: int = 0
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)


class HangError(BaseException):
    """A case took too long."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def seeds() -> list[str]:
    """Sweep files to begin with: a full one, those of the repository, and all that are known to be wrong."""
    files = [*sorted((ROOT / "configs").glob("*.y*ml")), *sorted((ROOT / "tests" / "bad_configs").glob("*.yml"))]
    return [FULL] * 20 + [file.read_text(errors="replace") for file in files]


def mutated(text: str, dice: random.Random, odd: Sequence[str], mark: str) -> str:
    """A text with one to four changes."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        lines = text.split("\n")
        at = dice.randrange(len(lines))
        kind = dice.randrange(10)
        if kind <= 3:  # another value
            key = re.match(rf"(\s*(?:- )?[^{mark}\n]*{mark})", lines[at])
            lines[at] = f"{key[1]} {dice.choice(odd)}" if key else dice.choice(odd)
        elif kind == 4:  # another word somewhere
            words = [(found.start(), found.end()) for found in re.finditer(r"[\w.-]+", text)] or [(0, 0)]
            begin, end = dice.choice(words)
            text = text[:begin] + dice.choice(odd)[:3000] + text[end:]
            continue
        elif kind == 5:
            del lines[at]
        elif kind == 6:
            lines.insert(at, lines[dice.randrange(len(lines))])
        elif kind == 7:  # other indentation
            lines[at] = " " * dice.randrange(9) + lines[at].lstrip()
        elif kind == 8 and text:  # one character
            at = dice.randrange(len(text))
            text = text[:at] + dice.choice("\0\t :-[]{},'\"&*!|>%@`#\\\n\x1bé\u2028") + text[at + dice.randrange(2) :]
            continue
        else:  # the end is missing
            text = text[: dice.randrange(len(text) + 1)]
            continue
        text = "\n".join(lines)
    return text


def case(seed: int, number: int, folder: Path) -> tuple[str, Callable[[], Any]]:
    """Makes one case: what it is, and the call that reads it."""
    dice = random.Random(f"{seed}-{number}")
    file, settings = folder / "sweep.yml", folder / "raydrive.toml"
    what = dice.randrange(10)
    text = dice.choice(seeds())
    if what <= 5:
        return "file", lambda: checked(file, mutated(text, dice, ODD, ":"))
    if what <= 7:
        overrides = [dice.choice(OVERRIDES) for _ in range(dice.randrange(1, 4))]
        overrides = [
            mutated(one, dice, ODD, "=") if dice.randrange(2) else f"{one.partition('=')[0]}={dice.choice(ODD)}"
            for one in overrides
        ]
        return "--set", lambda: checked(file, FULL, overrides=overrides)
    settings.write_bytes(mutated(TOML, dice, TOML_ODD, "=").encode("utf-8", "surrogatepass"))
    if what == 8:
        return "toml", lambda: checked(file, FULL, defaults=settings)
    return "settings", lambda: (_either(Workspace.from_config, settings), load_settings([settings]))


def checked(file: Path, text: str, **more: Any) -> None:
    """Reads a sweep file and does with it what a dry run does."""
    loaded = load_sweep(file, text=text, default_seed=1, **more)
    config = loaded.submission.config
    assert RunConfig.from_json(config.to_json()).to_json() == config.to_json()
    suggestion = sampler_of(config, EMPTY).ask(0, [])
    if suggestion is not None:
        trial_argv(config.trial, suggestion.params)


def _either(call: Callable[..., Any], *arguments: Any) -> None:
    try:
        call(*arguments)
    except ConfigError:
        return


def one_case(seed: int, number: int, folder: Path, count: Count) -> None:
    """Runs one case and notes what comes of it."""
    kind, call = case(seed, number, folder)
    count.cases += 1
    try:
        with at_most(HANG_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except HangError:
        count.hangs.append(f"case({seed}, {number}): {kind}")
    except RaydriveError as error:
        count.refused += 1
        if not isinstance(error, ConfigError) or len(str(error)) > LONGEST_MESSAGE or not str(error).strip():
            count.tracebacks.append(f"case({seed}, {number}): {kind}: {type(error).__name__}: {str(error)[:200]}")
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename}:{last.lineno}"
        count.tracebacks.append(f"case({seed}, {number}): {kind}: {type(error).__name__}: {str(error)[:120]} ({place})")


def run_config_fuzz(folder: Path, *, cases: int = CASES, seconds: float = 0.0, seed: int = 1) -> Count:
    """Tries mutated files, settings and overrides.

    Args:
        folder: An empty folder; it has to be the current one.
        cases: So many of the seed.
        seconds: So long further seeds are tried after these.
        seed: The first seed.
    """
    (folder / "train.py").write_text("")
    count = Count()
    for number in range(cases):
        one_case(seed, number, folder, count)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seed += 1
        for number in range(100):
            one_case(seed, number, folder, count)
    return count


def test_no_mutated_configuration_ends_in_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    count = run_config_fuzz(tmp_path, seconds=float(os.environ.get("RAYDRIVE_FUZZ_S", "0")))
    assert count.cases >= CASES
    assert count.refused > CASES // 3
    assert not count.tracebacks, "\n".join(count.tracebacks)
    assert not count.hangs, "\n".join(count.hangs)
