"""What must work where nothing but the wheel is installed: one function per check, which returns what it saw.

A check of an installed raydrive takes an ``Installed`` and goes through what users see: the ``raydrive`` command, the
public names of the package, what is printed and kept.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from installed import ROOT, Failure, Installed, end, install, tail, wait_until

TOTAL = 20
"""Trials of the demo's sweep."""
INTERRUPTED = 6
"""Trials of the sweep that is interrupted."""
MODULES_OF_EXTRAS = (
    "optuna",
    "cmaes",
    "mlflow",
    "tensorboardX",
    "nbclient",
    "nbformat",
    "ipykernel",
    "textual",
    *("accelerate", "catboost", "keras", "lightgbm", "lightning", "pytorch_lightning", "transformers", "xgboost"),
    *("fsspec", "pandas", "hydra", "omegaconf"),
    "pytest",
    "hypothesis",
)
"""What a module of ours may miss in an environment without extras and test tools."""


def copy_project(folder: Path) -> None:
    """Copies the demo and the sweeps of ``project/`` into a folder, as a user would have them."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copytree(ROOT / "examples" / "digits", folder / "examples" / "digits")
    for path in (Path(__file__).parent / "project").iterdir():
        if path.is_file():
            shutil.copy(path, folder)


# --- the files -------------------------------------------------------------------------------------------------------


def package_files() -> set[str]:
    """The files of the package in the checkout, those that are ignored aside."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "raydrive", "hydra_plugins"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def wheel_holds_the_package(wheel: Path) -> str:
    """Every file of the package is in the wheel, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not re.match(r"raydrive-[^/]+\.dist-info/", name)}
    wanted = package_files()
    if inside != wanted:
        raise Failure(
            f"missing: {sorted(wanted - inside) or 'nothing'}; too much: {sorted(inside - wanted) or 'nothing'}"
        )
    return f"{len(inside)} files"


def source_distribution_holds_the_package(archive: Path) -> str:
    """Every file of the package is in the source distribution."""
    with tarfile.open(archive) as files:
        inside = {name.partition("/")[2] for name in files.getnames()}
    if missing := sorted(package_files() - inside):
        raise Failure(f"missing: {missing}")
    return f"{len(inside)} files"


# --- the package -----------------------------------------------------------------------------------------------------


def package_is_the_installed_one(here: Installed) -> str:
    """Python imports the installed package, and every public name is there."""
    names = "[getattr(raydrive, name) for name in raydrive.__all__]"
    where, count = here.run("python", "-c", f"import raydrive; print(raydrive.__file__, len({names}))").split()
    if not Path(where).resolve().is_relative_to(here.environment.resolve()):
        raise Failure(f"{where} is imported, not what is installed in {here.environment}")
    return f"{count} public names"


def every_module_imports(here: Installed) -> str:
    """Each module of the package finds all that it imports; only extras and test tools may be missing."""
    program = f"""
import importlib, pkgutil, raydrive
count, wrong = 0, []
for module in pkgutil.walk_packages(raydrive.__path__, "raydrive."):
    if module.name.startswith("raydrive.training") or module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
        count += 1
    except ImportError as error:
        missing = error.name or getattr(error.__cause__, "name", None) or ""
        if missing.partition(".")[0] not in {MODULES_OF_EXTRAS!r} and "import ray.train" not in str(error):
            wrong.append(f"{{module.name}}: {{error}}")
print(count, *wrong, sep="\\n")
"""
    count, *wrong = here.run("python", "-c", program).splitlines()
    if wrong:
        raise Failure("; ".join(wrong))
    return f"{count} modules"


def version(here: Installed) -> str:
    """``raydrive --version`` names raydrive, Python and Ray."""
    said = here.run("raydrive", "--version").strip()
    if not re.fullmatch(r"raydrive \d\S* \(Python 3\.\d+\.\S+, Ray \d\S*\)", said):
        raise Failure(f"it printed {said!r}")
    return said


def schema(here: Installed) -> str:
    """``raydrive schema`` prints the JSON Schema of a sweep file."""
    title = json.loads(here.run("raydrive", "schema"))["title"]
    if title != "raydrive sweep":
        raise Failure(f"its title is {title!r}")
    return str(title)


def doctor(here: Installed) -> str:
    """``raydrive doctor`` has nothing to object to."""
    here.run("raydrive", "doctor")
    return "nothing to object to"


# --- runs ------------------------------------------------------------------------------------------------------------


def status_is(here: Installed, trials: int, run: str = "last", **variables: str) -> dict[str, object]:
    """Returns the status of a run that is to be complete.

    Raises:
        Failure: If it is not, or some of its trials failed.
    """
    status = here.ask("status", run, **variables)
    found = (status["status"], status["trials"], status["failed"])
    if found != ("Completed", trials, 0):
        failed = [one["why"] for one in here.ask("trials", run, **variables)["trials"] if one["state"] == "Failed"]
        raise Failure("the run is {}, with {} trials, {} of them failed{}".format(*found, f": {failed}" * bool(failed)))
    return status


def demo(here: Installed) -> str:
    """The demo's sweep finds a good model."""
    here.run("raydrive", "submit", "configs/digits.yaml")
    status_is(here, TOTAL)
    best = here.ask("best")
    kept = Path(best["artifacts"]) / "model.joblib"
    if best["value"] < 0.95 or not kept.is_file():
        raise Failure(f"best accuracy {best['value']}, {kept} {'is' if kept.is_file() else 'is not'} there")
    return f"{TOTAL} trials, best accuracy {best['value']:.3f}"


