"""Scripts written for Azure ML's SDK v1, in a Python that has neither azureml nor raydrive."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from script_runs import RunScript

from raydrive.runtime.trial_actor.script_environment import FOLDER

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "azure"


@pytest.fixture(params=["old", "new"])
def python(request: pytest.FixtureRequest) -> str:
    """Both Pythons: one without raydrive, one with it."""
    return request.getfixturevalue("old_python") if request.param == "old" else sys.executable


def test_the_old_python_is_foreign(old_python: str) -> None:
    """What the tests below show is worth nothing in a Python that has raydrive or azureml."""
    ask = "import importlib.util as u; print([n for n in ('raydrive', 'azureml', 'ray') if u.find_spec(n)])"
    assert subprocess.run([old_python, "-c", ask], cwd="/", text=True, capture_output=True).stdout.strip() == "[]"


def test_the_iris_script_of_the_documentation(run_script: RunScript, python: str) -> None:
    script = EXAMPLES / "v1_script" / "train_iris.py"
    done = run_script(script, "--kernel", "rbf", "--penalty", "2", python=python)
    assert done.metrics["Kernel type"] == ["rbf"]  # text, under a name with a space
    assert done.metrics["Penalty"] == [2.0]
    (accuracy,) = done.metrics["Accuracy"]
    assert 0.9 < accuracy <= 1
    assert done.metrics["Confusion matrix"][0]["schema_type"] == "confusion_matrix"
    assert "outputs/model.joblib" in done.names()
    (model,) = json.loads((done.files / "outputs" / "registered_models.json").read_text())
    assert model == {
        "name": "iris-svm",
        "version": 1,
        "path": "outputs/model.joblib",
        "tags": {"kernel": "rbf"},
        "properties": {},
        "trial": "iris-1_7",
    }


@pytest.mark.parametrize("by", ["path", "http", "input", "mapping"])
def test_a_table_is_found_wherever_it_is(run_script: RunScript, by: str, old_python: str) -> None:
    table = EXAMPLES / "data" / "iris.csv"
    arguments: tuple[str, ...] = ()
    inputs, env = None, None
    with Served(table) as server:
        if by == "path":
            arguments = ("--data", str(table))
        elif by == "http":
            arguments = ("--data", f"{server.url}/iris.csv")
        elif by == "input":
            inputs = {"iris": str(table)}
        else:
            env = {"RAYDRIVE_DATA_MAPPING": json.dumps({"azureml:iris": str(table)})}
        done = run_script(
            EXAMPLES / "v1_script" / "train_table.py", *arguments, python=old_python, inputs=inputs, env=env
        )
    assert done.metrics["Regularization Strength:"] == [1.0]  # a name with a colon
    assert done.metrics["Accuracy"][0] > 0.9


def test_without_data_to_look_up_a_sentence_says_what_to_do(run_script: RunScript, old_python: str) -> None:
    done = run_script(EXAMPLES / "v1_script" / "train_table.py", python=old_python, code=1)
    last = done.output.strip().splitlines()[-1]
    assert "Azure ML's data cannot be reached from here" in last
    assert "input_mapping of a site file or raydrive.toml" in last


def test_a_workspace_that_is_only_named_needs_no_data(run_script: RunScript, tmp_path: Path, old_python: str) -> None:
    script = tmp_path / "named.py"
    script.write_text(
        "from azureml.core import Run\nrun = Run.get_context()\nws = run.experiment.workspace\n"
        "print(ws.name, list(ws.datasets))\nrun.log('acc', 1)\n"
    )
    assert run_script(script, python=old_python).metrics["acc"] == [1]


CENSUS = """
import os, sys
from azureml.core import Dataset, Environment, Experiment, Run, ScriptRunConfig, Workspace
from azureml.core.model import Model
from azureml.core.run import _OfflineRun
from azureml.data.dataset_factory import TabularDatasetFactory
run = Run.get_context()
assert not isinstance(run, _OfflineRun)
assert (run.id, run.number, run.parent.id, run.experiment.name) == ("iris-1_7", 7, "iris-1", "iris"), run.id
run.log("a-b: c", 1); run.log("a-b: c", 2, step=5); run.log("text", "warm")
run.log_list("list", [1, 2]); run.log_row("row", x=1, y="z"); run.log_table("table", {"x": [1, 2]})
run.log_residuals("residuals", {"a": 1}); run.log_accuracy_table("accuracy table", '{"b": 2}')
run.parent.log("best", 3)
run.tag("fold", 2); run.set_tags({"x": "y"}); run.add_properties({"p": 1})
assert run.tags["fold"] == "2" and run.properties == {"p": "1"}
assert run.get_metrics("a-b: c") == {"a-b: c": [1, 2]}
with open("plain.txt", "w") as file: file.write("kept")
os.makedirs("models/net"); open("models/net/w.bin", "w").close()
open("fig.png", "wb").close()
run.upload_file("outputs/plain.txt", "plain.txt"); run.upload_files(["outputs/a"], ["plain.txt"])
run.upload_folder("outputs/net", "models/net"); run.log_image("figure", path="fig.png")
model = run.register_model("net", model_path="models/net", description="copied", tags={"k": "v"})
assert (model.id, model.path) == ("net:1", "outputs/models/net/1/net"), model.path
assert Model.register(Workspace.from_config(), "outputs/plain.txt", "net").version == 2
assert Model.get_model_path("net").endswith("outputs/plain.txt"), Model.get_model_path("net")
assert "outputs/plain.txt" in run.get_file_names()
run.download_file("outputs/plain.txt", "again.txt"); assert open("again.txt").read() == "kept"
assert run.get_secret("api-key") == "s3cret"
with run.child_run("fold-1") as child:
    child.log("accuracy", 0.5); child.tag("n", 1)
