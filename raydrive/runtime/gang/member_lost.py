"""The error of a trial that has lost one of its nodes."""


class MemberLostError(Exception):
    """The actor of another node of the trial is gone, or the attempt could not begin there; the message tells which."""
