"""The placement groups of a run's trials over several nodes: all nodes of a trial are reserved, or none.

A group outlives the driver that asked for it, as the trial actors do, and has the name of the trial's first actor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from raydrive.core.config.trial_spec import Resources
from raydrive.runtime.ray_cluster.connection import demand


class PlacementGroups:
    """Makes, finds and removes the groups of one run.

    Args:
        prefix: What the names of its groups begin with.
        resources: What one trial reserves.
    """

    def __init__(self, prefix: str, resources: Resources) -> None:
        self._prefix = prefix
        self._resources = resources
        self._held: list[tuple[Any, PlacementGroup]] = []
        """Each first actor of a trial, with its group."""

    def reserve(self, name: str, memory: float | None = None) -> PlacementGroup:
        """Asks Ray for a group; returns at once.

        Args:
            name: Name of the trial's first actor.
            memory: Bytes on each node; None = those of the run's resources.
        """
        needs = self._resources if memory is None else replace(self._resources, memory=memory)
        # Ray takes no empty bundle: what reserves nothing is still placed.
        bundle = demand(needs) or {"CPU": 0.001}
        bundles = [bundle] * needs.nodes
        group: PlacementGroup = placement_group(bundles, strategy=needs.strategy, name=name, lifetime="detached")
        return group

    @staticmethod
    def first_node(group: PlacementGroup) -> PlacementGroupSchedulingStrategy:
        """Returns the option by which an actor runs on the group's first node."""
        return PlacementGroupSchedulingStrategy(group, 0)

    def hold(self, actor: Any, group: PlacementGroup) -> None:
        """Notes that a group is an actor's."""
        self._held.append((actor, group))

    def is_placed(self, actor: Any) -> bool:
        """Whether Ray has reserved all nodes of an actor's group."""
        for one, group in self._held:
            if one is actor:
                return bool(placement_group_table(group).get("state") == "CREATED")
        return False

    def is_removed(self, actor: Any) -> bool:
        """Whether an actor's group was given back already."""
        for one, group in self._held:
            if one is actor:
                return placement_group_table(group).get("state") in (None, "REMOVED")
        return False

    def remove(self, actor: Any) -> None:
        """Gives an actor's group back, which ends all actors in it."""
        for one, group in self._held:
            if one is actor:
                _remove(group)
        self._held = [(one, group) for one, group in self._held if one is not actor]

    def find(self, actors: dict[str, Any], made: Collection[str]) -> None:
        """Takes over the groups that an earlier driver of the run left, and removes those without an actor.

        Args:
            actors: The first actors that are there, by name.
            made: Names that this driver has given.
        """
        for key, row in placement_group_table().items():
            name = str(row.get("name", ""))
            if not name.startswith(self._prefix) or name in made or row.get("state") == "REMOVED":
                continue
            group = PlacementGroup(ray.PlacementGroupID(bytes.fromhex(key)))
            if name in actors:
                self.hold(actors[name], group)
            else:
                _remove(group)


def _remove(group: PlacementGroup) -> None:
    with contextlib.suppress(Exception):  # it is gone, or Ray is
        remove_placement_group(group)
