"""``edit``: other limits, another policy, another search space, for an active run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raydrive.cli.console import AddressOption, Format, OutputOption, RunArgument, StorageOption, only_data, say
from raydrive.cli.runs import open_run
from raydrive.cli.user_requests.answers import dashboard, print_answer
from raydrive.core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun


def edit(
    run_name: RunArgument,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A key of a sweep file and its new value, such as limits.timeout=3600."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="SWEEP.yml", help="A changed sweep file.", show_default=False),
    ] = None,
    rest: Annotated[
        bool, typer.Option("--rest", help="With -f: skip the keys that cannot be edited, and apply the other changes.")
    ] = False,
    rejudge: Annotated[
        bool, typer.Option("--rejudge", help="Apply the policy to all running trials now, not at their next report.")
    ] = False,
    expect_revision: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Refuse the edit if the run has been edited since this revision.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; record nothing.")] = False,
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Change a run while it is active: limits, policy, sampling, search space, resources, rules."""
    from raydrive.api.user_requests.request_methods import (
        edit_run,  # lazy: raydrive.api.user_requests.request_methods, 0.06 s
    )

    if bool(settings) == bool(file):
        allowed = "one of the two: --set KEY=VALUE, or -f SWEEP.yml"
        raise ConfigError(Problem("edit", "both" if file else "neither --set nor -f", allowed))
    run = open_run(run_name, storage)
    patch = _of_file(run, file, rest=rest) if file is not None else _of_settings(run, settings or [])
    if expect_revision is None and patch.keys() & {"policy", "sampling", "rules"}:
        expect_revision = run.revision  # made from what the run had when it was read: another edit must not be undone
    request = {"patch": patch, "rejudge": rejudge, "expect_revision": expect_revision}
    with only_data():
        answer = edit_run(run.reader, request, dry_run=dry_run, address=dashboard(address))
    return print_answer(run.id, answer, output, dry_run=dry_run)


def _of_settings(run: HyperDriveRun, settings: list[str]) -> dict[str, Any]:
    from raydrive.core.user_requests.edit_checks import (
        effective,  # lazy: raydrive.core.user_requests.edit_checks, 0.02 s
    )
    from raydrive.sweepfile.edits.patches import patch_of_settings  # lazy: pydantic, 0.1 s

    return patch_of_settings(effective(run.sweep), settings)


def _of_file(run: HyperDriveRun, file: Path, *, rest: bool) -> dict[str, Any]:
    from raydrive.core.user_requests.edit_checks import (
        effective,  # lazy: raydrive.core.user_requests.edit_checks, 0.02 s
    )
    from raydrive.settings.nearest import nearest_settings  # lazy: raydrive.settings.nearest, 0.002 s
    from raydrive.sweepfile.edits.patches import edit_of_file  # lazy: pydantic, 0.1 s

    found = edit_of_file(effective(run.sweep), file, defaults=nearest_settings())
    if found.refused and not rest:
        if found.patch:
            say(
                "Nothing was changed: some of the changed keys cannot be edited. --rest skips them and applies the "
                "other changes."
            )
        raise ConfigError(found.refused)
    for problem in found.refused:
        say(f"Left out: {problem}")
    return dict(found.patch)
