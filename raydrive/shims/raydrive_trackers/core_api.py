"""Determined's Core API in a trial: hyperparameters, metrics and checkpoints are the trial's.

``raydrive convert`` puts into ``RAYDRIVE_DETERMINED`` what the script asks of its experiment and a trial has not, as
JSON: ``constants`` (hyperparameters that are not tuned), ``names`` (what those are called that are tuned), ``length``.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
import uuid
from typing import Any, Iterator, Mapping, Sequence  # noqa: UP035  (Python 3.8)

from raydrive import context
from raydrive_trackers import trial
from raydrive_trackers.stand_in import named

VARIABLE = "RAYDRIVE_DETERMINED"
LATEST = "latest"
"""Id of the checkpoint that the trial goes on from."""


def _experiment() -> dict[str, Any]:
    found = json.loads(os.environ.get(VARIABLE, "{}"))
    return found if isinstance(found, dict) else {}


def hyperparameters() -> dict[str, Any]:
    """Returns the hyperparameters, nested where their names have dots."""
    about: dict[str, Any] = _experiment()
    found: dict[str, Any] = {}
    names = about.get("names", {})
    tuned = {names.get(name, name): value for name, value in trial.parameters().items()}
    for name, value in {**about.get("constants", {}), **tuned}.items():
        *above, last = name.split(".")
        place = found
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return found


class TrialInfo:
    """What a script asks of its trial."""

    def __init__(self) -> None:
        run = context.Run.get_context()
        self.trial_id = int(run.number or 0)
        self.experiment_id = 1
        self.trial_seed = self.trial_id
        self.hparams = hyperparameters()


class ClusterInfo:
    """What a script asks of the cluster that it runs on."""

    def __init__(self) -> None:
        run = context.Run.get_context()
        self.trial = TrialInfo()
        self.latest_checkpoint = LATEST if run.resume_from else None
        self.task_type, self.allocation_id, self.task_id = "TRIAL", run.id, run.id
        self.cluster_id, self.cluster_name, self.session_token = "raydrive", "raydrive", ""
        self.slot_ids: list[int] = []
        self.container_addrs = ["127.0.0.1"]
        self.container_rank = run.rank
        self.user_data: dict[str, Any] = {}


def cluster_info() -> ClusterInfo | None:
    """Returns what the trial is; None outside one."""
    return None if context.Run.get_context().offline else ClusterInfo()


class DistributedContext:
    """The processes that train together."""

    def __init__(self, **given: Any) -> None:
        run = context.Run.get_context()
        self.rank, self.size = run.rank, run.world_size
        self.local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        self.cross_rank, self.cross_size = self.rank // max(self.local_size, 1), self.size // max(self.local_size, 1)

    @classmethod
    def from_torch_distributed(cls, chief_ip: str | None = None) -> DistributedContext:
        """Returns the processes that torch has been told of."""
        return cls()

    from_horovod = from_deepspeed = from_torch_distributed

    def get_rank(self) -> int:
        """Returns the rank of this process."""
        return self.rank

    def get_size(self) -> int:
        """Returns how many processes train together."""
        return self.size

    def get_local_rank(self) -> int:
        """Returns the rank on this node."""
        return self.local_rank

    def broadcast(self, stuff: Any) -> Any:
        """Returns what was given, of a process that trains alone.

        Raises:
            RuntimeError: If others train with it.
        """
        self._alone("broadcast")
        return stuff

    def gather(self, stuff: Any) -> Sequence[Any]:
        """Returns what was given, as a list, of a process that trains alone."""
        self._alone("gather")
        return [stuff]

    allgather = gather_local = allgather_local = gather
    broadcast_local = broadcast

    def close(self) -> None:
        """Does nothing."""

    def __enter__(self) -> DistributedContext:
        return self

    def __exit__(self, *about: object) -> None:
        pass

    def _alone(self, name: str) -> None:
        if self.size > 1:
            raise RuntimeError(
                f"determined.core: {name} among {self.size} processes is not in a trial of raydrive; use that of "
                "torch.distributed, which the trial has set up"
            )


class Train:
    """What a script reports: values of validation under their names, others as ``GROUP/NAME``."""

    def report_validation_metrics(self, steps_completed: int, metrics: Mapping[str, Any]) -> None:
        """Logs values, among them the one that is tuned."""
        trial.log(metrics, steps_completed)

    def report_training_metrics(
        self, steps_completed: int, metrics: Mapping[str, Any], batch_metrics: Any = None
    ) -> None:
        """Logs values of training."""
        trial.log(metrics, steps_completed, "training/")

    def report_metrics(self, group: str, steps_completed: int, metrics: Mapping[str, Any]) -> None:
        """Logs values of a group."""
        trial.log(metrics, steps_completed, "" if group == "validation" else f"{group}/")

    def report_progress(self, progress: float) -> None:
        """Does nothing: raydrive counts intervals."""

    def set_status(self, status: str) -> None:
        """Prints it, for the log of the trial."""
        print(status, flush=True)

    def report_early_exit(self, reason: Any) -> None:
        """Prints it, for the log of the trial."""
        print(f"early exit: {reason}", flush=True)

    def get_experiment_best_validation(self) -> float | None:
        """Returns None: a trial is not told of others."""
        return None

    def get_tensorboard_path(self) -> pathlib.Path:
        """Returns a folder that is kept with the trial."""
        return pathlib.Path(context.Run.get_context().output_directory)


class Checkpoints:
    """Checkpoints of the trial; the one that it goes on from is ``latest``."""

    @contextlib.contextmanager
    def store_path(
        self, metadata: Mapping[str, Any] | None = None, *, shard: bool = False
    ) -> Iterator[tuple[pathlib.Path, str]]:
        """Gives a folder, and saves what is in it at the end.

        Args:
            metadata: Kept as ``metadata.json`` in it.
            shard: Whether each process saves a part.
        """
        with tempfile.TemporaryDirectory() as folder:
            yield pathlib.Path(folder), str(uuid.uuid4())
            self._save(folder, metadata, shard)

    def upload(
        self, ckpt_dir: Any, metadata: Mapping[str, Any] | None = None, *, shard: bool = False, selector: Any = None
    ) -> str:
        """Saves a folder."""
        self._save(os.fspath(ckpt_dir), metadata, shard)
        return str(uuid.uuid4())

    def _save(self, folder: str, metadata: Mapping[str, Any] | None, shard: bool) -> None:
        run = context.Run.get_context()
        if metadata is not None and not run.rank:
            (pathlib.Path(folder) / "metadata.json").write_text(json.dumps(dict(metadata)))
        run.save_checkpoint(folder, sharded=shard)

    @contextlib.contextmanager
    def restore_path(self, storage_id: str, download_mode: Any = None, **more: Any) -> Iterator[pathlib.Path]:
        """Gives the folder of the checkpoint that the trial goes on from.

        Raises:
            FileNotFoundError: If it goes on from none.
        """
        yield self._latest(storage_id)

    def download(self, storage_id: str, ckpt_dir: Any, download_mode: Any = None, **more: Any) -> None:
        """Copies the checkpoint that the trial goes on from."""
        shutil.copytree(self._latest(storage_id), os.fspath(ckpt_dir), dirs_exist_ok=True)

    def get_metadata(self, storage_id: str) -> dict[str, Any]:
        """Returns what the checkpoint was saved with."""
        file = self._latest(storage_id) / "metadata.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def delete(self, storage_id: str, globs: Any = None) -> None:
        """Does nothing: raydrive keeps the latest ones, and the best one."""

    @staticmethod
    def _latest(storage_id: str) -> pathlib.Path:
        folder = context.Run.get_context().resume_from
        if not folder:
            raise FileNotFoundError(f"checkpoint {storage_id}: this trial goes on from none; its own is {LATEST!r}")
        return pathlib.Path(folder)


class Operation:
    """How long the trial trains."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._completed = False

    def report_progress(self, length: float) -> None:
        """Does nothing: raydrive counts intervals."""

    def report_completed(self, searcher_metric: Any) -> None:
        """Does nothing: what was reported is the trial's value."""


