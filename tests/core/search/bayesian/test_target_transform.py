"""Values as the model sees them: their order is kept, and they come back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raydrive.core.search.bayesian.target_transform import target_transform


def test_scales_go_back_and_never_lose_the_order() -> None:
    values = np.append(np.random.default_rng(0).lognormal(0, 3, 60), [np.nan, np.inf])
    scale = target_transform(values)
    assert math.isfinite(scale.log_offset)
    inner = np.sort(values[values < np.nanmedian(values)])
    assert np.all(np.diff(scale(inner)) > 0)
    assert [scale.back(float(v)) for v in scale(inner)] == pytest.approx(list(inner))
    assert scale(values)[-1] == scale(values)[-2] == scale(values).max()
