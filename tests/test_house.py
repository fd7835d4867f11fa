"""The rules of the house (CONTRIBUTING.md), checked on whatever the package holds today.

import-linter keeps the layers (`make check`); here stands what it cannot see: the standard library, sizes, docstrings,
what an import costs, and whether documents and links agree with the tree.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "raydrive"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES: dict[Path, ast.Module] = {}
UNREADABLE: list[str] = []
for file in FILES:
    try:
        TREES[file] = ast.parse(file.read_text(), str(file))
    except SyntaxError as error:
        UNREADABLE.append(f"{file.relative_to(ROOT)}:{error.lineno} {error.msg}")
Function = ast.FunctionDef | ast.AsyncFunctionDef

MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_FUNCTION = 60
MOST_MODULES_OF_A_FOLDER = 15
MEDIAN_LINES_OF_A_FUNCTION = 8
NINE_OF_TEN_FUNCTIONS_LINES = 40
# No module is a gerund: it is named for what it holds. These end in -ing and are the field's words for a thing.
NOUNS_IN_ING = {
    "ack_pacing": "pacing of acknowledgements: a rate, as in pacing of packets",
    "early_stopping": "the field's term",
    "gcs_ping": "a ping is what it sends",
    "lightning": "the library",
    "packaging": "as in Python packaging",
    "parsing": "the field's term",
    "sampling": "HyperDrive's noun: BayesianParameterSampling",
    "testing": "as in numpy.testing: what users' tests import",
}
OF_WHOLE_SYSTEMS = ("chaos", "cluster", "fuzz", "wheel")
CLOCKS = ("time.monotonic", "time.perf_counter", "monotonic", "perf_counter")
# What others name with an underscore and mean to be called.
PRIVATE_NAMES_OF_OTHERS = {
    *("_repr_html_", "_repr_mimebundle_", "_exit", "_default_name", "_actor_init_failed", "_preempted"),
    *("_raylet_socket_name", "_fields"),
}
# Tests that still look at private names of raydrive, and how many; the numbers only become smaller.
PRIVATE_NAMES_LEFT = {
    "tests/api/submit/test_warm_start.py": 2,
    "tests/api/test_run.py": 5,
    "tests/chaos/hook/sitecustomize.py": 2,
    "tests/cli/test_commands.py": 1,
    "tests/compat/test_optuna.py": 1,
    "tests/core/early_stopping/test_curves.py": 2,
    "tests/core/early_stopping/test_retention.py": 2,
    "tests/core/views/test_savings.py": 1,
    "tests/runtime/trial_actor/test_actor.py": 1,
    "tests/test_house.py": 1,
}
# Who may import Ray when it is itself imported, and who inside functions only.
RAY_AT_ONCE = (
    "raydrive.integrations.ray_train",
    "raydrive.runtime.ray_in_trials.cluster_access",
    "raydrive.runtime.actor_errors",
    "raydrive.runtime.driver",
    "raydrive.runtime.gang.leader",
    "raydrive.runtime.gang.placement_groups",
    "raydrive.runtime.trial_actor.actor",
)
RAY_INSIDE_FUNCTIONS = (
    "raydrive.runtime.ray_cluster.connection",
    "raydrive.runtime.ray_cluster.embedded_ray",
    "raydrive.runtime.ray_cluster.dashboard_jobs",
    "raydrive.runtime.ray_cluster.storage_probe",
    "raydrive.runtime.driver_client",
    "raydrive.trial_ray",
    "raydrive.compat.ray_tune._modules",  # puts modules of ours beside those of ray
)
# A pure core gets time, randomness and contents of files as arguments.
IMPURE = {
    *("asyncio", "concurrent", "multiprocessing", "select", "signal", "socket", "subprocess", "threading", "urllib"),
    *("glob", "io", "os", "pathlib", "shutil", "tempfile", "datetime", "time", "random", "secrets", "uuid"),
}
# What a training process imports, whatever its environment: nothing but the standard library.
TRIAL_SIDE = (
    *("raydrive", "raydrive.azure_data", "raydrive.context", "raydrive.context_values"),
    *("raydrive.log_command", "raydrive.ranks", "raydrive.trial_ray", "raydrive.variables", "raydrive.wire"),
)
# Callbacks: they are imported in those environments too, and need the standard library and their own library only.
CALLBACKS = {
    "raydrive.integrations": (),
    "raydrive.integrations.trial_report": (),
    "raydrive.integrations.accelerate": (),
    "raydrive.integrations.catboost": (),
    "raydrive.integrations.keras": ("keras",),
    "raydrive.integrations.lightgbm": ("lightgbm",),
    "raydrive.integrations.lightning": ("lightning", "pytorch_lightning"),
    "raydrive.integrations.ray_train": ("ray",),
    "raydrive.integrations.sklearn": ("joblib",),
    "raydrive.integrations.transformers": ("transformers",),
    "raydrive.integrations.xgboost": ("xgboost",),
}
# What is put on the PYTHONPATH of training scripts: no package of ours, but top-level modules for their Python.
TRAINING = "raydrive.shims"
TRAINING_MODULES = (
    *("azureml", "raydrive_azureml", "raydrive_mlflow", "raydrive_no_ray"),
    *("raydrive_gpu_limits", "raydrive_trackers"),
)


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _place(path: Path, node: ast.AST | int) -> str:
    line = node if isinstance(node, int) else getattr(node, "lineno", 1)
    return f"{path.relative_to(ROOT)}:{line}"


def _within(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _imports(node: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every module imported below a node, but for what only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from ((child, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.level == 0 and child.module:
            yield child, child.module
            if child.module == "raydrive":
                yield from ((child, f"raydrive.{alias.name}") for alias in child.names)
        yield from _imports(child)


def _imports_at_once(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """The imports that happen when the module is imported, outside functions."""
    lazy = {id(node) for function in ast.walk(tree) if isinstance(function, Function) for node in ast.walk(function)}
    return ((node, name) for node, name in _imports(tree) if id(node) not in lazy)


def _definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[Function | ast.ClassDef, str]]:
    """Functions and classes that are not inside functions, with their dotted names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | Function):
            yield child, f"{prefix}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from _definitions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try):
            yield from _definitions(child, prefix)


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, timeout=60)


