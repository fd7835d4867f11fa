"""How hyperparameters reach a training script: as arguments, or as part of a shell command.

Two conventions, both HyperDrive's. A *script* gets its fixed arguments first and then ``--name value`` sorted by name.
A *command* is a shell line with references such as ``${{search_space.lr}}``, replaced by values quoted for the shell. A
command that uses no feature of a shell is run without one. ``${{flag.nesterov}}`` and ``${{override.lr}}`` stand for
whole options, ``${{search_space}}`` for those of all parameters; see ``option_words``.
"""

from __future__ import annotations

import re
import shlex
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raydrive.core.config.option_words import (
    AS_GIVEN,
    FORMS,
    OptionStyle,
    format_value,
    option_words,
    override_words,
    owner_of,
    resume_words,
    script_arguments,
)
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.errors import MOST_PROBLEMS, ConfigError, Problem, did_you_mean, nearest, show

if TYPE_CHECKING:  # a trial actor imports this module, and has no other use for the records
    from raydrive.core.records import Params

SCOPES = ("search_space", "inputs", "outputs", "flag", "override")
"""What a reference in a command may point at; ``flag`` and ``override`` are parameters as whole words."""
OF_PARAMETERS = ("search_space", "flag", "override")
"""The scopes that are hyperparameters."""
_REFERENCE = re.compile(
    r"\$\{\{(?P<body>[^{}]*)\}\}"
    # The single braces of early v2 files. Not after '$' or '{': that is the shell's, or a reference of today.
    r"|(?<![${])\{\s*(?P<legacy>(?:search_space|inputs|outputs)\.[^{}\s]+)\s*\}(?!\})"
)
_OPEN, _CLOSE = "$[[", "]]"
MOST_COMMAND = 131_000
"""Bytes of a command. The system passes no longer text to a shell."""
# What makes a word more than a word when it stands unquoted. '=' is looked at separately: only a leading NAME=value
# is the shell's.
_SHELL_CHARACTERS = frozenset("|&;<>()$`*?[]{}~#!\n")
_SHELL_WORDS = frozenset(
    """
    . : [[ alias break builtin case cd command continue declare disown do done elif else esac eval exec exit export fi
    for function getopts hash if jobs let local popd pushd read readonly return select set shift shopt source then time
    times trap type typeset ulimit umask unset until wait while
    """.split()  # noqa: SIM905 - a list literal would take fifty lines
)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_OPTIONS = re.compile(r"|--?[A-Za-z][\w./:=,@%+-]*(?: +[\w./:=,@%+-]+)*", re.ASCII)
_OPTION_BEFORE = re.compile(r"(?:(?<=\s)|\A)(--?[A-Za-z][\w.-]*)(?:[ \t]+|=)\Z")
_INTERPRETER = re.compile(r"(?:.*/)?(python(?:[0-9]+(?:\.[0-9]+)*)?)\Z")


@dataclass(frozen=True, slots=True)
class Reference:
    """A ``${{scope.name}}`` in a command."""

    scope: str
    """One of ``SCOPES``; empty when the text between the braces is nothing we know."""
    name: str
    """Such as ``lr``; the whole text between the braces when the scope is empty; empty for all of the scope."""
    text: str
    """As it is in the command."""
    start: int
    """Index of its first character in the command."""
    optional: bool = False
    """Whether it is inside ``$[[ ]]``, which is dropped when the input is absent."""

    @property
    def is_all(self) -> bool:
        """Whether it stands for all parameters that the command does not name: ``${{search_space}}``."""
        return self.scope == "search_space" and not self.name


def references(command: str) -> tuple[Reference, ...]:
    """Returns what a command refers to, in order."""
    spans = _optional_spans(command)
    begins = [begin for begin, _ in spans]
    found = []
    for match in _REFERENCE.finditer(command):
        body = (match["body"] if match["body"] is not None else match["legacy"]).strip()
        scope, dot, name = body.partition(".")
        known = (scope in SCOPES and bool(dot) and bool(name)) or body == "search_space"
        before = bisect_right(begins, match.start()) - 1
        inside = before >= 0 and match.start() < spans[before][1]
        found.append(
            Reference(
                scope=scope if known else "",
                name=name if known else body,
                text=match[0],
                start=match.start(),
                optional=inside,
            )
        )
    return tuple(found)


