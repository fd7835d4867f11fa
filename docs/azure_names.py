"""Writes the tables of names in docs/azure-sdk-v1.md and docs/azure-sdk-v2.md from the name lists in the code.

``python docs/azure_names.py`` writes them; ``--check`` ends with 1 where a page is not what would be written.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from raydrive.compat import azure_sdk
from raydrive.compat.azure_ai_ml import _names as names_v2
from raydrive.compat.azure_notices import StandIn
from raydrive.compat.azureml._answers import answer
from raydrive.compat.azureml._names import table

DOCS = Path(__file__).parent
BEGIN, END = "<!-- names: python docs/azure_names.py writes what follows -->", "<!-- end of names -->"
DIFFERENT_V1 = {
    "AmlCompute": "a name: trials run where the Ray cluster has room",
    "ComputeInstance": "as `AmlCompute`",
    "ComputeTarget": "a name; one that was not created is missing where the code creates it then",
    "CondaDependencies": "its packages are installed where `environments` says so",
    "DataPath": "a path of a datastore",
    "Datastore": "a folder below the storage, or what `input_mapping` names",
    "AzureBlobDatastore": "as `Datastore`",
    "DockerConfiguration": "accepted: trials are processes",
    "Environment": "its variables count; its packages where `environments` says so",
    "EnvironmentDefinition": "as `Environment`",
    "DataReference": "a path of a datastore",
    "DatasetConsumptionConfig": "`dataset.as_named_input(name)`",
    "HyperDriveStep": "run as a tuning run",
    "HyperDriveStepRun": "the tuning run",
    "OutputFileDatasetConfig": "a folder of a step; of one that is not run, what `input_mapping` names",
    "ParallelRunConfig": "kept, not looked at",
    "Pipeline": "its `HyperDriveStep` is run; the other steps are named",
    "PipelineData": "a folder of a step; of one that is not run, what `input_mapping` names",
    "PipelineParameter": "its value",
    "PipelineRun": "leads to the runs of the steps that tune",
    "StepRun": "has everything of its tuning run",
    "StepSequence": "steps in order",
    "TrainingOutput": "metrics of a tuning run, or a file of its best trial",
    **dict.fromkeys(
        (
            "AdlaStep",
            "AzureBatchStep",
            "CommandStep",
            "DataTransferStep",
            "DatabricksStep",
            "EstimatorStep",
            "KustoStep",
            "ModuleStep",
            "MpiStep",
            "ParallelRunStep",
            "PipelineStep",
            "PythonScriptStep",
            "RScriptStep",
            "SynapseSparkStep",
        ),
        "a step that is named and not run",
    ),
    "Keyvault": "secrets are environment variables",
    "Model": "files with a version below the storage; nothing is deployed",
    "ParameterServer": "0 servers only",
    "ResourceConfiguration": "kept, not looked at",
    "Workspace": "the storage and cluster of `raydrive.toml`",
    "BanditPolicy": "acts at once, and is right for negative metrics",
    "MedianStoppingPolicy": "acts at once",
    "TruncationSelectionPolicy": "acts at once",
    "BayesianParameterSampling": "every expression, with policies, above 20 trials at a time",
    "RandomParameterSampling": "seeded",
    "RunDetails": "a live table; the studio has charts",
    "set_diagnostics_collection": "sends nothing",
    **dict.fromkeys(
        (
            "AzureCliAuthentication",
            "InteractiveLoginAuthentication",
            "MsiAuthentication",
            "ServicePrincipalAuthentication",
        ),
        "signs in to nothing",
    ),
    **dict.fromkeys(
        ("Chainer", "Estimator", "MMLBaseEstimator", "PyTorch", "SKLearn", "TensorFlow"),
        "a script and its arguments; its packages count where `environments` says so",
    ),
}
"""What differs of names of the SDK v1 that work."""
DIFFERENT_V2 = {
    "MLClient": "the storage and cluster of `raydrive.toml`; a service that raydrive does not have answers",
    "AmlCompute": "a name: trials run where the Ray cluster has room",
    "ComputeInstance": "as `AmlCompute`",
    "KubernetesCompute": "as `AmlCompute`",
    "Environment": "its conda file is built where `environments` says so",
    "Data": "known in this process; others are in `input_mapping`",
    "Model": "files with a version below the storage",
    "BanditPolicy": "acts at once, and is right for negative metrics",
    "MedianStoppingPolicy": "acts at once",
    "TruncationSelectionPolicy": "acts at once",
    "BayesianSamplingAlgorithm": "every expression, with policies, above 20 trials at a time",
    "pipeline": "the one sweep of it is run; other steps are named",
    "PipelineJob": "its one sweep is run",
}
"""What differs of names of the SDK v2 that work."""
KNOWN = ("Data", "Environment", "Model")
"""Entities that are written here."""


def wrapped(names: Iterable[str]) -> str:
    """Returns names for a cell of a table."""
    return " ".join(f"`{name}`" for name in sorted(set(names)))


def rows(heads: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    """Returns a table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ("---",) * len(heads), *lines]) + "\n"


