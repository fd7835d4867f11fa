"""``Input``, ``Output``, and what the inputs and outputs of a job are read by."""

from __future__ import annotations

import os
from typing import Any

from raydrive.compat.azure_ai_ml._assets import registered
from raydrive.compat.azure_ai_ml._plain import given, plain
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show

LITERALS = ("string", "integer", "number", "boolean")
"""Types of inputs that are values, not data."""


class Input:
    """Data, or the declaration of a value.

    Args:
        type: ``uri_folder``, ``uri_file``, ``mltable``, ``mlflow_model``, ``custom_model``, or ``string``,
            ``integer``, ``number``, ``boolean`` for a value.
        path: Path, URI or name of the data.
        mode: How Azure would bring it to the node.
        default: The value where none is given.
        optional: Whether it may be left out.
        **kwargs: ``min``, ``max``, ``enum``, ``description``.
    """

    def __init__(
        self,
        *,
        type: str = "uri_folder",
        path: Any = None,
        mode: str | None = None,
        default: Any = None,
        optional: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.type = str(plain(type))
        self.path = path
        self.mode = mode
        self.default = default
        self.optional = optional
        self.__dict__.update(kwargs)

    @property
    def is_literal(self) -> bool:
        """Whether it is a value, not data."""
        return self.type in LITERALS

    def to_mapping(self) -> Any:
        """Returns it as a sweep file has it."""
        if self.is_literal:
            return plain(self.default)
        return given({"type": self.type, "path": _path(self.path), "mode": self.mode})

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"Input({inside})"


class Output:
    """Something that each trial leaves behind, kept as ``outputs/NAME``.

    Args:
        type: As that of an input.
        path: Not looked at.
        mode: Not looked at.
        **kwargs: ``name``, ``version``, ``description``: not looked at.
    """

    def __init__(self, *, type: str = "uri_folder", path: Any = None, mode: str | None = None, **kwargs: Any) -> None:
        self.type = str(plain(type))
        self.path = path
        self.mode = mode
        self.__dict__.update(kwargs)

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as a sweep file has it."""
        return {"type": self.type}


class OutputOfStep:
    """What a step of a pipeline leaves behind, as the input of another one.

    Args:
        step: The step.
        name: Name of the output.
        kind: Its type.
    """

    def __init__(self, step: Any, name: str, kind: str = "uri_folder") -> None:
        self.step = step
        self.name = name
        self.type = kind
        self.mode: str | None = None
        self.path: Any = None

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as a sweep file has it: a name that ``input_mapping`` may give a place to."""
        return {"type": self.type, "path": f"${{{{parent.jobs.{self.step.step_name}.outputs.{self.name}}}}}"}


class Values(dict[str, Any]):
    """Inputs or outputs by name; each one is an attribute too.

    Args:
        where: What they are called in errors.
        values: The values.
    """

    def __init__(self, where: str, values: dict[str, Any]) -> None:
        super().__init__(values)
        object.__setattr__(self, "_where", where)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            allowed = f"one of {', '.join(self) or 'none'}"
            raise _NoSuchError(
                Problem(f"{self._where}.{name}", show(name), allowed, did_you_mean(name, list(self)))
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class _NoSuchError(ConfigError, AttributeError):
    """There is no input or output of this name."""


class OutputsOfStep(Values):
    """The outputs of a step, each for another step to read.

    Args:
        step: The step.
        declared: Names and types of its outputs.
    """

    def __init__(self, step: Any, declared: dict[str, Any]) -> None:
        kinds = {name: str(getattr(kind, "type", None) or "uri_folder") for name, kind in declared.items()}
        super().__init__("outputs", {name: OutputOfStep(step, name, kind) for name, kind in kinds.items()})


def _path(path: Any) -> Any:
    path = getattr(path, "path", path)
    return registered(os.fspath(path) if isinstance(path, os.PathLike) else path)
