"""What Ray warns of in our actors never reaches the terminal of a user who has called ``ray.init()``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import environment

pytestmark = pytest.mark.ray

TUNE = """
import sys
import ray
import raydrive as rd

def train(params):
    rd.Run.get_context().log("score", params["x"])

ray.init(num_cpus=2, include_dashboard=False, _temp_dir=sys.argv[1])
run = rd.tune(train, {"x": rd.uniform(0, 1)}, metric="score", max_total_runs=2, storage=sys.argv[2], show_output=False)
print(run.get_status())
ray.shutdown()
"""


@pytest.fixture
def rays_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp"))  # Ray's socket paths must stay short
    yield folder
    shutil.rmtree(folder)


def test_the_users_own_ray_shows_no_warning_of_our_actors(tmp_path: Path, rays_folder: Path) -> None:
    script = tmp_path / "tune.py"
    script.write_text(TUNE)
    done = subprocess.run(
        [sys.executable, str(script), str(rays_folder), str(tmp_path / "storage")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["Completed"], done.stderr
    # Ray copies these files to the user's terminal, a moment later or not at all: they themselves tell for sure.
    files = (rays_folder / "session_latest" / "logs").glob("worker-*.err")
    printed = {path.name: path.read_text() for path in files}
    assert any("actor_name:Driver" in text for text in printed.values())
    assert any("actor_name:TrialActor" in text for text in printed.values())
    assert [text for text in printed.values() if "Warning" in text] == []
