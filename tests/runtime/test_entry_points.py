"""Short names that installed packages offer: raydrive's own, and another package's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raydrive import uniform
from raydrive.core.errors import ConfigError
from raydrive.core.search.protocol import SamplingSpec
from raydrive.runtime.entry_points import POLICIES, SAMPLINGS, installed
from raydrive.runtime.user_classes import UserClasses, imported

PACKAGE = """
from dataclasses import dataclass

@dataclass
class Never:
    after: int = 1

    def judge(self, trial, interval, curves):
        return None
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with an entry point, as pip leaves it in a folder of the path."""
    (tmp_path / "offers_a_policy.py").write_text(PACKAGE)
    info = tmp_path / "offers_a_policy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offers-a-policy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[raydrive.policies]\nNever = offers_a_policy:Never\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_raydrives_own_sampling_above_the_core_is_an_entry_point() -> None:
    """In a checkout too, whatever the metadata of what is installed is."""
    pytest.importorskip("optuna", reason="an extra: pip install 'raydrive[optuna]'")
    assert installed(SAMPLINGS)["optuna"] == "raydrive.compat.optuna:OptunaParameterSampling"
    raw = {"type": "optuna", "sampler": "RandomSampler", "space": {"x": uniform(0, 1).to_json()}}
    made = UserClasses({}, None).sampling(raw)
    assert isinstance(made, SamplingSpec)
    assert made.to_json()["sampler"] == "RandomSampler"


@pytest.mark.usefixtures("package")
def test_another_packages_name_is_found_in_any_case() -> None:
    assert installed(POLICIES)["never"] == "offers_a_policy:Never"
    made = UserClasses({}, None).policy({"type": "NEVER", "after": 2})
    assert type(made).__module__ == "offers_a_policy"
    with pytest.raises(ConfigError, match=r"found 'nevver'; allowed: never, module:Class.* Did you mean 'never'"):
        UserClasses({}, None).policy({"type": "nevver"})


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("no_such_package.policies:Thing", "but no module no_such_package; allowed: a module in the submitted code"),
        (
            "offers_a_policy:Nevr",
            "but no Nevr in offers_a_policy; allowed: a class of that module. Did you mean 'Never'",
        ),
        ("offers_a_policy:PACKAGE", "but no PACKAGE"),
        ("json:dumps", "which is <function dumps.*; allowed: a class"),
        ("__main__:Thing", "a class of the script that submitted; .* Put it into a module of the submitted code"),
    ],
)
def test_what_is_no_class_is_named(target: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        imported(target)


def test_a_snapshot_comes_before_what_is_installed_but_not_before_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_folder, snapshot = tmp_path / "site", tmp_path / "code"
    for folder, value in ((installed_folder, 1), (snapshot, 2)):
        folder.mkdir()
        (folder / "in_both_places.py").write_text(f"class Thing: value = {value}\n")
        (folder / "data_folder").mkdir()
    (snapshot / "zipapp.py").write_text("class Thing: pass\n")
    (installed_folder / "data_folder" / "__init__.py").write_text("class Thing: value = 1\n")
    monkeypatch.syspath_prepend(str(installed_folder))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    UserClasses({}, snapshot)
    assert imported("in_both_places:Thing").value == 2  # type: ignore[attr-defined]
    assert imported("data_folder:Thing").value == 1  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="but no Thing in zipapp"):
        imported("zipapp:Thing")
