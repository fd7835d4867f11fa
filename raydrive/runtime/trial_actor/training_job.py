"""The job of an attempt: what the fork server starts, with which arguments and environment."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive import ranks, variables, wire
from raydrive.core.config.command_line import sweep_variables, trial_argv, with_resume_argument
from raydrive.core.config.trial_spec import TrialConfig, TrialSpec
from raydrive.runtime.fork_server.job_order import RankOrder
from raydrive.runtime.gang import mpi
from raydrive.runtime.gang.rank_variables import Meeting, node_variables, outer_ranks, process_variables
from raydrive.runtime.gpus import nvml
from raydrive.runtime.gpus.limits import limit_variables
from raydrive.runtime.gpus.visible import gpus_of
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.files.attempt_files import Prepared
from raydrive.runtime.trial_actor.files.checkpoint_publisher import Resumed
from raydrive.runtime.trial_actor.fork_client import Job
from raydrive.runtime.trial_actor.node_setup import ReadyNode
from raydrive.runtime.trial_actor.script_environment import tracker_variables

_THROW_AWAY = Path(__file__).parents[1] / "environments" / "throwaway.py"
"""Runs a command in an environment that is thrown away; the trials' Python runs it, so it is not imported."""


def training_job(
    config: TrialConfig,
    run_id: str,
    node: ReadyNode,
    current: AttemptEvents,
    params: Mapping[str, Any],
    prepared: Prepared,
    resumed: Resumed | None,
    meeting: Meeting | None = None,
) -> Job:
    """Returns the job of an attempt.

    Args:
        config: The run's configuration.
        run_id: Name of the run.
        node: Where it will run.
        current: The attempt.
        params: The hyperparameters.
        prepared: Its files.
        resumed: The checkpoint it continues from; None = it begins again.
        meeting: Where its processes meet; None = it has one.

    Raises:
        ConfigError: If the command cannot be filled in.
        OSError: If a folder for its outputs cannot be made.
    """
    spec = node.spec
    resume_from = str(resumed.path) if resumed is not None else ""
    env = _environment(config, run_id, node, current, params, prepared, resume_from, meeting)
    job = functools.partial(
        Job,
        cwd=str(prepared.cwd),
        env=env,
        log_path=str(prepared.log),
        grace_s=spec.grace_s,
        ranks=_ranks(spec, meeting, prepared, env),
    )
    if spec.kind == "function":
        path, name, reuse = str(node.files.function_path), config.metric.name, spec.reuse_processes
        return job(function_path=path, params=params, metric=name, reuse=reuse)
    outputs = {name: str(prepared.outputs / below) for name, below in spec.outputs.items()}
    for name, path in outputs.items():
        if name not in spec.output_files:
            os.makedirs(path, exist_ok=True)
    repeated, left_out = variables.fitting(sweep_variables(spec, params, outputs))
    env.update(repeated)
    if left_out:
        prepared.note(f"too long for a variable: {', '.join(left_out[:3])}; Run.get_context().params has the value")
    argv = trial_argv(spec, params, outputs, python=spec.python or sys.executable)
    if spec.throw_away:
        python = shutil.which("python", path=env.get("PATH")) or sys.executable
        argv = (python, str(_THROW_AWAY), *argv)
    if resumed is not None and spec.resume_argument:
        argv = with_resume_argument(argv, str(resumed.path), spec.style)
    if spec.distribution == "mpi":
        argv, order = mpi.node_process(argv, spec.resources, meeting, prepared.node_rank)
        env.update(order)
    elif spec.preload and not spec.python and argv[0] == sys.executable and len(argv) > 1 and argv[1].endswith(".py"):
        return job(script=argv[1], arguments=tuple(argv[2:]))
    return job(argv=tuple(argv))


def _ranks(spec: TrialSpec, meeting: Meeting | None, prepared: Prepared, env: dict[str, str]) -> tuple[RankOrder, ...]:
    """The processes on this node; of a single one the variables go into ``env``."""
    if meeting is None or spec.distribution == "mpi":
        return ()
    gpus, node, several = gpus_of(env), prepared.node_rank, spec.resources.processes_per_node
    own = [
        process_variables(spec.resources, meeting, node, index, distribution=spec.distribution, gpus=gpus, env=env)
        for index in range(several)
    ]
    if several == 1:
        env.update(own[0])
        return ()
    logs = [prepared.log, *(one.path for one in prepared.more_logs)]
    return tuple({"env": variables, "log_path": str(log)} for variables, log in zip(own, logs, strict=True))


def _environment(
    config: TrialConfig,
    run_id: str,
    node: ReadyNode,
    current: AttemptEvents,
    params: Mapping[str, Any],
    prepared: Prepared,
    resume_from: str,
    meeting: Meeting | None,
) -> dict[str, str]:
    spec = node.spec
    env = dict(node.environment)
    if meeting is not None:
        shared = node_variables(spec.resources, meeting, prepared.node_rank)
        env |= mpi.without_ranks(shared) if spec.distribution == "mpi" else shared
    if spec.distribution == "ray" and spec.kind != "function":
        # Few trials hand their reservation on.
        from raydrive.runtime.ray_in_trials import cluster_access  # lazy: ray, 0.4 s

        env = {**cluster_access.job_variables(str(prepared.cwd)), **env}
    env |= tracker_variables(env, spec.track, run_id, current.trial, str(prepared.outputs))
    env |= wire.trial_environment(
        channel=node.channel.path,
        run_id=run_id,
        trial=current.trial,
        attempt=current.attempt,
        experiment=config.experiment,
        params=params,
        inputs=spec.inputs,
        output_dir=str(prepared.outputs),
        files_dir=str(prepared.files),
        checkpoint_dir=str(prepared.staging),
        resume_from=resume_from,
        submit_dir=spec.submit_dir,
        large_dir=str(prepared.scratch),
        outer_ranks=ranks.outer_ranks(env) if meeting is None else outer_ranks(env, spec.distribution),
    )
    if spec.resources.gpu_memory or spec.resources.share:
        driver = nvml.opened()
        total_bytes = driver.total_bytes if driver is not None else lambda _: 0
        env |= limit_variables(spec.resources, env, total_bytes, prepared.note)
    return env
