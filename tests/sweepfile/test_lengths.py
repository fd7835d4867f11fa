"""Input that is enormous, deeply nested or holds what no file name can hold: refused early, with the bound."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from raydrive.api.workspace import Workspace
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.sweepfile.loader import load_sweep

SWEEP = """\
type: sweep
trial:
  command: python train.py --lr ${{search_space.lr}}
  code: .
search_space:
  lr: {type: uniform, min_value: 0, max_value: 1}
objective: {goal: maximize, primary_metric: acc}
limits: {max_total_trials: 4}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("")
    return tmp_path / "sweep.yml"


def problems(file: Path, text: str, **more: Any) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_sweep(file, text=text, **more)
    assert len(str(caught.value)) < 20_000
    return list(caught.value.problems)


def with_value(old: str, new: str) -> str:
    assert old in SWEEP
    return SWEEP.replace(old, new)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!set {a, b}", "!!set"),
        ("!!omap [a: 1]", "!!omap"),
        ("!!seq {a: 1}", "!!seq"),
        ("!!map [a, b]", "!!map"),
        ("!!str {a: b}", "!!str"),
        ("!other {a: b}", "!other"),
        ("!other [a]", "!other"),
        ("!!binary aGk=", "!!binary"),
        ("!!python/object:os.system x", "!!python/object:os.system"),
    ],
)
def test_a_tag_has_a_sentence_with_its_place(file: Path, value: str, tag: str) -> None:
    found = problems(file, f"{SWEEP}tags: {value}\n")
    (one,) = [problem for problem in found if problem.found == f"the tag {tag}"]
    assert (one.where, one.place) == ("tags", f"{file}:9:7")


@pytest.mark.parametrize("text", ["[" * 3000 + "]" * 3000, "{a: " * 3000 + "1" + "}" * 3000])
def test_deep_nesting_is_refused_with_the_bound(file: Path, text: str) -> None:
    for found in (problems(file, f"{SWEEP}tags: {text}\n"), problems(file, SWEEP, overrides=[f"tags={text}"])):
        assert (found[0].found, found[0].allowed) == ("values nested too deeply", "at most 100 levels")


def test_nested_aliases_count_with_what_they_stand_for(file: Path) -> None:
    chain = "".join(f"k{i}: &k{i} {'[' * 90}{f'*k{i - 1}' if i else 1}{']' * 90}\n" for i in range(20))
    assert problems(file, chain)[0].allowed == "at most 100 levels"


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 4000, "-" + "1" * 3000])
def test_a_number_of_thousands_of_digits_is_refused_and_never_becomes_text(file: Path, number: str) -> None:
    choice = with_value("{type: uniform, min_value: 0, max_value: 1}", f"{{type: choice, values: [{number}]}}")
    (one,) = problems(file, choice)
    assert (one.where, one.found) == ("search_space.lr.values[0]", f"a number of {len(number):,} digits")
    assert one.allowed == "at most 1,000"
    quoted = with_value("{type: uniform, min_value: 0, max_value: 1}", f"{{type: choice, values: ['{number}']}}")
    assert load_sweep(file, text=quoted).submission.config.sampling.space.size == 1


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 3000 + "]" * 3000,
        "a = " + "{a=" * 3000,
        ".".join("a" * 3000) + " = 1",
        "[" + ".".join("a" * 3000) + "]",
        "seed = " + "9" * 5000,
        "seed = 0x" + "f" * 5000,
        'storage = "\\u0000"',
        'storage = "runs\\u0000"',
    ],
    ids=["lists", "tables", "dotted key", "header", "digits", "hexadecimal", "NUL", "NUL at the end"],
)
def test_a_settings_file_is_bounded_for_every_reader(file: Path, text: str) -> None:
    settings = file.with_name("raydrive.toml")
    settings.write_text(text)
    for found in (problems(file, SWEEP, defaults=settings), problems(file, SWEEP, site=[settings])):
        assert str(settings) in found[0].place
    with pytest.raises(ConfigError, match=r"raydrive\.toml"):
        Workspace.from_config(settings)


@pytest.mark.parametrize("bad", ["\\0", "a\\0b", "\\ud800"])
@pytest.mark.parametrize(
    "key",
    [
        "trial.code", "trial.command", "experiment_name", "display_name", "objective.primary_metric",
        "raydrive.storage", "raydrive.address", "raydrive.python", "raydrive.warm_start", "raydrive.preload", "tags.a",
        "inputs.a", "inputs.a.path", "outputs.a.path", "raydrive.environment_variables.A", "search_space.lr",
    ],
)  # fmt: skip
def test_what_no_file_name_can_hold_is_refused_wherever_it_stands(file: Path, key: str, bad: str) -> None:
    (one,) = [
        problem
        for problem in problems(file, SWEEP, overrides=[f'{key}="{bad}"'])
        if problem.allowed == "text that a file name and a command line can hold"
    ]
    assert one.found == ("half a character (a lone surrogate)" if "u" in bad else "a NUL character")
    assert one.place == f"--set {key}"


