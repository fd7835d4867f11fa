"""The ways of writing a parameter expression, read into ``Expression`` objects.

Python calls (``uniform(0, 1)``), the v2 sweep schema (``{"type": "uniform", "min_value": 0, "max_value": 1}``) and the
lists of SDK v1 (``["uniform", [0, 1]]``) mean the same and may be mixed. Inside a dict option of a choice, a value that
is written in one of these ways is a nested expression; the option itself never is, as in HyperDrive.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.core.errors import MOST_PROBLEMS, ConfigError, Problem, did_you_mean, show
from raydrive.core.numbers import is_number
from raydrive.core.space.choice_options import is_series, way_out
from raydrive.core.space.distributions import (
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Uniform,
)
from raydrive.core.space.expressions import MANY, TUPLE, Choice, Expression, RandInt, Value, canonical, field_names

EXPRESSIONS: dict[str, type[Expression]] = {
    cls.kind: cls
    for cls in (
        Choice, RandInt, Uniform, QUniform, LogUniform, QLogUniform, Normal, QNormal, LogNormal, QLogNormal,
    )
}  # fmt: skip
"""The classes by HyperDrive's names."""
_DEEPEST = 32
"""Levels of nesting in an option; more is taken for an object that contains itself."""
_KEYS = frozenset(name for cls in EXPRESSIONS.values() for name in field_names(cls))
_KNOWN = ", ".join(EXPRESSIONS)
_ALLOWED_OPTION = "text, numbers, True, False, None, or dicts, lists and tuples of them"


def choice(*options: Any) -> Choice:
    """One of the options, all equally likely.

    Args:
        options: The values one by one, or a single list, tuple, range or numpy array of them. A dict may hold nested
            expressions: ``choice({"kernel": "linear"}, {"kernel": "rbf", "gamma": loguniform(-7, 0)})``. Tuples reach
            a function as tuples (a script gets them as JSON lists); numbers of numpy, and enums that are numbers or
            text, become Python's own.

    Raises:
        ConfigError: If there is no option, or one that cannot be recorded, such as a class; the error has the way out.
    """
    reader = Reader()
    made = reader.choice_arguments(options, "choice")
    if made is None:
        raise ConfigError(reader.problems)
    _say(reader.notes)
    return made


def randint(upper: int) -> RandInt:
    """A whole number in [0, upper).

    Raises:
        ConfigError: If ``upper`` is not a whole number of 1 or more.
    """
    return RandInt(_number(upper, whole=True))


def uniform(min_value: float, max_value: float) -> Uniform:
    """A number between the bounds, all equally likely.

    Raises:
        ConfigError: If a bound is not a finite number, or min_value is not below max_value.
    """
    return Uniform(_number(min_value), _number(max_value))


def quniform(min_value: float, max_value: float, q: float) -> QUniform:
    """round(uniform(min_value, max_value) / q) * q.

    Raises:
        ConfigError: If a bound is not a finite number, or min_value is not below max_value.
        ConfigError: If q is not above 0, or so large that a single value is left.
    """
    return QUniform(_number(min_value), _number(max_value), _number(q))


def loguniform(min_value: float, max_value: float) -> LogUniform:
    """exp(uniform(min_value, max_value)): the bounds are exponents to base e.

    Warns:
        UserWarning: If the bounds look like bounds of the value itself (all draws between 1.0 and 1.2).

    Raises:
        ConfigError: If a bound is not a finite number, or min_value is not below max_value.
        ConfigError: If exp of a bound overflows or vanishes.
    """
    made = LogUniform(_number(min_value), _number(max_value))
    _say(_doubts(made))
    return made


def qloguniform(min_value: float, max_value: float, q: float) -> QLogUniform:
    """round(exp(uniform(min_value, max_value)) / q) * q: the bounds are exponents, q is not.

    Warns:
        UserWarning: If the bounds look like bounds of the value itself (all draws between 1.0 and 1.2).

    Raises:
        ConfigError: If a bound is not a finite number, min_value is not below max_value, or exp of one overflows.
        ConfigError: If q is not above 0, or so large that a single value is left.
    """
    made = QLogUniform(_number(min_value), _number(max_value), _number(q))
    _say(_doubts(made))
    return made


