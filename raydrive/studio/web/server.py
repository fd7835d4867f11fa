"""The live studio: one page, its data, and a stream of changes that a browser resumes where it was cut off.

It reads storage and nothing else, so it shows a run on this machine, on a bucket or on a dead cluster alike, and
viewers cost the run nothing. The one exception is ``--allow-control``, which passes requests on to the run's driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import hmac
import json
import re
import secrets
import sys
import traceback
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from raydrive.api.display.self_contained_html import plotly_js
from raydrive.core.early_stopping.policies import policy_from_json
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import (
    ConfigError,
    Problem,
    RaydriveError,
    RefusedFileError,
    RunNotFoundError,
    TrialError,
    show,
)
from raydrive.storage.rank_logs import last_rank_logs
from raydrive.storage.run_reader import RunReader
from raydrive.storage.trial_files import read_log
from raydrive.studio.web.compare_page import compare_page
from raydrive.studio.web.download import send_file
from raydrive.studio.web.live_feed import Feed, Hub
from raydrive.studio.web.page import live_page
from raydrive.studio.web.plain_page import POLICY
from raydrive.studio.web.runs_page import RunStates, runs_page

MOST_DIGITS = 18
"""Of a number in a request; Python refuses to read one of more than 4,300, and files one of more than 19."""
KEEP_ALIVE_S = 15.0
LOG_BYTES = 256 << 10
LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "raydrive_studio"
_HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
_STATES: web.AppKey[RunStates] = web.AppKey("states", RunStates)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How to serve."""

    storage: str
    host: str = "127.0.0.1"
    port: int = 0
    """0 = any free one."""
    token: str = ""
    """Asked of every viewer; one is made up where the host is not this machine."""
    allow_control: bool = False
    """Whether viewers may change runs: pause, edit, cancel them, stop and retry trials, note something."""
    address: str | None = None
    """That of a dashboard, where nothing else of the cluster can be reached: requests go there."""

    @property
    def local(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in LOOPBACK


def make_app(settings: ServerSettings) -> web.Application:
    """Returns the application.

    Args:
        settings: How to serve; its token is asked for if there is one.
    """
    app = web.Application(middlewares=[_guard(settings), _errors])
    app[_HUB] = Hub(settings.storage)
    app[_STATES] = RunStates()
    app.on_response_prepare.append(_harden)
    app.on_shutdown.append(_close)
    run = "/runs/{experiment}/{run}"
    routes: list[tuple[str, Handler]] = [
        ("/", _runs),
        ("/compare", _compare),
        ("/static/plotly.min.js", _plotly),
        (run, _page(settings)),
        (f"{run}/document", _document),
        (f"{run}/events", _events),
        (f"{run}/trials/{{number}}", _trial),
        (f"{run}/trials/{{number}}/log", _log),
        (f"{run}/trials/{{number}}/file", _file),
        (f"{run}/series", _series),
        (f"{run}/analysis", _analysis),
        (f"{run}/whatif", _whatif),
    ]
    app.add_routes([web.get(path, handler) for path, handler in routes])
    if settings.allow_control:
        app.add_routes([web.post(f"{run}/control", _control(settings.address))])
    return app


async def _close(app: web.Application) -> None:
    await app[_HUB].close()


def serve(settings: ServerSettings, path: str, *, open_browser: bool, say: Callable[[str], None]) -> int:
    """Serves until interrupted.

    Args:
        settings: How to serve.
        path: Page to open, below the root.
        open_browser: Whether to open a browser window.
        say: Prints talk; the address itself goes to stdout.
    """
    if not settings.local and not settings.token:
        settings = replace(settings, token=secrets.token_urlsafe(16))
    try:
        asyncio.run(_serve(settings, path, open_browser, say))
    except KeyboardInterrupt:
        say("The studio is closed; runs continue.")
    return 0


async def _serve(settings: ServerSettings, path: str, open_browser: bool, say: Callable[[str], None]) -> None:
    runner = web.AppRunner(make_app(settings), access_log=None, shutdown_timeout=2.0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise RaydriveError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. Hint: --port 0 uses any free port"
        ) from error
    port = runner.addresses[0][1]
    shown = "localhost" if settings.host in ("0.0.0.0", "::", *LOOPBACK) else settings.host
    url = f"http://{shown}:{port}/{path}{f'?token={settings.token}' if settings.token else ''}"
    print(url, flush=True)
    say("Ctrl-C closes the studio; runs continue.")
    if settings.allow_control:
        say("Viewers may change runs: pause, edit and cancel them, stop and retry trials.")
    if open_browser and settings.local and sys.stdout.isatty():
        await asyncio.to_thread(webbrowser.open, url)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _guard(settings: ServerSettings) -> Any:
    """Who may look: the bearer of the token; without one, requests whose Host is this machine (no DNS rebinding)."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if settings.token:
            given = request.query.get("token") or request.cookies.get(COOKIE, "")
            given = given or request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), settings.token.encode()):
                raise web.HTTPUnauthorized(text="This studio requires a token: open the address that it printed.\n")
            if request.query.get("token") and request.method == "GET":
                # The token leaves the address bar, and with it the history. Two slashes would name another host.
                moved = web.HTTPFound(re.sub(r"^[/\\]*", "/", request.rel_url.raw_path))
                moved.set_cookie(COOKIE, settings.token, httponly=True, samesite="Strict", path="/")
                raise moved
        elif (request.url.host or "") not in LOOPBACK:
            raise web.HTTPForbidden(text="Open this studio as http://localhost or with a token (--token).\n")
        return await handler(request)

    return guard


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says to the browser, streams included."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RunNotFoundError as error:
        return _json({"error": str(error)}, 404)
    except RefusedFileError as error:
        return _json({"error": str(error)}, 403)
    except ConfigError as error:
        return _json({"error": str(error)}, 400)
    except RaydriveError as error:
        return _json({"error": str(error)}, 502)
    except web.HTTPException:
        raise
    except Exception as error:  # a bug of ours: the viewer gets a sentence, the terminal the traceback
        traceback.print_exc()
        return _json({"error": f"raydrive failed with {type(error).__name__}: {error}"}, 500)


def _json(value: Any, status: int = 200) -> web.Response:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), allow_nan=False, default=str)
    return web.Response(text=text, status=status, content_type="application/json")


async def _feed(request: web.Request) -> Feed:
    return await request.app[_HUB].feed(request.match_info["experiment"], request.match_info["run"])


def _number(text: str, feed: Feed) -> int:
    number = _whole(text)
    if number is None or number >= len(feed.history.pasts):
        shown = text if len(text) <= 40 else f"{text[:40]}... ({len(text)} characters)"
        raise web.HTTPNotFound(text=json.dumps({"error": f"no trial {shown}"}), content_type="application/json")
    return number


def _whole(text: str) -> int | None:
    """A number of a request, of at most ``MOST_DIGITS`` digits; None for everything else."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


async def _runs(request: web.Request) -> web.Response:
    text, policy = await asyncio.to_thread(runs_page, request.app[_HUB].storage, request.app[_STATES])
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})


