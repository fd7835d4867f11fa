"""Whether every node that may run trials can write and read a run's storage, asked before the first trial."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Sequence
from typing import Any

from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import StorageError
from raydrive.runtime.ray_cluster.connection import demand, fitting
from raydrive.storage.folder.base import redact
from raydrive.storage.folder.open import open_folder

PROBE_S = 60.0
"""Seconds that a node may take to prove it; Ray declares a hung one dead at about the same time."""
_TOKEN = "token"


def probe_storage(storage: str, resources: Resources) -> None:
    """Has each other node that may run trials read what is written here, and write something to be read here.

    Costs a look at the list of nodes when there is no other node.

    Args:
        storage: Folder or URI below which runs are kept.
        resources: What a trial reserves; nodes that can never hold one are not asked.

    Raises:
        StorageError: If this process or a node cannot use it; the message names the nodes.
    """
    others = _others(resources)
    if not others:
        return
    folder = open_folder(storage).child(f".raydrive-probe-{secrets.token_hex(4)}")
    token = secrets.token_hex(8)
    folder.write_whole(_TOKEN, token.encode())
    try:
        answers = _ask(folder.uri, token, others)
        wrong = []
        for node_id, name in others:
            why = answers.get(node_id)
            if why == "" and folder.read_or_none(node_id) != token.encode():
                why = "this machine cannot read what the node wrote"
            if why:
                wrong.append(f"{name}: {why}")
    finally:
        with contextlib.suppress(StorageError):
            folder.delete_tree()
    if wrong:
        raise StorageError(
            f"{len(wrong)} of {len(others)} other nodes that may run trials cannot use the storage {redact(storage)}: "
            f"{'; '.join(wrong)}. Hint: choose a storage that all nodes share with --storage: a network file system "
            "mounted at the same path everywhere, or s3://, gs://, abfs://, hdfs://"
        )


def _others(resources: Resources) -> list[tuple[str, str]]:
    """Id and name of the live nodes, other than this one, that could hold a trial."""
    import ray  # lazy: ray, 0.3 s

    here = ray.get_runtime_context().get_node_id()
    wanted = demand(resources)
    return [
        (str(node["NodeID"]), f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})")
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["NodeID"] != here and fitting(wanted, [node["Resources"]])
    ]


def _ask(uri: str, token: str, others: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What is wrong on each node, by its id; empty when nothing is."""
    import ray  # lazy: ray, 0.3 s
    from ray.exceptions import RayError  # lazy: ray, 0.4 s
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # lazy: ray, 0.3 s

    prove_there: Any = ray.remote(prove)
    asked: dict[Any, str] = {}
    for node_id, _ in others:
        where = NodeAffinitySchedulingStrategy(node_id, soft=False)
        options = prove_there.options(num_cpus=0, max_retries=0, scheduling_strategy=where)
        asked[options.remote(uri, token, node_id, socket.gethostname())] = node_id
    answers = {node_id: f"no answer within {PROBE_S:.0f} s" for node_id, _ in others}
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_S)
    for reference in ready:
        try:
            answers[asked[reference]] = str(ray.get(reference))
        except RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            answers[asked[reference]] = lines[-1].strip() if lines else type(error).__name__
    for reference in late:
        ray.cancel(reference, force=True)
    # A node that died meanwhile has nothing to prove: no trial will be placed there.
    alive = {str(node["NodeID"]) for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
    return {node_id: answer for node_id, answer in answers.items() if node_id in alive}


def prove(uri: str, token: str, name: str, origin: str) -> str:
    """Reads the token and writes it back under another name; returns what is wrong, or an empty string.

    Args:
        uri: The folder of the probe.
        token: What the file in there holds.
        name: File to write.
        origin: The machine that asks, for the message.
    """
    try:
        folder = open_folder(uri)
        if folder.read_or_none(_TOKEN) != token.encode():
            return f"it cannot read what {origin} wrote there"
        folder.write_whole(name, token.encode())
    except (StorageError, OSError) as error:
        return str(error)
    return ""