def refuses(value: Any) -> bool:
    """Whether a name of the SDK v1 is there to answer."""
    return isinstance(value, StandIn) or getattr(value, "__qualname__", "").startswith("_refusal")


def names_v1() -> tuple[dict[str, Any], dict[str, set[str]], set[str], set[str]]:
    """Returns what works, what answers by its sentence, exceptions, and constants of the SDK v1."""
    works, answers, errors, constants = dict[str, Any](), defaultdict[str, set[str]](set), set[str](), set[str]()
    for module, kinds in table()[0].items():
        for name, kind in kinds.items():
            value = getattr(importlib.import_module(f"raydrive.compat.{module}"), name)
            if kind == "exceptions":
                errors.add(name)
            elif kind == "constants":
                constants.add(name)
            elif refuses(value):
                answers[answer(f"{module}.{name}").partition(": ")[2]].add(name)
            else:
                works[name] = value
    return works, answers, errors, constants


def set_by(kind: type) -> set[str]:
    """Returns the names that a class's own methods assign to its objects."""
    sources = [inspect.getsource(one) for one in kind.__mro__ if one.__module__.startswith("raydrive.")]
    return set(re.findall(r"\b(?:self|made)\.(\w+)\b[^=\n]* = ", "\n".join(sources)))


def methods_v1(works: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yields a row for each class that works and has methods that answer."""
    found: dict[str, set[str]] = defaultdict(set)
    for full, methods in table()[1].items():
        kind = works.get(full.rpartition(".")[2])
        if isinstance(kind, type):
            found[kind.__name__] |= {name for name in methods if refuses(getattr(kind, name, None))} - set_by(kind)
    for name, refused in sorted(found.items()):
        if refused:
            yield f"`{name}`", wrapped(refused)


def page_v1() -> str:
    """Returns the tables of the SDK v1."""
    works, answers, errors, constants = names_v1()
    told = {name: DIFFERENT_V1[name] for name in works if name in DIFFERENT_V1}
    unknown = sorted(set(DIFFERENT_V1) - set(works))
    if unknown:
        raise SystemExit(f"docs/azure_names.py: these do not work, or are no names: {', '.join(unknown)}")
    lines = [("work as in Azure", wrapped(set(works) - set(told)))]
    parts = [
        "### Names that work\n",
        rows(("works", "names"), lines),
        "Different:\n",
        rows(("name", "here"), [(f"`{name}`", text) for name, text in sorted(told.items())]),
        "### Methods of these classes that are answered with a sentence\n",
        rows(("class", "methods"), methods_v1(works)),
        "### Names that are answered with a sentence\n",
        rows(("sentence", "names"), sorted((text, wrapped(names)) for text, names in answers.items())),
        "### Exceptions and constants\n",
        "Exceptions can be imported and caught; constants are texts: their full names.\n",
        rows(("kind", "names"), [("exceptions", wrapped(errors)), ("constants", wrapped(constants))]),
    ]
    return "\n".join(parts)


def page_v2() -> str:
    """Returns the tables of the SDK v2."""
    azure_sdk.install()
    parts, told = [], set[str]()
    kept_as_given = sys.modules["azure.ai.ml.entities"].Entity
    for module in names_v2.modules():
        works, answers, errors, kept = set[str](), defaultdict[str, set[str]](set), set[str](), set[str]()
        for name in names_v2.names_of(module):
            value = getattr(sys.modules[module], name)
            if isinstance(value, StandIn):
                answers[str(value.__doc__).partition(": ")[2]].add(name)
            elif isinstance(value, type) and issubclass(value, BaseException):
                errors.add(name)
            elif isinstance(value, type) and value.__bases__ == (kept_as_given,) and name not in KNOWN:
                kept.add(name)
            else:
                works.add(name)
        told |= works | kept
        differ = {name for name in works | kept if name in DIFFERENT_V2}
        lines = [("works", wrapped(works - differ))] if works - differ else []
        lines += [(f"different: {DIFFERENT_V2[name]}", f"`{name}`") for name in sorted(differ)]
        lines += [("kept as they are given, not looked at", wrapped(kept - differ))] if kept - differ else []
        lines += [("can be caught", wrapped(errors))] if errors else []
        lines += [(f"answered: {text}", wrapped(names)) for text, names in sorted(answers.items())]
        parts += [f"### `{module}`\n", rows(("here", "names"), lines)]
    unknown = sorted(set(DIFFERENT_V2) - told)
    if unknown:
        raise SystemExit(f"docs/azure_names.py: these do not work, or are no names: {', '.join(unknown)}")
    return "\n".join(parts)


def with_tables(page: Path, tables: str) -> str:
    """Returns a page with its tables."""
    text = page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Writes the pages, or looks whether they are up to date."""
    stale = []
    for name, tables in (("azure-sdk-v1.md", page_v1), ("azure-sdk-v2.md", page_v2)):
        page = DOCS / name
        text = with_tables(page, tables())
        if text != page.read_text("utf-8"):
            stale.append(name)
            if "--check" not in sys.argv:
                page.write_text(text, "utf-8")
    if stale and "--check" in sys.argv:
        print(textwrap.fill(f"Not up to date: {', '.join(stale)}. Run python docs/azure_names.py.", 100))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
