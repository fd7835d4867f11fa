"""The one reader of settings: ``raydrive.toml``, ``--with`` files, and whoever lays them under or over a sweep file.

The keys are those of ``OwnKeys``, below ``raydrive`` or on their own, so that an Azure file stays untouched. Each file
is checked whole and by itself, with places: what one command refuses, every other one refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.settings.keys import TEXTS, OwnKeys
from raydrive.settings.problems import NO_ADVICE, Advice, in_order, keys_of, problems_of
from raydrive.settings.toml_source import parse_toml
from raydrive.settings.tree import Node
from raydrive.settings.yaml_source import parse_yaml
from raydrive.storage.folder.current import current_folder


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """The settings of files, later ones over earlier ones."""

    own: OwnKeys
    tree: Node
    """The same below ``raydrive``, with places: relative paths start from the folder of the file that holds them."""


def load_settings(files: Sequence[Path]) -> SiteSettings:
    """Returns the settings of files, later ones over earlier ones; the defaults where there are none.

    Raises:
        ConfigError: If a file cannot be read or something in it is wrong; all problems at once.
    """
    problems: list[Problem] = []
    merged: Node | None = None
    for file in files:
        settings = read_site(file, problems)
        if settings is not None:
            merged = settings if merged is None else merged.merged(settings)
    if problems:
        raise ConfigError(in_order(problems, str(files[0])))
    tree = below_raydrive(merged if merged is not None else Node({}, ""))
    return SiteSettings(OwnKeys.model_validate(tree.plain()["raydrive"]), tree)


def read_site(path: Path, problems: list[Problem], advice: Advice = NO_ADVICE) -> Node | None:
    """Returns the settings in a file, checked; None after noting why it cannot be used, or when it is empty.

    Args:
        path: The file: TOML by its ending ``.toml``, else YAML. The settings stand in it on their own, or below
            ``raydrive``.
        problems: Gets what is wrong, each with its place.
        advice: What to do about mistakes in such a file.
    """
    try:
        text = read_text(path, "a file of settings")
        if path.suffix == ".toml":
            root, found = parse_toml(text, str(path)), list[Problem]()
        elif not text.strip():
            return None
        else:
            root, found = parse_yaml(text, str(path))
    except ConfigError as error:
        problems.extend(error.problems)
        return None
    problems.extend(found)
    if root.value is None:
        return None
    if not isinstance(root.value, dict):
        allowed = f"a mapping of settings: {', '.join(keys_of(OwnKeys))}"
        problems.append(Problem("the file", show(root.plain()), allowed, place=root.place))
        return None
    settings = root
    if "raydrive" in root.value:
        settings = root.value["raydrive"]
        problems.extend(
            Problem(key, "an unknown key", "only raydrive: in a file that has it", advice.home_of(key), node.key_place)
            for key, node in root.value.items()
            if key != "raydrive"
        )
    if settings.value is None:
        return None
    tree = below_raydrive(settings)
    try:
        OwnKeys.model_validate(tree.plain()["raydrive"])
    except ValidationError as error:
        problems.extend(problems_of(error, tree, OwnKeys, "raydrive", advice))
    return settings


def below_raydrive(settings: Node) -> Node:
    """Returns settings as a sweep file has them: below ``raydrive``, with text where only text makes sense."""
    return with_texts(Node({"raydrive": settings}, settings.place), [f"raydrive.{key}" for key in TEXTS])


def with_texts(root: Node, texts: Iterable[str]) -> Node:
    """Returns the tree with unquoted numbers and words as text where only text makes sense (``version: 1.10``).

    Args:
        root: The tree.
        texts: Paths of values, and of mappings whose values are meant.
    """
    for where in texts:
        node = root.get(where)
        keys, _ = root.keys_of(where)
        if node is None:
            continue
        if isinstance(node.value, dict):
            values = {name: _as_text(item) for name, item in node.value.items()}
            root = root.with_value(keys, replace(node, value=values))
        elif node.text and node.value is not None:
            root = root.with_value(keys, _as_text(node))
    return root


def _as_text(node: Node) -> Node:
    return replace(node, value=node.text) if node.text and node.value is not None else node


def read_text(path: Path, what: str = "a sweep file") -> str:
    """Returns the text of a file.

    Raises:
        ConfigError: If there is no such file, it is a folder, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(path.name, [each.name for each in path.parent.glob("*.*")]) if path.parent.is_dir() else ""
        fix = near or f"The current folder is {current_folder()}."
        raise ConfigError(Problem(str(path), "no such file", what, fix)) from None
    except (IsADirectoryError, NotADirectoryError):
        raise ConfigError(Problem(str(path), "a folder", what)) from None
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at {error.start}, which is not UTF-8"
        raise ConfigError(Problem(str(path), found, "text in UTF-8", "Save the file as UTF-8.")) from None
    except OSError as error:
        raise ConfigError(Problem(str(path), error.strerror or str(error), "a file that can be read")) from None
