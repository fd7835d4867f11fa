"""Making a run's trial actors, and finding those that are there.

The first one is asked for before the driver imports what it works with and reads the journal: on an idle machine an
actor takes as long to come up as that takes, and both are there at the same time.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from raydrive.core.config.trial_spec import TrialConfig
from raydrive.runtime.ray_cluster.connection import NAMESPACE, actor_options
from raydrive.storage.run_layout import RunLayout

if TYPE_CHECKING:
    from raydrive.runtime.gang.placement_groups import PlacementGroups

_GENERATION = "edit"
"""Begins the label of an actor that was made after an edit, before its revision."""


class TrialActorFactory:
    """Makes and finds the trial actors of one run.

    Args:
        uri: The run folder.
        config: The run's configuration as JSON.
        driver: Handle of the driver, for the reports.
        actor: The class of the trial actors.
        secrets: Values of the trials' secrets by name.
        generation: Revision of the last edit that changed what actors are made with; 0 before the first.
    """

    def __init__(
        self,
        uri: str,
        config: Mapping[str, Any],
        driver: Any,
        actor: type[Any],
        secrets: Mapping[str, str] | None = None,
        generation: int = 0,
    ) -> None:
        layout = RunLayout.open(uri)
        self.may_exist = True
        """Whether an earlier driver may have left actors of the run."""
        self._made: set[str] = set()
        self._first: Any = None
        self._prefix = f"raydrive:{layout.key}:slot:"
        self.generation = generation
        self._args = (uri, layout.run_id, config, driver, dict(secrets or {}))
        self._actor = actor
        self._class = ray.remote(actor)
        spec = TrialConfig.from_json(config).trial
        resources = spec.resources
        self._groups: PlacementGroups | None = None
        """Where a trial has several nodes, or hands its reservation on."""
        self._hands_on = spec.distribution == "ray"
        if resources.nodes > 1 or self._hands_on:
            from raydrive.runtime.gang import placement_groups  # lazy: raydrive.runtime.gang.placement_groups, 0.01 s

            self._groups = placement_groups.PlacementGroups(self._prefix, resources)
        self._options = {
            # With a reservation that the trial hands on, the actor itself holds nothing of it, nor anything else.
            **({"num_cpus": 0} if self._hands_on else actor_options(resources)),
            "max_restarts": 0,
            "max_task_retries": 0,
            # Detached and named: it outlives the driver's process, and the next driver finds it and continues it.
            "lifetime": "detached",
            "namespace": NAMESPACE,
        }

    def make(self, epoch: int, label: str = "", memory: float | None = None) -> Any:
        """Asks Ray for an actor; returns its handle at once.

        Args:
            epoch: Epoch of the driver: the actor obeys none of an earlier one.
            label: Tells it from the run's other actors; by default the epoch and a number.
            memory: Bytes that each node of it reserves; None = those of the run's resources.

        Raises:
            ValueError: If there is one of that label.
        """
        of = f"{_GENERATION}{self.generation}-" if self.generation else ""
        name = f"{self._prefix}{of}{label or f'{epoch}-{len(self._made) + 1}'}"
        self._made.add(name)
        options = self._options
        if memory is not None and not self._hands_on:
            options = {**options, "memory": int(memory)}
        if self._groups is None:
            return self._class.options(name=name, **options).remote(*self._args, epoch, name)
        group = self._groups.reserve(name, memory)
        if not self._hands_on:
            options = {**options, "scheduling_strategy": self._groups.first_node(group)}
        actor = self._class.options(name=name, **options).remote(*self._args, epoch, name, group)
        self._groups.hold(actor, group)
        return actor

    def kill(self, actor: Any) -> None:
        """Kills an actor, with those of the trial's other nodes; one that is gone is not an error."""
        with contextlib.suppress(RayError, ValueError):
            ray.kill(actor, no_restart=True)
        if self._groups is not None:
            self._groups.remove(actor)

    def is_current(self, name: str) -> bool:
        """Whether an actor of this name was made with the configuration that the run has now."""
        label = name.removeprefix(self._prefix)
        made = label.removeprefix(_GENERATION).partition("-")[0] if label.startswith(_GENERATION) else "0"
        return made == str(self.generation)

    def after_edit(self, config: Mapping[str, Any], generation: int) -> TrialActorFactory:
        """Returns a factory of actors for an edited configuration.

        Args:
            config: The configuration as JSON.
            generation: Revision of the edit.
        """
        uri, _, _, driver, secrets = self._args
        return TrialActorFactory(uri, config, driver, self._actor, secrets, generation)

    def placed(self, actors: Iterable[Any]) -> int | None:
        """Returns how many of these actors have all of their nodes; None where a trial has one node."""
        return None if self._groups is None else sum(map(self._groups.is_placed, actors))

    def is_whole(self, actor: Any) -> bool:
        """Whether an actor still has what its trials hand on: one of them may have given it back."""
        return not self._hands_on or self._groups is None or not self._groups.is_removed(actor)

    @property
    def needs_renewal(self) -> bool:
        """Whether actors are there before their reservation is, and must be told that the driver still waits."""
        return self._hands_on

    def take_first(self) -> Any:
        """Returns the actor that was requested in advance, to the first caller; else None."""
        first, self._first = self._first, None
        return first

    def find_existing(self) -> dict[str, Any]:
        """Returns the run's actors that are alive or starting and were not made here, by name."""
        # Of all namespaces: a driver has that of the job that submitted it, which is the user's business.
        named = ray.util.list_named_actors(all_namespaces=True)
        names = {row["name"] for row in named if row["namespace"] == NAMESPACE and row["name"].startswith(self._prefix)}
        found: dict[str, Any] = {}
        for name in sorted(names - self._made):
            with contextlib.suppress(ValueError):
                found[name] = ray.get_actor(name, namespace=NAMESPACE)
        if self._groups is not None:
            self._groups.find(found, self._made)
        return found

    def prestart(self) -> None:
        """Asks for the first actor, unless there are some of the run already."""
        self.may_exist = bool(self.find_existing())
        if not self.may_exist:
            self._first = self.make(0, f"first-{secrets.token_hex(4)}")  # of no epoch: whichever the driver gets


def prestart_first_actor(
    uri: str, actor: type[Any], secrets: Mapping[str, str] | None = None
) -> TrialActorFactory | None:
    """Asks for the first trial actor of a run, for a driver that has just been made.

    This only saves time: whatever is wrong the driver finds out itself, and says.

    Args:
        uri: The run folder.
        actor: The class of the trial actors.
        secrets: Values of the trials' secrets by name.

    Returns:
        What has asked, for the driver to continue with; None where that went wrong.
    """
    with contextlib.suppress(Exception):
        config = json.loads(RunLayout.open(uri).read_config())
        factory = TrialActorFactory(uri, config, ray.get_runtime_context().current_actor, actor, secrets)
        factory.prestart()
        return factory
    return None