@pytest.mark.parametrize("key", ["trial.code", "inputs.a.path"])
def test_a_path_that_is_too_long_is_one_that_is_not_there(file: Path, key: str) -> None:
    (one,) = problems(file, SWEEP, overrides=[f"{key}={'a' * 100_000}"])
    assert one.where == key
    assert "there is no" in one.found
    assert len(str(one)) < 3_000
    assert "characters)" in str(one)


@pytest.mark.parametrize(
    "key",
    [
        "name", "display_name", "objective.primary_metric", "raydrive.storage", "raydrive.address", "raydrive.python",
        "experiment_name", "raydrive.resources.accelerator_type",
    ],
)  # fmt: skip
def test_a_name_that_is_too_long_has_a_bound(file: Path, key: str) -> None:
    (one,) = problems(file, SWEEP, overrides=[f"{key}={'a' * 100_000}"])
    assert one.where == key
    assert one.allowed.startswith(("at most", "1 to 100 letters"))


@pytest.mark.parametrize("key", ["search_space", "inputs", "outputs", "tags", "raydrive.environment_variables"])
def test_a_key_that_is_a_name_has_a_bound(file: Path, key: str) -> None:
    value = "{type: choice, values: [1]}" if key == "search_space" else "{}" if key == "outputs" else "a"
    (one,) = problems(file, SWEEP, overrides=[f"{key}.{'a' * 300}={value}"])
    assert (one.where, one.allowed) == (f"{key}.{'a' * 300}", "at most 200 characters")


def test_an_enormous_list_is_refused_before_it_is_parsed(file: Path) -> None:
    huge = with_value("{type: uniform, min_value: 0, max_value: 1}", f"[{'1, ' * 2_500_000}1]")
    (one,) = problems(file, huge)
    assert one.found == "2,500,009 lines and commas"
    assert "200,000 values" in one.allowed
    large = with_value("{type: uniform, min_value: 0, max_value: 1}", f"[{'1, ' * 210_000}1]")
    (one,) = problems(file, large)
    assert (one.found, one.allowed) == ("too many values", "at most 200,000")


def test_a_choice_over_many_names_is_legal(file: Path) -> None:
    names = "".join(f"      - data/images/{i:06d}.png\n" for i in range(50_000))
    text = with_value("{type: uniform, min_value: 0, max_value: 1}", f"\n    type: choice\n    values:\n{names}")
    assert load_sweep(file, text=text).submission.config.sampling.space.size == 50_000


def test_many_parameters_are_refused_with_the_bound(file: Path) -> None:
    line = "  lr: {type: uniform, min_value: 0, max_value: 1}\n"
    many = "".join(line.replace("lr", f"p{i}") for i in range(20_000))
    found = [one for one in problems(file, SWEEP.replace(line, line + many)) if one.where == "search_space"]
    assert [(one.found, one.allowed) for one in found] == [("20,001 parameters", "at most 2,000")]


@pytest.mark.parametrize("part", ["$[[", "$[[ x ]] ", "${{", "${{search_space.lr}} ", "${{search_space.x}} ", "'", "{"])
def test_a_long_command_is_refused_with_the_bound(file: Path, part: str) -> None:
    command = "python train.py " + part * 200_000
    text = with_value("python train.py --lr ${{search_space.lr}}", repr(command) if "'" not in part else f'"{command}"')
    assert [one.allowed for one in problems(file, text)] == ["at most 131,000 bytes"]


@pytest.mark.parametrize("part", ["$[[", "$[[ ${{inputs.x}} ]]", "${{search_space.x}}", "{search_space.x}", "${{"])
def test_a_command_full_of_references_is_read_in_one_pass(file: Path, part: str) -> None:
    command = "python train.py " + part * (130_000 // len(part))
    text = with_value("python train.py --lr ${{search_space.lr}}", f'"{command}"')
    found: list[Problem] = []
    with contextlib.suppress(ConfigError):
        load_sweep(file, text=text)
        return
    found += problems(file, text)
    assert {one.where for one in found} <= {"trial.command", "search_space.lr"}  # which is not passed on


def test_very_many_problems_are_counted_and_not_all_printed(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep(file, text=SWEEP + "".join(f"key{i}: 1\n" for i in range(5_000)))
    assert len(caught.value.problems) == 5_000
    assert caught.value.lines()[-1] == "and 4,900 more"


def test_what_was_found_is_shown_by_its_beginning_and_its_length() -> None:
    text = str(Problem("x" * 100_000, "'" + "y" * 100_000, "z" * 100_000, "w" * 100_000, "v" * 100_000))
    assert len(text) < 3_000
    assert text.count("(100,000 characters)") == 4
    assert "(100,001 characters)" in text
    assert str(Problem("a\x1b[31mb", "c\nd", "e")) == "a\\x1b[31mb: found c\\nd; allowed: e"


class Failing:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_every_value_can_be_shown() -> None:
    nested: list[Any] = []
    for _ in range(5_000):
        nested = [nested]
    for value in (nested, Failing(), [Failing()], {Failing(): 1}, 10**5000, [10**5000], "x" * 10**6, b"x" * 10**6):
        assert len(show(value)) < 1_000
    assert show(10**5000) == "a number of 5,001 digits"
