"""Values that are options of a command line: split as Azure's shell would, and never anything else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from raydrive.core.config.argument_values import flag_parameters, quoted_notes, unpassable
from raydrive.core.config.command_line import is_options, substitute, trial_argv
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.space.search_space import choice, parse_space, uniform

SHOW = f"{sys.executable} -c 'import sys; print(sys.argv[1:])'"


def argv(command: str, values: list[Any], value: Any) -> tuple[str, ...]:
    space = parse_space({"x": choice(values)})
    spec = TrialSpec(kind="command", command=command, flags=flag_parameters(space))
    return trial_argv(spec, {"x": value})


@pytest.mark.parametrize(
    ("values", "value", "words"),
    [
        (["--amp", ""], "--amp", ("--amp",)),
        (["--amp", ""], "", ()),
        (["--opt adam", "--opt sgd"], "--opt sgd", ("--opt", "sgd")),
        (["--opt adam --lr 0.1", "--opt=sgd"], "--opt adam --lr 0.1", ("--opt", "adam", "--lr", "0.1")),
        (["-v -v", "-q", ""], "-v -v", ("-v", "-v")),
        (["--a,b:c=d/e@f%g+h-i"], "--a,b:c=d/e@f%g+h-i", ("--a,b:c=d/e@f%g+h-i",)),
    ],
)
@pytest.mark.parametrize("shell", ["", " && true"])
def test_flags_become_as_many_words_as_they_have(
    values: list[str], value: str, words: tuple[str, ...], shell: str
) -> None:
    found = argv(f"{SHOW} a ${{{{search_space.x}}}} b{shell}", values, value)
    assert subprocess.check_output(found, text=True).strip() == str(["a", *words, "b"])


@pytest.mark.parametrize("reference", ["{}", "{search_space.x}", "${{ search_space.x }}"])
def test_every_way_of_writing_a_reference(reference: str) -> None:
    reference = reference.replace("{}", "${{search_space.x}}")
    assert argv(f"prog {reference}", ["--opt adam", ""], "--opt adam") == ("prog", "--opt", "adam")


@pytest.mark.parametrize(
    ("command", "value", "words"),
    [
        ('prog "${{search_space.x}}"', "--opt adam", ("prog", "--opt adam")),
        ("prog '${{search_space.x}}'", "", ("prog", "")),
        ("prog --args=${{search_space.x}}", "--opt adam", ("prog", "--args=--opt adam")),
        ("prog ${{search_space.x}}${{search_space.x}}", "--opt adam", ("prog", "--opt adam--opt adam")),
    ],
)
def test_where_a_reference_is_no_word_of_its_own_the_value_stays_one(command: str, value: str, words: Any) -> None:
    assert argv(command, ["--opt adam", ""], value) == words


OTHERS: list[list[Any]] = [
    ["", "a"], ["adam", "sgd"], ["a b", "--c"], ["--x", "$HOME"], ["--x;reboot"], ["--x $(id)"], ["--x `id`"],
    ["--x 'a b'"], ['--x "a"'], ["--x\n--y"], ["--x > f"], ["--x *"], ["--x ~"], ["--x {a,b}"], ["--x #"], ["--x \\"],
    ["--x &"], ["-1", "-2 3"], ["--x", 1], ["--x", None], ["--x", True], ["--x", {"a": 1}], [""], ["--ä ö"],
    ["--x\t--y"], ["--x\u00a0y"], ["---x"],
]  # fmt: skip


@pytest.mark.parametrize("values", OTHERS)
def test_other_choices_are_quoted_as_ever(values: list[Any]) -> None:
    space = parse_space({"x": choice(values)})
    assert flag_parameters(space) == ()
    for value in values:
        command = f"{SHOW} ${{{{search_space.x}}}}"
        spec = TrialSpec(kind="command", command=command, flags=flag_parameters(space))
        printed = subprocess.check_output(trial_argv(spec, {"x": value}), text=True)
        assert len(eval(printed)) == 1


HOSTILE = (
    "; id",
    "$(id)",
    "`id`",
    "--x; id",
    "--x $(id)",
    "--x\nid",
    "--x | id",
    "--x && id",
    "--x > /tmp/f",
    "--x 'a",
    '--x "a',
)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_that_is_no_option_is_quoted_even_for_a_flag(value: str) -> None:
    """A trial that goes on from an earlier run brings parameters that no choice of this run lists."""
    assert not is_options(value)
    line = substitute("prog ${{search_space.x}}", search_space={"x": value}, inputs={}, outputs={}, flags=("x",))
    printed = subprocess.check_output(["/bin/bash", "-c", line.replace("prog", SHOW)], text=True)
    assert eval(printed) == [value]


def test_inputs_are_never_split() -> None:
    line = substitute("prog ${{inputs.x}}", search_space={}, inputs={"x": "--opt adam"}, outputs={}, flags=("x",))
    assert line == "prog '--opt adam'"


def test_a_run_recorded_without_flags_starts_its_trials_as_ever() -> None:
    raw = {"kind": "command", "command": "prog ${{search_space.x}}", "resources": {}}
    assert trial_argv(TrialSpec.from_json(raw), {"x": "--opt adam"}) == ("prog", "--opt adam")


@pytest.mark.parametrize(
    ("values", "command", "noted"),
    [
        (["relu tanh", "relu"], "prog ${{search_space.x}}", "'relu tanh' arrives as one word"),
        (["", "a"], "prog --prefix ${{search_space.x}}", "'' arrives as one word"),
        (["--opt adam", ""], "prog --x=${{search_space.x}}", "'--opt adam' arrives as one word"),
        (["relu tanh"], 'prog "${{search_space.x}}"', ""),
        (["--opt adam", ""], "prog ${{search_space.x}}", ""),
        (["--amp", "--no-amp"], "prog ${{search_space.x}}", ""),
        (["a", 1, {"b": "c d"}], "prog ${{search_space.x}}", ""),
    ],
)
def test_what_azure_would_split_and_arrives_whole_is_noted(values: list[Any], command: str, noted: str) -> None:
    notes = list(quoted_notes(command, parse_space({"x": choice(values), "y": uniform(0, 1)})))
    assert [where for where, _ in notes] == (["search_space.x"] if noted else [])
    assert all(noted in note and "quotes" in note for _, note in notes)


def test_what_no_command_line_can_hold() -> None:
    space = parse_space({"x": choice("a", "b\0"), "y": choice({"z": "\0"}, "\ud800"), "z": uniform(0, 1)})
    assert [problem.where for problem in unpassable(space)] == ["search_space.x", "search_space.y"]
