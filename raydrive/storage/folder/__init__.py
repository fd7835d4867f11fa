"""Folders: on a mounted file system, or behind ``pyarrow.fs``."""
