"""Parameters of many trials in little memory: the names once, the values as a tuple."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from typing import Any


class PackedParams(Mapping[str, Any]):
    """Hyperparameters in a quarter of the room: their names, shared by the trials of a run, and their values as bytes.

    Reading one unpacks all: for trials that have ended, which are seldom read. Made by ``pack_params``.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: bytes) -> None:
        self._names = names
        self._values = values

    def plain(self) -> dict[str, Any]:
        """Returns them as a dict of the caller's own."""
        return dict(zip(self._names, marshal.loads(self._values), strict=True))

    def __getitem__(self, name: str) -> Any:
        return self.plain()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(self.plain())


def pack_params(params: Mapping[str, Any], names: dict[tuple[str, ...], tuple[str, ...]]) -> Mapping[str, Any]:
    """Returns hyperparameters packed; as they are, where packing would not give back equal ones.

    Args:
        params: JSON values by name, as a sampler or a journal gives them.
        names: The names met so far in this run; those of ``params`` are put there.
    """
    if type(params) is not dict:
        return params
    key, values = tuple(params), tuple(params.values())
    try:
        data = marshal.dumps(values)
    except ValueError:  # no JSON value
        return params
    if marshal.loads(data) != values:  # NaN; and a number of numpy's would become bytes
        return params
    return PackedParams(names.setdefault(key, key), data)


def plain_params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns hyperparameters that may be packed as a plain mapping."""
    return params.plain() if isinstance(params, PackedParams) else params
