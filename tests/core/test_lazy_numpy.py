"""numpy is imported when something of it is needed, and not before."""

from __future__ import annotations

import subprocess
import sys

import numpy
import pytest

from raydrive.core.lazy_numpy import np


def test_what_a_driver_holds_is_there_without_numpy() -> None:
    code = (
        "import sys, raydrive.core.sweep.warm_start_data, raydrive.core.sweep.sweep; sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_is_numpy() -> None:
    assert np.float64 is numpy.float64
    assert np.random is numpy.random
    assert np.zeros(2).tolist() == [0.0, 0.0]


def test_what_numpy_has_not_it_has_not() -> None:
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        np.nothing_of_this_name  # noqa: B018
