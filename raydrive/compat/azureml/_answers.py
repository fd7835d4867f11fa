"""What is written here of the SDK, and the way out for what is not."""

from __future__ import annotations

_SERVE = "raydrive does not serve models: use run.download_file(...) and serve the file, e.g. with Ray Serve"
_PIPELINE = "of a pipeline raydrive runs its HyperDriveStep: a script is run by experiment.submit(ScriptRunConfig(...))"
_EXPLAIN = "other packages explain models: download the model with run.download_file(...)"
_AUTOML = "AutoML is a service of Azure: tune your own script, e.g. with choice(...) over model classes"
_DATA = 'give data as a path or URL, or name it in raydrive.toml: [input_mapping] "azureml:NAME" = "PATH or s3://..."'
_NO_CLUSTER = "machines belong to your Ray cluster: raydrive.toml sets its address and the resources of a trial"
_WAYS_OUT = {
    "azureml": "only Azure's service has this: remove the line",
    "azureml.automl": _AUTOML,
    "azureml.core.Image": _SERVE,
    "azureml.core.Webservice": _SERVE,
    "azureml.core.authentication": "raydrive needs no sign-in: remove the line",
    "azureml.core.compute": _NO_CLUSTER,
    "azureml.core.compute_target": _NO_CLUSTER,
    "azureml.core.databricks": "it belongs to Databricks: remove the line",
    "azureml.core.image": _SERVE,
    "azureml.core.model": _SERVE,
    "azureml.core.run.Run": "raydrive's runs do not have this: remove the line",
    "azureml.core.script_run": "experiment.submit(ScriptRunConfig(...)) gives such a run",
    "azureml.core.webservice": _SERVE,
    "azureml.data": _DATA,
    "azureml.dataprep": "read tables with pandas: Dataset.Tabular.from_delimited_files(...).to_pandas_dataframe()",
    "azureml.explain": _EXPLAIN,
    "azureml.interpret": _EXPLAIN,
    "azureml.opendatasets": _DATA,
    "azureml.pipeline": _PIPELINE,
    "azureml.telemetry": "nothing is sent anywhere here: remove the line",
    "azureml.train.automl": _AUTOML,
    "azureml.widgets": "raydrive studio RUN shows a run in a browser",
}
"""By beginnings of full names; the longest counts."""

OTHERS = (
    *(
        "accel",
        "automl",
        "contrib",
        "datadrift",
        "dataprep",
        "explain",
        "fsspec",
        "interpret",
        "mlflow",
        "monitoring",
        "opendatasets",
    ),
    *("responsibleai", "tensorboard", "train.automl", "train.restclients"),
)
"""Packages of the SDK beside those of the table: their modules import too, and nothing in them works."""
_HOMES = {
    "_accounts": (
        "AzureCliAuthentication InteractiveLoginAuthentication Keyvault MsiAuthentication ResourceConfiguration "
        "ServicePrincipalAuthentication set_diagnostics_collection"
    ),
    "_estimators": "Chainer Estimator Gloo MMLBaseEstimator Mpi Nccl ParameterServer PyTorch SKLearn TensorFlow",
    "_models": "Model",
    "_pipeline_runs": "HyperDriveStepRun PipelineRun StepRun",
    "_pipelines": (
        "AdlaStep AzureBatchStep CommandStep DataReference DataTransferStep DatabricksStep DatasetConsumptionConfig "
        "EstimatorStep HyperDriveStep KustoStep ModuleStep MpiStep OutputFileDatasetConfig ParallelRunConfig "
        "ParallelRunStep Pipeline PipelineData PipelineParameter PipelineStep PythonScriptStep RScriptStep "
        "StepSequence SynapseSparkStep TrainingOutput"
    ),
    "_runs": "Experiment HyperDriveRun Run",
    "_tables": "FileDataset FileDatasetFactory TabularDataset TabularDatasetFactory",
    "core.compute": "AmlCompute ComputeInstance ComputeTarget",
    "core.conda_dependencies": "CondaDependencies",
    "core.dataset": "Dataset",
    "core.datastore": "AzureBlobDatastore Datastore",
    "core.environment": "Environment",
    "core.runconfig": (
        "DataPath DockerConfiguration EnvironmentDefinition MpiConfiguration PyTorchConfiguration RunConfiguration "
        "TensorflowConfiguration"
    ),
    "core.script_run_config": "ScriptRunConfig",
    "core.workspace": "Workspace",
    "widgets": "RunDetails",
}
WORKS = {name: home for home, names in _HOMES.items() for name in names.split()}
"""Names that are written here, and the module of the mirror that has them; the SDK offers many in several places."""


def answer(name: str) -> str:
    """Returns the sentence for a name of the SDK that nothing here stands for.

    Args:
        name: Full name, such as ``azureml.core.webservice.AciWebservice``.
    """
    start = max((start for start in _WAYS_OUT if f"{name}.".startswith(f"{start}.")), key=len)
    return f"{name.removeprefix('azureml.')}: {_WAYS_OUT[start]}"
