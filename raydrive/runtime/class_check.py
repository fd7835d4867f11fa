"""Loads a submission's classes as its driver will, in a separate process, and reports what prevents it.

The process imports the user's code; the one that submits stays as it is. It reads what to load as JSON from its
standard input (``folder``, ``pickle``, ``policy``, ``sampling``, ``seed``, ``maximize``) and answers with a line of
JSON: ``policy`` and ``sampling`` as they are recorded, or ``problems``.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import ConfigError, Problem, UserCodeError, show
from raydrive.core.search.checked_sampler import building
from raydrive.core.search.sampling_record import sampling_record
from raydrive.core.user_classes import failure, own_method, type_name
from raydrive.package_path import code_of, python_command
from raydrive.runtime.user_classes import UserClasses, read_classes

ANSWER = "raydrive-classes: "
TIMEOUT_S = 120.0
"""Seconds that importing and building the classes may take."""
_BOOT = code_of(__name__, "module.main()")


def check(request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the records of policy and sampling after both were built in a new process.

    Args:
        request: ``folder``, the unpacked code, or ""; ``pickle``, the path of the classes that travel by value, or "";
            ``policy`` and ``sampling``, the records of those that are not raydrive's own, or None.

    Raises:
        ConfigError: With everything that keeps a driver from building them.
    """
    command = python_command(sys.executable, _BOOT)
    where = "policy" if request.get("policy") else "sampling"
    kind = show((request.get("policy") or request.get("sampling") or {}).get("type"))
    allowed = "a class that can be imported and built"
    try:
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        found = f"{kind}, which was not loaded within {TIMEOUT_S:.0f} s"
        raise ConfigError(
            Problem(where, found, allowed, "Move slow code from the constructor or module into a method.")
        ) from error
    lines = [line.removeprefix(ANSWER) for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if not lines:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        found = f"{kind}: the process that loaded it ended with exit code {done.returncode} and printed {show(last)}"
        raise ConfigError(Problem(where, found, allowed))
    answer: dict[str, Any] = json.loads(lines[-1])
    if "problems" in answer:
        raise ConfigError([Problem(**one) for one in answer["problems"]])
    return answer


def main() -> None:
    """What the new process does."""
    request = json.loads(sys.stdin.read())
    with contextlib.redirect_stdout(sys.stderr):  # what the user's modules print is not an answer
        answer = _answer(request)
    print(f"\n{ANSWER}{json.dumps(answer)}", flush=True)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    try:
        data = Path(request["pickle"]).read_bytes() if request["pickle"] else b""
        classes = UserClasses(read_classes(data), Path(request["folder"]) if request["folder"] else None)
    except ConfigError as error:
        return {"problems": [asdict(one) for one in error.problems]}
    for name in ("policy", "sampling"):
        if request[name] is None:
            continue
        try:
            found[name] = _checked(classes, name, request)
        except UserCodeError as error:
            problems.append(Problem(name, str(error), "a class that works"))
        except ConfigError as error:
            problems += error.problems
    return {"problems": [asdict(one) for one in problems]} if problems else found


def _checked(classes: UserClasses, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """A record after an object was built from it, recorded, and built again: nothing of it may be lost on the way."""
    raw = request[name]
    build: Any = classes.policy if name == "policy" else classes.sampling
    record: Any = policy_record if name == "policy" else sampling_record
    made = build(raw)
    written = record(made)
    again = build(written)
    if record(again) != written or _differs(made, again):
        found = f"{type_name(type(made))}, built again from {show(written)} as another object"
        fix = "Keep all state in the parameters, or define to_json() and a class method from_json(raw)."
        raise ConfigError(Problem(name, found, "an object that can be rebuilt from its recorded form", fix))
    if name == "policy" and own_method(type(made), "needs") is not None:
        try:
            made.needs()
        except (Exception, SystemExit) as error:
            raise failure(made, "needs", error) from error
    if name == "sampling":
        building(made)(request.get("seed", 0), request.get("maximize", True))
    return dict(written)


def _differs(one: Any, other: Any) -> bool:
    """Whether two objects are different by an ``==`` of their class; without one every object differs."""
    compares: Any = type(one).__eq__
    return compares is not object.__eq__ and bool(one != other)
