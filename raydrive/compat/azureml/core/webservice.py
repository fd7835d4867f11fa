"""Web services: not there."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azure_notices import NotHereError


class Webservice:
    """Is not there: every use says what to do instead."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.deploy_configuration()

    @staticmethod
    def deploy_configuration(*args: Any, **kwargs: Any) -> Any:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError(
            "raydrive tunes and does not serve: take the model with run.download_file(...) and serve it, e.g. with "
            "Ray Serve"
        )


class AciWebservice(Webservice):
    """Is not there."""


class AksWebservice(Webservice):
    """Is not there."""


class LocalWebservice(Webservice):
    """Is not there."""
