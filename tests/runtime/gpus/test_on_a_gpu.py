"""The share of a GPU on a real one: `make gpu`."""

from __future__ import annotations

import pytest

from raydrive.runtime.gpus import nvml

driver = nvml.opened()
pytestmark = pytest.mark.skipif(driver is None, reason="no NVIDIA GPU, or no nvidia-ml-py: nothing was tested on a GPU")


def test_the_driver_tells_of_the_first_gpu() -> None:
    assert driver is not None
    assert driver.total_bytes("0") > 2**30
    assert 0 <= (driver.use_percent("0") or 0.0) <= 100


def test_torch_stays_within_its_share() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    import os

    os.environ["RAYDRIVE_GPU_MEMORY"] = str(2**30)
    import sys

    from raydrive.runtime.trial_actor.script_environment import FOLDER

    sys.path.insert(0, FOLDER)
    import raydrive_gpu_limits

    raydrive_gpu_limits.limit_torch(torch)
    torch.empty(2**28, dtype=torch.uint8, device="cuda")
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(2**31, dtype=torch.uint8, device="cuda")
