"""The journal of a run: its files, one writer, many readers, compaction and repair."""
