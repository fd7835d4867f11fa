"""Hyperparameters as flags, as options of nested choices and as overrides: what real parsers make of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raydrive.api.config import HyperDriveConfig, ScriptRunConfig
from raydrive.core.config.command_line import substitute, trial_argv, with_resume_argument
from raydrive.core.config.option_words import OptionStyle, option_words, override_words
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, uniform
from raydrive.sweepfile.loader import load_sweep

ADAM = {"adam": {"beta1": 0.897}}
SPACE = {
    "lr": uniform(0, 1),
    "nesterov": choice(True, False),
    "optimizer": choice({"adam": {"beta1": uniform(0.8, 0.99)}}, {"sgd": {}}),
}

ARGPARSE = """
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--nesterov", action="store_true")
parser.add_argument("--optimizer")
parser.add_argument("--beta1", type=float)
print(json.dumps(vars(parser.parse_args())))
"""
BOOLEAN_OPTIONAL = ARGPARSE.replace('"store_true"', "argparse.BooleanOptionalAction")
CLICK = """
import click, json
@click.command()
@click.option("--lr", type=float)
@click.option("--nesterov/--no-nesterov")
@click.option("--optimizer")
@click.option("--beta1", type=float)
def main(**options):
    print(json.dumps(options))
main()
"""
HYDRA = """
import hydra, json
from omegaconf import OmegaConf
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    print(json.dumps(OmegaConf.to_container(config)))
main()
"""
HYDRA_FILES = {
    "config.yaml": "defaults:\n  - optimizer: sgd\n  - _self_\nlr: 0.5\nnesterov: false\nnote: none\n",
    "optimizer/adam.yaml": "name: adam\nbeta1: 0.9\n",
    "optimizer/sgd.yaml": "name: sgd\n",
}


def printed(argv: tuple[str, ...], folder: Path) -> dict[str, Any]:
    output = subprocess.run([sys.executable, *argv[1:]], cwd=folder, text=True, capture_output=True, timeout=100)
    assert output.returncode == 0, output.stderr
    found: dict[str, Any] = json.loads(output.stdout)
    return found


def config_of(folder: Path, **options: Any) -> RunConfig:
    sampling = RandomParameterSampling(SPACE)
    script = ScriptRunConfig(folder, **options)
    return HyperDriveConfig(sampling, "accuracy", "maximize", 4, run_config=script).config


def from_yaml(folder: Path, command: str, own: str) -> RunConfig:
    text = f"""
        type: sweep
        trial: {{code: ., command: "{command}"}}
        search_space:
          lr: {{type: uniform, min_value: 0, max_value: 1}}
          nesterov: {{type: choice, values: [true, false]}}
          optimizer:
            type: choice
            values: [{{adam: {{beta1: {{type: uniform, min_value: 0.8, max_value: 0.99}}}}}}, {{sgd: {{}}}}]
        objective: {{goal: maximize, primary_metric: accuracy}}
        limits: {{max_total_trials: 4}}
        raydrive: {own}
    """
    return load_sweep(folder / "sweep.yml", text=text).submission.config


SGD: dict[str, Any] = {"sgd": {}}
GIVEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"lr": 0.1, "nesterov": True, "optimizer": ADAM},
        {"lr": 0.1, "nesterov": True, "optimizer": "adam", "beta1": 0.897},
    ),
    (
        {"lr": 0.1, "nesterov": False, "optimizer": SGD},
        {"lr": 0.1, "nesterov": False, "optimizer": "sgd", "beta1": None},
    ),
]
BEHIND = (
    "python train.py --lr ${{search_space.lr}} --nesterov ${{search_space.nesterov}} "
    "--optimizer ${{search_space.optimizer}}"
)
FLAGS = "python train.py --lr ${{search_space.lr}} ${{flag.nesterov}} ${{flag.optimizer}}"


@pytest.mark.parametrize(("params", "seen"), GIVEN)
@pytest.mark.parametrize(
    ("script", "flags"),
    [(ARGPARSE, "true"), (BOOLEAN_OPTIONAL, "both"), (CLICK, "both")],
    ids=["argparse", "BooleanOptionalAction", "click"],
)
def test_flags_and_flattened_choices_reach_a_parser(
    params: dict[str, Any], seen: dict[str, Any], script: str, flags: str, tmp_path: Path
) -> None:
    """The v1 form, a command with options before its references, and one with flag references; in Python and YAML."""
    (tmp_path / "train.py").write_text(script)
    style: Any = {"flags": True if flags == "true" else "both", "flatten": True}
    made = [
        config_of(tmp_path, script="train.py", **style),
        config_of(tmp_path, command=BEHIND, **style),
        config_of(tmp_path, command=FLAGS, flags=style["flags"]),
        from_yaml(tmp_path, BEHIND, f"{{flags: {flags}, flatten: true}}"),
        from_yaml(tmp_path, FLAGS, f"{{flags: {flags}}}"),
    ]
    lines = set()
    for config in made:
        restored = RunConfig.from_json(json.loads(json.dumps(config.to_json())))
        lines.add(trial_argv(restored.trial, params)[1:])
    assert len(lines) == 1
    assert printed(("python", *lines.pop()), tmp_path) == seen


def test_argparse_without_the_negative_form_may_have_a_flag_reference_alone(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ARGPARSE)
    config = config_of(tmp_path, command=FLAGS)
    assert trial_argv(config.trial, GIVEN[1][0])[1:] == ("train.py", "--lr", "0.1", "--optimizer", "sgd")
    assert printed(trial_argv(config.trial, GIVEN[1][0]), tmp_path) == GIVEN[1][1]


def test_overrides_reach_hydra(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(HYDRA)
    for name, text in HYDRA_FILES.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).write_text(text)
    command = "python train.py ${{override.lr}} ${{override.nesterov}} ${{override.optimizer}}"
    for config in (config_of(tmp_path, command=command), from_yaml(tmp_path, command, "{}")):
        found = printed(trial_argv(config.trial, GIVEN[0][0]), tmp_path)
        assert found == {"lr": 0.1, "nesterov": True, "note": "none", "optimizer": {"name": "adam", "beta1": 0.897}}
        found = printed(trial_argv(config.trial, GIVEN[1][0]), tmp_path)
        assert found == {"lr": 0.1, "nesterov": False, "note": "none", "optimizer": {"name": "sgd"}}
    for text in ("a b", "it's", "true", "1e-5", "a=b,c", "back\\", "ü", ""):
        assert printed(("python", "train.py", *override_words("note", text)), tmp_path)["note"] == text


@pytest.mark.parametrize(
    ("value", "style", "words"),
    [
        (True, OptionStyle(), ["--x", "True"]),
        (True, OptionStyle(flags="on"), ["--x"]),
        (False, OptionStyle(flags="on"), []),
        (False, OptionStyle(flags="both"), ["--no-x"]),
        (None, OptionStyle(), ["--x", "None"]),
        (None, OptionStyle(flags="both"), []),
        (0, OptionStyle(flags="on"), ["--x", "0"]),
        (ADAM, OptionStyle(), ["--x", '{"adam": {"beta1": 0.897}}']),
        (ADAM, OptionStyle(flatten=True), ["--x", "adam", "--beta1", "0.897"]),
        ({"kernel": "rbf", "gamma": 2.0}, OptionStyle(flatten=True), ["--kernel", "rbf", "--gamma", "2"]),
        ({"depth": 3}, OptionStyle(flatten=True), ["--depth", "3"]),
        (
            {"adam": {"amsgrad": True, "sub": {"cos": {"t": 1}}}},
            OptionStyle(flags="on", flatten=True),
            ["--x", "adam", "--amsgrad", "--sub", "cos", "--t", "1"],
        ),
        ([1, 2], OptionStyle(flags="on", flatten=True), ["--x", "[1, 2]"]),
    ],
)
def test_words_of_a_value(value: Any, style: OptionStyle, words: list[str]) -> None:
    assert option_words("x", value, style) == words


def test_a_short_flag_has_no_negative_form() -> None:
    both = OptionStyle(flags="both")
    assert [option_words("-n", value, both) for value in (True, False)] == [["-n"], []]


def test_only_an_option_right_before_a_whole_word_becomes_a_flag() -> None:
    style = OptionStyle(flags="on", flatten=True)

    def line(command: str, value: Any = True) -> str:
        return substitute(command, search_space={"x": value}, inputs={}, outputs={}, style=style)

    reference = "${{search_space.x}}"
    assert line(f"run --amp {reference} end") == "run --amp end"
    assert line(f"run --amp={reference}") == "run --amp"
    assert line(f"run --amp {reference}", False).split() == ["run"]
    assert line(f"run --opt {reference}", ADAM) == "run --opt adam --beta1 0.897"
    assert line(f"run '--amp {reference}'") == "run '--amp True'"
    assert line(f"run x={reference} {reference} --a {reference}b") == "run x=True True --a Trueb"


def test_keys_that_cannot_be_options_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ARGPARSE)
    space = {"lr": uniform(0, 1), "o": choice({"adam": {"lr": 1}}, {"a b": {}}, {"x": {"c d": 1}})}
    script = ScriptRunConfig(tmp_path, "train.py", flatten=True)
    with pytest.raises(ConfigError) as caught:
        HyperDriveConfig(RandomParameterSampling(space), "m", "maximize", 1, run_config=script)
    assert [str(problem) for problem in caught.value.problems] == [
        "search_space.o.values[0]: found --lr of another parameter too; allowed: each option once. "
        "Rename one of the two.",
        "search_space.o.values[2]: found the key 'c d'; allowed: the name of an option: letters, digits, "
        "'_', '-' and '.'",
    ]


def test_a_wrong_word_for_flags_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="flags: found 'yes'; allowed: True or False, or 'both'"):
        ScriptRunConfig(tmp_path, command="x", flags="yes")


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("argparse", ("--lr", "0.1", "--nesterov", "True")),
        ("absl", ("--lr=0.1", "--nesterov=True")),
        ("hydra", ("lr=0.1", "nesterov=true")),
    ],
)
def test_a_style_makes_options_of_a_script_and_of_all_parameters_of_a_command(
    style: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(ARGPARSE)
    params = {"nesterov": True, "lr": 0.1, "optimizer": SGD}
    command = "python train.py ${{search_space}} --o '${{search_space.optimizer}}'"
    for config in (
        config_of(tmp_path, command=command, style=style),
        from_yaml(tmp_path, command, f"{{style: {style}}}"),
    ):
        line = trial_argv(RunConfig.from_json(json.loads(json.dumps(config.to_json()))).trial, params)
        assert line[2:-2] == words
        assert line[-2] == "--o"
    script = config_of(tmp_path, script="train.py", style=style).trial
    assert trial_argv(script, {"nesterov": True, "lr": 0.1})[2:] == words


def test_a_style_reaches_hydra_with_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(HYDRA)
    for name, text in HYDRA_FILES.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).write_text(text)
    argv = trial_argv(config_of(tmp_path, script="train.py", style="hydra").trial, GIVEN[0][0])
    found = printed(with_resume_argument(argv, "/a b/ck", "hydra"), tmp_path)
    assert found["resume_from"] == "/a b/ck"
    assert found["optimizer"] == {"name": "adam", "beta1": 0.897}
    assert printed(with_resume_argument(argv, "/a/ck", "hydra"), tmp_path)["resume_from"] == "/a/ck"


def test_all_parameters_of_a_command_are_those_that_it_does_not_name() -> None:
    params = {"lr": 0.1, "--b": 2, "amp": "--amp -v", "note": "a b"}

    def line(command: str, **options: Any) -> str:
        return substitute(command, search_space=params, inputs={}, outputs={}, flags=("amp",), **options)

    assert line("run ${{search_space}} end") == "run --b 2 --lr 0.1 --note 'a b' --amp -v end"
    assert line("run --rate ${{search_space.lr}} ${{ search_space }}").startswith("run --rate 0.1 --b 2 --note")
    assert line("run ${{search_space}}", style=OptionStyle(form="absl")) == "run --b=2 --lr=0.1 '--note=a b' --amp -v"
    with pytest.raises(ConfigError, match="a word of its own"):
        line("run '${{search_space}}'")


def test_absl_has_negative_flags_without_a_dash() -> None:
    style = OptionStyle(flags="both", form="absl", flatten=True)
    assert option_words("nesterov", False, style) == ["--nonesterov"]
    assert option_words("o", ADAM, style) == ["--o=adam", "--beta1=0.897"]


def test_styles_that_cannot_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ARGPARSE)
    with pytest.raises(ConfigError, match="argparse, absl, hydra"):
        config_of(tmp_path, script="train.py", style="click")
    with pytest.raises(ConfigError, match="given with style hydra"):
        config_of(tmp_path, script="train.py", style="hydra", flags=True)