for child in run.create_children(count=2): child.log("accuracy", 0.25); child.complete()
assert list(run.input_datasets) == ["rows", "size"] and run.input_datasets["size"] == "3"
frame = run.input_datasets["rows"].to_pandas_dataframe()
assert list(frame.columns) == ["a", "b"] and len(frame) == 2
ws = run.experiment.workspace
assert ws.get_mlflow_tracking_uri() == "raydrive://trial"
assert len(Dataset.get_by_name(ws, "rows").take(1).to_pandas_dataframe()) == 1
one, two = Dataset.Tabular.from_delimited_files(run.input_datasets["rows"]).random_split(0.5, seed=1)
assert len(one.to_pandas_dataframe()) == len(two.to_pandas_dataframe()) == 1
assert Dataset.File.from_files("plain.txt").to_path() == ["plain.txt"]
for call in (lambda: Environment("x"), lambda: ScriptRunConfig(source_directory="."), lambda: ws.compute_targets,
             lambda: run.submit_child(None), lambda: run.cancel(), lambda: Dataset.get_by_name(ws, "nowhere"),
             lambda: TabularDatasetFactory.from_delimited_files("azureml://datastores/x/paths/y").to_pandas_dataframe(),
             lambda: run.input_datasets["nothing"], lambda: run.get_secret("other")):
    try:
        call()
    except Exception as error:
        assert len(str(error)) > 40 and "\\n" not in str(error), error
        print("said:", error)
    else:
        raise SystemExit("nothing said")
run.flush(); run.complete()
"""


def test_what_scripts_use_of_a_run(run_script: RunScript, python: str, tmp_path: Path) -> None:
    """The methods that a census of Microsoft's example repositories found in training scripts, and their neighbours."""
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    inputs = {"rows": str(tmp_path / "rows.csv"), "size": "3"}
    done = run_script(CENSUS, python=python, inputs=inputs, env={"API_KEY": "s3cret"})
    assert done.output.count("said:") == 9
    assert done.metrics["a-b: c"] == [1, 2]
    assert done.metrics["text"] == ["warm"]
    assert done.metrics["parent/best"] == [3]
    assert done.metrics["fold-1/accuracy"] == [0.5]
    assert done.metrics["child-1/accuracy"] == [0.25]
    assert "accuracy" not in done.metrics  # of runs below the trial, which must not lengthen its curve
    assert done.tags["fold"] == "2"
    assert done.tags["fold-1/n"] == "1"
    assert {"state": "Completed", "why": ""}.items() <= done.messages[-1].items()
    assert {"outputs/plain.txt", "outputs/a", "outputs/net/w.bin", "outputs/models/net/1/net/w.bin"} <= {*done.names()}


