"""Every public name of Azure ML's SDK v1 imports, and works or says what to do; from the table of its names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raydrive.compat import azure_sdk
from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._names import table

MODULES, METHODS = table()
OF_NOTEBOOKS = """
azureml.core.Workspace azureml.core.Webservice azureml.core.authentication.InteractiveLoginAuthentication
azureml.core.compute.AksCompute azureml.core.compute_target.ComputeTargetException
azureml.core.conda_dependencies.CondaDependencies azureml.core.model.InferenceConfig
azureml.core.resource_configuration.ResourceConfiguration azureml.core.runconfig.EnvironmentDefinition
azureml.core.webservice.AciWebservice azureml.data.data_reference.DataReference azureml.data.datapath.DataPath
azureml.data.dataset_factory.TabularDatasetFactory azureml.exceptions.ServiceException
azureml.pipeline.core.Pipeline azureml.pipeline.core.PipelineData azureml.pipeline.steps.AutoMLStep
azureml.pipeline.steps.HyperDriveStep azureml.telemetry.set_diagnostics_collection azureml.train.automl.AutoMLConfig
azureml.train.dnn.Chainer azureml.train.dnn.PyTorch azureml.train.dnn.TensorFlow azureml.train.estimator.Estimator
azureml.train.sklearn.SKLearn azureml.widgets.RunDetails
"""


@pytest.fixture
def sdk() -> Iterator[None]:
    """The mirror under the SDK's own name, for one test."""
    azure_sdk.install()
    yield
    for name in [name for name in sys.modules if name == "azureml" or name.startswith("azureml.")]:
        del sys.modules[name]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_imports(sdk: None, module: str) -> None:
    for name in MODULES[module]:
        space: dict[str, object] = {}
        exec(f"from {module} import {name}", space)
        assert space[name] is not None


def test_the_names_that_notebooks_import_are_in_the_table() -> None:
    for full in OF_NOTEBOOKS.split():
        module, _, name = full.rpartition(".")
        assert name in MODULES[module], full


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from azureml.core.webservice import AciWebservice as A; A.deploy_configuration(cpu_cores=1)", "Ray Serve"),
        ("from azureml.core import Webservice as W; W.list(None)", "Ray Serve"),
        ("from azureml.core.model import InferenceConfig as I; I(entry_script='s.py')", "Ray Serve"),
        ("from azureml.train.automl import AutoMLConfig as A; A(task='classification')", "tune your own script"),
        ("from azureml.pipeline.core import Schedule as S; S.create(None)", "runs its HyperDriveStep"),
        ("from azureml.core.compute import AksCompute as A; A.provisioning_configuration()", "your Ray cluster"),
        ("from azureml.core import Workspace as W; W().add_private_endpoint()", "remove the line"),
        ("from azureml.interpret import ExplanationClient as E; E.from_run(None)", "other packages"),
        ("from azureml.automl.runtime.onnx_convert import OnnxConverter as O; O()", "tune your own script"),
        ("from azureml.data.sql_data_reference import SqlDataReference as D; D('store')", "input_mapping"),
    ],
)
def test_what_cannot_be_done_here_says_the_way_out(sdk: None, code: str, said: str) -> None:
    with pytest.raises(NotHereError, match=said):
        exec(code, {})


def test_exceptions_can_be_caught_and_constants_are_texts(sdk: None) -> None:
    space: dict[str, object] = {}
    exec(
        "from azureml.exceptions import AzureMLException, ServiceException\n"
        "from azureml.core.compute_target import ComputeTargetException\n"
        "from azureml.core.runconfig import MPI_CPU_IMAGE\n"
        "try:\n    raise ComputeTargetException('no such target')\n"
        "except AzureMLException as error:\n    message = error.message",
        space,
    )
    assert space["message"] == "no such target"
    assert space["MPI_CPU_IMAGE"] == "azureml.core.runconfig.MPI_CPU_IMAGE"
    assert issubclass(space["ServiceException"], space["AzureMLException"])  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["import azureml.core.nothing", "from azureml.core import Nothing"])
def test_a_name_that_the_sdk_has_neither_is_an_import_error(sdk: None, line: str) -> None:
    with pytest.raises(ImportError):
        exec(line, {})


def test_the_mirror_has_the_names_under_its_own_package_too(tmp_path: Path) -> None:
    code = (
        "from raydrive.compat.azureml.train.sklearn import SKLearn\n"
        "from raydrive.compat.azureml.core.webservice import AciWebservice\n"
        "print(SKLearn.__name__, AciWebservice.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, timeout=100)
    assert done.stdout.split() == ["SKLearn", "AciWebservice"], done.stderr


def test_a_module_without_anything_of_ours_has_a_version(sdk: None) -> None:
    space: dict[str, object] = {}
    exec("import azureml.automl.runtime, azureml.core", space)
    assert eval("azureml.automl.runtime.__version__ == azureml.core.VERSION", space)
