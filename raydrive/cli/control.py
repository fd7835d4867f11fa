"""``doctor`` and ``log``."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raydrive.api.display.text import one_line
from raydrive.cli.console import (
    AddressOption,
    Format,
    OutputOption,
    StorageOption,
    command,
    emit,
    resolve,
)
from raydrive.cli.submit import load
from raydrive.cli.wrapped import columns_of_terminal
from raydrive.core.errors import RaydriveError

if TYPE_CHECKING:
    from raydrive.core.config.trial_spec import Resources


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for function in (doctor, log):
        command(app, function)


def log(
    values: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="One or more metrics, such as accuracy=0.93.")
    ],
) -> int:
    """Log metrics from inside a trial, from a script in any language."""
    from raydrive.log_command import log_main  # lazy: raydrive.log_command, 0.001 s

    return log_main(values)


def doctor(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG", help="A sweep file: show how many of its trials fit at once.", show_default=False
        ),
    ] = None,
    address: AddressOption = None,
    storage: StorageOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Check versions, storage and cluster, with a remedy for each problem."""
    reserved = load(config, (), ()).submission.config.trial.resources if config is not None else None
    rows = [_python(), *_libraries(), _bytecode(), _storage(storage), *_cluster(address, reserved)]
    if output is Format.TABLE:
        _print_checks(rows)
    else:
        emit(rows, output, name="checks", columns=("check", "ok", "found", "advice"))
    return 0 if all(row["ok"] for row in rows) else 5


def _print_checks(rows: list[dict[str, Any]]) -> None:
    """Prints a line for each check, as wide as the terminal; what to do is below what was found."""
    from raydrive.api.display.fitted_lines import fitted_pair  # lazy: rich, 0.02 s

    width = max(len(row["check"]) for row in rows)
    for row in rows:
        start = f"{row['check']:<{width}}  {'yes' if row['ok'] else 'NO ':<3}  "
        for line in fitted_pair(start, one_line(row["found"]), columns_of_terminal()):
            print(line)
        if row["advice"]:
            for line in fitted_pair(" " * (len(start) - 2) + "> ", one_line(row["advice"]), columns_of_terminal()):
                print(line)


def _check(check: str, ok: bool, found: str, advice: str = "") -> dict[str, Any]:
    return {"check": check, "ok": ok, "found": found, "advice": "" if ok else advice}


def _python() -> dict[str, Any]:
    found = f"{platform.python_version()} at {sys.executable}"
    return _check("python", (3, 10) <= sys.version_info[:2] <= (3, 13), found, "Use Python 3.10 to 3.13.")


def _libraries() -> list[dict[str, Any]]:
    rows = []
    for name in ("raydrive", "ray", "numpy", "scipy", "scikit-learn", "pyarrow"):
        try:
            rows.append(_check(name, True, metadata.version(name)))
        except metadata.PackageNotFoundError:
            rows.append(_check(name, False, "not installed", f"pip install {name}"))
    return rows


def _bytecode() -> dict[str, Any]:
    spec = importlib.util.find_spec("ray")
    compiled = spec is not None and spec.cached is not None and os.path.exists(spec.cached)
    advice = "Run 'python -m compileall' on the environment: every worker compiles Ray again (starts 2-4 times slower)."
    return _check("compiled bytecode", compiled, "yes" if compiled else "no", advice)


def _storage(flag: str | None) -> dict[str, Any]:
    from raydrive.settings.nearest import DEFAULT_STORAGE, read_place  # lazy: raydrive.settings.nearest, 0.001 s
    from raydrive.storage.check_storage import check_usable  # lazy: raydrive.storage.check_storage, 0.01 s
    from raydrive.storage.folder.open import open_folder  # lazy: raydrive.storage.folder.open, 0.005 s

    where = resolve(flag, "RAYDRIVE_STORAGE", "--storage", read_place().storage, DEFAULT_STORAGE)
    try:
        folder = open_folder(where or DEFAULT_STORAGE)
        check_usable(folder, thorough=True)
    except RaydriveError as error:
        return _check("storage", False, str(where), str(error))
    return _check("storage", True, f"{folder.uri}: write, read and delete work")


def _cluster(flag: str | None, reserved: Resources | None) -> list[dict[str, Any]]:
    from raydrive.settings.nearest import read_place  # lazy: raydrive.settings.nearest, 0.001 s

    place = read_place()
    address = resolve(flag, "RAY_ADDRESS", "--address", place.address)
    if address in (None, "local"):
        found = f"none given; runs start an embedded one, with {os.cpu_count()} cores"
        return [_check("cluster", True, found), _embedded(place.plain_ray), *_fits(reserved, None)]
    from raydrive.runtime.ray_cluster import (
        connection as ray_connection,  # lazy: raydrive.runtime.ray_cluster.connection, 0.008 s
    )

    try:
        connection = ray_connection.connect(address, plain_ray=place.plain_ray)
    except RaydriveError as error:
        return [_check("cluster", False, str(address), str(error))]
    rows = [_check("cluster", True, connection.address)]
    alive = ray_connection.nodes()
    rows += [_check(f"node {name}", True, ray_connection.describe(totals)) for name, totals in alive]
    rows += _fits(reserved, [totals for _, totals in alive])
    with contextlib.suppress(Exception):  # leaving is best effort: the report is what counts
        ray_connection.disconnect()
    return rows


def _fits(reserved: Resources | None, totals: list[dict[str, float]] | None) -> list[dict[str, Any]]:
    """How many trials of a sweep file fit at once, or of a few numbers of nodes; on this machine without totals."""
    if reserved is None and totals is None:
        return []
    from raydrive.core.config.distribution import reservation  # lazy: raydrive.core.config.distribution, 0.005 s
    from raydrive.runtime.gang.placement import gangs_that_fit  # lazy: raydrive.runtime.gang.placement, 0.001 s
    from raydrive.runtime.gang.reasons import fits_by_nodes, why_never  # lazy: raydrive.runtime.gang.reasons, 0.005 s
    from raydrive.runtime.ray_cluster import (
        connection as ray_connection,  # lazy: raydrive.runtime.ray_cluster.connection, 0.008 s
    )

    if totals is None:
        here = ray_connection.machine_totals()
        totals = [here] if here is not None else []
    if not totals:
        return []
    if reserved is None:
        return [
            _check(f"trials of {count} node{'s' * (count != 1)}", True, text) for count, text in fits_by_nodes(totals)
        ]
    wanted = ray_connection.demand(reserved)
    if reserved.nodes > 1:
        never = why_never(reserved, wanted, totals)
    else:
        never = None if ray_connection.fitting(wanted, totals) else ("", "Lower what a trial reserves.")
    fits = gangs_that_fit(wanted, reserved.nodes, reserved.strategy, totals)
    found = f"{fits} at once, if nothing else runs on these machines; each reserves {reservation(reserved)}"
    return [_check("trials of the sweep", never is None, found, never[1] if never else "")]


def _embedded(plain_ray: bool | None) -> dict[str, Any]:
    from raydrive.runtime.ray_cluster.embedded_ray import (
        choose_start,  # lazy: raydrive.runtime.ray_cluster.embedded_ray, 0.001 s
    )

    try:
        return _check("embedded Ray", True, str(choose_start(plain_ray)))
    except ImportError as error:  # no Ray, or half of one
        return _check("embedded Ray", False, str(error), "pip install 'ray[default]'")
