"""The names of files: where in a workspace's storage a run is, and where in a run its parts are.

<storage>/<experiment>/<run_id>/
  config.json                       the frozen configuration, written once
  classes.json                      which code the classes of policy and sampling come from; only after a resume
  heritage.jsonl                    what earlier runs brought: trials and curves, written once; only with parents
  code/<sha256>.zip | .pkl          snapshot of the source directory | the pickled function
  journal/                          see ``segments.py``
  driver.json                       the driver's heartbeat and live view, overwritten whole
  trials/00007/attempt-1/log.txt    stdout and stderr (object stores: log-00000.txt, ... see ``uploads.py``)
  trials/00007/attempt-1/rank_3.txt        the same of rank 3, where several processes train together
  trials/00007/attempt-1/order_1.jsonl     when the logs of node 1 grew, see ``rank_logs.py``
  trials/00007/outputs/             what the trial left in ./outputs
  trials/00007/logs/                what the trial left in ./logs
  trials/00007/kept/                what else of its working directory raydrive.keep names
  trials/00007/checkpoints/00003/   a checkpoint
"""

from __future__ import annotations

import calendar
import difflib
import json
import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from raydrive.core.errors import ConfigError, Problem, RunNotFoundError, StorageError, did_you_mean, show
from raydrive.storage.checksums import checked_json, checked_lines, unchecked_json, unchecked_lines
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.current import absolute
from raydrive.storage.folder.open import open_folder
from raydrive.storage.folder.uris import above, split_options, within

_EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RUN_ID = re.compile(r".+-(\d{8}-\d{6})-[0-9a-f]{4,}")
_CONFIG, _DRIVER, _HERITAGE, _CLASSES = "config.json", "driver.json", "heritage.jsonl", "classes.json"
_TRACKERS = "trackers"
LONGEST_EXPERIMENT = 100
"""Characters of an experiment's name; a run's id is longer by date, time and a number, and has to be a file's name."""
LOG_NAME = "log.txt"
"""Log of an attempt: that of rank 0, where several processes train together."""
KEPT = "kept"
Place = Folder | str | os.PathLike[str]
"""What functions take that need a storage: an open folder, a path or a URI."""


def rank_log(rank: int) -> str:
    """Returns the name of the log of a rank in the folder of an attempt."""
    return f"rank_{rank}.txt" if rank else LOG_NAME


def log_order(node: int) -> str:
    """Returns the name of the file, in the folder of an attempt, that tells when the logs of a node grew."""
    return f"order_{node}.jsonl"


def as_folder(place: Place) -> Folder:
    """Returns the folder at a path or URI; one that is open already is returned as it is.

    Raises:
        StorageError: If it cannot be opened.
    """
    return place if isinstance(place, Folder) else open_folder(place)