def check_references(
    command: str,
    *,
    search_space: Mapping[str, Any],
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    where: str = "trial.command",
) -> tuple[tuple[Reference, Problem], ...]:
    """Returns every reference of a command that nothing answers to, with the problem to show."""
    known: dict[str, Mapping[str, Any]] = {"search_space": search_space, "inputs": inputs, "outputs": outputs}
    known.update({scope: search_space for scope in OF_PARAMETERS})
    found: list[tuple[Reference, Problem]] = []
    if len(command.encode(errors="replace")) > MOST_COMMAND:
        whole = Reference(scope="", name="", text="", start=0)
        fix = "Put long text into a script or a file."
        return ((whole, Problem(where, f"{len(command):,} characters", f"at most {MOST_COMMAND:,} bytes", fix)),)
    names = {scope: {name.lstrip("-") for name in values} for scope, values in known.items()}
    quotes = quotes_of(command)
    for reference in references(command):
        if (reference.scope in ("flag", "override") or reference.is_all) and not whole_word(
            command, reference, quotes[reference.start]
        ):
            fix = "Put spaces around it and no quotes: it may become several words, or none."
            found.append((reference, Problem(where, reference.text, "a word of its own", fix)))
        elif reference.is_all or (
            reference.scope and (reference.name.lstrip("-") in names[reference.scope] or _droppable(reference))
        ):
            continue
        elif len(found) >= MOST_PROBLEMS:  # not shown, and advice takes its time
            found.append((reference, Problem(where, reference.text, "a name that is defined")))
        elif reference.scope:
            found.append((reference, _unknown_name(reference, known, where)))
        else:
            found.append((reference, _unknown_scope(reference, known, where)))
    for match in re.finditer(r"\$\{\{(?![^{}]*\}\})", command):
        text = command[match.start() : match.start() + 30]
        stray = Reference(scope="", name="", text=text, start=match.start())
        found.append((stray, Problem(where, show(text), "${{search_space.NAME}}, closed by two braces")))
    return tuple(sorted(found, key=lambda pair: pair[0].start))


def substitute(
    command: str,
    *,
    search_space: Params,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    flags: Collection[str] = (),
    style: OptionStyle = AS_GIVEN,
) -> str:
    """Returns the shell line of a command with every reference replaced by its value, quoted for the shell.

    Quotes around a reference are respected: inside double or single quotes the value is escaped for those.
    ``$[[ --flag ${{inputs.x}} ]]`` keeps its inside when every input it names is given, else it is dropped. The value
    of a parameter in ``flags`` that is a whole word of the command, without quotes, becomes as many words as it has.
    With a ``style``, an option and the reference behind it (``--amp ${{search_space.amp}}``) may become other words.
    ``${{search_space}}`` becomes the options of all parameters that the command does not name.

    >>> substitute("train --lr ${{search_space.lr}}", search_space={"lr": 0.1}, inputs={}, outputs={})
    'train --lr 0.1'

    Raises:
        ConfigError: If a reference names nothing that is given; all of them are listed.
    """
    problems = check_references(command, search_space=search_space, inputs=inputs, outputs=outputs)
    if problems:
        raise ConfigError(problem for _, problem in problems)
    known = {"inputs": inputs, "outputs": outputs, **{scope: search_space for scope in OF_PARAMETERS}}
    command = _without_absent(command, inputs)
    quotes = quotes_of(command)
    out: list[str] = []
    last = 0
    for reference in references(command):
        before, quote = command[last : reference.start], quotes[reference.start]
        last = reference.start + len(reference.text)
        if reference.is_all:
            out += (before, shlex.join(_all_words(command, search_space, flags, style)))
            continue
        values = known[reference.scope]
        key = _lookup(values, reference.name) or ""
        words = _words_of(reference, key, values[key], style)
        option = None if quote or words is not None else _OPTION_BEFORE.search(before)
        alone = reference.scope == "search_space" and not command[last : last + 1].strip()
        if option is not None and alone and style.changes(values[key]):
            before, words = before[: option.start()], option_words(option[1], values[key], style)
        if words is not None:
            out += (before, shlex.join(words))
            continue
        value = format_value(values[key])
        is_flag = reference.scope == "search_space" and key in flags and whole_word(command, reference, quote)
        written = value if is_flag and is_options(value) else _quoted(value, quote)
        out += (before, written)
    return "".join((*out, command[last:]))


