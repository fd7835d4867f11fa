"""The pages of the documentation: their code, their pictures, and the texts that they list are those of the package."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from doc_pages import FILE, ROOT, Block, blocks
from ruamel.yaml import YAML

import raydrive
from raydrive.core.errors import ConfigError
from raydrive.sweepfile.loader import load_sweep

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCS = ROOT / "docs"
PAGES = sorted(
    [*DOCS.glob("how-to/*.md"), *DOCS.glob("tutorials/*.md"), *DOCS.glob("reference/*.md"), DOCS / "gallery.md"]
)
LANGUAGES = {"python", "yaml", "toml", "bash", "console", "text", "dockerfile"}
"""What a block of these pages may be: the first five are checked here, ``console`` is run by tests of the tutorials."""
ABSENT = {"wandb": "a library that the tests do not install"}
BASE = """
trial: {command: "python train.py", code: .}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: accuracy}
limits: {max_total_trials: 10}
"""


def site_module(name: str) -> ModuleType:
    """A module of ``docs/site``, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def all_blocks(*languages: str) -> list[tuple[str, Block]]:
    return [
        (f"{page.relative_to(DOCS)}:{block.line}", block)
        for page in PAGES
        for block in blocks(page)
        if block.language in languages
    ]


def test_every_block_has_a_known_language() -> None:
    found = [
        (page.name, one.line, one.language) for page in PAGES for one in blocks(page) if one.language not in LANGUAGES
    ]
    assert found == []


