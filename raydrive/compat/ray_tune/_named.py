"""Names of Ray Tune that are looked at, or mean nothing here: schedulers, searchers, loggers, callbacks."""

from __future__ import annotations

from typing import Any


class Named:
    """Something that was made with arguments; whatever is done with it does nothing.

    Args:
        *args: Positional ones.
        **kwargs: Those with names.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.given, self.options = args, kwargs

    def option(self, name: str, default: Any = None, place: int | None = None) -> Any:
        """Returns an argument.

        Args:
            name: Its name.
            default: What it is where it was not given.
            place: Where it stands among the positional ones; None = only by name.
        """
        if name in self.options:
            return self.options[name]
        return self.given[place] if place is not None and place < len(self.given) else default

    def __getattr__(self, name: str) -> Any:
        options = self.__dict__.get("options", {})
        if name.startswith("__"):
            raise AttributeError(name)
        return options[name] if name in options else Nothing()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns nothing that is looked at."""
        return Nothing()


class Nothing:
    """Takes any arguments and has any attribute."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns another one; what a decorator is given stays itself."""
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else Nothing()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing()

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Any:
        return iter(())


def name_of(name: str) -> Any:
    """Returns what stands for a name of a module: a class where it begins with a capital.

    Raises:
        AttributeError: For names with an underscore: modules of this package, and what Python asks for.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    return type(name, (Named,), {}) if name[:1].isupper() else Nothing()


def kind_of(thing: Any) -> str:
    """Returns the name of what was made."""
    return "" if thing is None else type(thing).__name__