def new_run_id(experiment: str, now: float | None = None, entropy: int | None = None) -> str:
    """Returns an id such as ``digits-20261123-235912-7f3a``: unique, and sorted by time within its experiment.

    Args:
        experiment: Name of the experiment.
        now: Seconds since the epoch; by default the clock's. Shown in UTC.
        entropy: Keeps apart what began in the same second; by default random. Its low 16 bits are used.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() if now is None else now))
    return f"{experiment}-{stamp}-{(secrets.randbits(16) if entropy is None else entropy) & 0xFFFF:04x}"


@dataclass(frozen=True, slots=True)
class RunLayout:
    """The folder of one run and the names in it."""

    folder: Folder
    """The run's folder."""
    experiment: str
    run_id: str

    @classmethod
    def create(cls, storage: Place, experiment: str, run_id: str) -> RunLayout:
        """Makes the folder of a new run.

        Args:
            storage: The workspace's storage.
            experiment: Name of the experiment.
            run_id: As ``new_run_id`` gives it.

        Raises:
            ConfigError: If the experiment's or the run's name cannot be a folder's.
            StorageError: If the folder exists already: nothing ever starts over in an existing run.
            StorageError: If it cannot be made.
        """
        check_experiment(experiment)
        if not _EXPERIMENT.fullmatch(run_id):
            raise ConfigError(_name_problem("run id", run_id))
        folder = as_folder(storage).child(experiment, run_id)
        if not folder.make(exclusive=True):
            raise StorageError(
                f"cannot begin run {run_id}: {folder} already exists, and a new run needs a new "
                "folder. Hint: resume the existing run, or choose another id"
            )
        return cls(folder, experiment, run_id)

    @classmethod
    def open(cls, place: Place) -> RunLayout:
        """Returns the layout of the run in a folder; the folder is not looked at.

        Args:
            place: The run's own folder (not the storage).

        Raises:
            StorageError: If it cannot be opened.
        """
        folder = as_folder(place)
        experiment, run_id = folder.place_of("").rstrip("/").split("/")[-2:]
        return cls(folder, experiment, run_id)

    @property
    def uri(self) -> str:
        """What ``open`` takes to get here again."""
        return self.folder.uri

    @property
    def key(self) -> str:
        """A name that no other run's folder has, nor a copy of this one: its id and where it is."""
        local = self.folder.local_path
        place = os.path.realpath(local) if local is not None else split_options(self.uri)[0].rstrip("/")
        return f"{self.run_id}-{sha256(place.encode(errors='surrogateescape')).hexdigest()[:8]}"

    @property
    def journal(self) -> Folder:
        """Folder of the journal."""
        return self.folder.child("journal")

    @property
    def code(self) -> Folder:
        """Folder of the code snapshot or the pickled function."""
        return self.folder.child("code")

    def trial(self, trial: int) -> Folder:
        """Returns a trial's folder: what is read there never is outside the run's, whatever the trial linked to."""
        return self.folder.contained().child("trials", f"{trial:05d}")

    def attempt(self, trial: int, attempt: int) -> Folder:
        """Returns the folder of one attempt: its log is ``LOG_NAME`` in there."""
        return self.trial(trial).child(f"attempt-{attempt}")

    def outputs(self, trial: int) -> Folder:
        """Returns the folder of what a trial left in ``./outputs``."""
        return self.trial(trial).child("outputs")

    def logs(self, trial: int) -> Folder:
        """Returns the folder of what a trial left in ``./logs``."""
        return self.trial(trial).child("logs")

    def kept(self, trial: int) -> Folder:
        """Returns the folder of what is kept of a trial's working directory beside those two."""
        return self.trial(trial).child(KEPT)

    def checkpoints(self, trial: int) -> Folder:
        """Returns the folder of a trial's checkpoints, one folder each."""
        return self.trial(trial).child("checkpoints")

    def checkpoint(self, trial: int, number: int) -> Folder:
        """Returns the folder of one checkpoint."""
        return self.checkpoints(trial).child(f"{number:05d}")

    def write_config(self, data: bytes, *, private: bool = False) -> None:
        """Writes the run's configuration, once.

        Args:
            data: The configuration.
            private: Whether only its owner may read it, where a file has a mode: it holds environment variables.

        Raises:
            StorageError: If the run has one already, or it cannot be written.
        """
        if not self.folder.create_exclusive(_CONFIG, checked_json(data), private=private):
            raise StorageError(f"cannot write {self.folder.place_of(_CONFIG)}: the run already has its configuration")

    def read_config(self) -> bytes:
        """Returns the run's configuration.

        Raises:
            RunNotFoundError: If there is none: the folder is not a run's, or its submission was interrupted.
            StorageError: If it cannot be read, or is not what was written.
        """
        data = self.folder.read_or_none(_CONFIG)
        if not data:
            raise RunNotFoundError(f"{self.folder} is not a run: it has no {_CONFIG}")
        return self._unchanged(_CONFIG, unchecked_json(data))

    def write_warm_start(self, data: bytes) -> None:
        """Writes what earlier runs brought, once.

        Raises:
            StorageError: If it is there already, or cannot be written.
        """
        if not self.folder.create_exclusive(_HERITAGE, checked_lines(data)):
            raise StorageError(f"cannot write {self.folder.place_of(_HERITAGE)}: the run already has it")

    def read_warm_start(self) -> bytes:
        """Returns what earlier runs brought.

        Raises:
            StorageError: If there is no such file, it cannot be read, or is not what was written.
        """
        return self._unchanged(_HERITAGE, unchecked_lines(self.folder.read_bytes(_HERITAGE)))

    def _unchanged(self, name: str, content: bytes | None) -> bytes:
        if content is None:
            raise StorageError(
                f"{self.folder.place_of(name)} is damaged: it is not what was written when the run was submitted. "
                "Hint: restore the file from a backup; the rest of the run is intact"
            )
        return content

    def sibling(self, experiment: str, run_id: str, uri: str = "") -> RunLayout:
        """Returns the layout of another run; its folder is not looked at.

        Args:
            experiment: Name of its experiment.
            run_id: Its id.
            uri: Its folder; empty = in the same storage as this run.

        Raises:
            StorageError: If it cannot be opened.
        """
        if uri:
            return RunLayout.open(uri)
        return RunLayout.open(within(above(self.uri, 2), f"{experiment}/{run_id}"))

    def write_classes_code(self, sha256: str) -> None:
        """Writes which code snapshot the classes of policy and sampling come from, instead of the trials'.

        Raises:
            StorageError: If it cannot be written.
        """
        self.folder.write_whole(_CLASSES, checked_json(json.dumps({"code_sha256": sha256}).encode()))

    def read_classes_code(self) -> str:
        """Returns what ``write_classes_code`` wrote, empty where it never did.

        Raises:
            StorageError: If it cannot be read, or is damaged.
        """
        if not self.folder.exists(_CLASSES):
            return ""
        try:
            content = self._unchanged(_CLASSES, unchecked_json(self.folder.read_bytes(_CLASSES)))
            return str(json.loads(content)["code_sha256"])
        except (ValueError, LookupError, TypeError) as error:
            raise StorageError(f"{self.folder.place_of(_CLASSES)} is damaged: {error}") from error

    def write_driver(self, data: bytes) -> None:
        """Overwrites the driver's heartbeat. It is old within seconds and therefore not synced to the device.

        Raises:
            StorageError: If it cannot be written.
        """
        self.folder.write_whole(_DRIVER, data, durable=False)

    def read_driver(self) -> bytes | None:
        """Returns the driver's heartbeat, None if no driver has ever written one.

        Raises:
            StorageError: If it cannot be read.
        """
        # Empty: a store that shows a blob before its content (``arrow.py``); the next moment it has some.
        return self.folder.read_or_none(_DRIVER) or self.folder.read_or_none(_DRIVER) or None

    def write_tracker(self, name: str, data: bytes) -> None:
        """Records up to which entry a tracker has received the run.

        Raises:
            StorageError: If it cannot be written.
        """
        self.folder.child(_TRACKERS).write_whole(f"{name}.json", data, durable=False)

    def read_tracker(self, name: str) -> bytes | None:
        """Returns up to which entry a tracker has received the run; None if it has received nothing.

        Raises:
            StorageError: If it cannot be read.
        """
        return self.folder.child(_TRACKERS).read_or_none(f"{name}.json")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as a listing shows it."""

    run_id: str
    experiment: str
    created: float
    """Seconds since the epoch, to the second where the run's name says it."""
    folder: Folder

    @property
    def uri(self) -> str:
        """The run's folder."""
        return self.folder.uri


