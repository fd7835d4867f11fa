"""Forms of Azure ML's 2021 preview are read as today's, each with a note that has today's form."""

from __future__ import annotations

from pathlib import Path

from raydrive.sweepfile.loader import load_sweep

PREVIEW = """\
type: sweep_job
algorithm: random
trial:
  code:
    local_path: src
  command: python train.py --lr ${{search_space.lr}} --data ${{inputs.data}}
inputs:
  data:
    file: data.csv
    mode: mount
search_space:
  lr: {type: uniform, min_value: 0.1, max_value: 1.0}
objective: {goal: maximize, primary_metric: acc}
limits: {max_total_trials: 2}
"""
TODAY = """\
type: sweep
sampling_algorithm: random
trial:
  code: src
  command: python train.py --lr ${{search_space.lr}} --data ${{inputs.data}}
inputs:
  data: {type: uri_file, path: data.csv, mode: ro_mount}
search_space:
  lr: {type: uniform, min_value: 0.1, max_value: 1.0}
objective: {goal: maximize, primary_metric: acc}
limits: {max_total_trials: 2}
"""


def test_a_file_of_the_preview_is_the_same_as_todays_and_is_told_todays_forms(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("")
    (tmp_path / "data.csv").write_text("")
    for name, text in (("old.yml", PREVIEW), ("new.yml", TODAY)):
        (tmp_path / name).write_text(text)
    old, new = (load_sweep(tmp_path / name).submission for name in ("old.yml", "new.yml"))

    assert old.config.trial == new.config.trial
    assert old.config.sampling == new.config.sampling
    assert old.source_directory == new.source_directory == tmp_path / "src"
    added = [note for note in old.warnings if "2021 preview" in note]
    assert len(added) == 4
    assert any("now: sampling_algorithm" in note for note in added)
    assert any("now: type: sweep" in note for note in added)
    assert any("now: code: src" in note for note in added)
    assert any("now: {type: uri_file, mode: ro_mount, path: data.csv}" in note for note in added)
    assert not any("2021 preview" in note for note in new.warnings)


OLDER = """\
type: sweep_job
algorithm: random
trial:
  code: {local_path: src}
  command: python train.py --lr {search_space.lr} --data {inputs.data}
  inputs:
    data: {data: data.csv, mode: mount}
  compute: {target: azureml:gpu, instance_count: 1}
search_space:
  lr: {type: uniform, min_value: 0.1, max_value: 1.0}
objective: {goal: maximize, primary_metric: acc}
early_termination:
  policy_type: truncation_selection
  evaluation_interval: 2
  truncation_percentage: 40
  exclude_finished_jobs: true
max_total_trials: 2
max_concurrent_trials: 1
timeout_minutes: 30
"""


def test_keys_of_the_preview_that_have_another_place_today_are_read(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("")
    (tmp_path / "data.csv").write_text("")
    (tmp_path / "old.yml").write_text(OLDER)
    found = load_sweep(tmp_path / "old.yml").submission
    assert (found.config.limits.max_total_runs, found.config.limits.max_concurrent_runs) == (2, 1)
    assert found.config.limits.max_duration_s == 1800
    assert found.config.policy is not None
    assert found.config.trial.inputs == {"data": str(tmp_path / "data.csv")}
    notes = [note for note in found.warnings if "2021 preview" in note]
    assert any("now: limits.timeout" in note for note in notes)
    assert any("exclude_finished_jobs" in note and "finished trials count" in note for note in notes)


def test_a_key_of_the_preview_gives_way_to_todays_such_as_of_set(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("")
    (tmp_path / "data.csv").write_text("")
    (tmp_path / "both.yml").write_text(OLDER)
    found = load_sweep(tmp_path / "both.yml", overrides=["limits.max_total_trials=3"]).submission
    assert found.config.limits.max_total_runs == 3
    assert any("max_total_trials of the 2021 preview is not looked at" in note for note in found.warnings)
