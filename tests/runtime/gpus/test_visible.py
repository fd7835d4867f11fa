"""Which GPUs a process sees, of each maker."""

from __future__ import annotations

import pytest

from raydrive.runtime.gpus.visible import HIDDEN, gpus_of, showing


@pytest.mark.parametrize("maker", ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ONEAPI_DEVICE_SELECTOR"])
def test_a_part_of_the_gpus_is_shown_as_the_whole_was(maker: str) -> None:
    prefix = "level_zero:" if maker.startswith("ONEAPI") else ""
    env = {**HIDDEN, maker: f"{prefix}0,1,GPU-a" if not prefix else f"{prefix}0,1"}
    assert gpus_of(env).split(",")[:2] == ["0", "1"]
    part = showing("1", env)
    assert gpus_of({**HIDDEN, **part}) == "1"
    assert list(part) == [maker]


def test_nothing_is_seen_where_all_are_hidden() -> None:
    assert gpus_of(HIDDEN) == gpus_of({}) == ""