def check_experiment(name: str) -> None:
    """Refuses names that cannot be a folder on every store.

    Raises:
        ConfigError: If the name has other characters than letters, digits, ``.``, ``_`` and ``-``, or is too long.
    """
    if not _EXPERIMENT.fullmatch(name) or len(name) > LONGEST_EXPERIMENT:
        raise ConfigError(_name_problem("experiment", name))


def usable_name(text: str) -> str:
    """Returns the nearest name of an experiment to a text; empty if nothing of it can be in one."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:LONGEST_EXPERIMENT]


def _name_problem(where: str, name: str) -> Problem:
    allowed = f"1 to {LONGEST_EXPERIMENT} letters, digits, '.', '_' or '-', beginning with a letter or digit"
    usable = usable_name(name)
    return Problem(where, show(name), allowed, f"For example {usable!r}." if usable else "")


def list_experiments(storage: Place) -> list[str]:
    """Returns the names of a storage's experiments, sorted; folders that hold no run are left out.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    return sorted({run.experiment for run in list_runs(storage)})


def list_runs(storage: Place, experiment: str | None = None) -> list[RunInfo]:
    """Returns a storage's runs, oldest first.

    Args:
        storage: The workspace's storage; one that does not exist has no runs.
        experiment: Only those of one experiment.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    root = as_folder(storage)
    names = [item.name for item in root.list() if item.is_dir and _EXPERIMENT.fullmatch(item.name)]
    runs: list[tuple[float, float, RunInfo]] = []
    for name in names:
        if experiment in (None, name):
            folder = root.child(name)
            for item in folder.list():
                born = _born(folder.child(item.name), item.name, item.mtime) if item.is_dir else None
                if born is not None:
                    runs.append((*born, RunInfo(item.name, name, born[0], folder.child(item.name))))
    return [run for *_, run in sorted(runs, key=lambda row: (row[0], row[1], row[2].run_id))]


def find_run(storage: Place, reference: str) -> RunInfo:
    """Returns the run that a user means.

    Args:
        storage: The workspace's storage.
        reference: A run id, a unique beginning of one, or ``last`` for the newest; ``EXPERIMENT/`` in front narrows
            the search. Also the path or URI of a run's folder, wherever that is.

    Raises:
        RunNotFoundError: If no run is meant, naming those with similar names.
        RunNotFoundError: If several are, naming them.
        StorageError: If the storage cannot be listed.
    """
    root = as_folder(storage)
    experiment, slash, rest = reference.rstrip("/").rpartition("/")
    if slash and (there := _run_at(reference)) is not None:
        return there
    runs = list_runs(root, experiment if slash else None)
    if not runs:
        known = list_experiments(root) if slash else []
        if known:
            hint = did_you_mean(experiment, known) or f"There are runs of {', '.join(known[:10])}"
            raise RunNotFoundError(
                f"no run {show(reference)}: {root} has no experiment {show(experiment)}. Hint: {hint}"
            )
        raise RunNotFoundError(f"no run {show(reference)}: there are no runs in {root}. Hint: check the storage")
    if rest == "last":
        return runs[-1]
    exact = [run for run in runs if run.run_id == rest]
    found = exact or [run for run in runs if rest and run.run_id.startswith(rest)]
    if len(found) != 1:
        why = _several(found, named=bool(exact)) if found else _similar(runs, rest)
        raise RunNotFoundError(f"{show(reference)} {why}" if found else f"no run {show(reference)} in {root}: {why}")
    return found[0]


def _several(found: Sequence[RunInfo], *, named: bool) -> str:
    """Which runs a reference means; ``named`` = all have the very id, in different experiments."""
    names = ", ".join(f"{run.experiment}/{run.run_id}" if named else run.run_id for run in reversed(found[-10:]))
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    return f"means {len(found)} runs: {names}{more}. Hint: write a longer prefix of the id"


def _similar(runs: Sequence[RunInfo], name: str) -> str:
    """Which runs may be meant by a name that none has."""
    ids = [run.run_id for run in runs]
    near = difflib.get_close_matches(name, ids, n=3, cutoff=0.5)
    near = near or [one for one in reversed(ids) if name and name in one][:3]
    return f"did you mean {' or '.join(near)}?" if near else f"the newest are {', '.join(ids[:-6:-1])}"


def _run_at(reference: str) -> RunInfo | None:
    """Returns the run whose folder a path or URI names, None where there is none."""
    if "://" not in reference and not os.path.isfile(os.path.join(os.path.expanduser(reference), _CONFIG)):
        return None
    layout = RunLayout.open(as_folder(absolute(reference) if "://" not in reference else reference))
    if not layout.folder.exists(_CONFIG):
        return None
    born = _born(layout.folder, layout.run_id, 0.0)
    return RunInfo(layout.run_id, layout.experiment, born[0] if born else 0.0, layout.folder)


def _born(folder: Folder, name: str, changed: float) -> tuple[float, float] | None:
    """When a run began (to the second, and finer where known); None if the folder is not a run's."""
    match = _RUN_ID.fullmatch(name)
    stamp: float | None = None
    if match:
        try:
            stamp = float(calendar.timegm(time.strptime(match.group(1), "%Y%m%d-%H%M%S")))
        except ValueError:
            stamp = None
    if folder.local_path is None:
        # A look at each folder costs a round trip; the name is enough where it is ours.
        return (stamp, 0.0) if stamp is not None else (changed, 0.0) if folder.exists(_CONFIG) else None
    try:
        fine = os.stat(folder.local_path / _CONFIG).st_mtime
    except OSError:
        return None
    return (fine if stamp is None else stamp), fine
