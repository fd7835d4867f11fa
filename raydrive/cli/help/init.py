"""``init``: a sweep file for a training script, or an example to begin with."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raydrive.api.display.text import one_line
from raydrive.cli.console import command, say
from raydrive.core.errors import ConfigError, Problem, brief, did_you_mean, show
from raydrive.storage.folder.current import current_folder

if TYPE_CHECKING:
    from raydrive.sweepfile.draft.metric_guess import MetricGuess

LONGEST_RUN_S = 120
"""Seconds for which the script is run to find the metric that it prints; what it printed until then is looked at."""
EXAMPLES = Path(__file__).parents[2] / "sweepfile" / "draft" / "examples"
"""Folders with an example each: a training script (``.py.txt``: it is not a module of ours) and its sweep file."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, init)


def init(
    script: Annotated[
        Path | None, typer.Argument(metavar="SCRIPT", show_default=False, help="A training script in Python.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The sweep file to write.")] = Path(
        "sweep.yml"
    ),
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="The primary metric, if you know it.", show_default=False)
    ] = "",
    run: Annotated[
        bool | None,
        typer.Option(
            "--run/--no-run",
            help="Run the script once, with its defaults, to find a metric in its output. The default is to ask.",
            show_default=False,
        ),
    ] = None,
    arguments: Annotated[
        str, typer.Option("--arguments", help="Arguments for that run, such as '--epochs 1'.", show_default=False)
    ] = "",
    example: Annotated[
        str, typer.Option("--example", metavar="NAME", help="Write this example instead.", show_default=False)
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> int:
    """Draft a sweep file for a SCRIPT: its options, proposed search spaces, and the metric that it logs or prints.

    The script's source is read and not executed, unless you agree to one run that shows what it prints.
    """
    if example or script is None:
        return _write_example(example, force)
    _check(script, output, force)
    from raydrive.sweepfile.draft.drafted_file import drafted_sweep, tuned_options  # lazy: raydrive.sweepfile, 0.1 s
    from raydrive.sweepfile.draft.metric_guess import (  # lazy: raydrive.sweepfile, 0.1 s
        MetricGuess,
        goal_of,
        logged_metric,
    )
    from raydrive.sweepfile.draft.script_options import script_facts  # lazy: raydrive.sweepfile, 0.1 s

    try:
        facts = script_facts(script)
    except SyntaxError as error:
        place = f"{script}:{error.lineno}"
        raise ConfigError(Problem("SCRIPT", f"{place}: {error.msg}", "a Python script")) from error
    guess = logged_metric(facts.metrics)
    if metric and metric in facts.metrics:
        guess = MetricGuess(metric, goal_of(metric), found="the script logs it")
    elif guess is None or metric:
        guess = _printed(script, metric, arguments, run)
    folder = output.parent.absolute()
    code = os.path.relpath(script.parent.absolute(), folder)
    output.write_text(drafted_sweep(script.name, code, facts, guess), "utf-8")
    tuned = [one.option.name for one in tuned_options(facts)]
    say(f"Wrote {output}: {', '.join(tuned) or 'no option of the script was recognised'}{_told(guess)}")
    say(f"Read it, then: raydrive submit {shlex.quote(str(output))} --dry-run")
    return 0


def _told(guess: MetricGuess | None) -> str:
    return "; name the primary metric in it" if guess is None else f"; {guess.goal} {guess.name}"


def _check(script: Path, output: Path, force: bool) -> None:
    problems = []
    if not script.is_file():
        problems.append(Problem("SCRIPT", show(str(script)), "an existing Python script"))
    elif script.suffix != ".py":
        fix = "For a program in another language begin with `raydrive init --example any-language`."
        problems.append(Problem("SCRIPT", show(str(script)), "a Python script, .py", fix))
    if output.exists() and not force:
        problems.append(Problem("--output", f"{str(output)!r}, which exists", "a new file", "--force replaces it."))
    elif not output.parent.is_dir():
        problems.append(Problem("--output", show(str(output)), "a file in an existing folder"))
    if problems:
        raise ConfigError(problems)


def _printed(script: Path, metric: str, arguments: str, run: bool | None) -> MetricGuess | None:
    """Runs the script once where its user agrees, and looks at what it prints."""
    line = shlex.join([sys.executable, script.name, *shlex.split(arguments)])
    if run is None:
        if not sys.stdin.isatty():
            say("The script logs no metric. With --run, raydrive runs it once to find a metric in its output.")
            return None
        say(
            f"The script logs no metric. To find one in its output, raydrive has to run it once ({LONGEST_RUN_S} s "
            "at most):"
        )
        run = typer.confirm(f"  {line}\nRun it?", default=True, err=True)
    if not run:
        return None
    from raydrive.sweepfile.draft.metric_guess import printed_metric  # lazy: raydrive.sweepfile, 0.1 s

    say(f"Running {line} in {script.parent.absolute()}")
    command_line = [sys.executable, script.name, *shlex.split(arguments)]
    try:
        done = subprocess.run(
            command_line,
            cwd=script.parent.absolute(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_RUN_S,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        text, code = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text, code = (late.stdout or b"").decode("utf-8", "replace"), 0
    if code:
        last = text.strip().splitlines()[-1:] or ["nothing was printed"]
        say(f"It ended with exit code {code}: {last[0]}")
        say("Pass the arguments that it needs with --arguments, or name the metric with --metric.")
    guess = printed_metric(text, metric)
    if guess is None and not code:
        say(_nothing_found(text, metric))
    return guess


def _nothing_found(text: str, metric: str) -> str:
    """What the script printed instead of its metric, and what to do."""
    lines = [line for line in text.splitlines() if line.strip()]
    wanted = f"the metric {metric!r}" if metric else "a name with a number, such as val_acc=0.91"
    last = f"; the last one: {brief(one_line(lines[-1]), 120)}" if lines else ""
    count = f"It printed {len(lines)} line{'s' * (len(lines) != 1)}, none of which has {wanted}{last}"
    return f"{count}\nPrint the metric in this form once per epoch, and run this again with --force --run."


def _write_example(name: str, force: bool) -> int:
    known = sorted(one.name for one in EXAMPLES.iterdir() if one.is_dir() and not one.name.startswith("_"))
    if name not in known:
        found = show(name) if name else "neither SCRIPT nor --example"
        raise ConfigError(
            Problem("--example", found, f"SCRIPT, or an example: {', '.join(known)}", did_you_mean(name, known))
        )
    target = Path(current_folder()) / name
    if target.exists() and not force:
        raise ConfigError(
            Problem("--example", f"{name!r}, a folder that exists", "a new folder", "--force replaces it.")
        )
    target.mkdir(exist_ok=True)
    for file in sorted((EXAMPLES / name).iterdir()):
        shutil.copyfile(file, target / file.name.removesuffix(".txt"))
    say(f"Wrote {name}: {', '.join(sorted(one.name for one in target.iterdir()))}")
    say(f"Run it: raydrive submit {name}/sweep.yml")
    return 0
