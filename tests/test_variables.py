from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive import variables, wire
from raydrive.context import Run


def _dicts(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.text(max_size=3), inner, max_size=3)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | _dicts(inner),
    max_leaves=12,
)


@given(_dicts(VALUES))
def test_tuples_survive_json(params: dict[str, Any]) -> None:
    paths = json.loads(json.dumps(variables.tuples_in(params)))
    again = variables.with_tuples(json.loads(json.dumps(params)), paths)
    assert repr(again) == repr(params)


def environment(folder: Path, params: dict[str, Any], **fields: Any) -> dict[str, str]:
    given = {"channel": "c", "run_id": "r", "trial": 0, "attempt": 1, "experiment": "e", "files_dir": str(folder)}
    return wire.trial_environment(**{**given, "large_dir": str(folder), **fields}, params=params)


@pytest.mark.parametrize("count", [3, 50_000])
def test_large_hyperparameters_stand_in_a_file_and_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    params = {"table": [(index, "ü") for index in range(count)], "lr": 0.1}
    env = environment(tmp_path, params, inputs={"data": "x" * count * 3})
    assert (wire.PARAMS in env) == (count == 3)
    assert (wire.PARAMS + variables.FILE in env) == (count != 3)
    assert (wire.INPUTS in env) == (count == 3)
    assert max(variables.size(name, text) for name, text in env.items()) < variables.LONGEST_BYTES
    assert set(env) <= {*wire.TRIAL_VARIABLES, "PYTHONUNBUFFERED"}
    for name, text in env.items():
        monkeypatch.setenv(name, text)
    assert Run.get_context().params == params
    assert type(Run.get_context().params["table"][0]) is tuple
    assert variables.read(wire.INPUTS, "{}") == {"data": "x" * count * 3}
    # A program can be started with it, and finds the same with the standard library alone.
    code = "import json, os; v = os.environ.get('RAYDRIVE_PARAMS') or open(os.environ['RAYDRIVE_PARAMS_FILE']).read()"
    done = subprocess.run([sys.executable, "-c", f"{code}; print(len(json.loads(v)['table']))"], capture_output=True)
    assert done.stdout.split() == [str(count).encode()]


def test_without_hyperparameters_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in wire.TRIAL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert Run.get_context().params == {}


def test_only_what_fits_is_repeated_in_variables() -> None:
    assert variables.fitting({"a": "1", "b": "2"}) == ({"a": "1", "b": "2"}, [])
    assert variables.fitting({"a": "1", "b": "x" * 200_000}) == ({"a": "1"}, ["b"])
    kept, left_out = variables.fitting({f"v{index}": "x" * (90_000 + index) for index in range(20)})
    assert sum(map(len, kept.values())) <= variables.ALL_BYTES
    assert left_out[0] == "v19"
    assert len(kept) == 11
    assert subprocess.run(["true"], env={**os.environ, **kept}, check=False).returncode == 0