def _words_of(reference: Reference, name: str, value: Any, style: OptionStyle) -> list[str] | None:
    """The words that a reference to a whole option stands for; None for a reference to a value."""
    if reference.scope == "flag":
        return option_words(name, value, style.for_flags())
    return override_words(name, value) if reference.scope == "override" else None


def _all_words(command: str, params: Params, flags: Collection[str], style: OptionStyle) -> list[str]:
    """The options of all parameters that a command does not name, sorted by name."""
    named = {one.name.lstrip("-") for one in references(command) if one.scope in OF_PARAMETERS}
    rest = {name: value for name, value in params.items() if name.lstrip("-") not in named}
    options = [name for name, value in rest.items() if name in flags and is_options(value)]
    words = script_arguments((), {name: value for name, value in rest.items() if name not in options}, style)
    return [*words, *(word for name in sorted(options) for word in rest[name].split())]


def whole_word(command: str, reference: Reference, quote: str = "") -> bool:
    """Whether a reference is a whole word of a command, without quotes."""
    before, after = command[: reference.start][-1:], command[reference.start + len(reference.text) :][:1]
    return not quote and (not before or before.isspace()) and (not after or after.isspace())


def is_options(value: object) -> bool:
    """Whether a value is nothing, or options of a command line: words that mean nothing to a shell, from ``-x`` on.

    >>> [is_options(text) for text in ("", "--amp", "--opt adam", "-v -v", "adam", "--x $HOME", "-1")]
    [True, True, True, True, False, False, False]
    """
    return isinstance(value, str) and _OPTIONS.fullmatch(value) is not None


def split_plain(command: str) -> list[str] | None:
    """Returns the words of a command that needs no shell, or None when one is needed.

    Quotes, escapes and continued lines are understood; variables, pipes, redirections, patterns, several commands,
    assignments and the shell's own commands are the shell's business.

    >>> split_plain("python train.py --name 'a b'"), split_plain("cd src && python train.py")
    (['python', 'train.py', '--name', 'a b'], None)
    """
    command = command.strip()
    words: list[str] = []
    word: list[str] | None = None
    for char, (quote, role) in zip(command, _scan(command), strict=True):
        if role == _LIVE and (char in _SHELL_CHARACTERS if quote == "" else char in "$`"):
            return None
        if role == _LIVE and quote == "" and char in " \t":
            if word is not None:
                words.append("".join(word))
            word = None
        elif role == _JOINED:
            continue
        else:
            word = [] if word is None else word
            if role != _SYNTAX:
                word.append(char)
    if word is not None:
        words.append("".join(word))
    if not words or words[0] in _SHELL_WORDS or _ASSIGNMENT.match(words[0]):
        return None
    return words


