"""The reference of the Python names: every public one, described by its docstring."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import raydrive

PARTS: dict[str, tuple[str, ...]] = {
    "Runs": ("tune", "Workspace", "Experiment", "HyperDriveConfig", "ScriptRunConfig", "Resources", "PrimaryMetricGoal",
             "HyperDriveRun", "RunDetails"),
    "Inside a trial": ("Run",),
    "Parameter expressions": ("choice", "randint", "int_range", "uniform", "quniform", "log_range", "log_int",
                              "loguniform", "qloguniform", "normal", "qnormal", "lognormal", "qlognormal"),
    "Sampling": ("RandomParameterSampling", "GridParameterSampling", "BayesianParameterSampling", "SamplingSpec",
                 "Suggestion", "Continuation"),
    "Early termination": ("BanditPolicy", "MedianStoppingPolicy", "TruncationSelectionPolicy",
                          "SuccessiveHalvingPolicy", "AutoPolicy", "NoTerminationPolicy", "Verdict"),
    "Searches inside scikit-learn": ("RaydriveSearchCV", "RaydriveGridSearchCV"),
    "Errors": ("RaydriveError", "ConfigError", "StorageError", "RunNotFoundError", "JournalError", "ClusterError",
               "TrialError"),
}  # fmt: skip
"""Public names in the order of the page; what is not here stands under "Other names"."""
CALLBACKS = (
    *("accelerate", "catboost", "keras", "lightgbm", "lightning"),
    *("ray_train", "sklearn", "transformers", "xgboost"),
)


def api_reference() -> str:
    """Returns a part for each group of public names, with a directive of Sphinx for each name."""
    named = {name for names in PARTS.values() for name in names}
    other = tuple(name for name in raydrive.__all__ if name not in named)
    parts = {**PARTS, **({"Other names": other} if other else {})}
    lines = []
    for title, names in parts.items():
        lines += ["", f"## {title}", ""]
        for name in names:
            lines += ["", f"### {name}", "", *_directive(name)]
    return "\n".join(lines)


def _directive(name: str) -> list[str]:
    value = getattr(raydrive, name)
    if not inspect.isclass(value):
        return ["```{eval-rst}", f".. autofunction:: raydrive.{name}", "```"]
    # What scikit-learn's searches inherit is described there.
    inherited = (
        [] if name.startswith("Raydrive") or issubclass(value, BaseException | str) else ["   :inherited-members:"]
    )
    return ["```{eval-rst}", f".. autoclass:: raydrive.{name}", "   :members:", *inherited, "```"]


def callbacks_reference() -> str:
    """Returns the public classes of the callbacks' modules."""
    lines = []
    for module in CALLBACKS:
        lines += ["", f"## raydrive.integrations.{module}", ""]
        for name in _public_names(module):
            lines += [f"### {module}: {name}", "", "```{eval-rst}"]
            lines += [f".. autoclass:: raydrive.integrations.{module}.{name}", "   :members:", "```", ""]
    return "\n".join(lines)


def _public_names(module: str) -> list[str]:
    """The classes that a callback's source defines, without importing the library that it is for."""
    source = Path(raydrive.__file__).parent / "integrations" / f"{module}.py"
    tree = ast.parse(source.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
