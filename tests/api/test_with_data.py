"""Training functions with data: what they are before a run, and what is refused."""

from __future__ import annotations

import os
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import moto_s3
import numpy as np
import pandas as pd
import pytest

from raydrive import ConfigError, HyperDriveConfig, RandomParameterSampling, uniform, with_data
from raydrive.api.submit.packaging import pickle_function
from raydrive.api.with_data import stored_data
from raydrive.storage.input_cache import fetch_input
from raydrive.storage.shared_data import read_shared

X = np.arange(4_000_000.0)


def train(params: dict[str, Any], X: Any, scale: float = 1.0) -> float:
    return float(X[1]) * params["x"] * scale


def config_of(target: Any) -> HyperDriveConfig:
    return HyperDriveConfig(RandomParameterSampling({"x": uniform(0, 1)}), "m", "maximize", 1, run_config=target)


def test_it_is_the_function_with_its_data_here_and_without_it_in_a_pickle() -> None:
    target = with_data(train, X=X, scale=2.0)
    assert target({"x": 0.5}) == 1.0
    submission = config_of(target).to_submission("e")
    assert submission.config.trial.script == "train"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(pickle_function(submission.function)) < 100_000


def test_a_function_that_does_not_take_the_data_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unexpected keyword argument 'Z'\).*def train\(params, X, Z\)"):
        with_data(train, X=X, Z=1)
    with pytest.raises(ConfigError, match="with_data: found no data"):
        with_data(train)


def test_the_data_is_written_once_and_removed_where_the_submission_fails(tmp_path: Path) -> None:
    target = with_data(train, X=X, scale=2.0)
    config = config_of(target).config
    with stored_data(target, config, str(tmp_path), by_job=False) as stored:
        trial = stored.trial
        assert trial.fetched == {}
        assert np.array_equal(read_shared(trial.inputs["data.X"]), X)
        assert read_shared(trial.inputs["data.scale"]) == 2.0
    assert sorted(os.listdir(trial.data_folder)) == ["X.npy", "scale.pickle"]
    with pytest.raises(KeyError), stored_data(target, config, str(tmp_path), by_job=False) as stored:
        raise KeyError
    assert not Path(stored.trial.data_folder).exists()


def test_a_frame_that_arrow_cannot_keep_is_told_once(tmp_path: Path) -> None:
    frames = {"X": pd.DataFrame({"n": [1.0], "o": [{1}]}), "scale": pd.DataFrame({"n": [1.0]})}
    target = with_data(train, **frames)
    with (
        pytest.warns(UserWarning, match="the data 'X' is pickled, as column 'o' holds objects of the type set") as told,
        stored_data(target, config_of(target).config, str(tmp_path), by_job=False) as stored,
    ):
        pass
    assert len(told) == 1
    assert sorted(os.listdir(stored.trial.data_folder)) == ["X.pickle", "scale.frame"]


def test_what_cannot_travel_is_named(tmp_path: Path) -> None:
    target = with_data(train, X=threading.Lock())
    with (
        pytest.raises(ConfigError, match=r"X: found .*; allowed: data that can be pickled"),
        stored_data(target, config_of(target).config, str(tmp_path), by_job=False),
    ):
        pass
    assert os.listdir(tmp_path / ".shared-data") == []


def test_a_storage_of_other_machines_is_refused(tmp_path: Path) -> None:
    target = with_data(train, X=X)
    with (
        pytest.raises(ConfigError, match="not a folder on this machine"),
        stored_data(target, config_of(target).config, str(tmp_path / "not" / "here"), by_job=True),
    ):
        pass


def test_data_in_an_object_store_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    target = with_data(train, X=X)
    config = config_of(target).config
    with moto_s3.serving() as (url, _):
        options = f"endpoint_override={url.removeprefix('http://')}&scheme=http&region=us-east-1"
        with stored_data(target, config, f"s3://bucket/runs?{options}", by_job=True) as stored:
            assert stored.trial.fetched == {"data.X": "file"}
            path = fetch_input(stored.trial.inputs["data.X"], tmp_path, folder=False)
            assert np.array_equal(read_shared(str(path)), X)
        with (
            pytest.raises(ConfigError, match=r"a URI without keys or passwords"),
            stored_data(target, config, f"s3://key:secret@bucket/runs?{options}", by_job=False),
        ):
            pass


def test_it_can_be_pickled_with_its_data() -> None:
    assert pickle.loads(pickle.dumps(with_data(train, X=3))).data == {"X": 3}
