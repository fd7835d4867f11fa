"""From what was written for Azure ML to a sweep file of raydrive's own."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from raydrive.api.submit.submission import Submission
from raydrive.compat import azure_sdk
from raydrive.compat.azure_notices import NotHereError, note
from raydrive.compat.notebook_cells import CodeCell, Gaps, code_cells, not_made_by, python_of, written_file
from raydrive.compat.other_tools.recognised import carried_over
from raydrive.compat.tuners.recorded import tuning_of
from raydrive.compat.tuners.sweep_parts import sweep_of
from raydrive.core.config.argument_values import flag_parameters
from raydrive.core.config.confidential import looks_secret
from raydrive.core.config.run_config import DAY_S, Limits, RunConfig
from raydrive.core.config.trial_spec import Resources, TrialSpec
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import ConfigError, Problem
from raydrive.core.json_values import decoded
from raydrive.core.objective import BEST
from raydrive.core.search.registry import is_registered
from raydrive.core.search.sampling_record import sampling_record
from raydrive.settings.nearest import nearest_settings
from raydrive.storage.folder.current import current_folder
from raydrive.sweepfile.loader import load_sweep

_NO_KEYS = ("seed", "learns")
"""Of a recorded sampling: the seed is that of the run, and whether it learns its class says."""


class _Recorded(BaseException):
    """Ends a script at its submission; not an Exception, so that the script does not handle it."""

    def __init__(self, submission: Submission) -> None:
        super().__init__("recorded")
        self.submission = submission


def recorded(file: Path) -> Submission:
    """Runs a script or notebook with the mirror as ``azureml`` and returns what it would have submitted first.

    It is run in its own folder. Lines of a notebook that begin with ``%`` or ``!`` are left out.

    Raises:
        ConfigError: If it fails, or submits nothing.
    """
    azure_sdk.install()
    from raydrive.compat.azureml.core.experiment import (
        Experiment,  # lazy: raydrive.compat.azureml.core.experiment, 0.006 s
    )

    def record(submission: Submission) -> None:
        raise _Recorded(submission)

    cells = code_cells(file) if file.suffix == ".ipynb" else [CodeCell(0, file.read_text(encoding="utf-8-sig"))]
    Experiment.recorder = staticmethod(record)
    before, folder = (sys.argv, list(sys.path)), current_folder()
    sys.argv = [str(file)]
    sys.path.insert(0, str(file.parent.absolute()))
    os.chdir(file.parent)
    allowed = "a script or notebook that submits a HyperDriveConfig"
    try:
        _run_cells(file, cells)
    except _Recorded as found:
        source = found.submission.source_directory
        return replace(found.submission, source_directory=source.absolute() if source is not None else None)
    except Exception as error:
        fix = "It is executed up to its first experiment.submit."
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(file))]
        place = f"{own[-1].filename}:{own[-1].lineno}" if own else _syntax_place(file, error)
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("azureml"):
            fix = f"{fix} Install it into the Python that runs raydrive: pip install {error.name}"
        raise ConfigError(Problem(place, f"{type(error).__name__}: {error}", allowed, fix)) from error
    finally:
        Experiment.recorder = None
        sys.argv, sys.path[:] = before[0], before[1]
        os.chdir(folder)
    raise ConfigError(Problem(str(file), "no experiment.submit(...)", allowed))


def _syntax_place(file: Path, error: Exception) -> str:
    """Where a text is that is not Python."""
    inside = isinstance(error, SyntaxError) and (error.filename or "").startswith(str(file))
    return f"{error.filename}:{error.lineno}" if inside and isinstance(error, SyntaxError) else str(file)


def _run_cells(file: Path, cells: list[CodeCell]) -> None:
    """Runs a script, or the cells of a notebook; those that only Azure's service could do are named and left out."""
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(file)}
    gaps = Gaps()
    for cell in cells:
        written = written_file(cell.source) if cell.number else None
        if written is not None:
            with Path(_expanded(written[0], space)).open("a" if written[1] else "w", encoding="utf-8") as target:
                target.write(written[2])
            continue
        name = f"{file}, cell {cell.number}" if cell.number else str(file)
        try:
            exec(compile(python_of(cell.source) if cell.number else cell.source, name, "exec"), space)
        except (NotHereError, NameError) as error:
            if not cell.number or not gaps.goes_on(cell, type(error).__name__, str(error)):
                raise
            note(gaps.answers[-1])
            lines = [frame.lineno or 1 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
            for stale in not_made_by(cell.source, lines[0] if lines else 1):
                space.pop(stale, None)
        else:
            gaps.worked(cell)


def _expanded(text: str, space: dict[str, Any]) -> str:
    """The name of a file behind ``%%writefile``: ``$name`` and ``{expression}`` stand for values of the notebook."""

    def value(found: re.Match[str]) -> str:
        try:
            return str(eval(found[1] or found[2], space))
        except Exception:  # then the text stays as it is, as in IPython
            return found[0]

    return re.sub(r"\{([^{}]+)\}|\$([A-Za-z_]\w*)", value, text)


def converted(submission: Submission, base: Path) -> tuple[str, list[str]]:
    """Returns a sweep file, and sentences about what changed.

    Args:
        submission: What to write down.
        base: Folder that the file will be in; its paths are relative to that.

    Raises:
        ConfigError: If it is a Python function, which no file can hold.
    """
    config = submission.config
    if config.trial.kind == "function":
        raise ConfigError(Problem("run_config", "a Python function", "a script", "A file can only describe scripts."))
    out: dict[str, Any] = {"type": "sweep", "experiment_name": config.experiment}
    if config.display_name:
        out["display_name"] = config.display_name
    if config.tags:
        out["tags"] = dict(config.tags)
    out["trial"] = _trial(config, submission.source_directory, base)
    if config.trial.inputs:
        out["inputs"] = dict(_inputs(config.trial))
    if config.trial.outputs:
        files = config.trial.output_files
        out["outputs"] = {
            name: {"type": "uri_file" if name in files else "uri_folder"} for name in config.trial.outputs
        }
    sampling = sampling_record(config.sampling)
    space = sampling.pop("space")
    if sampling.get("rule") == "random":
        del sampling["rule"]
    names = ("type", "rule") if is_registered(sampling["type"]) else [one for one in sampling if one not in _NO_KEYS]
    out["sampling_algorithm"] = {name: sampling[name] for name in names if name in sampling}
    out["search_space"] = {name.lstrip("-"): one for name, one in _without_tuples(space).items()}
    out["objective"] = {"goal": config.metric.goal.value, "primary_metric": config.metric.name}
    if config.metric.value != BEST:
        out["objective"]["value"] = config.metric.value
    policy = policy_record(config.policy)
    if policy.get("type") not in (None, "none"):
        out["early_termination"] = {name: value for name, value in policy.items() if value is not None}
    out["limits"] = _limits(config.limits)
    out["raydrive"] = {"seed": config.seed, **_own(config), **_earlier(submission)}
    return _dumped(out), [*_report(config), *submission.warnings]


def wanted_from(file: Path, node: str, base: Path, site: Sequence[Path] = ()) -> tuple[str, list[str]]:
    """Returns a v2 file as a sweep file without what means nothing here, and sentences about what changed.

    A file of another tool is written as the sweep file that means the same, as far as there is one.

    Args:
        file: The v2 file, or that of another tool.
        node: The sweep node to take, where it is a pipeline.
        base: Folder that the sweep file will be in.
        site: Files with settings of the site, written down too.

    Raises:
        ConfigError: With everything that is wrong in it.
    """
    other = carried_over(file, base)
    if other is not None:
        text = _dumped(other[0])
        load_sweep(
            base / file.name, text=text, site=site, defaults=nearest_settings()
        )  # what is wrong with it is reported
        return text, other[1]
    loaded = load_sweep(file, node=node, site=site, defaults=nearest_settings())
    return converted(loaded.submission, base)


def sweep_of_tuner(file: Path, base: Path, site: Sequence[Path] = ()) -> tuple[str, list[str]]:
    """Returns what a script of Ray Tune's or Optuna's tunes as a sweep file, and sentences about what changed.

    Args:
        file: The script or notebook; it is run up to its first call of the tuner.
        base: Folder that the sweep file will be in.
        site: Files with settings of the site; they are checked with it.

    Raises:
        ConfigError: If it fails before that call, or with everything that is wrong in the sweep file.
    """
    tuning = tuning_of(file)
    sweep, report = sweep_of(tuning, file, (), base)
    text = _dumped(sweep)
    load_sweep(base / file.name, text=text, site=site, defaults=nearest_settings())
    return text, [f"Read as a script of {tuning.tool}.", *report]


def _without_tuples(space: Any) -> dict[str, Any]:
    """A search space as YAML has it: a command gets lists and tuples alike, as JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(decoded(space)))
    return plain


def _trial(config: RunConfig, source: Path | None, base: Path) -> dict[str, Any]:
    spec, trial = config.trial, dict[str, Any]()
    if source is not None:
        path = os.path.relpath(source.absolute(), base)
        trial["code"] = path if path.startswith(".") else f"./{path}"
    if spec.kind == "script":
        words = [shlex.quote(word) if "${{inputs." not in word else word for word in spec.arguments]
        names = sorted(config.sampling.space.expressions, key=lambda name: (name.lstrip("-"), name))
        flags = {name.lstrip("-") for name in flag_parameters(config.sampling.space)}
        bare = [name.lstrip("-") for name in names]
        quotes = {name: '"' if name in flags else "" for name in bare}  # one argument each, as HyperDrive passed them
        passed = [f"--{name} {quotes[name]}${{{{search_space.{name}}}}}{quotes[name]}" for name in bare]
        trial["command"] = " ".join(["python", shlex.quote(spec.script), *words, *passed])
    else:
        trial["command"] = spec.command
    trial.update(_several(spec))
    if spec.environment_variables:
        shared = {name: value for name, value in spec.environment_variables.items() if not looks_secret(name)}
        trial.update({"environment_variables": shared} if shared else {})
    return trial


def _several(spec: TrialSpec) -> Iterator[tuple[str, Any]]:
    """Nodes and processes of a trial, in the words of Azure ML."""
    needs = spec.resources
    if needs.nodes > 1:
        yield "resources", {"instance_count": needs.nodes}
    if spec.distribution:
        count = {}
        if needs.processes_per_node > 1:
            tensorflow = spec.distribution == "tensorflow"
            count = {"worker_count": needs.world_size} if tensorflow else {}
            count = count or {"process_count_per_instance": needs.processes_per_node}
        yield "distribution", {"type": spec.distribution, **count}


def _inputs(spec: TrialSpec) -> Iterator[tuple[str, Any]]:
    for name, value in spec.inputs.items():
        if name in spec.fetched:
            yield name, {"type": f"uri_{spec.fetched[name]}", "path": value}
        elif os.path.isabs(value) and os.path.exists(value):
            yield name, {"type": "uri_file" if os.path.isfile(value) else "uri_folder", "path": value}
        elif "://" in value:
            yield name, {"type": "uri_file", "path": value, "mode": "direct"}
        else:
            yield name, value


def _limits(limits: Limits) -> dict[str, Any]:
    out: dict[str, Any] = {"max_total_trials": limits.max_total_runs}
    if limits.max_concurrent_runs != limits.max_total_runs:
        out["max_concurrent_trials"] = limits.max_concurrent_runs
    out["timeout"] = _whole(limits.max_duration_s or 60 * DAY_S)
    if limits.trial_timeout_s is not None:
        out["trial_timeout"] = _whole(limits.trial_timeout_s)
    return out


def _own(config: RunConfig) -> dict[str, Any]:
    """What differs from the defaults, under ``raydrive:``."""
    spec, out = config.trial, dict[str, Any]()
    needs = spec.resources
    given: dict[str, Any] = {
        "cpus": _whole(needs.cpus),
        "gpus": _whole(needs.gpus),
        "memory": needs.memory,
        "custom": needs.custom,
    }
    given |= {"gpu_memory": needs.gpu_memory, "share": needs.share}
    out["resources"] = {name: value for name, value in given.items() if value}
    if needs.accelerator_type:
        out["resources"]["accelerator_type"] = needs.accelerator_type
    if needs.processes_per_node > 1 and not spec.distribution:
        out["resources"]["processes_per_node"] = needs.processes_per_node
    if needs.strategy != Resources().strategy:
        out["resources"]["strategy"] = needs.strategy
    if spec.python:
        out["python"] = spec.python
    if spec.preload:
        out["preload"] = list(spec.preload)
    if spec.keep:
        out["keep"] = list(spec.keep)
    if spec.flag_style:
        out["flags"] = {"on": True}.get(spec.flag_style, spec.flag_style)
    if spec.flatten:
        out["flatten"] = True
    if spec.track:
        out["track"] = {name: dict(settings) for name, settings in spec.track.items()}
    if spec.style:
        out["style"] = spec.style
    if spec.unused_ok:
        out["unused_ok"] = list(spec.unused_ok)
    hidden = {name: "env" for name in spec.environment_variables if looks_secret(name)}
    if hidden or spec.secrets:
        out["secrets"] = {**hidden, **spec.secrets}
    default = TrialSpec(kind="command")
    for name in ("grace_s", "reuse_actors", "keep_checkpoints", "resume_argument", "lease_s", "ray_in_trials"):
        if getattr(spec, name) != getattr(default, name):
            out[name] = getattr(spec, name)
    for name in ("max_attempts", "first_failures"):
        if getattr(config.limits, name) != getattr(Limits(max_total_runs=1, max_concurrent_runs=1), name):
            out[name] = getattr(config.limits, name)
    return out


def _earlier(submission: Submission) -> dict[str, Any]:
    """Earlier runs and trials to start from: by the names they were given, or by the folder of the run."""
    out: dict[str, Any] = {}
    if submission.resume_from:
        out["warm_start"] = [_run_of(one.run) for one in submission.resume_from]
    if submission.resume_child_runs:
        out["resume_child_runs"] = [
            {"run": _run_of(one.run), "trials": [one.trial]} for one in submission.resume_child_runs
        ]
    return out


def _run_of(run: Any) -> str:
    return run if isinstance(run, str) else str(run.layout.uri)


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _report(config: RunConfig) -> Iterator[str]:
    if config.trial.kind == "script":
        yield "HyperDrive appended the hyperparameters, sorted by name; trial.command has the same arguments."
        yield f"max_duration_minutes is limits.timeout, in seconds: {config.limits.max_duration_s or 0:g}."
    yield f"raydrive.seed is the seed of this conversion, {config.seed}; HyperDrive had none."
    yield "raydrive.resources is what a trial reserves: set cpus and gpus to fit your machines."
    for key, kind in (("early_termination", type(config.policy)), ("sampling_algorithm", type(config.sampling))):
        if kind.__module__ == "__main__":
            yield f"{key}.type is a class of the script itself: put {kind.__qualname__} into a module below trial.code."
    hidden = [name for name in config.trial.environment_variables if looks_secret(name)]
    if hidden:
        yield f"{', '.join(hidden)}: not written to the file; raydrive.secrets reads them from the submitting shell."


def _dumped(out: dict[str, Any]) -> str:
    from ruamel.yaml import YAML  # lazy: ruamel, 0.007 s

    writer = YAML()
    writer.default_flow_style = False
    writer.width = 4096
    stream = io.StringIO()
    writer.dump(json.loads(json.dumps(out)), stream)
    return stream.getvalue()
