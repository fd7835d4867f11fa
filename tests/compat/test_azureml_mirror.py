"""Azure ML's SDK v1 under changed imports, without a cluster: signatures, argument lists, conversion, refusals."""

from __future__ import annotations

import dataclasses
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml.core import Dataset, Datastore, Environment, Experiment, Model, ScriptRunConfig, Workspace
from raydrive.compat.azureml.core.compute import AmlCompute, ComputeTarget
from raydrive.compat.azureml.train import hyperdrive
from raydrive.compat.azureml.train.hyperdrive import (
    BanditPolicy,
    EarlyTerminationPolicy,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRunConfig,
    PrimaryMetricGoal,
    RandomParameterSampling,
    choice,
    quniform,
    uniform,
)
from raydrive.compat.convert import converted, recorded, wanted_from
from raydrive.core.config.command_line import trial_argv
from raydrive.core.errors import ConfigError
from raydrive.sweepfile.loader import load_sweep

AZURE = Path(__file__).parents[2] / "examples" / "azure"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script and a site's settings."""
    (tmp_path / "train.py").write_text("")
    (tmp_path / "raydrive.toml").write_text(
        f'storage = "{tmp_path}/runs"\nseed = 7\n[resources]\ncpus = 0.5\ngpus = 1\n'
        '[input_mapping]\n"azureml:iris" = "iris"\n"azureml:remote" = "s3://bucket/a.csv"\n'
    )
    (tmp_path / "iris").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(run_config: Any, space: dict[str, Any], **more: Any) -> HyperDriveConfig:
    return HyperDriveConfig(
        RandomParameterSampling(space), "accuracy", PrimaryMetricGoal.MAXIMIZE, 4, run_config=run_config, **more
    )


