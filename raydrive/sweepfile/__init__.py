"""The sweep file: its keys, its reader, and the problems and warnings about it."""