@pytest.mark.parametrize(
    ("place", "block"), all_blocks("python"), ids=lambda value: value if isinstance(value, str) else ""
)
def test_python_is_python_and_its_names_exist(place: str, block: Block) -> None:
    tree = ast.parse(block.body)
    for node in ast.walk(tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name and name.split(".")[0] not in ABSENT and not name.startswith("azureml"):
                module = importlib.import_module(name)
                if isinstance(node, ast.ImportFrom):
                    assert [one.name for one in node.names if not hasattr(module, one.name)] == [], place


@pytest.mark.parametrize(
    ("place", "block"), all_blocks("yaml"), ids=lambda value: value if isinstance(value, str) else ""
)
def test_yaml_is_accepted_as_a_part_of_a_sweep_file(place: str, block: Block, tmp_path: Path) -> None:
    if block.body.startswith("apiVersion:"):
        assert YAML(typ="safe").load(block.body)["kind"] == "RayCluster"
        return
    given = YAML(typ="safe").load(block.body)
    sweep = {**YAML(typ="safe").load(BASE), **given}
    for name in ("train.py", "train.sh", "train/train.py", "src/train.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    words = " ".join(f"--{name} ${{{{search_space.{name}}}}}" for name in sweep["search_space"])
    if "trial" not in given:
        sweep["trial"]["command"] = f"python train.py {words}"
    if "trial" in given and "search_space" not in given:
        used = re.findall(r"search_space\.(\w+)", sweep["trial"]["command"])
        sweep["search_space"] = {name: sweep["search_space"]["x"] for name in used}
    if "mypolicy" in str(sweep.get("early_termination")):
        (tmp_path / "mypolicy.py").write_text(
            next(one.body for where, one in all_blocks("python") if "class Floor" in one.body)
        )
    with (tmp_path / "sweep.yml").open("w") as file:
        YAML().dump(sweep, file)
    try:
        load_sweep(tmp_path / "sweep.yml")
    except ConfigError as error:
        pytest.fail(f"{place}: {error}")


CALL = re.compile(r"(?m)^(?:\$ )?raydrive ([a-z][a-z-]+)((?:[^\n#\\]|\\\n)*)")


def test_commands_of_blocks_exist_with_their_options() -> None:
    from typer.main import get_command

    from raydrive.cli.app import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    wrong = []
    for place, block in all_blocks("bash", "console"):
        for name, rest in CALL.findall(block.body):
            known = (
                {flag for one in commands[name].params for flag in (*one.opts, *one.secondary_opts)}
                if name in commands
                else set()
            )
            flags = re.findall(r"(?<![\w'\"-])(--?[a-z][a-z-]*)", re.sub(r"'[^']*'|\$\([^)]*\)?", "", rest))
            if name not in commands or not set(flags) <= known | {"-h", "--help"}:
                wrong.append(f"{place}: raydrive {name}{rest}")
    assert wrong == []


def test_files_of_a_page_have_different_names_or_replace_each_other() -> None:
    for page in PAGES:
        named = [found["name"] for block in blocks(page) if (found := FILE.match(block.body))]
        assert len(named) == len(set(named)), page


def test_pages_of_the_python_reference_have_every_public_name() -> None:
    sys.path.insert(0, str(DOCS / "site"))
    try:
        text = site_module("api_reference").api_reference()
    finally:
        sys.path.remove(str(DOCS / "site"))
    assert [name for name in raydrive.__all__ if f"\n### {name}\n" not in text] == []


def test_the_command_reference_has_every_command_and_option() -> None:
    from typer.main import get_command

    from raydrive.cli.app import app

    text = site_module("cli_reference").cli_reference()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"\n### raydrive {name}\n" in text
        for one in command.params:
            if one.param_type_name == "option" and not one.hidden:
                assert f"`{one.opts[0]}`" in text, (name, one.opts)


def test_the_sweep_reference_has_every_key() -> None:
    from raydrive.sweepfile.reference.key_reference import key_reference

    module = site_module("sweep_reference")
    text = module.sweep_reference() + module.policies_reference() + module.expressions_reference()
    titles = set(re.findall(r"(?m)^#{2,3} (.*)$", text))
    missing = [key for key in key_reference() if not {key, key.partition(".")[2]} & titles]
    assert missing == []


def test_the_error_reference_has_an_anchor_and_a_remedy_for_each_id() -> None:
    from raydrive.cli.help.error_reference import error_entries

    text = site_module("messages").errors_reference()
    for entry in error_entries():
        assert f"\n### {entry.id}\n" in text
    assert text.count("**What to do.**") == len(error_entries())


def test_messages_are_listed() -> None:
    listed = (DOCS / "messages.txt").read_text().splitlines()
    now = site_module("messages").messages()
    hint = "python docs/site/messages.py writes docs/messages.txt; read what is new as a user would"
    assert [line for line in now if line not in set(listed)] == [], hint
    assert [line for line in listed if line not in set(now)] == [], hint


def test_pictures_of_diagrams_are_those_of_the_architecture_page() -> None:
    module = site_module("diagrams")
    assert sorted(module.sources()) == ["layers", "processes", "report-to-kill", "trial-states"]
    for name, source in module.sources().items():
        picture = (module.PICTURES / f"{name}.svg").read_text()
        assert f"sha256 {module.digest(source)}" in picture, f"{name}: docs/site/diagrams.py draws it again"
        assert not re.search(r"""(?:href|src)=["']https?:""", picture)


def test_links_are_rewritten_for_the_site() -> None:
    module = site_module("links")
    page = DOCS / "how-to" / "gpus.md"
    linked: set[Path] = set()
    text = "[a](../cluster.md#storage) [b](../../examples/digits/train.py) [c](https://x.org) `[d](e.md)`"
    found = module.rewritten(text, page, module.site_path(page), linked)
    assert "](../cluster.md#storage)" in found
    assert "](../files/examples/digits/train.py.md)" in found
    assert "](https://x.org)" in found
    assert linked == {ROOT / "examples" / "digits" / "train.py"}


def test_words_for_the_search_lead_to_pages() -> None:
    """The built site is asked the queries at each build of it; here is what needs no site."""
    site = ROOT / "docs" / "site"
    words, queries = (tomllib.loads((site / name).read_text()) for name in ("search.toml", "search_queries.toml"))
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.md")}
    assert set(words) <= pages
    assert set(queries.values()) <= set(words)
    assert len(queries) >= 30
    lines = [line for page in words.values() for line in page]
    assert len(lines) == len(set(lines))


def test_front_of_several_objectives() -> None:
    (code,) = (one.body for one in blocks(DOCS / "how-to" / "several-objectives.md") if "# front.py" in one.body)
    names: dict[str, Any] = {"__name__": "front"}
    exec(code, names)
    points = {0: (0.90, 5.0), 1: (0.80, 6.0), 2: (0.95, 9.0), 3: (0.90, 5.0), 4: (0.90, 5.5)}
    assert names["front"](points) == [0, 2, 3]
    assert [names["last"](value) for value in (0.5, [0.1, 0.2])] == [0.5, 0.2]