def normal(mu: float, sigma: float) -> Normal:
    """A number around mu with standard deviation sigma.

    Raises:
        ConfigError: If mu or sigma is not a finite number, or sigma is not above 0.
    """
    return Normal(_number(mu), _number(sigma))


def qnormal(mu: float, sigma: float, q: float) -> QNormal:
    """round(normal(mu, sigma) / q) * q.

    Raises:
        ConfigError: If an argument is not a finite number, or sigma or q is not above 0.
    """
    return QNormal(_number(mu), _number(sigma), _number(q))


def lognormal(mu: float, sigma: float) -> LogNormal:
    """exp(normal(mu, sigma)): mu and sigma belong to the logarithm of the value.

    Raises:
        ConfigError: If mu or sigma is not a finite number, sigma is not above 0, or values overflow or vanish.
    """
    return LogNormal(_number(mu), _number(sigma))


def qlognormal(mu: float, sigma: float, q: float) -> QLogNormal:
    """round(exp(normal(mu, sigma)) / q) * q: mu and sigma belong to the logarithm, q does not.

    Raises:
        ConfigError: If an argument is not a finite number, sigma or q is not above 0, or values overflow.
    """
    return QLogNormal(_number(mu), _number(sigma), _number(q))


class Reader:
    """Reads expressions and collects what is wrong with them instead of stopping at the first problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        """Doubts to be shown as warnings."""

    def finish(self) -> None:
        """Raises what was collected.

        Raises:
            ConfigError: If there were problems.
        """
        if self.problems:
            raise ConfigError(self.problems)

    def _wrong(self, where: str, found: str, allowed: str, fix: str = "") -> None:
        self.problems.append(Problem(where, found, allowed, fix))

    def _near(self, word: str, known: Sequence[str]) -> str:
        """Advice on a misspelling, which takes a millisecond: problems that are not shown need none."""
        return did_you_mean(word, known) if len(self.problems) < MOST_PROBLEMS else ""

    def expression(self, raw: Any, where: str, depth: int = 0) -> Expression | None:
        """Returns the expression written as ``raw``, or None after noting what is wrong with it."""
        if isinstance(raw, Expression):
            return raw
        if isinstance(raw, Mapping):
            return self._from_mapping(raw, where, depth)
        if (
            isinstance(raw, list | tuple)
            and len(raw) == 2
            and isinstance(raw[0], str)
            and isinstance(raw[1], list | tuple)
        ):
            return self._from_list(raw, where, depth)
        fix = ""
        if isinstance(raw, list | tuple | range | set | frozenset) or _is_array(raw):
            fix = "Alternatives are written choice([...]), in YAML {type: choice, values: [...]}."
        elif raw is None or isinstance(raw, str | bool | int | float):
            fix = f"A fixed value is written choice({show(raw)}), in YAML {{type: choice, values: [{show(raw)}]}}."
        self._wrong(where, _named(raw), f"an expression: one of {_KNOWN}", fix)
        return None

    def _kind(self, name: Any, where: str) -> type[Expression] | None:
        folded = folded_name(name)
        if folded not in EXPRESSIONS:
            fix = self._near(name, list(EXPRESSIONS)) if isinstance(name, str) else ""
            self._wrong(where, show(name), f"one of {_KNOWN}", fix)
            return None
        return EXPRESSIONS[folded]

    def _from_mapping(self, raw: Mapping[Any, Any], where: str, depth: int) -> Expression | None:
        if "type" not in raw:
            near = [name for name, cls in EXPRESSIONS.items() if set(raw) >= set(field_names(cls))]
            fix = f"With these keys it may be {' or '.join(near)}." if near else ""
            self._wrong(f"{where}.type", "nothing", f"one of {_KNOWN}", fix)
            return None
        cls = self._kind(raw["type"], f"{where}.type")
        if cls is None:
            return None
        before = len(self.problems)
        wanted = field_names(cls)
        for key in raw:
            if key != "type" and key not in wanted:
                fix = self._near(str(key), wanted)
                self._wrong(f"{where}.{key}", show(raw[key]), f"no such key; {cls.kind} has {', '.join(wanted)}", fix)
        for name in wanted:
            if name not in raw:
                allowed = "a list of one or more options" if name == "values" else "a number"
                self._wrong(f"{where}.{name}", "nothing", allowed)
        if cls is Choice:
            made: Expression | None = self._choice(raw["values"], where, depth) if "values" in raw else None
        elif all(name in raw for name in wanted):
            made = self._numeric(cls, [raw[name] for name in wanted], where)
        else:
            made = None
            for name in wanted:
                if name in raw and not is_number(_number(_from_text(raw[name]))):
                    self._wrong(f"{where}.{name}", show(raw[name]), "a finite number")
        return made if len(self.problems) == before else None

    def _from_list(self, raw: list[Any] | tuple[Any, ...], where: str, depth: int) -> Expression | None:
        cls = self._kind(raw[0], where)
        if cls is None:
            return None
        arguments = raw[1] if len(raw) == 2 else None
        wanted = field_names(cls)
        if not isinstance(arguments, list | tuple) or (cls is not Choice and len(arguments) != len(wanted)):
            self._wrong(where, show(raw), f'["{cls.kind}", [{", ".join(wanted)}]]', "That is the list form of SDK v1.")
            return None
        if cls is Choice:
            return self.choice_arguments(tuple(arguments), where, depth)
        return self._numeric(cls, list(arguments), where)

    def _numeric(self, cls: type[Expression], arguments: list[Any], where: str) -> Expression | None:
        try:
            made = cls(*(_number(_from_text(raw), whole=cls is RandInt) for raw in arguments))
        except ConfigError as error:
            for problem in error.problems:
                tail = problem.where.removeprefix(cls.kind)
                self.problems.append(Problem(where + tail, problem.found, problem.allowed, problem.fix))
            return None
        self.notes.extend(f"{where}: {note}" for note in _doubts(made))
        return made

    def choice_arguments(self, options: tuple[Any, ...], where: str, depth: int = 0) -> Choice | None:
        """Returns ``choice(*options)``: one list-like argument holds the options, several are the options."""
        if len(options) == 1 and (isinstance(options[0], list | tuple | range) or _is_array(options[0])):
            return self._choice(options[0], where, depth)
        if len(options) == 1 and not isinstance(options[0], Expression) and is_series(options[0]):
            self._wrong(f"{where}.values", _named(options[0]), "a list of one or more options", way_out(options[0]))
            return None
        bundles = [i for i, option in enumerate(options) if isinstance(option, list | range)]
        for i in bundles:
            fix = "For options that are lists write choice([[...], [...]])."
            self._wrong(f"{where}.values[{i}]", show(options[i]), "a single value, as there are several options", fix)
        return None if bundles else self._choice(options, where, depth)

    def _choice(self, raw: Any, where: str, depth: int) -> Choice | None:
        if _is_array(raw):
            raw = raw.tolist()
        if not isinstance(raw, list | tuple | range):
            fix = f"A single option is written [{show(raw)}]." if is_number(raw) or isinstance(raw, str) else ""
            self._wrong(f"{where}.values", _named(raw), "a list of one or more options", fix or way_out(raw))
            return None
        if not 0 < len(raw) <= MANY:
            fix = "For many numbers use randint or quniform." if len(raw) else ""
            self._wrong(f"{where}.values", f"{len(raw):,} options", f"1 to {MANY:,} options", fix)
            return None
        before = len(self.problems)
        options = [self.option(item, f"{where}.values[{i}]", depth + 1) for i, item in enumerate(raw)]
        if len(self.problems) > before:
            return None
        kept: dict[Any, Value] = {}
        repeated = []
        for option in options:
            key = canonical(option)
            if key in kept:
                repeated.append(option)
            kept.setdefault(key, option)
        if repeated:
            self.notes.append(f"{where}: options listed more than once count once: {show(repeated)}")
        return Choice(tuple(kept.values()))

    def option(self, raw: Any, where: str, depth: int) -> Value:
        """Returns one option as plain JSON values, with ``Expression`` objects where a dict holds some."""
        if isinstance(raw, Expression):
            fix = f'Give it a name: {{"value": {raw.kind}(...)}}.'
            self._wrong(where, f"{raw.kind}(...)", f"{_ALLOWED_OPTION}; expressions only inside a dict", fix)
            return None
        return self._plain(raw, where, depth)

    def _plain(self, raw: Any, where: str, depth: int) -> Value:
        raw = _scalar(raw)
        if raw is None or isinstance(raw, bool | str | int):
            return raw
        if depth > _DEEPEST:
            self._wrong(where, "an option nested too deeply", f"at most {_DEEPEST} levels")
        elif isinstance(raw, float):
            if math.isfinite(raw):
                return raw
            self._wrong(where, show(raw), "a finite number", "Write 'nan' or 'inf' as text if the script wants that.")
        elif isinstance(raw, Mapping):
            return self._dict(raw, where, depth)
        elif isinstance(raw, list) or type(raw) is tuple:
            items = [self.option(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(raw)]
            return items if isinstance(raw, list) else tuple(items)
        else:
            self._wrong(where, _named(raw), _ALLOWED_OPTION, way_out(raw))
        return None

    def _dict(self, raw: Mapping[Any, Any], where: str, depth: int) -> Value:
        if len(raw) == 1 and isinstance(raw.get(TUPLE), list):  # as ``Choice.to_json`` writes one
            items = enumerate(raw[TUPLE])
            return tuple([self.option(item, f"{where}[{i}]", depth + 1) for i, item in items])
        out = {}
        for key, item in raw.items():
            inner = f"{where}.{key}"
            if not isinstance(key, str):
                self._wrong(inner, f"key {show(key)}", "a text as key", f"Write {show(str(key))}.")
            elif _looks_like_expression(item):
                out[str(key)] = self.expression(item, inner, depth + 1)
            else:
                out[str(key)] = self._plain(item, inner, depth + 1)
        return out


def folded_name(name: Any) -> str:
    """Returns ``loguniform`` for ``LogUniform`` and ``log_uniform``, as the v2 schema ignores case."""
    return name.casefold().replace("_", "") if isinstance(name, str) else ""


def _looks_like_expression(raw: Any) -> bool:
    if isinstance(raw, Expression):
        return True
    if isinstance(raw, Mapping):
        # A misspelt type is still meant as one when all other keys belong to expressions.
        others = set(raw) - {"type"}
        return "type" in raw and (folded_name(raw["type"]) in EXPRESSIONS or bool(others and others <= _KEYS))
    if isinstance(raw, list | tuple) and len(raw) == 2 and isinstance(raw[1], list | tuple):
        return isinstance(raw[0], str) and raw[0] in EXPRESSIONS
    return False


def _is_array(value: Any) -> bool:
    """Tells a numpy array (or tensor, or series) from everything else without importing numpy."""
    return hasattr(value, "tolist") and hasattr(value, "shape") and value.shape != ()


def _scalar(value: Any) -> Any:
    """Returns numpy scalars and subclasses of the plain types (enums) as the plain Python value."""
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    for plain in (int, float):
        if isinstance(value, plain):
            return plain(value)
    return str.__str__(value) if isinstance(value, str) else value


def _number(raw: Any, *, whole: bool = False) -> Any:
    raw = _scalar(raw)
    if whole and isinstance(raw, float) and raw.is_integer():
        return int(raw)
    return raw


def _from_text(raw: Any) -> Any:
    """A number written as text, as YAML 1.1 readers leave 1e-5; anything else as it is."""
    if not isinstance(raw, str):
        return raw
    for plain in (int, float):
        try:
            return plain(raw)
        except ValueError:
            continue
    return raw


def _named(raw: Any) -> str:
    """What was found, for an error: the value, or for strange objects their type."""
    if raw is None or isinstance(raw, bool | int | float | str | list | tuple | range | Mapping):
        return show(raw)
    return f"{show(raw)} ({type(raw).__name__})"


def _doubts(made: Expression) -> list[str]:
    """Bounds from other tools: loguniform(1e-4, 1e-1) would draw between exp(1e-4) = 1.0001 and exp(0.1) = 1.105."""
    if not isinstance(made, LogUniform | QLogUniform):
        return []
    low, high = made.min_value, made.max_value
    if low < 0 or math.exp(high) > 1.2:
        return []
    step = f", {made.q}" if isinstance(made, QLogUniform) else ""
    lowest = f"log({low})" if low > 0 else "log(<smallest value>)"
    return [
        f"{made.kind}({low}, {high}{step}) draws only between {math.exp(low):.4g} and {math.exp(high):.4g}, because "
        f"its bounds are exponents (value = exp(uniform)); for values from {low} to {high} write "
        f"{made.kind}({lowest}, log({high}){step})"
    ]


def _say(notes: list[str]) -> None:
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=3)
