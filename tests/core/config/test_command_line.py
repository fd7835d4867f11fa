from __future__ import annotations

import argparse
import doctest
import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.config import command_line
from raydrive.core.config.command_line import (
    references,
    shown,
    split_plain,
    substitute,
    trial_argv,
)
from raydrive.core.config.option_words import format_value, script_arguments
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.errors import ConfigError

NOTHING: dict[str, str] = {}


def fill(command: str, inputs: dict[str, object] | None = None, outputs: dict[str, object] | None = None, **params):
    return substitute(command, search_space=params, inputs=inputs or {}, outputs=outputs or {})


def problems_of(command: str, **params: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        fill(command, **params)
    return [str(problem) for problem in caught.value.problems]


def test_doctests() -> None:
    assert doctest.testmod(command_line).failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # reference/hyperdrive.md 1.5: choice(5.0) -> '5', quniform 28.0 -> '28', the rest shortest round trip.
        (5.0, "5"),
        (28.0, "28"),
        (0.1, "0.1"),
        (0.07305749316577334, "0.07305749316577334"),
        (1e-05, "1e-05"),
        (1e16, "1e+16"),
        (-0.5, "-0.5"),
        (-3.0, "-3"),
        (-1e-05, "-0.00001"),
        (7, "7"),
        (-7, "-7"),
        (True, "True"),
        (False, "False"),
        (None, "None"),
        ("adam", "adam"),
        ("", ""),
        ("two words", "two words"),
        ({"model_name": "yolov5", "learning_rate": 0.01}, '{"model_name": "yolov5", "learning_rate": 0.01}'),
        ({"depth": 3.0, "deep": {"on": True, "none": None}}, '{"depth": 3, "deep": {"on": true, "none": null}}'),
        ([1, 2.0, "a"], '[1, 2, "a"]'),
        ((64, 32), "[64, 32]"),
        (np.float64(0.1), "0.1"),
        (np.float64(2.0), "2"),
        (np.int64(4), "4"),
        (np.bool_(True), "True"),
        (np.str_("x"), "x"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
    ],
)
def test_values_are_written_as_hyperdrive_does(value: object, text: str) -> None:
    assert format_value(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_back_the_same(value: float) -> None:
    text = format_value(value)
    assert float(text) == value
    assert not text.endswith(".0")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12))
def test_argparse_takes_every_number(value: float) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    assert parser.parse_args(script_arguments([], {"lr": value})).lr == value


def test_arguments_are_fixed_ones_then_names_in_order() -> None:
    params = {"momentum": 0.9, "--lr": 0.1, "batch-size": 64.0, "model": {"depth": 2}}
    assert script_arguments(["--epochs", "5", "data dir"], params) == (
        "--epochs", "5", "data dir",
        "--batch-size", "64", "--lr", "0.1", "--model", '{"depth": 2}', "--momentum", "0.9",
    )  # fmt: skip


def test_duplicates_stay_and_the_last_wins() -> None:
    given_arguments = script_arguments(["--param_horizon", 5], {"param_horizon": 28.0})
    assert given_arguments == ("--param_horizon", "5", "--param_horizon", "28")
    parser = argparse.ArgumentParser()
    parser.add_argument("--param_horizon", type=int)
    assert parser.parse_args(given_arguments).param_horizon == 28


