"""The ways of writing a parameter expression as data, read into ``Expression`` objects.

Python calls (``uniform(0, 1)``), the v2 sweep schema (``{"type": "uniform", "min_value": 0, "max_value": 1}``), the
lists of SDK v1 (``["uniform", [0, 1]]``) and mappings with the name as their only key (``{"uniform": [0, 1]}``,
``{"loguniform": {"low": 1e-5, "high": 0.1}}``) mean the same and may be mixed. Inside a dict option of a choice, a
value that is written in one of these ways is a nested expression; the option itself never is, as in HyperDrive. Of the
last way only those with ``low`` and ``high`` are, there: other mappings of a single key are data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.core.errors import MOST_PROBLEMS, ConfigError, Problem, did_you_mean, show
from raydrive.core.numbers import is_number
from raydrive.core.space.choice_options import is_series, way_out
from raydrive.core.space.distributions import (
    IntRange,
    LogInt,
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
from raydrive.core.space.other_names import in_our_words
from raydrive.core.space.plain_bounds import BOUNDED, PLAIN, Spelling, doubts, exponents, mistake

EXPRESSIONS: dict[str, type[Expression]] = {
    cls.kind: cls
    for cls in (
        Choice, RandInt, Uniform, QUniform, LogUniform, QLogUniform, Normal, QNormal, LogNormal, QLogNormal,
        IntRange, LogInt,
    )
}  # fmt: skip
"""The classes by HyperDrive's names, and those of raydrive's own."""
LOG_RANGE = "log_range"
"""Name of a loguniform whose bounds are the values themselves."""
_FOLDED: dict[str, type[Expression]] = {name.replace("_", ""): cls for name, cls in EXPRESSIONS.items()}
_FOLDED["logrange"] = LogUniform
_WHOLE = (RandInt, IntRange, LogInt)
_DEEPEST = 32
"""Levels of nesting in an option; more is taken for an object that contains itself."""
_KEYS = frozenset(name for cls in EXPRESSIONS.values() for name in field_names(cls))
_KNOWN = ", ".join((*EXPRESSIONS, LOG_RANGE))
_ALLOWED_OPTION = "text, numbers, True, False, None, or dicts, lists and tuples of them"


class Reader:
    """Reads expressions and collects what is wrong with them instead of stopping at the first problem.

    Args:
        recorded: Whether they are what ``to_json`` wrote: read as they are, without doubts and short forms.
    """

    def __init__(self, *, recorded: bool = False) -> None:
        self._recorded = recorded
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

    def _kind(self, name: Any, where: str, meant: str = "") -> type[Expression] | None:
        folded = folded_name(name)
        if folded not in _FOLDED:
            fix = f"Write: {meant}" if meant else ""
            if isinstance(name, str) and not fix:
                fix = self._near(name, [*EXPRESSIONS, LOG_RANGE])
            self._wrong(where, show(name), f"one of {_KNOWN}", fix)
            return None
        return _FOLDED[folded]

    def _from_mapping(self, raw: Mapping[Any, Any], where: str, depth: int) -> Expression | None:
        if is_short(raw):
            return self._from_short(raw, where, depth)
        if "type" not in raw:
            near = [name for name, cls in EXPRESSIONS.items() if set(raw) >= set(field_names(cls))]
            fix = f"With these keys it may be {' or '.join(near)}." if near else ""
            if meant := in_our_words(raw):
                fix = f"Write: {meant}"
            self._wrong(f"{where}.type", "nothing", f"one of {_KNOWN}", fix)
            return None
        cls = self._kind(raw["type"], f"{where}.type", in_our_words(raw))
        if cls is None:
            return None
        before = len(self.problems)
        plain = folded_name(raw["type"]) == folded_name(LOG_RANGE)
        spelt = Spelling.of(cls, raw, plain=plain)
        wanted = {name: spelt.key(name) for name in field_names(cls)}
        self._unknown_keys(cls, raw, [*wanted.values(), *spelt.extra], where)
        for name, key in wanted.items():
            if key not in raw:
                allowed = "a list of one or more options" if name == "values" else "a number"
                self._wrong(f"{where}.{key}", "nothing", allowed)
        if cls is Choice:
            made: Expression | None = self._choice(raw["values"], where, depth) if "values" in raw else None
        elif all(key in raw for key in wanted.values()):
            made = self._numeric(cls, [raw[key] for key in wanted.values()], where, spelt)
        else:
            made = None
            for key in wanted.values():
                if key in raw and not is_number(number(_from_text(raw[key]))):
                    self._wrong(f"{where}.{key}", show(raw[key]), "a finite number")
        return made if len(self.problems) == before else None

    def _unknown_keys(self, cls: type[Expression], raw: Mapping[Any, Any], known: list[str], where: str) -> None:
        """Notes the keys that an expression does not have, and a meaning of its bounds that there is not."""
        for key in raw:
            if key != "type" and key not in known:
                listed = ", ".join(name for name in known if name != "bounds")
                meant = in_our_words(raw) if key == "log" else ""
                fix = f"Write: {meant}" if meant else self._near(str(key), known)
                self._wrong(f"{where}.{key}", show(raw[key]), f"no such key; {cls.kind} has {listed}", fix)
        if "bounds" in known and "bounds" in raw and folded_name(raw["bounds"]).strip() != PLAIN:
            fix = "Without this key the bounds are exponents to base e."
            self._wrong(f"{where}.bounds", show(raw["bounds"]), f"{PLAIN}: the bounds are the values themselves", fix)

    def _from_short(self, raw: Mapping[Any, Any], where: str, depth: int) -> Expression | None:
        """``{"uniform": [0, 1]}``, ``{"loguniform": {"low": 1e-5, "high": 0.1}}``, ``{"choice": [1, 2]}``."""
        name, given = next(iter(raw.items()))
        inner = f"{where}.{name}"
        if isinstance(given, Mapping):
            return self._from_mapping({"type": name, **given}, inner, depth)
        cls = _FOLDED[folded_name(name)]
        if cls is Choice:
            return self._choice(given, inner, depth)
        return self._from_list([name, given if isinstance(given, list | tuple) else [given]], inner, depth)

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
        plain = folded_name(raw[0]) == folded_name(LOG_RANGE)
        return self._numeric(cls, list(arguments), where, Spelling(plain=plain), mapping=False)

    def _numeric(
        self, cls: type[Expression], arguments: list[Any], where: str, spelt: Spelling, *, mapping: bool = True
    ) -> Expression | None:
        try:
            numbers = [number(_from_text(raw), whole=cls in _WHOLE) for raw in arguments]
            if spelt.plain:
                numbers[:2] = exponents(cls.kind, *numbers[:2])
            made = cls(*numbers)
            wrong = None if spelt.plain or self._recorded else mistake(made, mapping=mapping)
            if wrong is not None:
                raise ConfigError(wrong)
        except ConfigError as error:
            for problem in error.problems:
                tail = spelt.renamed(problem.where.removeprefix(cls.kind))
                self.problems.append(Problem(where + tail, problem.found, spelt.renamed(problem.allowed), problem.fix))
            return None
        if not (spelt.plain or self._recorded):
            self.notes.extend(f"{where}: {note}" for note in doubts(made, mapping=mapping))
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
            self._wrong(
                f"{where}.values[{i}]", show(options[i]), "a single value, because there are several options", fix
            )
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
                self._wrong(inner, f"key {show(key)}", "a string as key", f"Write {show(str(key))}.")
            elif _looks_like_expression(item) or (not self._recorded and is_short_log(item)):
                out[str(key)] = self.expression(item, inner, depth + 1)
            else:
                out[str(key)] = self._plain(item, inner, depth + 1)
        name, others = next(iter(out), ""), list(out)[1:]
        if not self._recorded and others and out[name] is None and all(isinstance(out[o], Expression) for o in others):
            beside = ", ".join(others)
            self.notes.append(
                f"{where}: {name!r} has no value and stands beside {beside}. If it is the name of the option, indent "
                f"its parameters below it: {{{name}: {{{others[0]}: ...}}}}"
            )
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
        return "type" in raw and (folded_name(raw["type"]) in _FOLDED or bool(others and others <= _KEYS))
    if isinstance(raw, list | tuple) and len(raw) == 2 and isinstance(raw[1], list | tuple):
        return isinstance(raw[0], str) and raw[0] in EXPRESSIONS
    return False


def is_short(raw: Mapping[Any, Any]) -> bool:
    """Whether a mapping is the short form of an expression: its only key is the name of one."""
    return len(raw) == 1 and folded_name(next(iter(raw))) in _FOLDED


def is_short_log(raw: Any) -> bool:
    """Whether a value inside an option is a short form: of an expression with ``low`` and ``high``, others are data."""
    if not isinstance(raw, Mapping) or not is_short(raw):
        return False
    name, given = next(iter(raw.items()))
    return _FOLDED[folded_name(name)] in BOUNDED and isinstance(given, Mapping) and {"low", "high"} <= set(given)


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


def number(raw: Any, *, whole: bool = False) -> Any:
    """Returns a number of numpy as Python's own, and with ``whole`` a float without a fraction as an int."""
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
