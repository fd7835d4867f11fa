"""Azure ML's SDK v2 without a cluster: its names, and the sweep files that its jobs mean."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raydrive.compat.azure_ai_ml import Input, MLClient, Output, command, dsl, load_component, load_job
from raydrive.compat.azure_ai_ml._jobs import submission_of
from raydrive.compat.azure_ai_ml._names import modules, names_of
from raydrive.compat.azure_ai_ml.entities import AmlCompute, Data, Environment, Model
from raydrive.compat.azure_ai_ml.sweep import (
    BanditPolicy,
    BayesianSamplingAlgorithm,
    Choice,
    LogNormal,
    LogUniform,
    MedianStoppingPolicy,
    Normal,
    Objective,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Randint,
    RandomSamplingAlgorithm,
    SweepJob,
    SweepJobLimits,
    TruncationSelectionPolicy,
    Uniform,
)
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.convert import converted, recorded
from raydrive.core.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "examples" / "azure" / "v2_python"
COMPONENT = """\
type: command
name: train
inputs:
  data: {type: uri_folder}
  lr: {type: number, default: 0.1}
  note: {type: string, optional: true}
outputs:
  model: {type: uri_folder}
code: ./src
environment: azureml:training@latest
command: >-
  python train.py --data ${{inputs.data}} --lr ${{inputs.lr}} $[[--note ${{inputs.note}}]]
  --model ${{outputs.model}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script, data, a component and a site's settings."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x\n")
    (tmp_path / "train.yml").write_text(COMPONENT)
    (tmp_path / "raydrive.toml").write_text(
        f'storage = "{tmp_path}/runs"\nseed = 7\n[input_mapping]\n"azureml:faces" = "data"\n'
        '"${{parent.jobs.prepare.outputs.table}}" = "data"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job(**inputs: Any) -> Any:
    return command(
        code="./src",
        command="python train.py --lr ${{inputs.lr}} --epochs ${{inputs.epochs}} --data ${{inputs.data}}",
        inputs={"lr": 0.1, "epochs": 3, "data": Input(type="uri_file", path="data/a.csv"), **inputs},
        environment="env@latest",
    )


def swept(**more: Any) -> Any:
    return job()(lr=Uniform(0.01, 0.9)).sweep(primary_metric="acc", goal="Maximize", max_total_trials=4, **more)


def test_a_command_with_expressions_is_a_sweep(here: Path) -> None:
    sweep = swept(max_concurrent_trials=2, timeout=600, sampling_algorithm="bayesian")
    submission = submission_of(sweep)
    config = submission.config
    assert config.trial.command == (
        "python train.py --lr ${{search_space.lr}} --epochs ${{inputs.epochs}} --data ${{inputs.data}}"
    )
    assert config.trial.inputs == {"epochs": "3", "data": str(here / "data" / "a.csv")}
    assert submission.source_directory == here / "src"
    assert (config.metric.name, config.metric.goal.value) == ("acc", "maximize")
    limits = config.limits
    assert (limits.max_total_runs, limits.max_concurrent_runs, limits.max_duration_s) == (4, 2, 600)
    assert config.seed == 7
    assert config.experiment == here.name
    assert any("environment" in warning for warning in submission.warnings)


@pytest.mark.parametrize(
    ("expression", "recorded_as"),
    [
        (Choice([1, "a"]), {"type": "choice", "values": [1, "a"]}),
        (Randint(upper=5), {"type": "randint", "upper": 5}),
        (Uniform(0, 1), {"type": "uniform", "min_value": 0, "max_value": 1}),
        (LogUniform(-5, -1), {"type": "loguniform", "min_value": -5, "max_value": -1}),
        (QUniform(1, 9, 2), {"type": "quniform", "min_value": 1, "max_value": 9, "q": 2}),
        (QLogUniform(0, 3, 1), {"type": "qloguniform", "min_value": 0, "max_value": 3, "q": 1}),
        (Normal(0, 1), {"type": "normal", "mu": 0, "sigma": 1}),
        (LogNormal(0, 1), {"type": "lognormal", "mu": 0, "sigma": 1}),
        (QNormal(0, 1, 0.5), {"type": "qnormal", "mu": 0, "sigma": 1, "q": 0.5}),
        (QLogNormal(0, 1, 1), {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_expression_is_that_of_a_sweep_file(here: Path, expression: Any, recorded_as: dict[str, Any]) -> None:
    assert expression.to_mapping() == recorded_as
    sweep = job()(lr=expression).sweep(primary_metric="acc", goal="minimize", max_total_trials=2)
    assert list(submission_of(sweep).config.sampling.space.expressions) == ["lr"]


def test_policies_and_algorithms(here: Path) -> None:
    sweep = swept()
    sweep.early_termination = BanditPolicy(slack_factor=0.2, evaluation_interval=1, delay_evaluation=10)
    policy = submission_of(sweep).config.policy
    assert (policy.slack_factor, policy.slack_amount, policy.delay_evaluation) == (0.2, None, 10)
    sweep.early_termination = MedianStoppingPolicy(delay_evaluation=5, evaluation_interval=2)
    assert type(submission_of(sweep).config.policy).__name__ == "MedianStoppingPolicy"
    sweep.early_termination = TruncationSelectionPolicy(truncation_percentage=20, evaluation_interval=1)
    assert submission_of(sweep).config.policy.truncation_percentage == 20
    sweep.early_termination = None
    sweep.sampling_algorithm = RandomSamplingAlgorithm(rule="sobol", seed=3)
    assert submission_of(sweep).config.sampling.rule == "sobol"
    sweep.sampling_algorithm = BayesianSamplingAlgorithm()
    assert type(submission_of(sweep).config.sampling).__name__ == "BayesianParameterSampling"


def test_a_sweep_job_of_its_parts(here: Path) -> None:
    trial = command(code="./src", command="python train.py --lr ${{search_space.lr}}")
    sweep = SweepJob(
        trial=trial,
        search_space={"lr": Choice([0.1, 0.2])},
        objective=Objective(goal="maximize", primary_metric="acc"),
        sampling_algorithm="grid",
        limits=SweepJobLimits(max_concurrent_trials=2),
        experiment_name="parts",
        display_name="both",
        outputs={"model": Output(type="uri_file")},
    )
    config = submission_of(sweep).config
    assert (config.experiment, config.display_name, config.limits.max_total_runs) == ("parts", "both", 2)
    assert config.trial.output_files == ("model",)


def test_an_experiment_with_spaces_has_the_nearest_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submission_of(swept(), "Faces with a sweep").config.experiment == "Faces-with-a-sweep"
    assert "'Faces with a sweep' is 'Faces-with-a-sweep' here" in capsys.readouterr().err


def test_code_that_is_a_file_is_its_folder(here: Path) -> None:
    sweep = command(code="./src/train.py", command="python train.py --lr ${{inputs.lr}}", inputs={"lr": 1})(
        lr=Choice([1, 2])
    ).sweep(primary_metric="acc", goal="Maximize", max_total_trials=2)
    found = submission_of(sweep)
    assert found.source_directory == here / "src"
    assert any("is a file: its whole folder is copied" in warning for warning in found.warnings)


def test_a_command_alone_is_a_run_of_one_trial(here: Path) -> None:
    config = submission_of(job()).config
    assert config.trial.command.startswith("( python train.py --lr ${{inputs.lr}} --epochs")
    assert config.trial.inputs["lr"] == "0.1"
    assert (config.limits.max_total_runs, config.metric.name) == (1, "command_succeeded")
    with pytest.raises(ConfigError, match=r"trial\.command"):
        submission_of(command(code="./src"))


def test_mistakes_are_told_together_and_name_no_file(here: Path) -> None:
    sweep = job()(lr=Uniform(1, 0)).sweep(primary_metric="acc", goal="up", max_total_trials=0)
    with pytest.raises(ConfigError) as failure:
        submission_of(sweep)
    told = "\n".join(failure.value.lines())
    for where in ("search_space.lr", "objective.goal", "limits.max_total_trials"):
        assert where in told
    assert ":1:" not in told


def test_an_input_that_the_command_does_not_have(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate.*lr, epochs, data"):
        job()(learning_rate=Uniform(0, 1))


def test_a_component_is_called_with_values_data_and_expressions(here: Path) -> None:
    train = load_component(source="train.yml")
    step = train(data=Input(type="uri_folder", path="azureml:faces@latest"), lr=Uniform(0, 1))
    config = submission_of(step.sweep(primary_metric="acc", goal="maximize", max_total_trials=2)).config
    assert config.trial.inputs == {"data": str(here / "data")}
    assert "--lr ${{search_space.lr}}" in config.trial.command
    assert list(config.trial.outputs) == ["model"]
    with pytest.raises(ConfigError, match=r"inputs\.data.*nothing"):
        submission_of(train(lr=Uniform(0, 1)).sweep(primary_metric="acc", goal="maximize", max_total_trials=2))


def test_a_pipeline_is_its_sweep(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = load_component(source="train.yml")
    prepare = command(command="true", outputs={"table": Output()}, display_name="prepare")

    @dsl.pipeline(display_name="whole", default_compute="cluster")
    def build(note: str) -> dict[str, Any]:
        prepare_step = prepare()
        train_step = train(data=prepare_step.outputs.table, note=note, lr=Uniform(0, 1))
        tuned = train_step.sweep(primary_metric="acc", goal="maximize", max_total_trials=2)
        tuned.set_limits(max_total_trials=3)
        return {"model": tuned.outputs.model}

    made = build("some")
    made.settings.default_compute = "other"
    assert list(made.jobs) == ["prepare_step", "tuned"]
    made.jobs["prepare_step"].step_name = "prepare"  # the name that raydrive.toml has a rule for
    config = submission_of(made).config
    assert config.trial.inputs == {"data": str(here / "data"), "note": "some"}
    assert (config.display_name, config.limits.max_total_runs) == ("whole", 3)
    assert "only step tuned of the pipeline is run; not prepare_step" in capsys.readouterr().err


def test_a_pipeline_without_a_sweep(here: Path) -> None:
    @dsl.pipeline
    def build() -> None:
        command(command="true")()

    with pytest.raises(ConfigError, match="no sweep"):
        submission_of(build())


def test_a_job_of_a_file_may_be_changed(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "sweep.yml").write_text(
        "type: sweep\ntrial: {code: ../src, command: 'python train.py --lr ${{search_space.lr}}'}\n"
        "search_space: {lr: {type: uniform, min_value: 0, max_value: 1}}\n"
        "objective: {goal: maximize, primary_metric: acc}\nlimits: {max_total_trials: 10}\n"
        "raydrive: {resources: {cpus: 2}}\n"
    )
    loaded: Any = load_job("sub/sweep.yml")
    loaded.limits.max_total_trials = 3
    loaded.search_space["lr"] = Choice([1, 2, 3])
    submission = submission_of(loaded)
    assert submission.config.limits.max_total_runs == 3
    assert submission.config.trial.resources.cpus == 2
    assert submission.source_directory == here / "src"


def test_data_that_was_registered_is_found_by_its_name(here: Path) -> None:
    client = MLClient.from_config(None)
    asset = client.data.create_or_update(Data(name="table", path="data/a.csv", type="uri_file"))
    for path in (asset, asset.id, "azureml:table@latest", client.data.get("table", version="1").path):
        sweep = job(data=Input(type="uri_file", path=path))(lr=Uniform(0, 1)).sweep(
            primary_metric="acc", goal="maximize", max_total_trials=1
        )
        assert submission_of(sweep).config.trial.inputs["data"] == str(here / "data" / "a.csv")


def test_what_only_the_service_can_do_is_answered(here: Path) -> None:
    client = MLClient(None, "subscription", "group", "workspace")
    assert client.compute.get("cpu-cluster").provisioning_state == "Succeeded"
    assert client.compute.begin_create_or_update(AmlCompute(name="big", size="D2")).result().size == "D2"
    assert client.environments.create_or_update(Environment(name="e", image="i")).id == "azureml:e:1"
    with pytest.raises(NotHereError, match="serves no models"):
        client.online_endpoints.begin_create_or_update(object())
    with pytest.raises(NotHereError, match="Azure's service does this"):
        client.registries.get("azureml")
    with pytest.raises(ConfigError, match="an existing file or folder"):
        client.models.create_or_update(Model(path="nowhere", name="m"))


def test_every_public_name_of_the_sdk_imports() -> None:
    """In a process of its own: the names are installed under their real ones."""
    program = (
        "import importlib\n"
        "from raydrive.compat import azure_sdk\n"
        "from raydrive.compat.azure_ai_ml import _names\n"
        "azure_sdk.install()\n"
        "count = 0\n"
        "for module in _names.modules():\n"
        "    for name in _names.names_of(module):\n"
        "        exec(f'from {module} import {name}')\n"
        "        count += 1\n"
        "from azure.ai.ml.automl import classification\n"
        "try:\n"
        "    classification(compute='x')\n"
        "except NotImplementedError as error:\n"
        "    print(count, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    count, _, answer = done.stdout.partition(" ")
    assert int(count) == sum(len(names_of(module)) for module in modules()) > 500
    assert answer.startswith("azure.ai.ml.automl.classification: raydrive has no AutoML")


def test_names_that_stand_in_two_places_are_the_same() -> None:
    ml, entities = (importlib.import_module(f"raydrive.compat.azure_ai_ml{part}") for part in ("", ".entities"))
    assert entities.Choice is Choice
    assert ml.UserIdentityConfiguration is entities.UserIdentityConfiguration
    swept = command(command="true", identity=ml.UserIdentityConfiguration())
    assert swept.command == "true"


def test_an_asset_may_be_given_by_name(here: Path) -> None:
    client = MLClient.from_config()
    assert client.data.create_or_update(data=Data(name="one", path="data/a.csv")).name == "one"
    with pytest.raises(TypeError, match="missing"):
        client.data.create_or_update()


def test_notebooks_print_a_version() -> None:
    import raydrive.compat.azure_ai_ml as sdk

    assert sdk.__version__ == vars(sdk)["_version"].VERSION


def test_a_name_that_the_sdk_does_not_have_is_an_error() -> None:
    for module in ("raydrive.compat.azure_ai_ml", "raydrive.compat.azure_ai_ml.entities"):
        with pytest.raises(AttributeError, match="Commandd"):
            importlib.import_module(module).Commandd  # noqa: B018


def test_the_example_is_converted(tmp_path: Path) -> None:
    before = dict(sys.modules)
    try:
        text, report = converted(recorded(EXAMPLE / "tune.py"), EXAMPLE)
    finally:
        for name in set(sys.modules) - set(before):
            if name.startswith(("azure", "azureml")):
                del sys.modules[name]
    assert "learning_rate ${{search_space.learning_rate}}" in text
    assert "max_total_trials: 6" in text
    assert any("trial.environment" in line for line in report)


def test_other_packages_below_azure_are_found_too(tmp_path: Path) -> None:
    (tmp_path / "azure" / "storage").mkdir(parents=True)
    (tmp_path / "azure" / "storage" / "blob.py").write_text("HERE = 'yes'\n")
    program = (
        "import sys\n"
        f"sys.path.append({str(tmp_path)!r})\n"
        "from raydrive.compat import azure_sdk\n"
        "azure_sdk.install()\n"
        "import azure.storage.blob\n"
        "import azure.ai.ml\n"
        "print(azure.storage.blob.HERE, azure.ai.ml.command.__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, timeout=100)
    assert done.stdout.split() == ["yes", "raydrive.compat.azure_ai_ml"], done.stderr


def test_an_environment_with_a_conda_file_is_written_down(here: Path) -> None:
    (here / "raydrive.toml").write_text(f'storage = "{here}/runs"\nenvironments = "uv"\n')
    (here / "env.yml").write_text("dependencies: [scipy, pip: [azureml-mlflow]]\n")
    client = MLClient(None)
    kept = client.environments.create_or_update(Environment(name="packages", conda_file="env.yml", image="base"))
    for environment in (kept, "packages@latest", "azureml:packages:1", f"{kept.name}:{kept.version}"):
        job = command(code=".", command="echo ${{inputs.x}}", inputs={"x": 1}, environment=environment)
        sweep = job(x=Choice([1, 2])).sweep(sampling_algorithm="grid", primary_metric="loss", goal="Minimize")
        made = submission_of(sweep).config.trial.environment
        assert made is not None
        assert made.requirements.split() == ["scipy", "mlflow-skinny"]


MADE_WHERE_MISSING = """
try:
    found = client.environments.get("made-where-missing")
except Exception:
    found = client.environments.create_or_update(Environment(name="made-where-missing", conda_file="env.yml"))
"""


def test_an_asset_is_missing_once_where_the_code_makes_it_then(here: Path) -> None:
    file = here / "made.py"
    file.write_text(MADE_WHERE_MISSING)
    space: dict[str, Any] = {"__name__": "made", "client": MLClient(None), "Environment": Environment}
    for _ in range(2):
        exec(compile(MADE_WHERE_MISSING, str(file), "exec"), space)
        assert space["found"].conda_file == "env.yml"
    assert space["client"].environments.get("never-made").name == "never-made"
