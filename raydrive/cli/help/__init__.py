"""Help of the command line: groups of commands, ``explain``, ``init``, and the reference of errors."""
