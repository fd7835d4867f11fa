"""Placeholder until errors are written."""


def errors_reference() -> str:
    """Returns nothing yet."""
    return ""
