"""What is said of a run whose trials do not find a module."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import PARAMS, by_hand, config, create, write

from raydrive import HyperDriveRun
from raydrive.core.errors import RaydriveError


def test_a_run_whose_trials_lack_a_module_names_their_python(tmp_path: Path) -> None:
    run_config = config(8)
    layout = create(tmp_path / "storage", run_config)
    write(layout, by_hand(run_config, [(PARAMS, [], 1, "ModuleNotFoundError: No module named 'torch'")] * 8))
    with pytest.raises(RaydriveError, match=r"Trials use the Python that raydrive runs in; install the module there"):
        HyperDriveRun(layout).wait_for_completion()
