"""What can be a training function, and advice for objects that look like one but cannot work."""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import types
from collections.abc import Collection
from pathlib import Path
from typing import Any

from raydrive.api.submit.functions import inner_function
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show

ALLOWED = "a function of one argument, the dict of hyperparameters: def train(params)"
_DICT = frozenset(dir(dict))
_OF_OTHERS = {
    "ray.tune": "Ray Tune's",
    "ray.train": "Ray Train's",
    "ray.air.session": "Ray's",
    "optuna": "Optuna's",
    "nni": "NNI's",
    "wandb": "",
}
_ITSELF = "Pass the function itself, train, not its result, train(...)."
_LOG = "Call raydrive.Run.get_context().log(NAME, VALUE) inside it, or return the value."


def check_trainable(target: Any, names: Collection[str]) -> None:
    """Refuses what cannot be called with the hyperparameters, or would do nothing when it is.

    Args:
        target: What was given as the training function.
        names: Names of the hyperparameters.

    Raises:
        ConfigError: If it is no such function; the error has the way out.
    """
    problem = _no_function(target) or _never_works(target) or _other_arguments(target, names) or _no_dict(target, names)
    if problem is not None:
        raise ConfigError(problem)


def name_of(target: Any) -> str:
    """Returns the name of a training function, for people."""
    inner = inner_function(target)
    if isinstance(target, functools.partial):
        return str(getattr(inner, "__qualname__", type(target).__name__))
    return str(getattr(target, "__qualname__", type(target).__name__))


def _problem(found: str, fix: str, allowed: str = ALLOWED) -> Problem:
    return Problem("run_config", found, allowed, fix)


def _no_function(target: Any) -> Problem | None:
    """What is not called at all."""
    if isinstance(target, types.ModuleType):
        functions = [name for name, value in vars(target).items() if isinstance(value, types.FunctionType)]
        near = "train" if "train" in functions else (functions or ["train"])[0]
        return _problem(f"the module {target.__name__}", f"Pass one of its functions: {target.__name__}.{near}.")
    if callable(target):
        return None
    allowed = "a ScriptRunConfig, or a function train(params)"
    found, fix = show(target), ""
    if target is None:
        found, fix = "None", _ITSELF
    elif isinstance(target, types.CoroutineType | types.GeneratorType):
        found, fix = f"a {type(target).__name__}", _ITSELF
    elif isinstance(target, str | Path):
        script = str(target)
        word = f"command={script!r}" if " " in script else f"script={script!r}"
        fix = f"Write a script as ScriptRunConfig(source_directory=..., {word}); pass a function without quotes."
    return _problem(found, fix, allowed)


def _never_works(target: Any) -> Problem | None:
    """What can be called and then does nothing of what its author means."""
    name = name_of(target)
    if isinstance(target, type):
        methods = [word for word in ("train", "run", "fit", "step") if callable(getattr(target, word, None))]
        call = f"{name}(params).{methods[0]}()" if methods else f"{name}(params)"
        return _problem(f"the class {name}", f"Calling it only makes an object: write lambda params: {call}.")
    if type(target).__module__.startswith("ray.") and hasattr(target, "remote"):
        fix = "Pass the function without @ray.remote: each trial has its own process."
        return _problem(f"{name}, a Ray remote function", fix)
    if inspect.isasyncgenfunction(inner_function(target)):
        fix = "Write an async function without yield that logs its values."
        return _problem(f"the asynchronous generator {name}", fix)
    return None


def _other_arguments(target: Any, names: Collection[str]) -> Problem | None:
    """What cannot be called with one argument, or expects something else than a dict there."""
    name = name_of(target)
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return None  # a builtin without a signature: let it try
    bare = {one.lstrip("-") for one in names}
    given = list(signature.parameters.values())
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [one.name for one in given if one.default is one.empty and one.kind not in variadic]
    keywords = any(one.kind is one.VAR_KEYWORD for one in given)
    by_name = f"Pass them by name: lambda params: {name}({_by_name(given, names, keywords)})."
    try:
        signature.bind({})
    except TypeError as error:
        found = f"{name}{signature} ({error})"
        if not given:
            return _problem(found, "Add an argument; the trial's values are also in Run.get_context().params.")
        if bare >= set(required) and (keywords or bare & {one.name for one in given}):
            return _problem(found, by_name)
        if required[:1] == ["self"] and "." in name:
            kind, _, method = name.rpartition(".")
            return _problem(found, f"Pass the method of an object: {kind}(...).{method}.")
        others = [one for one in required if one not in bare]
        if len(required) - len(others) > 0:
            fixed = ", ".join(f"{one}=..." for one in others)
            return _problem(found, f"{by_name[:-2]}, {fixed}).")
        if len(required) > 1:
            fixed = ", ".join(f"{one}=..." for one in required[1:])
            return _problem(found, f"Fix the other arguments: functools.partial({name}, {fixed}).")
        return _problem(found, "")
    first = next(iter(given), None)
    if first is not None and first.name in bare and not _used_as_dict(target, first.name):
        found = f"{name}{signature}, where {first.name} would be the dict of all hyperparameters"
        otherwise = f"Write def {name}(params), and params[{first.name!r}]."
        return _problem(found, by_name if bare >= set(required) else otherwise)
    return None


