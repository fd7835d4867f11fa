"""The pages for people who come from Azure ML name everything that the code knows, as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from raydrive.sweepfile.schema import InputKeys, OutputKeys, SweepKeys

DOCS = Path(__file__).parent.parent / "docs"


def test_the_tables_of_names_are_what_the_code_has() -> None:
    argv = [sys.executable, str(DOCS / "azure_names.py"), "--check"]
    done = subprocess.run(argv, cwd=DOCS.parent, env=None, text=True, capture_output=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def keys_of(model: type[BaseModel], above: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        if name == "raydrive":
            continue  # raydrive's own: `raydrive schema` lists them
        key = above + (field.alias or name)
        found.append(key)
        if key not in ("trial.resources", "trial.distribution"):  # the same keys as below resources and distribution
            found += [one for inner in models_in(field.annotation) for one in keys_of(inner, f"{key}.")]
    return found


def test_the_page_of_the_yaml_has_every_key_once() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (DOCS / "azure-yaml-v2.md").read_text(), re.MULTILINE)
    wanted = [*keys_of(SweepKeys), *keys_of(InputKeys, "inputs.NAME."), *keys_of(OutputKeys, "outputs.NAME.")]
    assert sorted(rows) == sorted(wanted)
