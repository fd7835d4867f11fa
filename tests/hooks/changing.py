"""For a ``sitecustomize.py`` of the tests: changes modules of the product when they are imported.

The product knows nothing of it. Whoever puts a ``sitecustomize.py`` on PYTHONPATH puts this folder there, too.
"""

import importlib.machinery
import sys


def change(changes):
    """Has each module changed by its function, right after it was executed.

    Args:
        changes: Functions of a module, by the module's name.
    """

    class Finder(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            changed = changes.get(name)
            spec = super().find_spec(name, path, target) if changed is not None else None
            if spec is None or spec.loader is None:
                return None
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                changed(module)

            spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, Finder)
