"""What a user builds in Python: ``HyperDriveConfig`` and ``ScriptRunConfig``, under HyperDrive's names."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raydrive.api.argument_types import SCRIPT, TUNING
from raydrive.api.named_parts import limits_of, made_parts, of_run, of_trials
from raydrive.api.references import ChildLike, RunLike, child_references, run_references
from raydrive.api.spellings import OF_SCRIPT, OF_TUNING, spells
from raydrive.api.submit.command_program import script_problem
from raydrive.api.submit.submission import Submission
from raydrive.api.submit.trainable import check_trainable, name_of
from raydrive.api.submit.unused_parameters import unused_parameters
from raydrive.api.submit.user_classes import check_objects
from raydrive.api.submit.warm_start import plan_warm_start
from raydrive.api.trial_packages import to_build
from raydrive.api.with_data import WithData
from raydrive.core.argument_checks import checks_arguments
from raydrive.core.call_text import call_text, told
from raydrive.core.config.argument_values import (
    LONGEST_PATH,
    flag_parameters,
    long_names,
    too_long,
    unflattenable,
    unpassable,
)
from raydrive.core.config.command_line import check_references
from raydrive.core.config.confidential import both_problems
from raydrive.core.config.install_commands import check_installing, throws_away
from raydrive.core.config.option_words import FORMS, format_value
from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.run_rules import shared_rules
from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.config.trial_spec import LOG_LIMIT, RAY_IN_TRIALS, Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.finish.rules import FinishWhen
from raydrive.core.notices.rules import Notify
from raydrive.core.out_of_memory.rules import OnOom
from raydrive.core.population.rules import Population
from raydrive.core.repeats.rules import Repeats
from raydrive.core.search.protocol import SamplingSpec
from raydrive.storage.folder.current import absolute
from raydrive.storage.kept_patterns import check_patterns

TrainFunction = Callable[[dict[str, Any]], object]
"""A function trial: takes the hyperparameters, logs through ``Run.get_context()`` or returns its result."""


@spells(OF_SCRIPT)
@checks_arguments(**SCRIPT)
class ScriptRunConfig:
    """A training script and what it needs.

    Args:
        source_directory: Folder whose snapshot is unpacked as the working directory of each trial.
        script: Python script below it; the hyperparameters follow its arguments as ``--name value``.
        arguments: Fixed arguments, put before the hyperparameters.
        command: Instead of a script, a shell command (or its words) with ``${{search_space.name}}``.
        environment_variables: Added to the environment of each trial.
        max_run_duration_seconds: Time limit of one attempt, in seconds; None = no limit.
        python: Interpreter of the script; None = the one raydrive runs in. In a command ``python``, ``python3``,
            ``pip`` and ``pip3`` are its own.
        environment_file: A conda file (``.yml``) or a requirements file, whose packages are installed once per node,
            for trials only; None = none. It counts where ``python`` is not given.
        environments: What installs them: ``uv``, which is the default, or ``conda``.
        allow_pip_install: Whether a command may install packages into the Python that trials share, while other
            trials use it; otherwise what it installs with pip is deleted after the trial.
        secrets: Further variables whose values never reach the storage, by name: ``env`` for the variable of that name
            where the run is submitted or resumed, ``env:NAME`` for another one, ``file:PATH`` for a file's text.
        metrics: For scripts that only print: a regular expression with named groups, such as
            ``"val_acc=(?P<accuracy>[0-9.]+)"``, ``{"format": "json"}`` for JSON lines, or ``{"format": "auto"}``, which
            finds the primary metric by its name.
        keep: Patterns, as in ``.gitignore``, of files in the working directory that are kept with the trial, beside
            ``outputs`` and ``logs``: ``["wandb/**", "*.csv"]``. ``!PATTERN`` names what is not needed.
        preload: Modules imported once per trial actor; trials are then forked with them loaded. They must not
            start threads or use a GPU when imported.
        flags: Whether True of a hyperparameter is passed as ``--name``, and False as nothing; ``"both"``: False is
            ``--no-name``. ``docs/search-space.md`` has examples.
        flatten: Whether the keys of a nested choice are options of their own: ``--optimizer adam --beta1 0.9``.
        style: How a hyperparameter is an option of the script, and of ``${{search_space}}`` in a command: ``argparse``
            (``--lr 0.1``), ``absl`` (``--lr=0.1``) or ``hydra`` (``lr=0.1``).
        unused_ok: Hyperparameters that the command need not pass on.

    Raises:
        ConfigError: If neither or both of script and command are given, the script does not exist, or a
            pattern is wrong.
    """

    def __init__(
        self,
        source_directory: str | os.PathLike[str] = ".",
        script: str | None = None,
        arguments: Sequence[object] | None = None,
        *,
        command: str | Sequence[object] | None = None,
        environment_variables: Mapping[str, str] | None = None,
        max_run_duration_seconds: float | None = None,
        python: str | None = None,
        environment_file: str | os.PathLike[str] | None = None,
        environments: str | None = None,
        allow_pip_install: bool = False,
        preload: Sequence[str] = (),
        metrics: str | Sequence[str] | Mapping[str, object] | PrintedMetrics | None = None,
        secrets: Mapping[str, str] | None = None,
        keep: Sequence[str] = (),
        flags: bool | str = False,
        flatten: bool = False,
        style: str = FORMS[0],
        unused_ok: Sequence[str] = (),
    ) -> None:
        self.flag_style = flags if isinstance(flags, str) else "on" if flags else ""
        self.flatten, self.style, self.unused_ok = flatten, style, tuple(unused_ok)
        self.source_directory = Path(os.path.expanduser(source_directory))
        self.script, self.arguments, self.command = script, tuple(arguments or ()), command
        self.environment_variables = dict(environment_variables or {})
        self.max_run_duration_seconds, self.python = max_run_duration_seconds, python
        self.environment_file, self.environments = environment_file, environments
        self.preload, self.allow_pip_install = tuple(preload), bool(allow_pip_install)
        self.secrets = {name: _source(source) for name, source in (secrets or {}).items()}
        problems = [*check_patterns(keep, "keep"), *both_problems(self.secrets, self.environment_variables, "secrets")]
        self.keep = () if problems else tuple(keep)
        self.metrics: PrintedMetrics | None = None
        if metrics is not None:
            try:
                self.metrics = PrintedMetrics.of(metrics)
            except ConfigError as error:
                problems += error.problems
        self.to_build = to_build(environments, environment_file, python, problems)
        line = command if isinstance(command, str) else " ".join(map(str, command or ()))
        wrong, warning = check_installing(line, python=python or "", allowed=allow_pip_install, where="command")
        problems += [wrong] if wrong is not None else []
        if warning:
            warnings.warn(f"command: {warning}", stacklevel=2)
        if not os.path.isdir(self.source_directory):
            where = str(self.source_directory)
            problems.append(Problem("source_directory", show(where), "an existing folder"))
        if (script is None) == (command is None):
            found = "neither" if script is None else "both"
            problems.append(Problem("script, command", found, "exactly one of the two"))
        elif script is not None and not problems and not os.path.isfile(self.source_directory / script):
            problems.append(Problem("script", show(script), f"a file below {str(self.source_directory)!r}"))
        if command is not None and not problems:
            missing = script_problem(line, self.source_directory, "command")
            problems += [missing] if missing is not None else []
        if problems:
            raise ConfigError(problems)

    def __repr__(self) -> str:
        """The call that makes it, defaults left out; of variables their names: values may be confidential."""
        names = ("script", "arguments", "command", "max_run_duration_seconds", "python", "environment_file",
                 "environments", "preload", "metrics", "keep")  # fmt: skip
        options: dict[str, Any] = {name: getattr(self, name) for name in names}
        options["environment_variables"] = dict.fromkeys(self.environment_variables, ...)
        options["secrets"] = self.secrets
        return call_text("ScriptRunConfig", [repr(str(self.source_directory))], told(type(self).__init__, options))

    def to_spec(self, resources: Resources) -> TrialSpec:
        """Returns the script as what a trial runs."""
        common: dict[str, Any] = {
            "environment_variables": self.environment_variables,
            "secrets": self.secrets,
            "python": self.python or "",
            "environment": self.to_build,
            "preload": self.preload,
            "keep": self.keep,
            "resources": resources,
            "metrics": self.metrics,
            "flag_style": self.flag_style,
            "flatten": self.flatten,
            "style": "" if self.style == FORMS[0] else self.style,
            "unused_ok": self.unused_ok,
        }
        if self.script is not None:
            arguments = tuple(format_value(argument) for argument in self.arguments)
            return TrialSpec(kind="script", script=self.script, arguments=arguments, **common)
        command = self.command if isinstance(self.command, str) else " ".join(map(str, self.command or ()))
        throw_away = throws_away(command, allowed=self.allow_pip_install)
        return TrialSpec(kind="command", command=command, throw_away=throw_away, **common)


@spells(OF_TUNING)
@checks_arguments(**TUNING)
class HyperDriveConfig:
    """Everything about a tuning run; the arguments are HyperDrive's, the keyword-only ones are raydrive's.

    Arguments may also have their names in a sweep file or in ``tune``: ``max_total_trials``, ``metric``, ``sampling``.

    Args:
        hyperparameter_sampling: Such as ``RandomParameterSampling({...})``. With ``space`` also a name (``random``,
            ``sobol``, ``grid``, ``bayesian``, ``tpe``), or a dict as in a sweep file.
        primary_metric_name: The metric to optimise, exactly as it is logged.
        primary_metric_goal: ``PrimaryMetricGoal.MAXIMIZE`` or ``MINIMIZE`` (or their names).
        max_total_runs: Total number of trials.
        max_concurrent_runs: Largest number of trials at the same time; None = all.
        max_duration_minutes: Longest time for the whole run; None = no limit.
        policy: Early termination; None = none. An object, a name (``median_stopping``), or a dict as in a sweep file
            (``{"type": "bandit", "slack_factor": 0.1}``). Your own class is also accepted: ``docs/extending.md``.
        run_config: A ``ScriptRunConfig``, or a function ``train(params)``; ``docs/trials.md`` describes what it may be.
        resources: What one trial reserves, as ``Resources`` or a dict (``{"cpus": 2, "memory": "4GB"}``); None = one
            CPU.
        distribution: How several processes of a trial find each other (``docs/multi-node.md``): ``pytorch``,
            ``tensorflow``, ``mpi`` or ``ray``, or a dict as in a sweep file (``{"type": "pytorch",
            "process_count_per_instance": 4}``); None = as ``pytorch``, where there are several.
        seed: Non-negative; None = drawn at random and recorded.
        grace_s: Seconds between SIGTERM and SIGKILL when a trial is stopped.
        reuse_actors: Whether consecutive trials may run in the same actor.
        reuse_processes: Experimental, may change. Whether a function is called again in the process of the trial
            before, instead of in a new one: loaded data, compiled code and a GPU's context are still there, and so is
            whatever else a trial changes in modules. Its log, streams, environment, signals and handlers of
            ``logging`` are its own. A function that ends otherwise than by returning, or leaves something running,
            loses its process.
        max_attempts: Largest number of attempts of a trial that fails.
        max_losses: How often a trial may be lost with its actor or node and restart; None = no limit.
        first_failures: Number of failed trials that end the run if none has succeeded before; 0 = never.
        strict: Whether the run ends as soon as a trial logs other metrics than the primary one, and no trial has
            logged that: at the first report that brings no new name; with a number, after this many reports.
        metric_from_stdout: Whether to find the primary metric by its name in the output of trials; a notice of the
            trial has the pattern that is used.
        storage_patience_s: How long trials keep training while nothing they log can be recorded; then they are paused.
        log_limit: Largest size of a trial's log, in bytes; the middle of a longer log is dropped. 0 = no limit.
        ray_in_trials: What ``ray.init()`` does in a trial: it joins the run's cluster (``join``) or is refused
            (``none``).
        keep_checkpoints: Number of a trial's newest checkpoints that are kept, in addition to the one with the best
            value.
        resume_argument: Whether a script that continues from a checkpoint gets ``--resume-from DIR``; None = only where
            there are ``resume_child_runs``.
        resume_from: Earlier runs: policies compare with their curves, and a model-based sampler learns from their
            trials. ``HyperDriveRun`` objects, or strings: an id, a unique prefix, ``last``, a run's folder.
        resume_child_runs: Trials of earlier runs that continue as the first ones of this run, with the same parameters,
            from their last whole checkpoint (their outputs, where they have none). ``Run`` objects, or ids (``RUN_3``).
        track: Trackers that receive the run live, and completely even if they are unavailable for a while:
            ``{"mlflow": URI, "wandb": {"project": NAME}, "tensorboard": DIR}``; ``docs/trackers.md``.
        preload: Modules that are imported before function trials are forked.
        keep: Patterns of files that are kept with the trial, as those of ``ScriptRunConfig``, in addition to them.
        tags: Strings by name, stored with the run.
        space: Parameter expressions by name, where ``hyperparameter_sampling`` is a name or a dict without them.
        primary_metric_value: The value by which a trial is ranked: ``best``, ``last``, ``min``, ``max``, or
            ``mean_last_5``, the mean of the last five (any number). Policies compare bests, as HyperDrive's do.
        finish_when: Rules that end the run before it has used all its trials, as in a sweep file
            (``docs/run-rules.md``): ``{"target": 0.97, "no_improvement": 20, "budget": {"gpu_hours": 200}}``.
        on_oom: What happens to a trial that runs out of memory: ``{"memory": "x1.5", "up_to": "64GiB"}``.
        points: Configurations to try before any sampling; they count towards the limit of trials.
        notify: Where the run sends notices of its end: ``{"command": "...", "on": ["finished", "failed"]}``.
        repeats: How often a configuration is tried: ``{"max": 5, "parameter": "seed", "race": True}``.

        population: Trials that are behind continue from checkpoints of better ones, with other hyperparameters
            (``docs/population.md``): ``{"every": 5, "quantile": 0.25}``.

    Raises:
        ConfigError: If anything is wrong; the error lists all of it.
    """

    def __init__(
        self,
        hyperparameter_sampling: SamplingSpec | str | Mapping[str, Any],
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal | str,
        max_total_runs: int,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float | None = 10080,
        policy: Policy | str | Mapping[str, Any] | None = None,
        *,
        run_config: ScriptRunConfig | TrainFunction | None = None,
        resources: Resources | Mapping[str, Any] | None = None,
        distribution: str | Mapping[str, Any] | None = None,
        seed: int | None = None,
        grace_s: float = 5.0,
        reuse_actors: bool = True,
        reuse_processes: bool = False,
        max_attempts: int = 1,
        max_losses: int | None = None,
        first_failures: int = 3,
        strict: bool | int = False,
        metric_from_stdout: bool = False,
        storage_patience_s: float = 600.0,
        log_limit: int = LOG_LIMIT,
        ray_in_trials: str = RAY_IN_TRIALS[0],
        keep_checkpoints: int = 1,
        resume_argument: bool | None = None,
        resume_from: RunLike | Sequence[RunLike] | None = None,
        resume_child_runs: ChildLike | Sequence[ChildLike] | None = None,
        track: Mapping[str, Any] | None = None,
        preload: Sequence[str] = (),
        keep: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        primary_metric_value: str = "best",
        space: Mapping[str, Any] | None = None,
        finish_when: FinishWhen | Mapping[str, Any] | None = None,
        on_oom: OnOom | Mapping[str, Any] | None = None,
        notify: Notify | Mapping[str, Any] | None = None,
        repeats: Repeats | Mapping[str, Any] | None = None,
        points: Sequence[Mapping[str, Any]] | None = None,
        population: Population | Mapping[str, Any] | None = None,
    ) -> None:
        given = dict(locals())  # by name: most arguments are fields of the configuration under the same name
        sampling, stops, (needs, kind) = made_parts(hyperparameter_sampling, space, policy, (resources, distribution))
        self.run_config, self.preload = run_config, tuple(preload)
        self.resume_from, self.resume_child_runs = run_references(resume_from), child_references(resume_child_runs)
        self.config = RunConfig(
            trial=dataclasses.replace(
                self._trial_spec(needs, kind, sampling, keep, metric_from_stdout),
                **of_trials(given),
                resume_argument=bool(self.resume_child_runs) if resume_argument is None else resume_argument,
            ),
            limits=limits_of(given, run_config),
            metric=Metric(name=primary_metric_name, goal=_goal(primary_metric_goal), value=primary_metric_value),
            sampling=sampling,
            policy=stops,
            **of_run(given, sampling),
        )
        self._check()

    def __repr__(self) -> str:
        """The call that makes it, defaults left out."""
        config, limits, target = self.config, self.config.limits, self.run_config
        given = [
            repr(config.sampling),
            repr(config.metric.name),
            repr(config.metric.goal.value),
            repr(limits.max_total_runs),
        ]
        options = {
            "max_concurrent_runs": limits.max_concurrent_runs
            if limits.max_concurrent_runs != limits.max_total_runs
            else None,
            "max_duration_minutes": None if limits.max_duration_s is None else limits.max_duration_s / 60,
            "policy": None if isinstance(config.policy, NoTerminationPolicy) else config.policy,
            "resources": None if config.trial.resources == Resources() else config.trial.resources,
            "distribution": config.trial.distribution or None,
            "primary_metric_value": config.metric.value,
            "tags": config.tags,
            **shared_rules(config.rules),
        }
        texts = told(type(self).__init__, options)
        texts["run_config"] = repr(target) if isinstance(target, ScriptRunConfig) else name_of(target)
        return call_text("HyperDriveConfig", given, texts)

    def _check_command(self) -> None:
        """Checks what each trial would fail at: references of a command, texts that no command line can hold."""
        spec, space = self.config.trial, self.config.sampling.space
        problems = long_names(self.config.metric.name, space)
        problems += too_long(spec.python, LONGEST_PATH, "python")
        if spec.kind == "command":
            known = {
                "search_space": {**space.expressions, **dict.fromkeys(self.config.rules.parameters)},
                "inputs": spec.inputs,
                "outputs": spec.outputs,
            }
            problems += [problem for _, problem in check_references(spec.command, **known, where="command")]
        if spec.kind != "function":
            problems += [*unpassable(space), *unflattenable(space, spec.command, flatten=spec.flatten)]
        problems = problems or self._unused(spec)
        if problems:
            raise ConfigError(problems)

    def _unused(self, spec: TrialSpec) -> list[Problem]:
        """What is wrong with parameters that the command does not pass on."""
        if not isinstance(self.run_config, ScriptRunConfig):
            return []
        names = [*self.config.sampling.space.expressions, *self.config.rules.parameters]
        return unused_parameters(spec, names, self.run_config.source_directory, yaml=False)

    def _check(self) -> None:
        """Checks what can be checked at construction; ids of earlier runs are looked up where the run is kept."""
        self._check_command()
        check_objects(self.config)
        if not any(isinstance(one.run, str) for one in (*self.resume_from, *self.resume_child_runs)):
            plan_warm_start(self.to_submission("default"), None)

    def _trial_spec(
        self, resources: Resources, distribution: str, sampling: SamplingSpec, keep: Sequence[str], from_stdout: bool
    ) -> TrialSpec:
        spec = self._target_spec(resources, sampling, keep)
        spec = dataclasses.replace(spec, distribution=distribution or spec.distribution)
        return dataclasses.replace(spec, metrics=PrintedMetrics(find=True)) if from_stdout else spec

    def _target_spec(self, resources: Resources, sampling: SamplingSpec, keep: Sequence[str]) -> TrialSpec:
        target = self.run_config
        if problems := check_patterns(keep, "keep"):
            raise ConfigError(problems)
        if isinstance(target, ScriptRunConfig):
            spec = target.to_spec(resources)
            flags = flag_parameters(sampling.space) if spec.command else ()
            return dataclasses.replace(spec, flags=flags, keep=(*spec.keep, *keep))
        check_trainable(target.bound if isinstance(target, WithData) else target, sampling.space.expressions)
        name = name_of(target)
        return TrialSpec(kind="function", script=name, preload=self.preload, keep=tuple(keep), resources=resources)

    def to_submission(self, experiment: str) -> Submission:
        """Returns the configuration as a submission of an experiment.

        Raises:
            ConfigError: If the experiment's name cannot be a folder name.
        """
        config = dataclasses.replace(self.config, experiment=experiment)
        target = self.run_config
        function = None if isinstance(target, ScriptRunConfig) else target
        return Submission(
            config=config,
            source_directory=target.source_directory if isinstance(target, ScriptRunConfig) else None,
            function=target.in_trials if isinstance(target, WithData) else function,
            data=target if isinstance(target, WithData) else None,
            resume_from=self.resume_from,
            resume_child_runs=self.resume_child_runs,
        )


def _source(source: str) -> str:
    """Where a secret's value comes from; a file by its absolute path, for a resume may start elsewhere."""
    kind, _, path = source.partition(":")
    return f"file:{absolute(os.path.expanduser(path))}" if kind == "file" else source


def _goal(goal: PrimaryMetricGoal | str) -> PrimaryMetricGoal:
    return PrimaryMetricGoal.from_str(goal) if isinstance(goal, str) else goal
