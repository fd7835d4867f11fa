"""The reference of the command line, from the typer application."""

from __future__ import annotations

import enum
import inspect
from typing import Any

from typer.main import get_command

from raydrive.cli.app import app


def cli_reference() -> str:
    """Returns the commands as Markdown: by group, each with its usage, arguments and options."""
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    groups: dict[str, list[str]] = {}
    for name, command in commands.items():
        groups.setdefault(getattr(command, "rich_help_panel", None) or "Commands", []).append(name)
    lines = ["| group | commands |", "|---|---|"]
    lines += [
        f"| {group} | {', '.join(f'[{one}](#raydrive-{one})' for one in names)} |" for group, names in groups.items()
    ]
    for group, names in groups.items():
        lines += ["", f"## {group}", ""]
        for name in names:
            lines += _command(name, commands[name])
    return "\n".join(lines)


def _command(name: str, command: Any) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join(_usage(one) for one in arguments)
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    lines = [
        f"### raydrive {name}",
        "",
        *text.splitlines(),
        "",
        "```text",
        f"raydrive {name} [OPTIONS] {usage}".rstrip(),
        "```",
        "",
    ]
    if arguments:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{one.metavar or one.name.upper()}` | {_meaning(one)} |" for one in arguments]
        lines.append("")
    if options:
        lines += ["| option | value | meaning |", "|---|---|---|"]
        lines += [f"| {_flags(one)} | {_value(one)} | {_meaning(one)} |" for one in options]
        lines.append("")
    return lines


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    many = "..." if argument.nargs == -1 else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"


def _flags(option: Any) -> str:
    return ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))


def _value(option: Any) -> str:
    if option.is_flag:
        return "-"
    if isinstance(option.default, enum.Enum):
        return ", ".join(f"`{one.value}`" for one in type(option.default))
    return f"`{option.metavar or option.name.upper()}`"


def _meaning(parameter: Any) -> str:
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|").replace("\n", " ").strip()
    default = parameter.default
    shows = default not in (None, False, True, ()) and not callable(default)
    value = getattr(default, "value", default)
    return f"{text} Default: `{value}`." if shows else text