def trial_argv(
    spec: TrialSpec, params: Params, output_dirs: Mapping[str, str] | None = None, *, python: str = "python"
) -> tuple[str, ...]:
    """Returns the exact command line of an attempt, as given to the operating system.

    Args:
        spec: Of kind ``script`` or ``command``.
        params: Hyperparameters of the trial.
        output_dirs: What ``${{outputs.x}}`` stands for on this node; what is missing is shown as ``outputs/x``.
        python: Interpreter of scripts when the spec names none; it also takes the place of a leading ``python`` or
            ``python3`` of a command that needs no shell.

    Raises:
        ConfigError: If the spec is a function, which has no command line.
        ConfigError: If the command refers to something that is not given.
    """
    python, style = spec.python or python, spec.option_style
    if spec.kind == "script":
        fixed = [_input_of(argument, spec.inputs) for argument in spec.arguments] if spec.inputs else spec.arguments
        return (python, spec.script, *script_arguments(fixed, params, style))
    if spec.kind != "command":
        raise ConfigError(Problem("trial.kind", show(spec.kind), "script or command: a function has no command line"))
    outputs = {**{name: f"outputs/{below}" for name, below in spec.outputs.items()}, **(output_dirs or {})}
    known: dict[str, Any] = {"search_space": params, "inputs": spec.inputs, "outputs": outputs}
    line = substitute(spec.command, **known, flags=spec.flags, style=style).strip()
    words = split_plain(line)
    if words is None:
        return ("/bin/bash", "-c", line)
    if words[0] in ("python", "python3"):
        words[0] = python
    return tuple(words)


def sweep_variables(spec: TrialSpec, params: Params, output_dirs: Mapping[str, str]) -> dict[str, str]:
    """Returns ``AZUREML_SWEEP_<name>`` for every input, output and hyperparameter of a command, as v2 sets them.

    Args:
        spec: Of kind ``command``; others get none.
        params: Hyperparameters of the trial; they win over inputs and outputs of the same name.
        output_dirs: What ``${{outputs.x}}`` stands for.
    """
    if spec.kind != "command":
        return {}
    values = {**spec.inputs, **output_dirs, **{name.lstrip("-"): value for name, value in params.items()}}
    return {f"AZUREML_SWEEP_{name}": format_value(value) for name, value in values.items()}


def with_resume_argument(argv: Sequence[str], path: str, form: str = FORMS[0]) -> tuple[str, ...]:
    """Returns a command line with ``--resume-from PATH`` at its end, as HyperDrive passes it.

    Args:
        argv: As ``trial_argv`` gives it.
        path: Local folder of the checkpoint.
        form: The form of options, one of ``FORMS``; absl's is ``--resume_from=PATH``, Hydra's ``++resume_from=PATH``.
    """
    words = resume_words(path, form or FORMS[0])
    if tuple(argv[:2]) == ("/bin/bash", "-c"):
        return (*argv[:2], f"{argv[2]} {shlex.join(words)}")
    return (*argv, *words)


def shown(argv: Sequence[str]) -> str:
    """Returns a command line for people, to be pasted into a shell: ``python train.py --lr 0.1``.

    The path of a Python interpreter is cut to its name; a line run by a shell is shown as that line.
    """
    if len(argv) == 3 and tuple(argv[:2]) == ("/bin/bash", "-c"):
        return argv[2]
    interpreter = _INTERPRETER.match(argv[0]) if argv else None
    return shlex.join((interpreter[1], *argv[1:]) if interpreter else argv)


def _input_of(argument: str, inputs: Mapping[str, str]) -> str:
    """A fixed argument of a script; one that is nothing but ``${{inputs.x}}`` is the place of that data."""
    match = _REFERENCE.fullmatch(argument)
    scope, _, name = (match["body"] or "").strip().partition(".") if match else ("", "", "")
    return inputs.get(name, argument) if scope == "inputs" else argument


# --- references ------------------------------------------------------------------------------------------------------


def _lookup(values: Mapping[str, Any], name: str) -> str | None:
    """The key a reference means: as written, or but for leading dashes (``--lr`` is ``${{search_space.lr}}``)."""
    if name in values:
        return name
    return next((key for key in values if key.lstrip("-") == name.lstrip("-")), None)


def _droppable(reference: Reference) -> bool:
    return reference.optional and reference.scope == "inputs"


