"""Hyperparameters as words of a command line: an option with its value, a flag, or overrides as Hydra has them.

By default a parameter is ``--name value`` whatever it holds, as HyperDrive passes it. An ``OptionStyle`` makes flags of
truth values (``--nesterov``, or nothing; ``--no-nesterov``), and options of the keys of nested ones
(``--optimizer adam --beta1 0.9``). Its form is argparse's, absl's (``--lr=0.1``) or Hydra's (``lr=0.1``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from raydrive.core.errors import Problem, show

if TYPE_CHECKING:  # a trial actor imports this module, and has no other use for the records
    from raydrive.core.records import Params

FLAG_STYLES = ("", "on", "both")
"""What becomes of truth values: ``--x True``; ``--x`` or nothing; ``--x`` or ``--no-x``."""
FORMS = ("argparse", "absl", "hydra")
"""How a parameter is an option: ``--lr 0.1``, ``--lr=0.1``, ``lr=0.1``; the default first."""
_OPTION_NAME = re.compile(r"-{0,2}[A-Za-z_][\w.-]*", re.ASCII)
_PLAIN_OVERRIDE = re.compile(r"/?[A-Za-z_][\w./-]*", re.ASCII)
_WORDS_OF_HYDRA = ("true", "false", "null", "nan", "inf")


@dataclass(frozen=True, slots=True)
class OptionStyle:
    """How parameters become options."""

    flags: str = ""
    """One of ``FLAG_STYLES``."""
    flatten: bool = False
    """Whether the keys of a nested choice become options of their own."""
    form: str = FORMS[0]
    """One of ``FORMS``."""

    def changes(self, value: Any) -> bool:
        """Returns whether a value is passed otherwise than as one argument."""
        return (bool(self.flags) and (value is None or isinstance(value, bool))) or (
            self.flatten and isinstance(value, Mapping)
        )

    def for_flags(self) -> OptionStyle:
        """Returns the style of ``${{flag.name}}``: flags and flattened, whatever the rest of the command has."""
        form = self.form if self.form == "absl" else FORMS[0]
        return OptionStyle(flags=self.flags or "on", flatten=True, form=form)


AS_GIVEN = OptionStyle()
"""HyperDrive's: each value is one argument."""


def format_value(value: Any) -> str:
    """Returns a hyperparameter as the text a script is given.

    Integral floats lose their ``.0``, so that ``type=int`` scripts work; other floats are the shortest text that reads
    back the same; dicts and lists become one JSON argument. Negative numbers are written without an exponent: argparse
    takes ``-1e-05`` for an unknown option, ``-0.00001`` for a number.

    >>> format_value(28.0), format_value(0.1), format_value(True), format_value({"name": "yolov5", "depth": 3.0})
    ('28', '0.1', 'True', '{"name": "yolov5", "depth": 3}')
    """
    value = _plain(value)
    if isinstance(value, float):
        if value < 0 and math.isfinite(value):
            return format(Decimal(repr(value)), "f").removesuffix(".0")
        return repr(value).removesuffix(".0")
    if isinstance(value, dict | list):
        return json.dumps(_json(value))
    return str(value)


def script_arguments(fixed: Sequence[Any], params: Params, style: OptionStyle = AS_GIVEN) -> tuple[str, ...]:
    """Returns the arguments of a script: the fixed ones unchanged, then the options of each parameter, sorted by name.

    A name that appears among the fixed ones too is given twice; argparse takes the last.

    >>> script_arguments(["--epochs", "5"], {"--lr": 0.1, "batch": 64.0})
    ('--epochs', '5', '--batch', '64', '--lr', '0.1')
    """
    out = [format_value(item) for item in fixed]
    for name in sorted(params, key=lambda name: (name.lstrip("-"), name)):
        out += option_words(name, params[name], style)
    return tuple(out)


def option_words(name: str, value: Any, style: OptionStyle) -> list[str]:
    """Returns the words of a parameter: ``--name value``, or what the style makes of it.

    >>> option_words("nesterov", True, OptionStyle(flags="on"))
    ['--nesterov']
    >>> option_words("nesterov", False, OptionStyle(flags="both"))
    ['--no-nesterov']
    >>> option_words("optimizer", {"adam": {"beta1": 0.9}}, OptionStyle(flatten=True))
    ['--optimizer', 'adam', '--beta1', '0.9']
    >>> option_words("lr", 0.1, OptionStyle(form="absl")), option_words("lr", 0.1, OptionStyle(form="hydra"))
    (['--lr=0.1'], ['lr=0.1'])
    """
    value = _plain(value)
    if style.form == "hydra":
        return override_words(name, value)
    if style.flatten and isinstance(value, dict):
        return [word for key, item in flattened(name, value) for word in option_words(key, item, style)]
    option = name if name.startswith("-") else f"--{name}"
    if style.flags and value is None:
        return []
    if style.flags and isinstance(value, bool):
        no = "--no" if style.form == "absl" else "--no-"
        negative = [f"{no}{option[2:]}"] if style.flags == "both" and option.startswith("--") else []
        return [option] if value else negative
    return [f"{option}={format_value(value)}"] if style.form == "absl" else [option, format_value(value)]


