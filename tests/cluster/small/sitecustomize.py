"""For every Python of a cluster that has this folder on its PYTHONPATH: a journal's upkeep, a thousand times smaller.

What takes a run of minutes to come to happens within seconds then. The product knows nothing of it: its modules are
changed here when they are imported.
"""

import importlib.machinery
import sys


def _change_upkeep(module):
    module.LOOK_S, module.GRACE_S = 0.1, 0.5


def _change_compaction(module):
    module.DUE_BYTES = 16_000


def _change_journal(module):
    module.JournalWriter.open.__func__.__kwdefaults__["roll_bytes"] = 8_000


_CHANGES = {
    "raydrive.runtime.upkeep": _change_upkeep,
    "raydrive.storage.compaction": _change_compaction,
    "raydrive.storage.journal": _change_journal,
}


class _Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        change = _CHANGES.get(name)
        spec = super().find_spec(name, path, target) if change is not None else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Finder)