def test_a_short_option_keeps_its_dash() -> None:
    assert script_arguments([], {"-b": 2}) == ("-b", "2")


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "filled"),
    [
        ("python t.py --lr ${{search_space.lr}}", "python t.py --lr 0.1"),
        ("python t.py --lr ${{ search_space.lr }}", "python t.py --lr 0.1"),
        ("python t.py --lr {search_space.lr} {inputs.n}", "python t.py --lr 0.1 5"),
        ("t ${{search_space.name}}", "t 'two words'"),
        ('t "${{search_space.name}}"', 't "two words"'),
        ("t '${{search_space.name}}'", "t 'two words'"),
        ("t --x=${{search_space.name}}", "t --x='two words'"),
        ('t "${{search_space.dollar}}"', 't "\\$HOME \\"x\\""'),
        ("t '${{search_space.quote}}'", "t 'it'\\''s'"),
        ("t ${{search_space.quote}}", "t 'it'\"'\"'s'"),
        ("t ${{search_space.empty}} b", "t '' b"),
        ("t --m ${{search_space.model}}", "t --m '{\"depth\": 2}'"),
        ("t ${{outputs.model}}/m.pkl", "t /run/outputs/model/m.pkl"),
        ("awk '{print $1}' {file}", "awk '{print $1}' {file}"),
        ("echo ${HOME} $[1+1]", "echo ${HOME} $[1+1]"),
        ("t $[[ --n ${{inputs.n}} ]] --end", "t --n 5 --end"),
        ("t $[[--gone ${{inputs.gone}}]] --end", "t  --end"),
        ("t $[[--n ${{inputs.n}} --gone ${{inputs.gone}}]]", "t "),
    ],
)
def test_references_are_replaced(command: str, filled: str) -> None:
    params = {
        "lr": 0.1, "name": "two words", "dollar": '$HOME "x"', "quote": "it's", "empty": "", "model": {"depth": 2.0}
    }  # fmt: skip
    assert fill(command, inputs={"n": "5"}, outputs={"model": "/run/outputs/model"}, **params) == filled


def test_a_parameter_with_dashes_is_found_without_them() -> None:
    assert substitute("t ${{search_space.lr}}", search_space={"--lr": 1}, inputs={}, outputs={}) == "t 1"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_every_text_arrives_whole_whatever_the_quotes(value: str) -> None:
    for command in ("t ${{search_space.x}}", 't "${{search_space.x}}"', "t '${{search_space.x}}'"):
        assert split_plain(fill(command, x=value)) == ["t", value]


@pytest.mark.parametrize("value", ["a b", "$HOME", "`id`", "it's", '"', "\\", "a\nb", "*", "!x", "~", "#c", "ä"])
def test_bash_hands_over_the_same_text(value: str) -> None:
    script = "import sys; print(sys.argv[1:])"
    line = (
        shlex.join([sys.executable, "-c", script])
        + " ${{search_space.x}} \"${{search_space.x}}\" '${{search_space.x}}'"
    )
    out = subprocess.run(["/bin/bash", "-c", fill(line, x=value)], capture_output=True, text=True, check=True).stdout
    assert out.strip() == repr([value] * 3)


def test_all_unknown_references_are_reported() -> None:
    assert problems_of(
        "t ${{search_space.lr}} ${{search_space.momentun}} ${{inputs.data}} ${{lr}}", momentum=1, lr=2
    ) == [
        "trial.command: found ${{search_space.momentun}}; allowed: in search_space: momentum, lr. "
        "Did you mean 'momentum'?",
        "trial.command: found ${{inputs.data}}; allowed: in inputs: nothing: none are defined",
        "trial.command: found ${{lr}}; allowed: ${{search_space.NAME}}, ${{inputs.NAME}} or ${{outputs.NAME}}. "
        "Did you mean ${{search_space.lr}}?",
    ]


def test_the_wrong_scope_is_put_right() -> None:
    assert "There is ${{search_space.lr}}." in problems_of("t ${{inputs.lr}}", lr=1)[0]
    assert "as in ${{search_space.lr}}" in problems_of("t ${{searchspace.lr}}", lr=1)[0]
    assert "pipelines only" in problems_of("t ${{parent.inputs.lr}}", lr=1)[0]


def test_an_optional_part_still_needs_its_parameters() -> None:
    assert "search_space" in problems_of("t $[[ --x ${{search_space.gone}} ]]", lr=1)[0]


