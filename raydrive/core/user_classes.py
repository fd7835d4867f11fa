"""Policies and ways of sampling that are not raydrive's own: how they are recorded, and built again.

raydrive's own classes are recorded by a short name (``bandit``). Any other class, a subclass of one of them included,
is recorded as ``module:QualName`` with its parameters, and the run's driver builds it again from that. A reader has
only the record: ``RecordedPolicy``, ``RecordedSampling``.

What the parameters of an object are: what its own ``to_json`` returns; without one, the arguments of its constructor,
each read from the attribute of the same name, as a dataclass has them. It is built again by its own ``from_json(raw)``;
without one, by its constructor.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from types import FrameType, TracebackType
from typing import Any, TypeVar

from raydrive.core.dataclass_checks import wrong_arguments
from raydrive.core.errors import ConfigError, Problem, UserCodeError, did_you_mean, show

V = TypeVar("V")
REFERENCE = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\s:]+$"
"""A regular expression for ``module:QualName``."""
_PACKAGE = __name__.partition(".")[0]
_PROTOCOL = "Make it a dataclass, or add to_json() and a class method from_json(raw) to the class."
FindClass = Callable[[str], "type | None"]
"""Returns the class of a recorded type, or None where there is none of that name."""


def is_reference(kind: object) -> bool:
    """Whether a recorded type is ``module:QualName``."""
    return isinstance(kind, str) and re.search(REFERENCE, kind) is not None


def meant_class(name: object) -> str:
    """Returns advice where a class is named in another way than ``module:Class``: ``plateau.Plateau``; else nothing.

    Args:
        name: What is there as a type.
    """
    if not isinstance(name, str):
        return ""
    path = re.sub(r"\.py(?=[.:]|$)", "", name.strip().removeprefix("./").replace("/", "."))
    module, _, kind = path.replace(":", ".").rpartition(".")
    if not module or (path == name and is_reference(path)) or not is_reference(f"{module}:{kind}"):
        return ""
    return f"Did you mean '{module}:{kind}'? A colon separates the module from the class."


def type_name(kind: type) -> str:
    """Returns ``module:QualName`` of a class."""
    return f"{kind.__module__}:{kind.__qualname__}"


def is_own(kind: type) -> bool:
    """Whether a class is one of this package, which has a short name."""
    return kind.__module__.partition(".")[0] == _PACKAGE


def own_method(kind: type, name: str) -> Any:
    """Returns a method that a class, or a base of it outside this package, defines; else None."""
    owner = next((base for base in kind.__mro__ if name in vars(base)), None)
    return None if owner is None or is_own(owner) else getattr(kind, name)


# --- to the record ---------------------------------------------------------------------------------------------------


def parameters_of(value: Any, reserved: Collection[str], where: str) -> dict[str, Any]:
    """Returns the parameters of an object as JSON values.

    Args:
        value: The object.
        reserved: Keys of the record that are not parameters.
        where: What the object is, for errors.

    Raises:
        ConfigError: If they cannot be determined, or are not JSON.
    """
    kind = type(value)
    if own_method(kind, "to_json") is not None:
        raw = value.to_json()
        if not isinstance(raw, Mapping):
            found = f"{type_name(kind)}.to_json(), which returns {show(raw)}"
            raise ConfigError(Problem(where, found, "a dict of parameters by name"))
        return _checked(recorded_parameters(raw, reserved), where)
    return constructor_arguments(value, reserved, where)


def constructor_arguments(value: Any, reserved: Collection[str], where: str) -> dict[str, Any]:
    """Returns the arguments of an object's constructor as JSON values, each read from the attribute of its name.

    Args:
        value: The object.
        reserved: Arguments that are left out.
        where: What the object is, for errors.

    Raises:
        ConfigError: If the object does not keep one of them, or one is not JSON.
    """
    kind, found, problems = type(value), dict[str, Any](), list[Problem]()
    for name in _accepted(kind):
        if hasattr(value, name) and name not in reserved:
            found[name] = getattr(value, name)
        elif name in ("type", "learns"):
            fix = "The record uses that name for something else: rename the argument."
            problems.append(Problem(f"{where}.{name}", f"an argument of {type_name(kind)}", "another name", fix))
        elif name not in reserved:
            text = f"an argument of {type_name(kind)} that its objects do not keep"
            fix = f"Set self.{name} in the constructor. Or: {_PROTOCOL[:1].lower()}{_PROTOCOL[1:]}"
            problems.append(Problem(f"{where}.{name}", text, f"an attribute {name}", fix))
    if problems:
        raise ConfigError(problems)
    return _checked(found, where)


def _checked(raw: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Parameters as JSON values, all of them looked at."""
    problems = [problem for name, item in raw.items() for problem in _not_json(name, item, where)]
    if problems:
        raise ConfigError(problems)
    return {name: _plain(item) for name, item in raw.items()}