async def _compare(request: web.Request) -> web.Response:
    wanted = request.query.getall("run", [])
    text = await asyncio.to_thread(compare_page, request.app[_HUB].storage, wanted)
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})


@functools.cache
def _plotly_gzip() -> bytes:
    return gzip.compress(plotly_js().encode(), 6)


async def _plotly(request: web.Request) -> web.Response:
    headers = {"Cache-Control": "max-age=86400", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return web.Response(text=plotly_js(), content_type="text/javascript", headers=headers)
    body = await asyncio.to_thread(_plotly_gzip)
    return web.Response(body=body, content_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})


def _page(settings: ServerSettings) -> Handler:
    async def page(request: web.Request) -> web.Response:
        await _feed(request)
        title = f"{request.match_info['run']} · raydrive"
        text, policy = live_page(request.path, title, may_control=settings.allow_control)
        headers = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    return page


async def _document(request: web.Request) -> web.Response:
    feed = await _feed(request)
    return _json((await feed.since(-1, 0))[2])


async def _events(request: web.Request) -> web.StreamResponse:
    feed = await _feed(request)
    seen = request.headers.get("Last-Event-ID", "")
    generation, entry = -1, 0
    marks = [number for part in seen.split(".") if (number := _whole(part)) is not None]
    if seen.count(".") == 1 and len(marks) == 2:
        generation, entry = marks
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    await response.write(b"retry: 2000\n\n")
    with contextlib.suppress(ConnectionResetError):  # the viewer has left
        async with feed:
            state = ""
            while not feed.closed:
                if (f"{generation}.{entry}", state) != (feed.mark, feed.state):
                    state = feed.state
                    name, mark, text = await feed.since(generation, entry)
                    await response.write(f"event: {name}\nid: {mark}\ndata: {text}\n\n".encode())
                    generation, entry = map(int, mark.split("."))
                if not await feed.wait((f"{generation}.{entry}", state), KEEP_ALIVE_S):
                    await response.write(b": still here\n\n")
    return response


