"""The reference of the sweep file, from the models that check it and their texts."""

from __future__ import annotations

from raydrive.sweepfile.reference.key_reference import SAME_AS, KeyReference, key_reference

FORMS = ("early_termination.", "search_space.")
"""Beginnings of what has a page part of its own."""

FIRST = (
    *("trial", "search_space", "objective", "sampling_algorithm", "early_termination", "limits", "raydrive"),
    *("inputs", "outputs", "experiment_name"),
)
"""Sections that most files have, before the others."""


def sweep_reference() -> str:
    """Returns each key: its text and a table with type, default and Azure's equivalent, then an example."""
    entries = [one for one in key_reference().values() if not one.key.startswith(FORMS)]
    known = dict.fromkeys(one.key.partition(".")[0] for one in entries)
    sections = [*FIRST, *(one for one in known if one not in FIRST)]
    lines: list[str] = []
    for section in sections:
        lines += ["", f"## {section}", ""]
        for entry in entries:
            if entry.key == section:
                lines += _described(entry)
                if section in SAME_AS:
                    lines += ["", f"Its keys are those of `{SAME_AS[section]}`.", ""]
            elif entry.key.startswith(f"{section}."):
                lines += ["", f"### {entry.key}", "", *_described(entry)]
    return "\n".join(lines)


def policies_reference() -> str:
    """Returns the policies and their options."""
    entries = key_reference().values()
    return _forms([one for one in entries if one.key.startswith(FORMS[0])])


def expressions_reference() -> str:
    """Returns the expressions."""
    entries = key_reference().values()
    return _forms([one for one in entries if one.key.startswith(FORMS[1])])


def _forms(entries: list[KeyReference]) -> str:
    lines = []
    for entry in entries:
        lines += ["", f"### {entry.key.partition('.')[2]}", "", *_described(entry)]
    return "\n".join(lines)


def _described(entry: KeyReference) -> list[str]:
    default = "none: the key is required" if entry.required else entry.default or "-"
    lines = [entry.text, "", "| type | default | in Azure ML |", "|---|---|---|"]
    lines.append(f"| {_cell(entry.type)} | {_cell(default)} | {_cell(entry.in_azure)} |")
    if entry.example:
        lines += ["", "```yaml", entry.example, "```"]
    return [*lines, ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("$", "\\$")