def resume_words(path: str, form: str) -> list[str]:
    """Returns the option that names the checkpoint a script continues from.

    >>> resume_words("/ck", "argparse"), resume_words("/ck", "absl"), resume_words("/ck", "hydra")
    (['--resume-from', '/ck'], ['--resume_from=/ck'], ['++resume_from=/ck'])
    """
    if form == "hydra":
        return override_words("++resume_from", path)
    return [f"--resume_from={path}"] if form == "absl" else ["--resume-from", path]


def flattened(name: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the options of a nested choice.

    ``{"adam": {"beta1": 0.9}}`` of ``optimizer`` is optimizer = adam and beta1 = 0.9; of a mapping that is not one key
    with a mapping, each key is an option: ``{"kernel": "rbf", "gamma": 0.1}``.
    """
    inner = value
    if len(value) == 1:
        key, only = next(iter(value.items()))
        if isinstance(only, Mapping):
            yield name, key
            inner = only
    for key, item in inner.items():
        if isinstance(item, Mapping):
            yield from flattened(key, item)
        else:
            yield key, item


def override_words(name: str, value: Any) -> list[str]:
    """Returns a parameter as overrides in Hydra's grammar.

    >>> override_words("--lr", 0.1), override_words("optimizer", {"adam": {"beta1": 0.9}})
    (['lr=0.1'], ['optimizer=adam', 'optimizer.beta1=0.9'])
    """
    name, value = name.lstrip("-"), _plain(value)
    if not isinstance(value, dict):
        return [f"{name}={_override(value)}"]
    out, inner = list[str](), value
    if len(value) == 1:
        key, only = next(iter(value.items()))
        if isinstance(only, Mapping):
            out, inner = [f"{name}={_override(key)}"], dict(only)
    for key, item in inner.items():
        out += override_words(f"{name}.{key}", item)
    return out


def _override(value: Any) -> str:
    """A value in Hydra's grammar: texts that it would read as something else are quoted."""
    value = _plain(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(_override, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_override(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        if _PLAIN_OVERRIDE.fullmatch(value) and value.casefold() not in _WORDS_OF_HYDRA:
            return value
        # In Hydra's quotes a backslash counts only before a quote, and at the end.
        escaped = re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value)
        return f"'{escaped}'"
    return format_value(value)


def unusable_options(name: str, options: Sequence[Any], others: Sequence[str]) -> Iterator[Problem]:
    """Yields a problem for each key of a nested choice that cannot be an option of its own.

    Args:
        name: The parameter.
        options: The options of its choice.
        others: The other parameters.
    """
    taken = {other.lstrip("-") for other in others}
    for number, option in enumerate(options):
        where, seen = f"search_space.{name}.values[{number}]", set[str]()
        for key, _ in flattened(name, option) if isinstance(option, Mapping) else ():
            bare = key.lstrip("-")
            if not _OPTION_NAME.fullmatch(key):
                yield Problem(where, f"the key {show(key)}", "the name of an option: letters, digits, '_', '-' and '.'")
            elif bare in taken or bare in seen:
                other = "another parameter" if bare in taken else "another key of the same option"
                yield Problem(where, f"--{bare} of {other} too", "each option once", "Rename one of the two.")
            seen.add(bare)


def _plain(value: Any) -> Any:
    """A numpy scalar or array as Python's own; bool, int, float and str subclasses as their base."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _json(value: Any) -> Any:
    """A dict choice with integral floats as ints, like those that are arguments themselves."""
    value = _plain(value)
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e16 else value


def owner_of(name: str, space: Mapping[str, Any]) -> str:
    """Returns the parameter that has another one inside its options; empty where none has.

    Args:
        name: The other one, such as ``beta``.
        space: The search space, as objects or as a sweep file has it.
    """
    return next((owner for owner, value in space.items() if _holds(value, name)), "")


def _holds(value: Any, name: str) -> bool:
    options = value.get("values") if isinstance(value, Mapping) else getattr(value, "values", None)
    return isinstance(options, list | tuple) and any(_has_key(option, name) for option in options)


def _has_key(option: Any, name: str) -> bool:
    """Whether an option, or what is inside it, has a parameter of that name."""
    if not isinstance(option, Mapping):
        return _holds(option, name)
    return name in option or _holds(option, name) or any(_has_key(inner, name) for inner in option.values())