def test_outside_a_trial_the_folder_changes_nothing_but_prints(tmp_path: Path, old_python: str) -> None:
    script = "from azureml.core.run import Run, _OfflineRun\nrun = Run.get_context()\n"
    script += "print(isinstance(run, _OfflineRun), run.id[:11])\nrun.log('a', 1, step=2)"
    done = subprocess.run(
        [old_python, "-c", script], env={"PYTHONPATH": FOLDER}, cwd=tmp_path, text=True, capture_output=True
    )
    assert done.stdout == "True OfflineRun_\na = 1 (step 2)\n", done.stderr


class TestWithTheRealPackageInstalled:
    """azureml-core as the script's Python has it: all of it stays, but ``Run.get_context``."""

    @pytest.fixture
    def installed(self, tmp_path: Path) -> Path:
        """A package as azureml-core is laid out."""
        core = tmp_path / "site" / "azureml" / "core"
        core.mkdir(parents=True)
        (core.parent / "__init__.py").write_text("__path__ = __import__('pkgutil').extend_path(__path__, __name__)")
        (core / "__init__.py").write_text(
            "from azureml.core.run import Run\nfrom azureml.core.workspace import Workspace"
        )
        (core / "workspace.py").write_text("class Workspace:\n    real = True\n")
        (core / "run.py").write_text(
            "class Run:\n    real = True\n    @classmethod\n    def get_context(cls, allow_offline=True):\n"
            "        return 'the real one'\n"
        )
        return tmp_path / "site"

    @pytest.mark.parametrize("line", ["from azureml.core.run import Run", "from azureml.core import Run"])
    def test_only_get_context_is_ours(
        self, run_script: RunScript, installed: Path, line: str, tmp_path: Path, python: str
    ) -> None:
        text = f"{line}\nfrom azureml.core import Workspace\nprint(Run.real, Workspace.real)\n"
        text += "run = Run.get_context()\nprint(getattr(run, 'id', run))\n"
        within = text + "run.log('accuracy', 0.5)"
        done = run_script(within, python=python, env={"PYTHONPATH": str(installed)})
        assert done.output.split() == ["True", "True", "iris-1_7"]
        assert done.metrics == {"accuracy": [0.5]}
        path = {"PYTHONPATH": f"{FOLDER}:{installed}"}
        outside = subprocess.run([python, "-c", text], env=path, cwd=tmp_path, text=True, capture_output=True)
        assert outside.stdout.split(maxsplit=2) == ["True", "True", "the real one\n"]


class Served:
    """One file over HTTP, on this machine."""

    def __init__(self, path: Path) -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(path.read_bytes())

            def log_message(self, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


NAMES = """
import json, sys
from azureml.core import Datastore
from raydrive_azureml.data import local
print(json.dumps([local(name) for name in json.loads(sys.argv[1])] + [local((Datastore("raw"), "/a.csv"))]))
"""


def test_names_of_azure_mean_the_same_in_scripts_as_in_sweep_files(run_script: RunScript, old_python: str) -> None:
    from raydrive.sweepfile.inputs_outputs import DataMapping

    rules = {
        "azureml:iris": "/data/iris.csv",
        "azureml:iris:2": "/data/older.csv",
        "azureml://datastores/raw/paths/": "/mnt/raw",
    }
    names = [
        "azureml:iris",
        "azureml:iris@latest",
        "azureml:iris:2",
        "azureml:iris:3",
        "azureml://datastores/raw/paths/b c.csv",
        "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/raw/paths/x/y.csv",
    ]
    env = {"RAYDRIVE_DATA_MAPPING": json.dumps(rules)}
    done = run_script(NAMES, json.dumps(names), python=old_python, env=env)
    *found, in_datastore = json.loads(done.output)
    assert found == [DataMapping(rules).resolve(name) for name in names]
    assert in_datastore == "/mnt/raw/a.csv"