async def _trial(request: web.Request) -> web.Response:
    from raydrive.studio.data.trial_page import detail  # lazy: raydrive.studio.data.trial_page, 0.001 s

    feed = await _feed(request)
    number = _number(request.match_info["number"], feed)
    return _json(await feed.ask(lambda history, _: detail(history, number)))


async def _log(request: web.Request) -> web.Response:
    from raydrive.studio.data.trial_page import LOG_TAIL  # lazy: raydrive.studio.data.trial_page, 0.001 s

    feed = await _feed(request)
    number = _number(request.match_info["number"], feed)
    start, rank = _whole(request.query.get("from", "")), request.query.get("rank", "")
    trial, limit = feed.history.sweep.trials[number], feed.history.config.trial.log_limit
    place = (feed.layout, number, max(1, trial.attempt))
    if rank == "all":  # not from a byte on: the end of all logs, each time
        text = await asyncio.to_thread(last_rank_logs, *place, LOG_TAIL, limit)
        return _json({"text": text, "over": not trial.open})
    one = _whole(rank) or 0
    data, end = await asyncio.to_thread(read_log, *place, -LOG_TAIL if start is None else start, LOG_BYTES, one)
    return _json({"text": data.decode("utf-8", "replace"), "to": end, "over": not trial.open})


async def _file(request: web.Request) -> web.StreamResponse:
    feed = await _feed(request)
    try:
        return await send_file(
            request, feed.layout, _number(request.match_info["number"], feed), request.query.get("name", "")
        )
    except TrialError as error:
        return _json({"error": str(error)}, 404)


async def _series(request: web.Request) -> web.Response:
    feed = await _feed(request)
    name = request.query.get("name", "")
    return _json(await feed.ask(lambda _, documents: documents.series(name)))


async def _analysis(request: web.Request) -> web.Response:
    from raydrive.core.views.importance import analyse  # lazy: numpy, 0.05 s

    feed = await _feed(request)
    return _json(await feed.ask_once("analysis", lambda history, _: analyse(history.sweep)))


async def _whatif(request: web.Request) -> web.Response:
    from raydrive.studio.data.whatif import what_if  # lazy: raydrive.studio.data.whatif, 0.002 s

    feed = await _feed(request)
    raw = request.query.get("policy", "")
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ConfigError(Problem("policy", repr(raw[:200]), "JSON")) from error
    policy = policy_from_json(parsed, "policy")
    return _json(
        await feed.ask_once(f"whatif {policy_record(policy)}", lambda history, _: what_if(history, policy).to_json())
    )


def _control(address: str | None) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        """Passes a request to the driver. The header keeps other sites' pages out: browsers ask before they send it."""
        if request.headers.get("X-Raydrive") != "control":
            raise web.HTTPForbidden(text="The header X-Raydrive is missing.\n")
        from raydrive.api.user_requests.steer import steer, who  # lazy: raydrive.api.user_requests.steer, 0.06 s

        feed = await _feed(request)
        try:
            asked = await request.json()
        except (ValueError, RecursionError) as error:
            raise ConfigError(Problem("request", "no JSON", 'an object such as {"do": "pause"}')) from error
        if not isinstance(asked, dict):
            raise ConfigError(Problem("request", show(asked), 'an object such as {"do": "pause"}'))
        run = await asyncio.to_thread(RunReader.open, feed.layout)
        asked = {**asked, "by": f"studio, {who()}"}
        answer = await asyncio.to_thread(steer, run, asked, address=address)
        return _json(answer.to_json())

    return handle
