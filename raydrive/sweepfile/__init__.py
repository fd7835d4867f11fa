"""The sweep file: its keys, its reader, and the problems and warnings that are told about it."""