def test_every_file_is_python() -> None:
    assert not UNREADABLE, "\n".join(UNREADABLE)


@pytest.mark.parametrize("module", [name for name in TRIAL_SIDE if name in map(_module, FILES)])
def test_what_a_training_process_imports_loads_neither_ray_nor_numpy(module: str) -> None:
    heavy = {"ray", "numpy", "pyarrow", "pydantic", "asyncio"}
    done = _python(f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("room", ["core", "storage"])
def test_core_and_storage_import_where_there_is_no_ray(room: str) -> None:
    names = [name for name in map(_module, FILES) if _within(name, (f"raydrive.{room}",))]
    done = _python(
        "import importlib, sys\nsys.modules['ray'] = None\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print('all imported')"
    )
    assert done.stdout.strip() == "all imported", done.stderr


def test_core_imports_nothing_impure() -> None:
    offenders = [
        f"{_place(path, node)} imports {name}"
        for path, tree in TREES.items()
        if _within(_module(path), ("raydrive.core",))
        for node, name in _imports(tree)
        if name.split(".")[0] in IMPURE
    ]
    assert not offenders, "\n".join(offenders)


def test_the_trial_side_imports_only_the_standard_library() -> None:
    offenders = [
        f"{_place(path, node)} imports {name}"
        for path, tree in TREES.items()
        if _module(path) in TRIAL_SIDE
        for node, name in _imports_at_once(tree)
        if name.split(".")[0] not in sys.stdlib_module_names and name not in TRIAL_SIDE
    ]
    assert not offenders, "\n".join(offenders)


def test_a_callback_needs_its_own_library_and_what_a_trial_has() -> None:
    trees = {_module(path): (path, tree) for path, tree in TREES.items()}
    package = {name for name in trees if _within(name, ("raydrive.integrations",))}
    searches = (
        "raydrive.integrations.search_cv",
        "raydrive.integrations.transformers_search",
        "raydrive.integrations.hydra",
    )
    assert {name for name in package if not _within(name, searches)} == set(CALLBACKS)
    offenders = [
        f"{_place(trees[callback][0], node)} imports {name}"
        for callback, libraries in CALLBACKS.items()
        for node, name in _imports(trees[callback][1])
        if name.split(".")[0] not in sys.stdlib_module_names
        and not _within(name, libraries)
        and not (name in CALLBACKS and not CALLBACKS[name])
        and not name.startswith("raydrive.integrations.trial_report.")
        and name not in (*TRIAL_SIDE, "raydrive.context.Run")
    ]
    assert not offenders, "\n".join(offenders)


def test_what_scripts_find_on_their_path_imports_only_the_standard_library() -> None:
    """Only what MLflow itself loads may import MLflow, and only the script's own pandas reads tables."""
    ours = (*TRIAL_SIDE, *TRAINING_MODULES)
    offenders = [
        f"{_place(path, node)} imports {name}"
        for path, tree in TREES.items()
        if _within(_module(path), (TRAINING,))
        for node, name in _imports(tree)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not _within(name, ours)
        and not (_within(name, ("mlflow",)) and _within(_module(path), (f"{TRAINING}.raydrive_mlflow",)))
        and not (name == "pandas" and _module(path) == f"{TRAINING}.raydrive_azureml.data")
    ]
    assert not offenders, "\n".join(offenders)


def _is_of_scripts(module: str) -> bool:
    return module in TRIAL_SIDE or module in CALLBACKS or _within(module, (TRAINING,))


def test_the_trial_side_reads_as_python_3_8() -> None:
    """A training script may live in an environment that is older than raydrive's own."""
    for path in (each for each in FILES if _is_of_scripts(_module(each))):
        ast.parse(path.read_text(), str(path), feature_version=(3, 8))


def test_ray_stays_in_its_rooms() -> None:
    offenders = []
    for path, tree in TREES.items():
        module = _module(path)
        at_once = {id(node) for node, _ in _imports_at_once(tree)}
        for node, name in _imports(tree):
            if name.split(".")[0] != "ray" or _within(module, RAY_AT_ONCE):
                continue
            if id(node) in at_once or not _within(module, RAY_INSIDE_FUNCTIONS):
                offenders.append(f"{_place(path, node)} imports {name}")
    assert not offenders, "\n".join(offenders)


def test_every_module_has_a_floor_in_the_house() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
    housed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    free = {*TRIAL_SIDE, TRAINING, "raydrive.__main__", "raydrive.package_path"}  # below every layer, or the door
    homeless = {".".join(_module(path).split(".")[:2]) for path in FILES} - housed - free
    assert homeless == set()


def test_files_and_functions_fit_a_reader() -> None:
    long_files = [
        f"{_place(path, 1)} {count} lines"
        for path in FILES
        if (count := len(path.read_text().splitlines())) > MOST_LINES_OF_A_FILE
    ]
    long_functions = [
        f"{_place(path, node)} {node.name} {count} lines"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, Function)
        and (count := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    ]
    assert not long_files + long_functions, "\n".join(long_files + long_functions)


def test_most_functions_are_short() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, Function)
    )
    assert statistics.median(lengths) <= MEDIAN_LINES_OF_A_FUNCTION
    assert lengths[len(lengths) * 9 // 10] <= NINE_OF_TEN_FUNCTIONS_LINES


def test_no_folder_holds_more_modules_than_one_looks_through() -> None:
    counts = Counter(path.parent for path in FILES if path.name != "__init__.py")
    crowded = [
        f"{folder.relative_to(ROOT)} has {count} modules of its own; the most are {MOST_MODULES_OF_A_FOLDER}"
        for folder, count in counts.items()
        if count > MOST_MODULES_OF_A_FOLDER
    ]
    assert not crowded, "\n".join(crowded)


def test_no_module_is_a_gerund() -> None:
    names = {part for path in FILES for part in path.relative_to(PACKAGE).with_suffix("").parts if part.endswith("ing")}
    assert names - NOUNS_IN_ING.keys() == set(), "a module is named for what it holds"
    assert NOUNS_IN_ING.keys() - names == set(), "not there any more: take it from the list"


def test_no_assert_and_no_bare_except() -> None:
    """`python -O` removes asserts; a bare except swallows Ctrl-C."""
    offenders = [
        f"{_place(path, node)} {type(node).__name__}"
        for path, tree in TREES.items()
        if not _within(_module(path), ("raydrive.testing",))  # contract suites are tests
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) or (isinstance(node, ast.ExceptHandler) and node.type is None)
    ]
    assert not offenders, "\n".join(offenders)