@pytest.mark.parametrize(
    ("what", "parameters"),
    [
        (HyperDriveConfig, "hyperparameter_sampling primary_metric_name primary_metric_goal max_total_runs "
         "max_concurrent_runs=None max_duration_minutes=10080 policy=None estimator=None run_config=None "
         "resume_from=None resume_child_runs=None pipeline=None debug_flag=None custom_run_id=None"),
        (HyperDriveRunConfig, "estimator hyperparameter_sampling primary_metric_name primary_metric_goal "
         "max_total_runs max_concurrent_runs=None max_duration_minutes=10080 policy=None"),
        (ScriptRunConfig, "source_directory script=None arguments=None run_config=None _telemetry_values=None "
         "compute_target=None environment=None distributed_job_config=None resume_from=None "
         "max_run_duration_seconds=2592000 command=None docker_runtime_config=None"),
        (BanditPolicy, "evaluation_interval=1 slack_factor=None slack_amount=None delay_evaluation=0"),
        (hyperdrive.MedianStoppingPolicy, "evaluation_interval=1 delay_evaluation=0"),
        (hyperdrive.TruncationSelectionPolicy, "truncation_percentage evaluation_interval=1 delay_evaluation=0"),
        (hyperdrive.NoTerminationPolicy, ""),
        (RandomParameterSampling, "parameter_space properties=None"),
        (GridParameterSampling, "parameter_space properties=None"),
        (hyperdrive.BayesianParameterSampling, "parameter_space properties=None"),
        (hyperdrive.uniform, "min_value max_value"),
        (hyperdrive.quniform, "min_value max_value q"),
        (hyperdrive.loguniform, "min_value max_value"),
        (hyperdrive.qloguniform, "min_value max_value q"),
        (hyperdrive.normal, "mu sigma"),
        (hyperdrive.qnormal, "mu sigma q"),
        (hyperdrive.lognormal, "mu sigma"),
        (hyperdrive.qlognormal, "mu sigma q"),
        (hyperdrive.randint, "upper"),
        (hyperdrive.HyperDriveRun, "experiment run_id hyperdrive_config=None"),
        (hyperdrive.HyperDriveRun.get_best_run_by_primary_metric,
         "self include_failed=True include_canceled=True include_resume_from_runs=True"),
        (hyperdrive.HyperDriveRun.get_children_sorted_by_primary_metric,
         "self top=0 reverse=False discard_no_metric=False"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_signatures_are_those_of_the_sdk(what: Any, parameters: str) -> None:
    found = [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in inspect.signature(what).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    assert found == parameters.split()


NAMES = """
BanditPolicy BayesianParameterSampling EarlyTerminationPolicy GridParameterSampling HyperDriveConfig HyperDriveRun
HyperDriveRunConfig HyperParameterSampling MedianStoppingPolicy NoTerminationPolicy PrimaryMetricGoal
RandomParameterSampling TruncationSelectionPolicy choice lognormal loguniform normal randint qlognormal qloguniform
qnormal quniform uniform
"""


def test_names_are_those_of_the_sdk() -> None:
    assert set(hyperdrive.__all__) == set(NAMES.split())
    assert isinstance(BanditPolicy(slack_factor=0.1), EarlyTerminationPolicy)


# Recorded from HyperDrive (hyperdrive.md 1.5): the fixed arguments, the parameters, and what the script is given.
ARGUMENTS: list[tuple[list[Any], dict[str, Any], str]] = [
    (["--epochs", 20], {"lr": 0.1}, "--epochs 20 --lr 0.1"),
    ([], {"--lr": 0.1, "batch": 64}, "--batch 64 --lr 0.1"),
    ([], {"b": 1, "a": 2, "--c": 3}, "--a 2 --b 1 --c 3"),
    ([], {"n": 5.0}, "--n 5"),
    ([], {"horizon": 28.0, "x": 0.30000000000000004}, "--horizon 28 --x 0.30000000000000004"),
    (["--param_horizon", "5"], {"param_horizon": 28.0}, "--param_horizon 5 --param_horizon 28"),
    (["--flag", True, "--rate", 5.0], {"x": "a b"}, "--flag True --rate 5.0 --x 'a b'"),
    ([], {"kernel": "rbf", "shuffle": True}, "--kernel rbf --shuffle True"),
    (
        [],
        {"model": {"model_name": "yolov5", "learning_rate": 0.01}},
        """--model '{"model_name": "yolov5", "learning_rate": 0.01}'""",
    ),
]


@pytest.mark.parametrize(("fixed", "params", "line"), ARGUMENTS, ids=lambda value: str(value)[:40])
def test_a_script_is_given_what_hyperdrive_gave_it(
    here: Path, fixed: list[Any], params: dict[str, Any], line: str
) -> None:
    import shlex

    made = config(ScriptRunConfig(".", "train.py", fixed), {name: choice([value]) for name, value in params.items()})
    submission = made.to_submission("e")
    given = trial_argv(submission.config.trial, params)[2:]
    assert list(given) == shlex.split(line)

    text, _ = converted(submission, here)
    (here / "sweep.yml").write_text(text)
    trial = load_sweep(here / "sweep.yml").submission.config.trial
    bare = {name.lstrip("-"): value for name, value in params.items()}
    assert trial_argv(trial, bare)[2:] == given


def test_settings_come_from_the_site(here: Path) -> None:
    made = config(ScriptRunConfig(".", "train.py"), {"x": uniform(0, 1)}).config
    assert made.seed == 7
    assert (made.trial.resources.cpus, made.trial.resources.gpus) == (0.5, 1)
    assert json.loads(made.trial.environment_variables["RAYDRIVE_DATA_MAPPING"])["azureml:iris"] == f"{here}/iris"
    assert Workspace.from_config().storage == f"{here}/runs"
    assert Workspace("subscription", "group", "name").name == "name"


def test_data_stands_for_its_path(here: Path) -> None:
    ws = Workspace.from_config()
    (here / "local.csv").write_text("1,2")
    store = ws.get_default_datastore()
    store.upload(src_dir=str(here / "iris"), target_path="set")
    store.upload_files([str(here / "local.csv")], target_path="set")
    arguments = [
        "--a", Dataset.get_by_name(ws, "iris").as_named_input("a").as_mount(),
        "--b", Dataset.Tabular.from_delimited_files("local.csv").as_named_input("b"),
        "--c", Dataset.get_by_name(ws, "remote").as_download(),
        "--d", Dataset.File.from_files((store, "set")).as_mount(),
        "--e", Datastore.get(ws, store.name).path("set"),
    ]  # fmt: skip
    trial = config(ScriptRunConfig(".", "train.py", arguments), {"x": choice(1)}).config.trial
    stored = str(here / "runs" / ".datastores" / "workspaceblobstore" / "set")
    assert trial.arguments == (
        "--a", f"{here}/iris", "--b", f"{here}/local.csv", "--c", "${{inputs.remote}}", "--d", stored, "--e", stored,
    )  # fmt: skip
    assert (Path(stored) / "local.csv").read_text() == "1,2"
    assert trial.fetched == {"remote": "file"}
    assert trial.inputs["a"] == f"{here}/iris"
    with pytest.raises(NotHereError, match=r'"azureml:cars" = '):
        Dataset.get_by_name(ws, "cars")


def test_variables_commands_and_old_names(here: Path) -> None:
    env = Environment("e")
    env.environment_variables["A"] = "1"
    made = config(
        ScriptRunConfig(".", command=["python", "train.py"], environment=env), {"b": choice(1), "a": choice(2)}
    )
    assert trial_argv(made.config.trial, {"b": 1, "a": 2})[1:] == ("train.py", "--a", "2", "--b", "1")
    assert made.config.trial.environment_variables["A"] == "1"
    with (
        pytest.warns(DeprecationWarning, match="use HyperDriveConfig"),
        pytest.raises(ConfigError, match="object"),
    ):
        HyperDriveRunConfig(object(), RandomParameterSampling({"x": choice(1)}), "m", PrimaryMetricGoal.MAXIMIZE, 1)
    target = ComputeTarget.create(None, "gpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6"))
    target.wait_for_completion(show_output=True)
    assert target.get_status().serialize()["provisioningState"] == "Succeeded"
    target.delete()


def test_what_has_no_meaning_here_says_what_to_do(here: Path) -> None:
    script = ScriptRunConfig(".", "train.py")
    for call, said in [
        (lambda: Model.deploy(None, "x"), "Ray Serve"),
        (lambda: Model(Workspace(), "none"), "no model 'none'"),
        (lambda: config(script, {"x": quniform(1, 9, 2)}, pipeline=object()), "only scripts are tuned"),
        (lambda: Workspace().get_mlflow_tracking_uri(), "automatically"),
        (lambda: Experiment(Workspace(), "e").submit(object()), "HyperDriveConfig or a ScriptRunConfig"),
    ]:
        with pytest.raises(NotHereError, match=said):
            call()


# --- conversion ------------------------------------------------------------------------------------------------------


def _in_a_process(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, text=True, capture_output=True, timeout=100)


def test_scripts_and_notebooks_become_the_same_sweep_file(tmp_path: Path) -> None:
    texts = []
    for name in ("tune.py", "tune.ipynb"):
        target = tmp_path / f"{name}.yml"
        arguments = ["convert", str(AZURE / "v1_notebook" / name), "-o", str(target)]
        done = _in_a_process(f"from raydrive.cli.app import run; raise SystemExit(run({arguments!r}))", tmp_path)
        assert done.returncode == 0, done.stderr
        assert "the same arguments" in done.stderr
        config = load_sweep(target, overrides=["raydrive.seed=1"]).submission.config
        assert config.policy == BanditPolicy(slack_factor=0.1, evaluation_interval=1, delay_evaluation=2)
        params = {"learning_rate": 0.07, "keep_probability": 0.06, "batch_size": 32}
        given = "train.py --epochs 6 --batch_size 32 --keep_probability 0.06 --learning_rate 0.07"
        assert " ".join(trial_argv(config.trial, params)[1:]) == given
        texts.append(config.to_json())
    assert texts[0] == texts[1]


def test_a_script_that_submits_nothing_or_fails_is_named(tmp_path: Path) -> None:
    for code, said in [("x = 1", "no experiment.submit"), ("1 / 0", "ZeroDivisionError")]:
        (tmp_path / "s.py").write_text(code)
        program = f"from raydrive.cli.app import run; raise SystemExit(run(['convert', {str(tmp_path / 's.py')!r}]))"
        done = _in_a_process(program, tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
    assert callable(recorded)


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("import sys; print(sys.argv[1:]); sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no data')", 1, "no data"),
        ("def f():\n    return {}['key']\nf()", 1, "line 2, in f"),
        ("import azureml.nothing", 1, "azureml.nothing is not provided by raydrive"),
        ("from azureml.pipeline.steps import AutoMLStep as A; A()", 1, "runs its HyperDriveStep"),
        ("from azureml.core.webservice import AciWebservice as A; A.deploy_configuration()", 1, "Ray Serve"),
        ("from azureml.core import Workspace; Workspace.from_config().get_run('none')", 2, "none"),
    ],
)
def test_a_script_ends_as_it_would_alone(tmp_path: Path, code: str, exit_code: int, said: str) -> None:
    (tmp_path / "s.py").write_text(code)
    (tmp_path / "raydrive.toml").write_text(f'storage = "{tmp_path}/runs"')
    program = "from raydrive.cli.app import run; raise SystemExit(run(['run-script', 's.py', '--a', '1']))"
    done = _in_a_process(program, tmp_path)
    assert done.returncode == exit_code, done.stderr
    assert said in done.stderr
    assert "bug of raydrive" not in done.stderr
    assert "print" not in code or done.stdout == "['--a', '1']\n"


def test_a_v2_file_loses_what_means_nothing_here(tmp_path: Path) -> None:
    text, report = wanted_from(AZURE / "pipeline" / "pipeline.yml", "sweep_step", tmp_path)
    (tmp_path / "sweep.yml").write_text(text)
    before = load_sweep(AZURE / "pipeline" / "pipeline.yml", default_seed=3).submission.config
    after = load_sweep(tmp_path / "sweep.yml", overrides=["raydrive.seed=3"]).submission
    assert after.warnings == ()
    assert after.config.trial == before.trial
    assert after.config.sampling == before.sampling
    assert after.config.limits == before.limits
    assert any("trial.environment" in line for line in report)


def test_what_the_site_says_is_written_down(tmp_path: Path) -> None:
    folder = AZURE / "v2_sweep"
    text, _ = wanted_from(folder / "sweep.yml", "", tmp_path, [folder / "site.yml"])
    (tmp_path / "sweep.yml").write_text(text)
    config = load_sweep(tmp_path / "sweep.yml").submission.config
    assert config.trial.inputs == {"iris_csv": str(folder / "iris.csv")}
    assert config.trial.resources.cpus == 0.5


def test_what_of_a_curve_counts_is_written_down(here: Path) -> None:
    made = config(ScriptRunConfig(".", "train.py"), {"x": choice(1, 2)}).to_submission("e")
    assert "value: last" not in converted(made, here)[0]
    metric = dataclasses.replace(made.config.metric, value="last")
    made = dataclasses.replace(made, config=dataclasses.replace(made.config, metric=metric))
    (here / "sweep.yml").write_text(converted(made, here)[0])
    assert load_sweep(here / "sweep.yml").submission.config.metric == metric


def test_earlier_runs_are_written_down(here: Path) -> None:
    made = config(ScriptRunConfig(".", "train.py"), {"x": choice(1, 2)}, resume_from="first", resume_child_runs="old_3")
    (here / "sweep.yml").write_text(converted(made.to_submission("e"), here)[0])
    again = load_sweep(here / "sweep.yml").submission
    assert [one.run for one in again.resume_from] == ["first"]
    assert [(one.run, one.trial) for one in again.resume_child_runs] == [("old", 3)]


def test_a_function_fits_into_no_file(tmp_path: Path) -> None:
    made = config(lambda params: None, {"x": choice(1)})
    with pytest.raises(ConfigError, match="only describe scripts"):
        converted(made.to_submission("e"), tmp_path)


def test_bounds_that_look_like_values_are_drawn_as_hyperdrive_drew_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Code that is not to be touched runs; ``raydrive.loguniform`` refuses them with the line to write."""
    assert hyperdrive.loguniform(1e-5, 0.1).to_json() == {"type": "loguniform", "min_value": 1e-5, "max_value": 0.1}
    told = capsys.readouterr().err
    assert "For values from 1e-05 to 0.1 write loguniform(low=1e-05, high=0.1)" in told
    assert "It is drawn as HyperDrive drew it." in told
    with pytest.raises(ConfigError):
        hyperdrive.loguniform(2, 1)


MADE_WHERE_MISSING = """
from raydrive.compat.azureml.core.compute import AmlCompute, ComputeTarget
from raydrive.compat.azureml.core.compute_target import ComputeTargetException
try:
    target = ComputeTarget(workspace=None, name="made-where-missing")
    was = "found"
except ComputeTargetException:
    settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
    target = ComputeTarget.create(None, "made-where-missing", settings)
    was = "created"
"""


def test_a_compute_target_is_missing_once_where_the_code_makes_it_then(tmp_path: Path) -> None:
    file = tmp_path / "made.py"
    file.write_text(MADE_WHERE_MISSING)
    code = compile(MADE_WHERE_MISSING, str(file), "exec")
    for expected in ("created", "found"):
        space: dict[str, Any] = {"__name__": "made"}
        exec(code, space)
        assert space["was"] == expected
        assert type(space["target"]) is AmlCompute
    assert "made-where-missing" in [target.name for target in ComputeTarget.list(None)]
    space["target"].delete()
    assert [target.name for target in ComputeTarget.list(None)] == ["ray"]
    assert list(Workspace().compute_targets) == ["ray"]


def test_a_compute_target_is_there_where_the_code_does_not_make_it(tmp_path: Path) -> None:
    try:
        target = ComputeTarget(None, "no-handler-makes-it")
    except Exception:
        target = ComputeTarget(None, "another")
    assert target.name == "no-handler-makes-it"
    assert (target.type, target.provisioning_state) == ("ray", "Succeeded")


def test_a_compute_target_is_there_where_the_handler_names_nothing_that_is_known(tmp_path: Path) -> None:
    file = tmp_path / "made.py"
    text = MADE_WHERE_MISSING.replace("import ComputeTargetException", "import NotExactlyThis").replace(
        "from raydrive.compat.azureml.core.compute_target import NotExactlyThis\n", ""
    )
    file.write_text(text)
    space: dict[str, Any] = {"__name__": "made"}
    exec(compile(text, str(file), "exec"), space)
    assert space["was"] == "found"


def test_an_estimator_takes_the_script_itself(here: Path) -> None:
    from raydrive.compat.azureml.train.sklearn import SKLearn

    (here / "below").mkdir()
    (here / "below" / "fit.py").write_text("")
    for given, folder, script in (("train.py", ".", "train.py"), ("below/fit.py", "below", "fit.py")):
        made = SKLearn(given, compute_target="cpu")
        assert (str(made.source_directory), made.script) == (folder, script)


@pytest.mark.parametrize("run_id", [f"{kind}_d9c1b784-8d8b-45e1-94be-0ca71054506b" for kind in ("HD", "AutoML")])
def test_a_run_of_azures_is_answered(here: Path, run_id: str) -> None:
    from raydrive.compat.azureml.core import Run

    experiment = Experiment(Workspace.from_config(), "e")
    for wanted in (run_id, f"{run_id}_3"):
        with pytest.raises(NotHereError, match="stored by Azure"):
            Run(experiment, wanted)


def test_a_run_of_this_process_answers_what_only_azures_have(here: Path) -> None:
    run = Experiment(Workspace.from_config(), "e").start_logging(snapshot_directory=None)
    with pytest.raises(NotHereError, match="AutoML is a service"):
        run.get_output()
    with pytest.raises(NotHereError, match="remove the line"):
        run.get_snapshot_id()
    run.add_properties({"a": "b"})
    assert run.get_properties() == {"a": "b"}
    assert (run.parent, run.display_name) == (None, run.id)


def test_packages_of_an_environment_are_built_where_the_site_says_so(here: Path) -> None:
    from raydrive.compat.azureml.core.conda_dependencies import CondaDependencies
    from raydrive.compat.azureml.train.sklearn import SKLearn

    def requirements(made: Any) -> list[str] | None:
        environment = config(made, {"x": choice(1)}).config.trial.environment
        return None if environment is None else environment.requirements.split()

    (here / "env.yml").write_text("dependencies: [python=3.9, pandas, pip: [azureml-defaults, lightgbm]]\n")
    (here / "packages.txt").write_text("numpy\n")
    of_file = Environment.from_conda_specification("a", "env.yml")
    of_list = Environment("b")
    of_list.python.conda_dependencies = CondaDependencies.create(
        conda_packages=["scipy"], pip_packages=["azureml-core"]
    )
    of_pip = Environment.from_pip_requirements("c", "packages.txt")
    assert requirements(ScriptRunConfig(".", "train.py", environment=of_file)) is None
    settings = (here / "raydrive.toml").read_text()
    (here / "raydrive.toml").write_text(f'environments = "uv"\n{settings}')
    assert requirements(ScriptRunConfig(".", "train.py", environment=of_file)) == ["pandas", "lightgbm"]
    assert requirements(ScriptRunConfig(".", "train.py", environment=of_list)) == ["scipy"]
    assert requirements(ScriptRunConfig(".", "train.py", environment=of_pip)) == ["numpy"]
    assert requirements(ScriptRunConfig(".", "train.py", environment=Environment("none"))) is None
    assert requirements(SKLearn(".", entry_script="train.py", pip_packages=["azureml-sdk", "joblib"])) == ["joblib"]
    assert requirements(SKLearn(".", entry_script="train.py", conda_dependencies_file="env.yml")) == [
        "pandas",
        "lightgbm",
    ]
    (here / "raydrive.toml").write_text(f'environment_file = "packages.txt"\n{settings}')
    assert requirements(ScriptRunConfig(".", "train.py", environment=of_file)) == ["numpy"]


def test_files_and_names_of_a_trial_that_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from raydrive.compat.azureml.core import Run

    monkeypatch.chdir(tmp_path)
    shutil.copytree(Path(__file__).parents[1] / "formats" / "0.1.0", tmp_path / "storage")
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "storage"))
    workspace = Workspace.from_config()
    found = next(run for run in workspace.runs() if run.get_best_run_by_primary_metric())
    best = Run.get(workspace, found.get_best_run_by_primary_metric().id)
    log, text = "attempt-1/log.txt", "what it printed\n"
    home = Path(found.layout.trial(best.number).local_path, "attempt-1")
    home.mkdir(parents=True)
    (home / "log.txt").write_text(text)
    for name in (log, f"/{log}", f"./{log}"):
        assert Path(best.download_file(name, "copy.txt")).read_text() == text
    for name in ("azureml-logs/70_driver_log.txt", "user_logs/std_log.txt", "logs/azureml/driver.txt"):
        assert Path(best.download_file(name)).name == Path(name).name
        assert Path(name).name in [path.name for path in tmp_path.iterdir()]
    assert len(best.download_files("/attempt-", "below")) == len(best.get_all_logs("all")) >= 1
    assert best.get_details_with_logs()["logFiles"] == {"log.txt": text}
    assert (best.name, best.display_name, best.get_tags()) == (best.id, best.id, dict(found.tags))
    assert list(best.get_children()) == []


def test_an_environment_is_saved_loaded_and_given_later(here: Path) -> None:
    settings = (here / "raydrive.toml").read_text()
    (here / "raydrive.toml").write_text(f'environments = "uv"\n{settings}')
    made = Environment("made")
    packages = made.python.conda_dependencies
    packages.set_python_version("3.9")
    packages.add_channel("conda-forge")
    packages.add_conda_package("scipy=1.7")
    packages.add_conda_package("numpy")
    packages.set_pip_requirements(["lightgbm", "xgboost==1.5"])
    packages.remove_pip_package("XGBoost")
    packages.remove_conda_package("numpy")
    packages.set_pip_index_url("https://packages.example/simple")
    made.environment_variables["LEVEL"] = 3
    made.save_to_directory("saved")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        made.save_to_directory("saved")
    loaded = Environment.load_from_directory("saved")
    assert loaded.name == "saved"
    script = ScriptRunConfig(".", "train.py")
    script.run_config.target = "cpu"
    script.run_config.environment = made
    spec = config(script, {"x": choice(1)}).config.trial
    assert spec.environment is not None
    assert spec.environment.python == "3.9"
    assert spec.environment.requirements.splitlines() == [
        "scipy==1.7.*", "--index-url https://packages.example/simple", "lightgbm"
    ]  # fmt: skip
    assert loaded.to_build("uv") == spec.environment
    assert spec.environment_variables["LEVEL"] == "3"
    assert packages.as_dict()["channels"] == ["conda-forge"]
    assert packages.get_python_version() == "3.9"


def test_names_of_models_and_experiments(here: Path) -> None:
    assert PrimaryMetricGoal("MAXIMIZE") is PrimaryMetricGoal.MAXIMIZE
    with pytest.raises(ValueError, match="'up'"):
        PrimaryMetricGoal("up")
    assert Model.Framework.SCIKITLEARN == "ScikitLearn"
    experiment = Experiment(Workspace(), "e")
    experiment.set_tags({"a": "b"})
    assert experiment.id == "e"
