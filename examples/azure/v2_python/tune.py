"""A sweep as Azure ML's SDK v2 writes it: `raydrive run-script tune.py` runs it unchanged."""

from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import AmlCompute, Model
from azure.ai.ml.sweep import BanditPolicy, Choice, LogUniform
from azure.identity import DefaultAzureCredential

ml_client = MLClient.from_config(credential=DefaultAzureCredential())
compute = AmlCompute(name="cpu-cluster", size="STANDARD_DS3_V2", max_instances=4)
ml_client.compute.begin_create_or_update(compute).result()

job = command(
    code="./src",
    command=(
        "python train.py --points ${{inputs.points}} --learning_rate ${{inputs.learning_rate}} "
        "--epochs ${{inputs.epochs}} --model ${{outputs.model}}"
    ),
    environment="AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest",
    inputs={"points": Input(type=AssetTypes.URI_FILE, path="points.csv"), "learning_rate": 0.05, "epochs": 10},
    outputs={"model": Output(type=AssetTypes.URI_FOLDER)},
    compute="cpu-cluster",
)

job_for_sweep = job(learning_rate=LogUniform(min_value=-5, max_value=-1.5), epochs=Choice(values=[10, 20]))
sweep_job = job_for_sweep.sweep(
    compute="cpu-cluster",
    sampling_algorithm="random",
    primary_metric="mean_squared_error",
    goal="Minimize",
    early_termination_policy=BanditPolicy(slack_factor=2, delay_evaluation=5),
)
sweep_job.set_limits(max_total_trials=6, max_concurrent_trials=2, timeout=3600)
sweep_job.experiment_name = "line"

returned = ml_client.create_or_update(sweep_job)
ml_client.jobs.stream(returned.name)
returned = ml_client.jobs.get(returned.name)
print(returned.status)
if returned.status == "Completed":
    best = returned.properties["best_child_run_id"]
    ml_client.jobs.download(returned.name, output_name="model")
    model = Model(path=f"azureml://jobs/{best}/outputs/model/paths/", name="line", type=AssetTypes.CUSTOM_MODEL)
    print(best, ml_client.models.create_or_update(model).id)