def test_everything_public_has_a_docstring() -> None:
    offenders = [
        f"{_place(path, node)} {name}"
        for path, tree in TREES.items()
        for node, name in _definitions(tree)
        if not any(part.startswith("_") for part in name.split("."))
        and not ast.get_docstring(node)
        and not any(ast.unparse(mark).split(".")[-1] in {"setter", "overload"} for mark in node.decorator_list)
    ]
    assert not offenders, "\n".join(offenders)


def test_public_names_can_be_imported() -> None:
    done = _python(
        "import raydrive\n"
        "assert len(set(raydrive.__all__)) == len(raydrive.__all__), raydrive.__all__\n"
        "missing = [name for name in raydrive.__all__ if not hasattr(raydrive, name)]\n"
        "hidden = [name for name in raydrive.__all__ if name not in dir(raydrive)]\n"
        "print('missing', missing, 'hidden', hidden)"
    )
    assert done.stdout.strip() == "missing [] hidden []", done.stderr


def test_the_type_checker_sees_the_same_public_names() -> None:
    """The names are loaded lazily; what stands under TYPE_CHECKING is a second list of them."""
    tree = TREES[PACKAGE / "__init__.py"]
    guards = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    seen = {
        (alias.asname or alias.name, node.module)
        for guard in guards
        for node in ast.walk(guard)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    import raydrive

    assert seen == set(raydrive._HOME.items())


def _anchors(text: str) -> set[str]:
    """The anchors of a Markdown page, as GitHub forms them from its headings."""
    headings = re.findall(r"^#+ +(.+?) *#*$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _pages() -> list[Path]:
    return [path for place in ("*.md", "docs/**/*.md", "benchmarks/*.md") for path in sorted(ROOT.glob(place))]


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):  # https:, mailto:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in _anchors(there.read_text())):
            broken.append(target)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("folder", ["docs", "docs/decisions", "docs/how-to", "docs/reference", "docs/tutorials"])
def test_each_page_is_in_its_index(folder: str) -> None:
    index = (ROOT / folder / "README.md").read_text()
    missing = [path.name for path in sorted((ROOT / folder).glob("*.md")) if f"]({path.name})" not in index]
    assert missing == ["README.md"]


def test_the_glossary_names_modules_that_exist() -> None:
    named = re.findall(r"`([a-z_/]+\.py)`", (ROOT / "docs" / "reference" / "glossary.md").read_text())
    missing = [name for name in named if not (PACKAGE / name).is_file()]
    assert len(named) > 40
    assert not missing, "\n".join(missing)


def _tree_of_the_architecture_page() -> set[str]:
    """The modules in the package tree of docs/architecture.md: one a line, two blanks further in for each level."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    tree = re.search(r"^    raydrive/\n((?:      .*\n)+)", page, flags=re.MULTILINE)
    assert tree is not None
    named, above = set(), list[str]()
    for line in tree[1].splitlines():
        name, depth = line.split()[0], (len(line) - len(line.lstrip()) - 6) // 2
        above[depth:] = [name]
        if name.endswith(".py"):
            named.add("".join(above))
    return named


def test_the_architecture_page_has_one_line_for_each_module() -> None:
    mirrors = ("compat/azureml/", "shims/")  # their names are those of other packages
    places = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    modules = {place for place in places if not place.startswith(mirrors) and not place.endswith("/__init__.py")}
    named = _tree_of_the_architecture_page()
    wrong = [f"docs/architecture.md names {place}, which is not there" for place in sorted(named - modules)]
    wrong += [f"docs/architecture.md has no line for {place}" for place in sorted(modules - named)]
    assert not wrong, "\n".join(wrong)


def test_the_version_stands_in_one_tone() -> None:
    import raydrive

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert raydrive.__version__ == version
    release, development, _ = version.partition(".dev")
    date = "unreleased" if development else r"\d{4}-\d\d-\d\d"
    newest = re.search(r"^## .*$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest is not None
    assert re.fullmatch(rf"## \[{re.escape(release)}\] - {date}", newest[0])


def test_test_files_have_names_of_their_own() -> None:
    """Two of one name in different folders cannot be collected together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def _test_files() -> Iterator[tuple[Path, ast.Module]]:
    return ((path, ast.parse(path.read_text(), str(path))) for path in sorted((ROOT / "tests").rglob("*.py")))


def test_test_files_import_helpers_and_not_each_other() -> None:
    """A file of tests runs alone; what several need stands in a module that is named for it."""
    offenders = [
        f"{_place(path, node)} imports {name}"
        for path, tree in _test_files()
        if path.name.startswith("test_")
        for node, name in _imports(tree)
        if name.startswith("test_") or name == "conftest"
    ]
    assert not offenders, "\n".join(offenders)


def test_folders_of_tests_are_folders_of_the_package() -> None:
    """But for those of whole systems: clusters, chaos, fuzzing."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    strangers = {str(one) for one in folders if not (PACKAGE / one).is_dir() and one.parts[0] not in OF_WHOLE_SYSTEMS}
    assert strangers == set()


def test_one_helper_waits() -> None:
    """A clock in an assertion fails on a busy machine, and does not tell what it waited for: `wait_until` does."""
    offenders = [
        f"{_place(path, node)} {ast.unparse(node)}"
        for path, tree in _test_files()
        if path.name != "waiting.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        and any(isinstance(call, ast.Call) and ast.unparse(call.func) in CLOCKS for call in ast.walk(node.test))
    ]
    assert not offenders, "\n".join(offenders)


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PRIVATE_NAMES_OF_OTHERS


def _private_names(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yields private names of other objects, modules and classes that a test uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _private(node.attr) and ast.unparse(node.value) not in ("self", "cls"):
            yield node, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("raydrive"):
            yield from ((node, alias.name) for alias in node.names if _private(alias.name))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("setattr", "delattr", "getattr")):
            texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            yield from ((node, text) for text in texts if _private(text.rpartition(".")[2]))


def test_tests_use_no_private_names() -> None:
    """A test of behaviour outlives what is inside. `ray._private` is what the tests of our patches of Ray look at."""
    found = {
        str(path.relative_to(ROOT)): [
            f"{_place(path, node)} {name}" for node, name in _private_names(tree) if not name.startswith("ray._private")
        ]
        for path, tree in _test_files()
    }
    offenders = [
        line for path, lines in found.items() for line in lines if len(lines) > PRIVATE_NAMES_LEFT.get(path, 0)
    ]
    assert not offenders, "\n".join(offenders)
    mended = [path for path, most in PRIVATE_NAMES_LEFT.items() if len(found.get(path, ())) < most]
    assert not mended, f"make the numbers smaller: {mended}"