class Searcher:
    """The searcher: one operation, as long as the experiment has it."""

    def operations(self, searcher_mode: Any = None, auto_ack: bool = True) -> Iterator[Operation]:
        """Yields it.

        Raises:
            RuntimeError: If the experiment has no length.
        """
        length = _experiment().get("length")
        if length is None:
            raise RuntimeError(
                "determined.core: searcher.operations() needs searcher.max_length of the experiment; set "
                f"environment_variables: {{{VARIABLE}: '{{\"length\": 10}}'}} in the sweep file"
            )
        yield Operation(length)

    def get_configured_units(self) -> Any:
        """Returns in what the length counts; None where that is not known."""
        return named("Unit") if _experiment().get("unit") else None


class Preemption:
    """Whether the trial shall end: raydrive ends its process instead."""

    def should_preempt(self, auto_ack: bool = True) -> bool:
        """Returns False."""
        return False

    def acknowledge_preemption_signal(self) -> None:
        """Does nothing."""


class Context:
    """What ``determined.core.init`` returns."""

    def __init__(self, distributed: Any = None) -> None:
        self.distributed = distributed or DistributedContext()
        self.train, self.checkpoint, self.searcher = Train(), Checkpoints(), Searcher()
        self.preempt, self.info = Preemption(), cluster_info()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def start(self) -> None:
        """Does nothing."""

    def close(self, *about: object) -> None:
        """Does nothing: the trial ends with its process."""


def init(*, distributed: Any = None, **more: Any) -> Context:
    """Returns a context for the trial.

    Args:
        distributed: The processes that train together; None = as raydrive has started them.
        **more: Accepted; modes of checkpoints, preemption and TensorBoard mean nothing here.
    """
    return Context(distributed)


class _Modes:
    """Modes of parts that have none here."""

    def __getattr__(self, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


PreemptMode = SearcherMode = TensorboardMode = DownloadMode = EarlyExitReason = _Modes()