def _without_absent(command: str, inputs: Mapping[str, Any]) -> str:
    out: list[str] = []
    last = 0
    for begin, end in _optional_spans(command):
        body = command[begin:end]
        absent = (r for r in references(body) if r.scope == "inputs" and _lookup(inputs, r.name) is None)
        out += (command[last : begin - len(_OPEN)], "" if any(absent) else body.strip())
        last = end + len(_CLOSE)
    return "".join((*out, command[last:]))


def _optional_spans(command: str) -> list[tuple[int, int]]:
    """Where the insides of ``$[[ ]]`` begin and end; in one pass, however many are never closed."""
    spans = []
    begin = command.find(_OPEN)
    while begin >= 0:
        begin += len(_OPEN)
        end = command.find(_CLOSE, begin)
        if end < 0:
            break
        spans.append((begin, end))
        begin = command.find(_OPEN, end + len(_CLOSE))
    return spans


def _unknown_name(reference: Reference, known: Mapping[str, Mapping[str, Any]], where: str) -> Problem:
    names = [name.lstrip("-") for name in known[reference.scope]]
    listed = ", ".join(names) if names else "nothing: none are defined"
    fix = did_you_mean(reference.name, names)
    elsewhere = [scope for scope in SCOPES if _lookup(known[scope], reference.name) is not None]
    if owner := owner_of(reference.name, known["search_space"]):
        fix = f"{reference.name} is an option's, below {owner}: write ${{{{flag.{owner}}}}}, which adds both."
    elif not fix and elsewhere:
        fix = f"There is ${{{{{elsewhere[0]}.{reference.name}}}}}."
    return Problem(where, reference.text, f"in {reference.scope}: {listed}", fix)


def _unknown_scope(reference: Reference, known: Mapping[str, Mapping[str, Any]], where: str) -> Problem:
    allowed = "${{search_space.NAME}}, ${{inputs.NAME}} or ${{outputs.NAME}}"
    scope, _, rest = reference.name.partition(".")
    if scope == "parent":
        fix = "Bindings to a parent exist in pipelines only; write the value into this file's inputs."
    elif not rest:
        homes = [home for home in SCOPES if _lookup(known[home], scope) is not None]
        fix = f"Did you mean ${{{{{homes[0]}.{scope}}}}}?" if homes else ""
    else:
        near = nearest(scope, SCOPES)
        fix = f"Did you mean {near!r} as in ${{{{{near}.{rest}}}}}?" if near else ""
    return Problem(where, reference.text, allowed, fix)


def quotes_of(command: str) -> list[str]:
    """Returns of each character of a command which quotes it is in: none, a single or a double one."""
    return [quote for quote, _ in _scan(command)]


# --- the shell's quoting ---------------------------------------------------------------------------------------------

_LIVE, _LITERAL, _SYNTAX, _JOINED = "live", "literal", "syntax", "joined"


def _scan(command: str) -> list[tuple[str, str]]:
    """Returns for each character which quotes it is in ("", a single or a double one) and what the shell does with it.

    Live: it may mean something; literal: it is itself; syntax: it is taken away (quotes, backslashes); joined: it is a
    continued line's backslash or newline, and taken away without even making a word. Nested quotes of a ``$( )`` inside
    double quotes are not followed.
    """
    out: list[tuple[str, str]] = []
    quote = ""
    index = 0
    while index < len(command):
        char, after = command[index], command[index + 1 : index + 2]
        if char == "\\" and quote != "'" and after and (quote == "" or after in '$`"\\\n'):
            out += [(quote, _JOINED)] * 2 if after == "\n" else [(quote, _SYNTAX), (quote, _LITERAL)]
            index += 2
            continue
        if (char == quote and quote) or (char in "'\"" and not quote):
            out.append((quote, _SYNTAX))
            quote = "" if quote else char
        else:
            out.append((quote, _LITERAL if quote == "'" else _LIVE))
        index += 1
    return out


def _quoted(value: str, quote: str) -> str:
    """A value escaped for where it stands."""
    if quote == "'":
        return value.replace("'", "'\\''")
    if quote == '"':
        return re.sub(r'([\\"$`])', r"\\\1", value)
    return shlex.quote(value)
