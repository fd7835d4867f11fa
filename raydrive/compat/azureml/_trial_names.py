"""What a trial has under further names of the SDK's ``Run``, once it was submitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raydrive.api.run import Run as Child


class TrialNames(Child):
    """A trial under names that notebooks read it by."""

    @property
    def name(self) -> str:
        """Its id."""
        return self.id

    @property
    def display_name(self) -> str:
        """Its id."""
        return self.id

    @property
    def tags(self) -> dict[str, str]:
        """Those of its run."""
        return dict(self.parent.tags)

    def get_tags(self) -> dict[str, str]:
        """Returns ``tags``."""
        return self.tags

    def get_children(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yields nothing: a trial has no trials."""
        return iter(())

    def get_details_with_logs(self) -> dict[str, Any]:
        """Returns ``get_details()`` with what it wrote to stdout and stderr.

        Raises:
            StorageError: If the log cannot be read.
        """
        return {**self.get_details(), "logFiles": {"log.txt": self.logs()}}

    def get_all_logs(self, destination: str | None = None) -> list[str]:
        """Copies its logs here and returns their paths.

        Args:
            destination: A folder; None = this one.

        Raises:
            StorageError: If some cannot be read or written; the others are there.
        """
        return self.download_files("attempt-", destination or ".")
