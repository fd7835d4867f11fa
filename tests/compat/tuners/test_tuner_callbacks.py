"""Ray Tune's callback for LightGBM, with the library itself; for others: tests/integrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from script_runs import RunScript

from raydrive.compat.tuners import in_trial

SCRIPT = """\
import lightgbm, numpy
from ray import tune
from ray.tune.integration.lightgbm import TuneReportCallback, TuneReportCheckpointCallback
x = numpy.arange(80.0).reshape(40, 2)
y = (x[:, 0] > 37).astype(int)

def train(config):
    data = lightgbm.Dataset(x, label=y)
    params = {"objective": "binary", "learning_rate": config["lr"], "min_data_in_leaf": 2, "verbose": -1}
    params["num_threads"] = 1
    lightgbm.train(params, data, num_boost_round=4, valid_sets=[data], valid_names=["eval"], callbacks=[CALLBACK])

tune.run(train, config={"lr": tune.uniform(0, 1)}, metric="loss", mode="min", stop={"training_iteration": STOP})
"""


@pytest.mark.parametrize(
    ("callback", "stop", "intervals", "saved"),
    [
        ("TuneReportCheckpointCallback({'loss': 'eval-binary_logloss'}, 'own.txt')", 9, 4, ["own.txt"]),
        ("TuneReportCallback({'loss': 'eval-binary_logloss'})", 9, 4, []),
        ("TuneReportCheckpointCallback({'loss': 'eval-binary_logloss'}, frequency=2)", 3, 3, ["model.txt"]),
        (
            "TuneReportCallback(results_postprocessing_fn=lambda values: {'loss': values['eval-binary_logloss']})",
            2, 2, [],
        ),
    ],
)  # fmt: skip
def test_rounds_of_lightgbm_are_reports(
    run_script: RunScript, tmp_path: Path, callback: str, stop: int, intervals: int, saved: list[str]
) -> None:
    train, kept = tmp_path / "train.py", tmp_path / "kept"
    kept.mkdir()
    train.write_text(SCRIPT.replace("CALLBACK]", f"{callback}]").replace("STOP", str(stop)))
    done = run_script(Path(in_trial.__file__), "0", str(train), env={"RAYDRIVE_CHECKPOINT_DIR": str(kept)})
    losses = done.metrics["loss"]
    assert len(losses) == intervals
    assert losses == sorted(losses, reverse=True)
    assert sorted({path.name for path in kept.rglob("*.txt")}) == saved
