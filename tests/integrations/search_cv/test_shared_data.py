"""X and y are one file: mapped where it is large, fetched from an object store, and gone afterwards."""

from __future__ import annotations

from pathlib import Path

import moto_s3
import numpy as np
import pytest

from raydrive import ConfigError
from raydrive.integrations.search_cv.shared_data import SharedData, load, stored
from raydrive.storage.input_cache import fetch_input

SHOWN = SharedData(np.arange(20.0).reshape(10, 2), list("ab" * 5), [(np.arange(5), np.arange(5, 10))], {"w": 1}, {})


@pytest.mark.parametrize(("size", "mapped"), [(1000, True), (10, False)], ids=["large", "small"])
def test_large_arrays_are_mapped_read_only(tmp_path: Path, size: int, mapped: bool) -> None:
    with stored(SharedData(np.zeros((size, size)), None, [], {}, {}), tmp_path) as place:
        found = load(place.uri).X
        assert (isinstance(found, np.memmap), found.flags.writeable) == (mapped, not mapped)
        assert place.fetched == {}
    assert not Path(place.uri).exists()


def test_an_interrupted_search_keeps_its_data(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), stored(SHOWN, tmp_path) as place:
        raise KeyboardInterrupt
    assert load(place.uri).y == SHOWN.y


def test_data_in_an_object_store_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with moto_s3.serving() as (url, _):
        options = f"endpoint_override={url.removeprefix('http://')}&scheme=http&region=us-east-1"
        with stored(SHOWN, f"s3://bucket/runs?{options}") as place:
            assert place.fetched == {"data": "file"}
            found = load(str(fetch_input(place.inputs["data"], tmp_path, folder=False)))
            assert np.array_equal(found.X, SHOWN.X)
            assert (found.y, found.fit_params) == (SHOWN.y, {"w": 1})
        with (
            pytest.raises(ConfigError, match=r"storage: .*\*\*\*.*a URI without keys or passwords"),
            stored(SHOWN, f"s3://key:secret@bucket/runs?{options}"),
        ):
            pass
