"""Words that a reader would have to read twice do not come back into the texts that users read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = ("docs/messages.txt", "raydrive/cli/help/errors.toml", "raydrive/sweepfile/reference/keys.toml")
"""Files of texts that users read; the first one is written from the code, and a test keeps it so."""
AVOIDED = {
    r"\bgo(es)? on\b|\bwent on\b|\bgoing on\b": "continue, or resume",
    r"\b(is|are|was|were) over\b": "has ended",
    r"\btrains? on\b(?! the| a )": "keeps training",
    r"(?<!here )\bis no (?!longer\b|more\b|other\b)[A-Za-z]": "is not a",
    r"\bstands? (in|under|there)\b": "is in, or belongs in",
    r"\b[Ss]o (many|much|long|often)\b(?! as| that)": "this many, at most N",
    r"\bany more\b": "no longer",
    r"\banew\b": "again",
    r"\btexts\b|\ba text\b(?! file)": "string",
    r"\b(whoever|whomever|nobody|somebody)\b": "the process, the user",
}
"""Patterns of what is not written, with what is; CONTRIBUTING.md has the reasons."""


@pytest.mark.parametrize("name", TEXTS)
def test_messages_are_in_the_words_of_the_house(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    found = [
        f"{name}:{number}: {line.strip()[:200]} (write: {better})"
        for number, line in enumerate(lines, start=1)
        for pattern, better in AVOIDED.items()
        if re.search(pattern, line)
    ]
    assert not found, "\n".join(found)
