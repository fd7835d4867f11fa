"""Which environment variables are confidential, and where the values of ``secrets`` come from.

The configuration of a run names its secrets and their sources; the values are read where a run is submitted or resumed,
and are never part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from raydrive.core.errors import HIDDEN, Problem, show

ALLOWED = "env, env:NAME, or file:PATH"
_WORDS = frozenset(["KEY", "KEYS", "PASS", "PASSPHRASE", "PAT", "PWD", "SAS", "AUTH", "DSN"])
_PARTS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "APIKEY", "ACCESSKEY", "PRIVATE", "CONNECTIONSTRING")
_HARMLESS = frozenset({"PWD", "OLDPWD"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def looks_secret(name: str) -> bool:
    """Returns whether a variable of this name holds something confidential.

    >>> [looks_secret(name) for name in ("WANDB_API_KEY", "HF_TOKEN", "dbPassword", "OMP_NUM_THREADS", "PWD")]
    [True, True, True, False, False]
    """
    upper = name.upper()
    if upper in _HARMLESS:
        return False
    folded = re.sub(r"[^A-Z]", "", upper)
    return any(part in folded for part in _PARTS) or bool(_WORDS & {*re.split(r"[^A-Z]+", upper)})


def source_problems(name: object, source: object, where: str) -> list[Problem]:
    """Returns what is wrong with one entry of ``secrets``.

    Args:
        name: Name of the variable that trials get.
        source: Where its value comes from.
        where: Path of the entry.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return [Problem(where, f"the name {show(name)}", "the name of an environment variable")]
    kind, _, rest = source.partition(":") if isinstance(source, str) else ("", "", "")
    if source == "env" or (kind == "env" and _NAME.fullmatch(rest)) or (kind == "file" and rest):
        return []
    # What is here may be the secret itself.
    fix = f"Write {name}: env, and set {name} in the shell you submit from."
    return [Problem(where, HIDDEN, ALLOWED, fix)]


def both_problems(secrets: Iterable[str], variables: Iterable[str], where: str) -> list[Problem]:
    """Returns a problem for each name that is a secret and an environment variable too."""
    both = sorted(set(secrets) & set(variables))
    return [
        Problem(f"{where}.{name}", f"{name}, which is also in environment_variables", "one of the two") for name in both
    ]