def resume(here: Installed) -> str:
    """A sweep that Ctrl-C ended in the middle goes on, and does no trial again that was over."""
    shorter = ["--set", f"limits.max_total_trials={INTERRUPTED}", "--set", "limits.max_concurrent_trials=2"]
    first_end = re.compile(r"trial \d+ (Completed|Canceled)")
    sweep = here.start("raydrive", "submit", "configs/digits.yaml", *shorter, log="interrupted.log")
    try:
        wait_until(
            lambda: first_end.search(here.read("interrupted.log")) or sweep.poll() is not None,
            "the end of a first trial",
        )
    finally:
        code = end(sweep)
    if code != 130:
        raise Failure(f"after SIGINT submit ended with {code}, not 130:\n{tail(here.read('interrupted.log'))}")
    before = here.ask("status")
    if before["status"] != "Interrupted" or not 0 < before["trials"] < INTERRUPTED:
        raise Failure(f"the interrupted run is {before['status']}, {before['trials']} of its trials are over")
    over = {one["trial"]: one for one in here.ask("trials")["trials"] if one["state"] in ("Completed", "Canceled")}
    here.run("raydrive", "resume", "last")
    status_is(here, INTERRUPTED)
    after = {one["trial"]: one for one in here.ask("trials")["trials"]}
    if again := [number for number, one in over.items() if after[number] != one]:
        raise Failure(f"of the trials that were over these are not as they were: {again}")
    return f"interrupted with {before['trials']} of {INTERRUPTED} trials over"


def reading_commands(here: Installed) -> str:
    """The commands that read a run have something to show, and no objection."""
    commands = [
        "list",
        "trials",
        "logs last 0",
        "whatif last --policy median_stopping",
        "export last --to csv --output exported",
    ]
    for command in commands:
        here.run("raydrive", *command.split())
    if not here.run("raydrive", "list").strip() or not list((here.folder / "exported").iterdir()):
        raise Failure("list printed nothing, or the export is empty")
    return f"{len(commands)} commands"


def is_in_the_page(page: str) -> str:
    """Checks that the page of a run holds all of the studio's own files, and plotly.js; returns how many.

    Raises:
        Failure: If one of them is missing.
    """
    files = [ROOT / name for name in package_files() if name.endswith((".js", ".css"))]
    own = [path for path in files if path.name != "runs.js"]  # that of the list of runs
    for path in own:
        lines = [line for line in path.read_text().splitlines() if not line.startswith(("import ", "export "))]
        if max(lines, key=len) not in page:
            raise Failure(f"{path.name} is not in the page")
    return f"{len(own)} own files"


def report(here: Installed) -> str:
    """``raydrive report`` writes a page that needs no other file."""
    here.run("raydrive", "report", "last", "--output", "report.html")
    page = (here.folder / "report.html").read_text()
    if "plotly.js v" not in page:
        raise Failure("plotly.js is not in the page")
    return f"{is_in_the_page(page)}, {len(page) / 1e6:.1f} MB"


def studio(here: Installed) -> str:
    """``raydrive studio`` serves the list of runs, the page of one, and plotly.js."""
    server = here.start("raydrive", "studio", "--port", "0", "--no-browser", log="studio.log")
    try:
        address = wait_until(lambda: re.search(r"http://[^/\s]+/", here.read("studio.log")), "the studio's address")[0]
        pages = [address, f"{address}static/plotly.min.js"]
        runs, plotly = (_get(page) for page in pages)
        run = str(here.ask("status")["run"])
        link = re.search(rf'href="/?([^"]*{run}[^"]*)"', runs)
        if link is None or len(plotly) < 1_000_000:
            raise Failure(f"the run is {'not ' if link is None else ''}in the list; plotly.js has {len(plotly)} bytes")
        return is_in_the_page(_get(address + link[1]))
    finally:
        end(server)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def ways_to_log(here: Installed) -> str:
    """Scripts log with raydrive, with Azure's names, with MLflow, and by ``raydrive log``.

    MLflow is installed now: in all other checks the environment holds nothing but what raydrive itself asks for.
    """
    install(here.environment, "mlflow-skinny>=3.1")
    here.run("raydrive", "submit", "ways.yaml")
    status_is(here, 4)
    values = {one["params"]["how"]: one["best"] for one in here.ask("trials")["trials"]}
    if wrong := [how for how in ("raydrive", "azureml", "mlflow", "command") if abs((values[how] or 0) + 0.04) > 1e-9]:
        raise Failure(f"what was logged by {' and '.join(wrong)} did not arrive: {values}")
    return ", ".join(values)