def test_references_say_where_they_stand() -> None:
    found = references("t ${{ search_space.lr }} {inputs.n} $[[${{inputs.m}}]]")
    assert [(each.scope, each.name, each.start, each.optional) for each in found] == [
        ("search_space", "lr", 2, False),
        ("inputs", "n", 25, False),
        ("inputs", "m", 39, True),
    ]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py --lr 0.1", ["python", "train.py", "--lr", "0.1"]),
        ("  python   a  ", ["python", "a"]),
        ("a 'b c' \"d e\" f\\ g", ["a", "b c", "d e", "f g"]),
        ("a ''", ["a", ""]),
        ("a b'c'd", ["a", "bcd"]),
        ("a \\\n  --lr 1 \\\n  --x 2\n", ["a", "--lr", "1", "--x", "2"]),
        ('a "x\\\ny"', ["a", "xy"]),
        ('a "\\$5 \\\\ \\n"', ["a", "$5 \\ \\n"]),
        ("a '$HOME' '*'", ["a", "$HOME", "*"]),
        ("a x=1 --y=2", ["a", "x=1", "--y=2"]),
        ("./run.sh", ["./run.sh"]),
    ],
)
def test_a_plain_command_needs_no_shell(command: str, words: list[str]) -> None:
    assert split_plain(command) == words
    said = subprocess.run(["/bin/bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True)
    assert said.stdout.split("\0")[:-1] == words


@pytest.mark.parametrize(
    "command",
    [
        "a && b", "a; b", "a | b", "a > log", "a 2>&1", "a &", "a $X", "a ${X}", 'a "$X"', "a `b`", 'a "`b`"',
        "a *.csv",
        "a [ab]", "a ?", "a {b,c}", "a ~/x", "X=1 a", "X=1", "cd src", "source x", ". x", "a # b", "a\nb", "for i in 1",
        "export X=1", "a (b)", "! a", "",
    ],
)  # fmt: skip
def test_a_command_with_features_needs_a_shell(command: str) -> None:
    assert split_plain(command) is None


# --- command lines of attempts ---------------------------------------------------------------------------------------


def test_a_script_gets_hyperdrives_arguments() -> None:
    spec = TrialSpec(kind="script", script="train.py", arguments=("--epochs", "5"))
    assert trial_argv(spec, {"lr": 0.1, "--batch": 8.0}, {}, python="/env/bin/python3.11") == (
        "/env/bin/python3.11", "train.py", "--epochs", "5", "--batch", "8", "--lr", "0.1",
    )  # fmt: skip
    spec = TrialSpec(kind="script", script="train.py", python="/own/python")
    assert trial_argv(spec, {}, {}, python="/env/python") == ("/own/python", "train.py")


def test_a_plain_command_runs_with_the_wanted_python() -> None:
    spec = TrialSpec(
        kind="command",
        command="python3 train.py --lr ${{search_space.lr}} --data ${{inputs.data}} --out ${{outputs.model}}\n",
        inputs={"data": "/data/my file.csv"},
        outputs={"model": "model"},
    )
    assert trial_argv(spec, {"lr": 0.5}, {"model": "/t/outputs/model"}, python="/env/python") == (
        "/env/python", "train.py", "--lr", "0.5", "--data", "/data/my file.csv", "--out", "/t/outputs/model",
    )  # fmt: skip
    assert trial_argv(spec, {"lr": 0.5}, python="/env/python")[-1] == "outputs/model"
    assert trial_argv(TrialSpec(kind="command", command="Rscript fit.R"), {}, {}) == ("Rscript", "fit.R")


def test_a_shell_command_runs_in_bash() -> None:
    spec = TrialSpec(kind="command", command="cd src && python t.py --m ${{search_space.m}}")
    assert trial_argv(spec, {"m": {"a": 1}}, {}) == ("/bin/bash", "-c", "cd src && python t.py --m '{\"a\": 1}'")


def test_a_function_has_no_command_line() -> None:
    with pytest.raises(ConfigError, match="a function has no command line"):
        trial_argv(TrialSpec(kind="function", script="train"), {}, {})


def test_shown_can_be_pasted() -> None:
    assert shown(("/home/u/.venv/bin/python3.11", "train.py", "--lr", "0.1")) == "python3.11 train.py --lr 0.1"
    assert shown(("/env/bin/python", "t.py", "--m", '{"a": 1}')) == "python t.py --m '{\"a\": 1}'"
    assert shown(("/bin/bash", "-c", "cd src && make")) == "cd src && make"
    assert shown(("/opt/pythonic", "x")) == "/opt/pythonic x"
    assert json.loads(shlex.split(shown(("t", '{"a": "b c"}')))[1]) == {"a": "b c"}
