from __future__ import annotations

import doctest
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raydrive.settings import problems, yaml_source
from raydrive.settings.toml_source import parse_toml
from raydrive.settings.yaml_source import core_value, parse_yaml
from raydrive.sweepfile.checks import yaml11
from raydrive.sweepfile.checks.yaml11 import pyyaml_value

TEXT = """\
# a comment
search_space:
  "a.b":
    type: choice
    values:
      - 1
      - depth: {type: randint,
                upper: 5}
  a: {b: 2}
command: >-
  one
  ${{two}}
quoted: 'x ${{y}}'
"""


@pytest.mark.parametrize("module", [yaml_source, yaml11, problems], ids=lambda module: module.__name__)
def test_doctests(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("search_space", "f.yml:2:1"),
        ("search_space.a.b", "f.yml:3:3"),  # the longer name wins
        ("search_space.a.b.type", "f.yml:4:11"),
        ("search_space.a.b.values", "f.yml:5:5"),
        ("search_space.a.b.values[0]", "f.yml:6:9"),
        ("search_space.a.b.values[1].depth", "f.yml:7:9"),
        ("search_space.a.b.values[1].depth.upper", "f.yml:8:24"),
        ("search_space.a.b.values[1].depth.lower", "f.yml:7:9"),
        ("search_space.a.b.values[9]", "f.yml:5:5"),
        ("search_space.a", "f.yml:9:3"),
        ("nowhere.at.all", "f.yml:2:1"),
        ("", "f.yml:2:1"),
    ],
)
def test_paths_have_places(where: str, place: str) -> None:
    root, problems = parse_yaml(TEXT, "f.yml")
    assert problems == []
    assert root.locate(where) == place


def test_places_inside_a_text() -> None:
    root, _ = parse_yaml(TEXT, "f.yml")
    command, quoted = root.get("command"), root.get("quoted")
    assert command is not None
    assert command.place_in(command.raw.index("${{")) == "f.yml:12:3"
    assert quoted is not None
    assert quoted.place_in(quoted.raw.index("${{")) == "f.yml:13:12"


WORDS = (
    "yes No ON off true FALSE null ~ 010 0x1F 0b11 0o17 12:30:45 1:30.5 1e-4 1.5e+3 1.5e3 .5 5. -.inf .NaN 1_000 +1 -0 "
    "2024-01-31 2024-1-1 12:00:00 00 08 0 - -. 1.2.3 y n Yes:"
)
LETTERS = st.sampled_from("0123456789abcdefxoXyYnNsSeEtTrRuUlLiI.+-_:~")
SCALARS = st.text(LETTERS, max_size=12) | st.sampled_from(WORDS.split())


@given(SCALARS)
def test_pyyaml_is_predicted(text: str) -> None:
    try:
        theirs = yaml.safe_load(f"[{text}]")[0] if text else None
    except (yaml.YAMLError, ValueError, OverflowError, IndexError):
        return  # not a scalar there, or one that PyYAML itself cannot construct
    if isinstance(theirs, dict):
        return
    ours = pyyaml_value(text)
    if isinstance(ours, str) and ours.startswith("the date "):
        assert type(theirs).__name__ in ("date", "datetime")
    elif isinstance(theirs, float) and math.isnan(theirs):
        assert math.isnan(ours)
    else:
        assert (type(ours), ours) == (type(theirs), theirs)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18))
def test_python_numbers_are_yaml_numbers(value: float) -> None:
    assert core_value(repr(value)) == value
    assert type(core_value(repr(value))) is type(value)


def test_toml_has_places() -> None:
    text = '# x\nstorage = "a"\n[resources]\n  cpus = 2\n[resources.custom]\n"tpu" = 1\n'
    root = parse_toml(text, "r.toml")
    assert root.plain() == {"storage": "a", "resources": {"cpus": 2, "custom": {"tpu": 1}}}
    assert root.locate("storage") == "r.toml:2:1"
    assert root.locate("resources.cpus") == "r.toml:4:3"
    assert root.locate("resources.custom.tpu") == "r.toml:6:1"
    assert root.locate("resources") == "r.toml:3:1"
