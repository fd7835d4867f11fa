"""For every Python of the chaos cluster (it stands on PYTHONPATH): makes storage fail, and notes what was confirmed.

``$CHAOS_FOLDER/fault`` names how the storage below ``$CHAOS_STORAGE`` fails at the moment; no such file, no fault:

    away     nothing can be read or written
    full     of each write a half is done, then the disk is full
    unsure   writes are done, and then said to have failed
    slow     every operation takes a third of a second longer

With ``$CHAOS_PRIVATE`` this node has a folder of its own at that path, as one has where nothing is mounted.

``acks-<run>-<pid>.jsonl`` there gets what a driver has acknowledged to the trial actor of that process. The product
knows nothing of this: its modules are changed here when they are imported.
"""

import errno
import functools
import json
import os
import time

import changing

FOLDER, STORAGE = os.environ.get("CHAOS_FOLDER", ""), os.environ.get("CHAOS_STORAGE", "-")


def _fault():
    try:
        with open(f"{FOLDER}/fault") as file:
            return file.read()
    except OSError:
        return ""


def _inside(descriptor):
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith(STORAGE)
    except OSError:
        return False


def _wrap_sync(real):
    def sync(descriptor):
        fault = _fault()
        if fault and _inside(descriptor):
            if fault == "slow":
                time.sleep(0.3)
            real(descriptor)
            if fault in ("away", "unsure"):
                raise OSError(errno.EIO, "chaos: the storage does not answer")
            return
        real(descriptor)

    return sync


def _change_local(module):
    write_all = module.write_all

    def write(descriptor, data):
        fault = _fault()
        if fault and _inside(descriptor):
            if fault == "away":
                raise OSError(errno.EIO, "chaos: the storage is away")
            if fault == "full":
                write_all(descriptor, bytes(data)[: len(data) // 2])
                raise OSError(errno.ENOSPC, "chaos: no space left on device")
        write_all(descriptor, data)

    module.write_all = write

    def wrap(name, real):
        @functools.wraps(real)
        def method(self, *args, **kwargs):
            fault = _fault()
            if fault and str(self._path).startswith(STORAGE):
                if fault == "slow":
                    time.sleep(0.3)
                elif fault == "away":
                    error = OSError(errno.EIO, "chaos: the storage is away")
                    raise module.failure(name, str(self._path), error) from error
            return real(self, *args, **kwargs)

        return method

    if os.environ.get("CHAOS_PRIVATE"):
        begin = module.LocalFolder.__init__

        def elsewhere(self, path):
            text = str(path)
            begin(
                self, type(path)(text.replace(STORAGE, STORAGE + "-private", 1)) if text.startswith(STORAGE) else path
            )

        module.LocalFolder.__init__ = elsewhere
    for name in (
        "read_or_none", "write_whole", "create_exclusive", "put_file", "list", "exists", "delete", "delete_tree", "make"
    ):  # fmt: skip
        setattr(module.LocalFolder, name, wrap(name, getattr(module.LocalFolder, name)))


def _change_trial_actor(module):
    from raydrive.runtime.trial_events import pack

    begin, deliver = module.TrialSupervisor.__init__, module.Delivery._deliver

    def begun(self, *arguments, **options):
        begin(self, *arguments, **options)
        self._delivery.run_id = self._run_id

    async def noted(self, current, batch):
        rows = [[current.trial, current.attempt, *event[:1], *event[2:4]] for event in pack(batch)]
        done = await deliver(self, current, batch)
        if done:
            with open(f"{FOLDER}/acks-{self.run_id}-{os.getpid()}.jsonl", "a") as file:
                file.write("".join(json.dumps(row) + "\n" for row in rows))
        return done

    module.TrialSupervisor.__init__, module.Delivery._deliver = begun, noted


_CHANGES = {"raydrive.storage.folder.local": _change_local, "raydrive.runtime.trial_actor.actor": _change_trial_actor}


if FOLDER:
    os.fsync, os.fdatasync = _wrap_sync(os.fsync), _wrap_sync(os.fdatasync)
    changing.change(_CHANGES)