def _accepted(kind: type) -> Iterator[str]:
    """Names of the arguments of a constructor, but for ``*args`` and ``**kwargs``."""
    for one in _signature(kind).parameters.values():
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            yield one.name


def _signature(kind: type) -> inspect.Signature:
    try:
        return inspect.signature(kind)
    except (TypeError, ValueError):  # a class without a signature takes nothing
        return inspect.Signature()


def _plain(value: Any) -> Any:
    """A number of another library as Python's own."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _not_json(name: str, value: Any, where: str) -> Iterator[Problem]:
    """What keeps a parameter from being recorded and read again as what it is."""
    allowed = "JSON: numbers, strings, true and false, None, lists and dicts of them"
    value = _plain(value)
    try:
        again = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        yield Problem(f"{where}.{name}", f"{show(value)} ({error})", allowed, _PROTOCOL)
        return
    if again != value:
        fix = f"It would be restored as {show(again)}. {_PROTOCOL}"
        yield Problem(f"{where}.{name}", show(value), allowed, fix)


# --- from the record -------------------------------------------------------------------------------------------------


def recorded_parameters(raw: Mapping[str, Any], reserved: Collection[str]) -> dict[str, Any]:
    """Returns the parameters in a record by name: all but the ``reserved`` keys."""
    return {name: value for name, value in raw.items() if name not in reserved}


def class_of(
    raw: Mapping[str, Any], find: FindClass, where: str, what: str, *, fits: Callable[[type], bool], allowed: str
) -> type:
    """Returns the class that a record names.

    Args:
        raw: The record.
        find: Returns the class.
        where: Path of the record, for errors.
        what: What the class has to be, in a word.
        fits: Whether a class is that.
        allowed: The same for errors.

    Raises:
        ConfigError: If there is no such class, or it is something else.
    """
    name = str(raw["type"])
    kind = find(name)
    if kind is None:
        raise ConfigError(Problem(f"{where}.type", show(name), f"a {what} of raydrive's, or module:Class"))
    if not fits(kind):
        raise ConfigError(Problem(f"{where}.type", show(name), allowed, "An example: raydrive explain own policy."))
    return kind


def rebuilt(kind: type, raw: Mapping[str, Any], arguments: Mapping[str, Any], where: str) -> Any:
    """Returns an object of a class from its record.

    Args:
        kind: The class.
        raw: The record, for a ``from_json`` of its own.
        arguments: The same as arguments of the constructor.
        where: What the object is, for errors.

    Raises:
        ConfigError: If the class does not take them; with the path of each one.
    """
    reader = getattr(kind, "from_json", None) if is_own(kind) else own_method(kind, "from_json")
    if reader is None and (problems := _misfits(kind, arguments, where)):
        raise ConfigError(problems)
    try:
        return kind(**arguments) if reader is None else reader(raw)
    except ConfigError as error:
        if is_own(kind):
            raise
        raise ConfigError(replace(one, where=_below(where, one.where)) for one in error.problems) from error
    except (Exception, SystemExit) as error:  # the user's code
        what = "takes" if reader is None else "reads"
        allowed = f"what {type_name(kind)} {what} ({reason(error, kind)})"
        raise ConfigError(Problem(where, show(dict(arguments)), allowed)) from error


def _below(where: str, inner: str) -> str:
    """The path of what is wrong with a part: raydrive's own classes name it ``policy.slack_factor``."""
    if inner == where or inner.startswith(f"{where}."):
        return inner
    return f"{where}.{inner}" if inner else where


