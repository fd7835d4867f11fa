"""Judgement and sampling: pure functions of what is given, without Ray, files, clocks or threads."""
