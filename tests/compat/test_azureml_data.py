"""Data, estimators and runs in code that submits: tables are frames, names are kept, one script is one trial."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._estimators import SKLearn
from raydrive.compat.azureml.core import Dataset, Experiment, Model, ScriptRunConfig, Workspace
from raydrive.compat.azureml.core.runconfig import DataPath
from raydrive.compat.azureml.train.hyperdrive import (
    HyperDriveConfig,
    PrimaryMetricGoal,
    RandomParameterSampling,
    choice,
)
from raydrive.core.config.command_line import trial_argv

URL = "https://example.com/bank.csv"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, a script and a site's settings that map an address of the web to the table."""
    rows = "".join(f"{row},{'Yes' if row % 2 else 'No'},{'yes' if row % 3 else 'no'}\n" for row in range(10))
    (tmp_path / "bank.csv").write_text(f"age,Loan,y\n{rows}")
    (tmp_path / "train.py").write_text("import sys\nprint('given', sys.argv[1:])\n")
    (tmp_path / "raydrive.toml").write_text(
        f'storage = "{tmp_path}/runs"\n[input_mapping]\n"{URL}" = "bank.csv"\n"azureml:bank" = "bank.csv"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_at_a_mapped_address_is_a_frame(here: Path) -> None:
    frame = Dataset.Tabular.from_delimited_files([URL]).to_pandas_dataframe()
    assert list(frame.columns) == ["age", "Loan", "y"]
    assert frame["age"].sum() == 45
    assert frame["Loan"].dtype == bool  # as Azure's reader has Yes and No
    assert set(frame["y"]) == {"yes", "no"}  # and other words stay as they are


def test_a_mapped_address_is_read_by_pandas_in_a_script_too(here: Path) -> None:
    (here / "s.py").write_text(f"import pandas\nprint(len(pandas.read_csv({URL!r})))")
    program = "from raydrive.cli.app import run; raise SystemExit(run(['run-script', 's.py']))"
    done = subprocess.run([sys.executable, "-c", program], cwd=here, text=True, capture_output=True, timeout=100)
    assert done.stdout.strip() == "10", done.stderr
    assert f"{URL} is read from {here}/bank.csv" in done.stderr


def test_parts_of_a_table(here: Path) -> None:
    store = Workspace().get_default_datastore()
    store.upload_files(["bank.csv"], target_path="in")
    for place in (store.path("in/bank.csv"), [(store, "in/bank.csv")], DataPath(store, "in/bank.csv")):
        assert len(Dataset.Tabular.from_delimited_files(place).to_pandas_dataframe()) == 10
    table = Dataset.Tabular.from_delimited_files("bank.csv")
    assert list(table.take(3).to_pandas_dataframe()["age"]) == [0, 1, 2]
    assert list(table.skip(8).to_pandas_dataframe()["age"]) == [8, 9]
    assert list(table.drop_columns("Loan").to_pandas_dataframe()) == ["age", "y"]
    first, second = (set(part.to_pandas_dataframe()["age"]) for part in table.random_split(0.7, seed=1))
    assert len(first) == 7
    assert first | second == set(range(10))
    assert not first & second


def test_registered_names_and_those_of_the_site(here: Path) -> None:
    workspace = Workspace()
    Dataset.Tabular.from_delimited_files("bank.csv").take(4).register(workspace, "head", description="four rows")
    assert sorted(workspace.datasets) == ["bank", "head"]
    assert "head" in workspace.datasets.keys()  # noqa: SIM118 - as notebooks have it
    assert len(workspace.datasets["head"].to_pandas_dataframe()) == 4
    assert len(Dataset.get_by_name(workspace, "bank").to_pandas_dataframe()) == 10
    part = Dataset.Tabular.from_delimited_files("bank.csv").take(1)
    with pytest.raises(NotHereError, match="register"):
        HyperDriveConfig(
            RandomParameterSampling({"x": choice(1)}), "m", PrimaryMetricGoal.MAXIMIZE, 1,
            run_config=ScriptRunConfig(".", "train.py", ["--data", part]),
        )  # fmt: skip


def test_what_notebooks_ask_a_workspace(here: Path) -> None:
    workspace = Workspace()
    Model.register(workspace, "train.py", "m")
    Model.register(workspace, "train.py", "m")
    assert workspace.models["m"].version == 2
    assert [model.version for model in Model.list(workspace, name="m")] == [2, 1]
    assert workspace.get_details()["name"] == "raydrive"
    assert workspace.datastores["workspaceblobstore"].name == "workspaceblobstore"
    with pytest.raises(NotHereError, match="db_key"):
        workspace.get_default_keyvault().get_secret("db-key")


def test_an_estimator_is_its_script_and_arguments(here: Path) -> None:
    estimator = SKLearn(
        source_directory=".",
        entry_script="train.py",
        script_params={"--data": "a b", "--fast": ""},
        compute_target="cpu",
        pip_packages=["xgboost"],
        environment_variables={"A": 1},
    )
    made = HyperDriveConfig(
        RandomParameterSampling({"--C": choice(1)}), "m", PrimaryMetricGoal.MAXIMIZE, 1, estimator=estimator
    )
    assert trial_argv(made.config.trial, {"--C": 1})[1:] == ("train.py", "--data", "a b", "--fast", "--C", "1")
    assert made.config.trial.environment_variables["A"] == "1"


def test_an_interactive_run_keeps_what_it_logs(here: Path) -> None:
    with Experiment(Workspace(), "e").start_logging() as run:
        run.log("accuracy", 0.5)
        run.log("accuracy", 0.7)
        assert run.get_status() == "Running"
    assert run.get_metrics() == {"accuracy": [0.5, 0.7]}
    assert run.get_status() == "Completed"


SINGLE = """
from pathlib import Path
from raydrive.compat.azureml.core import Experiment, ScriptRunConfig, Workspace

run = Experiment(Workspace(), "single").submit(ScriptRunConfig(".", "train.py", ["--a b", 1]))
run.wait_for_completion()
assert run.get_status() == "Completed"
assert "given ['--a b', '1']" in run.logs()
for path, files in [(".", ["attempt-1/log.txt"]), ("logs/azureml", ["attempt-1/log.txt"])]:
    model = run.register_model("m", model_path=path, tags={"accuracy": 0.5})
    place = Path(f"m{model.version}")
    model.download(str(place))
    assert [str(one.relative_to(place)) for one in place.rglob("*.txt")] == files
print("all of it")
"""


@pytest.mark.ray
def test_a_script_alone_is_one_trial(here: Path) -> None:
    """In a process of its own: this one may have started Ray before, with another token."""
    done = subprocess.run([sys.executable, "-c", SINGLE], cwd=here, text=True, capture_output=True, timeout=200)
    assert done.stdout.endswith("all of it\n"), done.stderr


def test_a_model_of_a_file_that_is_not_there_is_answered_with_how_trials_files_are_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raydrive.toml").write_text(f'storage = "{tmp_path}/runs"')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotHereError, match=r"no 'outputs/model.pkl' in .*best_run.register_model"):
        Model.register(Workspace.from_config(), "outputs/model.pkl", "net")


def test_several_files_are_a_folder_with_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raydrive.toml").write_text(
        f'storage = "{tmp_path}/runs"\n[input_mapping]\n"https://host/set/" = "{tmp_path}/set/"\n'
    )
    (tmp_path / "set").mkdir()
    for name in ("a.gz", "b.gz", "c.gz"):
        (tmp_path / "set" / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    made = Dataset.File.from_files(path=["https://host/set/a.gz", "https://host/set/b.gz"]).as_mount()
    folder = Path(str(made))
    assert sorted(path.name for path in folder.iterdir()) == ["a.gz", "b.gz"]
    assert (folder / "b.gz").read_text() == "b.gz"
    assert str(Dataset.File.from_files(["https://host/set/a.gz", "https://host/set/b.gz"])) == str(made)
    with pytest.raises(NotHereError, match="several of one name"):
        Dataset.File.from_files([str(tmp_path / "set" / "a.gz"), "https://host/set/a.gz"])
