"""``azure.identity`` and ``azure.core``: credentials that nothing here asks for."""

from __future__ import annotations

import types
from typing import Any, NamedTuple

from raydrive.compat.azure_ai_ml import _names


class AccessToken(NamedTuple):
    """A token."""

    token: str
    expires_on: int


class Credential:
    """Any credential: nothing here is signed in to.

    Args:
        *args: Not looked at.
        **kwargs: Not looked at.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """Returns a token that opens nothing."""
        return AccessToken("", 0)

    def close(self) -> None:
        """Does nothing."""


class AzureError(Exception):
    """An error of Azure's services; raydrive raises none of them."""


class HttpResponseError(AzureError):
    """An answer of a service."""


def modules() -> dict[str, types.ModuleType]:
    """Returns the modules by their real names."""
    signing = {
        name: _made(name, AzureError if name.endswith("Error") else Credential) for name in _of("azure.identity")
    }
    errors = {name: _made(name, _base(name)) for name in _of("azure.core.exceptions")}
    credentials = {name: _made(name, Credential) for name in _of("azure.core.credentials")}
    contents: dict[str, dict[str, Any]] = {
        "azure.core": {"__path__": []},
        "azure.core.credentials": {**credentials, "AccessToken": AccessToken},
        "azure.core.exceptions": {**errors, "AzureError": AzureError, "HttpResponseError": HttpResponseError},
        "azure.identity": {**signing, "get_bearer_token_provider": lambda *args, **kwargs: lambda: ""},
    }
    made = {name: types.ModuleType(name, "Credentials and errors, which nothing here needs.") for name in contents}
    for name, inside in contents.items():
        made[name].__dict__.update(inside)
    return made


def _of(module: str) -> tuple[str, ...]:
    return _names.names_of(module)


def _made(name: str, base: type) -> type:
    return type(name, (base,), {"__doc__": f"``{name}``."})


def _base(name: str) -> type[AzureError]:
    return HttpResponseError if name.startswith(("Resource", "Client")) else AzureError
