"""Code shared by a trial's first actor and its members."""

EPOCH = 1
"""The members obey the first actor only, which does not change."""


class MemberLostError(Exception):
    """The actor of another node of the trial is gone, or the attempt could not begin there; the message tells which."""