def by_a_dashboard(here: Installed) -> str:
    """A run is submitted through a dashboard: a Ray job starts its driver by ``python -m``."""
    gcs, web, agent = (_free_port() for _ in range(3))
    with tempfile.TemporaryDirectory(
        prefix="rd-", dir="/tmp", ignore_cleanup_errors=True
    ) as rays:  # short, for sockets
        options = f"--head --block --num-cpus=2 --node-ip-address=127.0.0.1 --port={gcs} --include-dashboard=true"
        options += f" --dashboard-host=127.0.0.1 --dashboard-port={web} --dashboard-agent-listen-port={agent}"
        options += f" --temp-dir={rays} --disable-usage-stats"
        head = here.start("ray", "start", *options.split(), log="head.log")
        try:
            wait_until(lambda: _listen(web, agent) or head.poll() is not None, "the start of the dashboard")
            storage = str(here.folder / "shared")
            where = ["--address", f"http://127.0.0.1:{web}", "--storage", storage]
            here.run("raydrive", "submit", "ways.yaml", *where, "--set", "search_space.how.values=[command]")
            status_is(here, 1, RAYDRIVE_STORAGE=storage)
        finally:
            end(head, signal.SIGTERM, whole_group=False)  # Ray ends its processes in an order of its own
    return "1 trial"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listen(*ports: int) -> bool:
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return False
    return True


def bayesian(here: Installed) -> str:
    """Bayesian sampling finds the top of a parabola, as sixteen random trials would not."""
    here.run("raydrive", "submit", "bayesian.yaml")
    status_is(here, 16)
    best = here.ask("best")
    if abs(best["params"]["x"] - 0.3) > 0.03:
        raise Failure(f"the best x is {best['params']['x']:.3f}; 0.3 is right")
    return f"best x {best['params']['x']:.4f}"


def object_store(here: Installed, url: str) -> str:
    """A run is kept in an S3 bucket: its record, and what its trials leave."""
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": url,
        "RAYDRIVE_STORAGE": f"s3://bucket/{here.environment.name}",
    }
    here.run("raydrive", "submit", "configs/digits.yaml", "--set", "limits.max_total_trials=3", **variables)
    status_is(here, 3, **variables)
    files = here.ask("best", **variables)["files"]
    if "outputs/model.joblib" not in files:
        raise Failure(f"of the best trial these files are kept: {files}")
    return f"3 trials, {len(files)} files of the best one"


def quiet_terminal(here: Installed) -> str:
    """Nothing warns a user who calls ``tune()``, nor our actors one who has called ``ray.init()``."""
    program = (
        "import sys, ray, raydrive as rd\n"
        "def train(params):\n"
        "    rd.Run.get_context().log('score', params['x'])\n"
        "if len(sys.argv) > 1:\n"
        "    ray.init(num_cpus=2, include_dashboard=False)\n"
        "rd.tune(train, {'x': rd.uniform(0, 1)}, metric='score', max_total_runs=2, show_output=False)\n"
    )
    (here.folder / "tune.py").write_text(program)
    for arguments in ((), ("own",)):
        tune = here.start("python", "tune.py", *arguments, log="tune.log")
        if code := tune.wait(120):
            raise Failure(f"tune.py ended with {code}:\n{tail(here.read('tune.log'))}")
        lines = here.read("tune.log").splitlines()
        shown = [line for line in lines if "pid=" in line or not arguments]  # of actors, or all
        if any("warning" in line.lower() for line in shown):
            raise Failure(f"tune.py printed:\n{tail(here.read('tune.log'))}")
    return "no warning"


Check = Callable[[Installed], str]
IN_WHEEL_TEST: tuple[Check, ...] = (
    *(package_is_the_installed_one, every_module_imports, version, schema, doctor),
    *(resume, demo, reading_commands, report, studio, bayesian, quiet_terminal, by_a_dashboard, ways_to_log),
)
"""What ``make wheel-test`` tries, in this order: what reads a run reads the one before it."""