def _misfits(kind: type, arguments: Mapping[str, Any], where: str) -> list[Problem]:
    """Arguments that a constructor does not know, and those it needs and does not get."""
    parameters = _signature(kind).parameters.values()
    known = list(_accepted(kind))
    any_name = any(one.kind is one.VAR_KEYWORD for one in parameters)
    unknown = [name for name in arguments if name not in known and not any_name]
    needed = [
        one.name for one in parameters if one.default is one.empty and one.name in known and one.name not in arguments
    ]
    shown = [name for name in known if name not in ("parameter_space", "space", "properties")]
    allowed = ", ".join(["type", *shown])
    return [
        *(Problem(f"{where}.{one}", "an unknown key", allowed, did_you_mean(one, shown)) for one in unknown),
        *(Problem(f"{where}.{one}", "nothing", f"a value: {type_name(kind)} needs {one}") for one in needed),
        *(wrong_arguments(kind, arguments, where)),
    ]


# --- when the user's code fails --------------------------------------------------------------------------------------


def reason(error: BaseException, kind: type | None = None) -> str:
    """Returns an error in one line, with the line of the user's file that it comes from.

    Args:
        error: What the user's code raised.
        kind: The class whose code it is; its own lines come before those of what it calls.
    """
    text = " ".join(str(error).split())
    head = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        file = error.filename.rpartition("/")[2]  # the folder is one that the code was copied to
        return f"{type(error).__name__}: {error.msg}, {file}, line {error.lineno}"
    line = _line(_steps(error.__traceback__), kind)
    return f"{head}, {line}" if line else head


def running_line(frames: Sequence[FrameType], kind: type) -> str:
    """Returns the line of a user's file that is being executed; empty where it is in none.

    Args:
        frames: The frames of a thread below the call of the user's code, the outermost first.
        kind: The class whose code runs; its own lines come before those of what it calls.
    """
    return _line([(frame, frame.f_lineno) for frame in frames], kind)


def _line(steps: Iterable[tuple[FrameType, int]], kind: type | None) -> str:
    """The innermost line that is the user's, as file and line; empty where there is none.

    Args:
        steps: Frame and line of each step, the outermost first.
        kind: The class whose lines come first.
    """
    home = kind.__module__ if kind is not None else ""
    frames = [found for found in map(_source, steps) if found[0].partition(".")[0] != _PACKAGE]
    own = [frame for frame in frames if frame[0] == home] or [
        one for one in frames if not one[0].startswith("importlib")
    ]
    if not own:
        return ""
    module, file, line = own[-1]
    if file.startswith("<"):
        return f"line {line} of {module}"
    if module not in ("__main__", ""):  # by its path below the folder it was imported from
        steps_down = len(module.split(".")) + file.endswith("/__init__.py")
        file = "/".join(file.split("/")[-steps_down:])
    return f"{file}, line {line}"


def _steps(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Yields frame and line of each step of a traceback, the outermost first."""
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _source(step: tuple[FrameType, int]) -> tuple[str, str, int]:
    """Module, file and line of a step."""
    frame, line = step
    names, file = frame.f_globals, frame.f_code.co_filename
    if file.startswith("<"):  # of a class that travelled by value; a notebook has no file
        file = str(names.get("__file__", file))
    return str(names.get("__name__", "")), file, line


def failure(value: object, doing: str, error: BaseException) -> UserCodeError:
    """Returns the error for a user's class that raised.

    Args:
        value: The policy, sampling or sampler.
        doing: What it was asked: ``judge(trial 3, interval 5)``.
        error: What it raised.
    """
    kind = type(value)
    return UserCodeError(f"{type_name(kind)} failed in {doing}: {reason(error, kind)}")


def checked_verdict(value: object, found: V) -> V:
    """Returns what ``judge`` of a policy returned.

    Args:
        value: The policy.
        found: What it returned.

    Raises:
        TypeError: If that is neither a verdict nor None.
    """
    if found is None or hasattr(found, "stop"):
        return found
    kind = type(value)
    try:
        place = f"{(inspect.getsourcefile(kind) or '').rpartition('/')[2]}, line {inspect.getsourcelines(kind)[1]}: "
    except (OSError, TypeError):  # a class of a notebook, or one that travelled by value
        place = ""
    raise TypeError(f"{place}{kind.__qualname__}.judge returned {show(found)}; it has to return a Verdict or None")
