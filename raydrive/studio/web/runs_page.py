"""The list of runs of a storage, as a page without scripts."""

from __future__ import annotations

import html
import json
import time
from typing import Any

from raydrive.core.errors import StorageError
from raydrive.core.views.heartbeat import age_s
from raydrive.core.views.status import SILENT_S
from raydrive.storage.folder.base import redact
from raydrive.storage.opening import read_heartbeat
from raydrive.storage.run_layout import RunInfo, RunLayout, list_runs
from raydrive.studio.web.page import static

MOST_RUNS = 300


def runs_page(storage: str) -> tuple[str, str]:
    """Returns the page and its content-security policy.

    Args:
        storage: The workspace's storage.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    runs = list_runs(storage)[::-1]
    rows = "".join(_row(info) for info in runs[:MOST_RUNS])
    left = f"<p class=hint>The newest {MOST_RUNS} of {len(runs)} runs.</p>" if len(runs) > MOST_RUNS else ""
    table = (
        "<div class=scroll style='max-height:none'><table><thead><tr><th>run</th><th>experiment</th><th>state</th>"
        f"<th>metric</th><th>begun</th></tr></thead><tbody>{rows}</tbody></table></div>"
        if rows
        else "<p class=empty>No runs in this storage yet.</p>"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    place = html.escape(redact(str(storage)))
    # The dark theme by the system's wish alone: choosing it by hand needs a script, and this page has none.
    css = static("style.css")
    dark = css[css.index(':root[data-dark="yes"]') :].split("}", 1)[0].replace(':root[data-dark="yes"]', ":root") + "}"
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Runs · raydrive</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="15">'
        f'<link rel="icon" href="data:,"><style>{css} @media (prefers-color-scheme: dark) {{ {dark} }}</style></head>'
        f'<body><div id="app"><h1>Runs</h1><p class=hint>{place}</p><div class="card wide">{table}{left}</div></div>'
        "</body></html>",
        policy,
    )


def _row(info: RunInfo) -> str:
    layout = RunLayout.open(info.folder)
    try:
        config: dict[str, Any] = json.loads(layout.read_config())
        metric = f"{config['metric']['name']} ({config['metric']['goal']})"
        name = str(config.get("display_name") or "")
    except (StorageError, ValueError, KeyError, TypeError):
        metric, name = "(cannot be read)", ""
    beat = read_heartbeat(layout)
    state = str(beat.get("state", "")) or "–"
    silent = state in ("Running", "Queued") and age_s(beat, time.time()) > SILENT_S
    state = "NotResponding" if silent else state
    begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(info.created))
    link = html.escape(f"/runs/{info.experiment}/{info.run_id}", quote=True)
    shown = f"<br><span class=hint>{html.escape(name)}</span>" if name else ""
    return (
        f'<tr><td><a href="{link}">{html.escape(info.run_id)}</a>{shown}</td><td>{html.escape(info.experiment)}</td>'
        f'<td><span class="state {html.escape(state.lower(), quote=True)}">{html.escape(state)}</span></td>'
        f"<td>{html.escape(metric)}</td><td>{begun}</td></tr>"
    )
