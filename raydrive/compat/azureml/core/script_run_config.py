"""``ScriptRunConfig`` with the SDK's signature."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from raydrive.api.argument_types import SCRIPT
from raydrive.api.config import ScriptRunConfig as Native
from raydrive.compat.azure_notices import NotHereError, note
from raydrive.compat.azureml._launchers import launch_of
from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml.core.dataset import values_of
from raydrive.compat.azureml.core.runconfig import RunConfiguration
from raydrive.compat.azureml.wants import ENVIRONMENT, LAUNCHER, RUN_CONFIGURATION
from raydrive.core.argument_checks import NOTHING, checks_arguments
from raydrive.core.config.trial_spec import Resources, TrialSpec
from raydrive.settings.nearest import nearest_settings
from raydrive.sweepfile.site_settings import here


@checks_arguments(
    **SCRIPT,
    run_config=RUN_CONFIGURATION | NOTHING,
    environment=ENVIRONMENT | NOTHING,
    distributed_job_config=LAUNCHER | NOTHING,
)
class ScriptRunConfig(Native):
    """A training script and what it needs.

    Args:
        source_directory: Folder of the script; all of it is snapshot.
        script: The script below it.
        arguments: Fixed arguments, given unchanged before the hyperparameters; data stands for its path.
        run_config: Its script, arguments and environment variables count where they are not given here.
        compute_target: Accepted; trials run on the Ray cluster.
        environment: Its variables count.
        distributed_job_config: Nodes and processes of one trial; ``docs/multi-node.md``.
        resume_from: Refused; see ``resume_child_runs`` of ``HyperDriveConfig``.
        max_run_duration_seconds: Longest time of one trial.
        command: A shell line or its words, instead of a script; the hyperparameters are put behind it.
        docker_runtime_config: Accepted; trials are processes.

    Raises:
        ConfigError: If the script cannot be found, neither or both of script and command are given, or the
            processes do not divide by the nodes.
        NotHereError: If ``resume_from`` is given.
    """

    def __init__(
        self,
        source_directory: str | os.PathLike[str] | None,
        script: str | None = None,
        arguments: Sequence[Any] | None = None,
        run_config: Any = None,
        _telemetry_values: Any = None,
        compute_target: Any = None,
        environment: Any = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: float | None = 2592000,
        command: str | Sequence[Any] | None = None,
        docker_runtime_config: Any = None,
    ) -> None:
        if resume_from is not None:
            raise NotHereError("resume_from of a script: give resume_child_runs=[run] to HyperDriveConfig instead")
        own, _ = here()
        environment = environment or getattr(run_config, "environment", None)
        variables = {
            **getattr(environment, "environment_variables", {}),
            **getattr(run_config, "environment_variables", {}),
            **(own.environment_variables or {}),
        }
        self.run_config = run_config or RunConfiguration()
        self.environment = environment
        self.compute_target = compute_target
        super().__init__(
            source_directory or ".",
            script or (None if command else getattr(run_config, "script", None)),
            arguments or getattr(run_config, "arguments", None),
            command=command,
            environment_variables={name: str(value) for name, value in variables.items()},
            max_run_duration_seconds=max_run_duration_seconds,
            python=own.python,
            environment_file=_placed(own.environment_file),
            environments=own.environments if own.environment_file else None,
            allow_pip_install=bool(own.allow_pip_install),
            preload=own.preload or (),
            secrets=own.secrets,
            flags="both" if own.flags == "both" else bool(own.flags),
            flatten=bool(own.flatten),
            style=own.style or "argparse",
        )
        can_build = getattr(environment, "to_build", None)
        if can_build and own.environments and not own.python and not own.environment_file:
            self.to_build = can_build(own.environments)
        if environment is not None and self.to_build is None:
            note(
                f'environment {environment.name!r}: trials use the Python that raydrive runs in, or python = "..." '
                'of raydrive.toml, or what environments = "uv" builds; nothing is installed'
            )
        self.launch = launch_of(distributed_job_config, run_config)
        self._first = self.run_config.environment

    def to_spec(self, resources: Resources) -> TrialSpec:
        """Returns the script as what a trial runs: arguments as text, data as inputs."""
        reserved, distribution = self.launch.on(resources)
        later = self.run_config.environment
        if later is not self._first:  # config.run_config.environment = ...
            own, can_build = here()[0], getattr(later, "to_build", None)
            if can_build and own.environments and not own.python and not own.environment_file:
                self.to_build = can_build(own.environments)
            variables = {name: str(value) for name, value in getattr(later, "environment_variables", {}).items()}
            self.environment_variables = {**variables, **self.environment_variables}
        spec = dataclasses.replace(super().to_spec(reserved), distribution=distribution)
        inputs: dict[str, str] = {}
        fetched: dict[str, str] = {}
        if self.script is not None:
            spec = dataclasses.replace(spec, arguments=values_of(self.arguments, inputs, fetched))
        elif not isinstance(self.command, str):
            spec = dataclasses.replace(spec, command=" ".join(values_of(list(self.command or ()), inputs, fetched)))
        return dataclasses.replace(spec, inputs=inputs, fetched=fetched)


def _placed(file: str | None) -> str | None:
    """A path that is in raydrive.toml, absolute."""
    settings = nearest_settings()
    return file if file is None or settings is None else str(settings.parent / os.path.expanduser(file))


__getattr__ = complete(__name__)