def _by_name(given: list[inspect.Parameter], names: Collection[str], keywords: bool) -> str:
    """The arguments of a call that hands hyperparameters over by name."""
    accepted = {one.name for one in given}
    if set(names) <= accepted or (keywords and all(map(str.isidentifier, names))):
        return "**params"
    return ", ".join(f"{one.lstrip('-')}=params[{one!r}]" for one in names if one.lstrip("-") in accepted)


def _no_dict(target: Any, names: Collection[str]) -> Problem | None:
    """What looks for attributes on the dict, or reports to another library."""
    inner, name = inner_function(target), name_of(target)
    if not isinstance(inner, types.FunctionType):
        return None
    parameter = _parameter(target, inner)
    attributes = [word for word in _attributes(inner.__code__, parameter) if word not in _DICT] if parameter else []
    if attributes:
        word = attributes[0]
        if word.startswith("suggest_") or word in ("report", "should_prune"):
            fix = "That is Optuna's trial: here the search space is a separate argument, and values are params[NAME]. "
            return _problem(f"{name}, which uses {parameter}.{word}", fix + _LOG)
        near = did_you_mean(word, [one.lstrip("-") for one in names]).partition("'")[2].partition("'")[0] or word
        fix = f"It is a dict: write {parameter}[{near!r}], or make an object: types.SimpleNamespace(**{parameter})."
        return _problem(f"{name}, which uses {parameter}.{word}", fix)
    for module, word in _reports(inner):
        whose = next(text for known, text in _OF_OTHERS.items() if module == known or module.startswith(f"{known}."))
        if whose:
            return _problem(f"{name}, which calls {whose} {word}", f"It has no effect here. {_LOG}")
    return None


def _parameter(target: Any, inner: types.FunctionType) -> str:
    """Name of the parameter that gets the hyperparameters; empty where that is not plain."""
    code = inner.__code__
    if isinstance(target, functools.partial):
        return "" if target.args or code.co_argcount == 0 else _first(code, target.keywords)
    if target is inner:
        return code.co_varnames[0] if code.co_argcount else ""
    return code.co_varnames[1] if isinstance(target, types.MethodType) and code.co_argcount > 1 else ""


def _first(code: types.CodeType, taken: Collection[str]) -> str:
    first = code.co_varnames[0]
    return "" if first in taken else first


def _uses(code: types.CodeType, name: str) -> list[tuple[str, Any]]:
    """What is done right after a local variable was loaded; nothing where it is also assigned to."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("CACHE", "EXTENDED_ARG")]
    if any(step.argval == name and step.opname.startswith(("STORE_", "DELETE_")) for step in steps):
        return []
    return [
        (after.opname, after.argval)
        for step, after in itertools.pairwise(steps)
        if step.argval == name and step.opname.startswith(("LOAD_FAST", "LOAD_DEREF"))
    ]


def _attributes(code: types.CodeType, name: str) -> list[str]:
    return [str(word) for opname, word in _uses(code, name) if opname in ("LOAD_ATTR", "LOAD_METHOD")]


def _used_as_dict(target: Any, name: str) -> bool:
    """Whether a function plainly takes its parameter for a dict: ``x["lr"]``, ``x.get``."""
    inner = inner_function(target)
    if not isinstance(inner, types.FunctionType):
        return True
    subscripted = any(
        opname == "LOAD_CONST" and isinstance(value, str) for opname, value in _uses(inner.__code__, name)
    )
    return subscripted or any(word in _DICT for word in _attributes(inner.__code__, name))


def _reports(function: types.FunctionType) -> list[tuple[str, str]]:
    """Calls that report to another library: its module, and the call as it is written."""
    code, found = function.__code__, []
    known = dict(function.__globals__)
    known.update(inspect.getclosurevars(function).nonlocals)
    for name in code.co_names + code.co_freevars:
        value = known.get(name)
        if isinstance(value, types.ModuleType) and _is_other(value.__name__):
            found += [(value.__name__, f"{name}.report")] if "report" in code.co_names else []
        elif callable(value) and name == "report" and _is_other(getattr(value, "__module__", None) or ""):
            found.append((value.__module__, name))
    return found


def _is_other(module: str) -> bool:
    return any(module == known or module.startswith(f"{known}.") for known in _OF_OTHERS)
