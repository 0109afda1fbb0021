"""`lsdc`: all commands of the toolkit, in groups."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from lsdc.runtime.commands import (
    EXIT_CODES,
    USERS_MISTAKE,
    end_at_once_if_stopped,
    print_page,
    print_version,
    run_command,
    run_program,
    suggestion,
    summary,
)

COMMANDS = {"grade": "lsdc.commands.grade:Grade"}
"""Commands of no group, which most people begin with: where their classes are."""
GROUPS = ("features", "ensemble", "phantom", "pretrain")
"""Modules of `lsdc.commands`; each has `COMMANDS` and `DESCRIPTION`, and is a program `lsdc-GROUP` of its own."""


def overview() -> str:
    """List the groups with their commands.

    Returns
    -------
    str
        What `lsdc --help` prints.
    """
    lines = [
        "usage: lsdc [-h] [--version] COMMAND ...",
        "       lsdc [-h] [--version] GROUP COMMAND ...",
        "",
        "Grade lumbar spine degeneration from MRI.",
        "",
        *(f"  {name:12}{summary(command_of(name))}" for name in COMMANDS),
    ]
    for name in GROUPS:
        group = import_module(f"lsdc.commands.{name}")
        lines += ["", f"{name}: {group.DESCRIPTION}"]
        lines += [f"  {command:12}{summary(kind)}" for command, kind in group.COMMANDS.items()]
    more = (
        "`lsdc GROUP COMMAND --help` shows a command's examples and flags.",
        "`lsdc-GROUP COMMAND` does the same.",
    )
    return "\n".join([*lines, "", *more, EXIT_CODES])


def command_of(name: str) -> type:
    """Import the class of a command of no group.

    Parameters
    ----------
    name : str
        One of `COMMANDS`.

    Returns
    -------
    type
        A dataclass of flags with a method `run`.
    """
    module, _, found = COMMANDS[name].partition(":")
    command: type = getattr(import_module(module), found)
    return command


def main(args: Sequence[str] | None = None) -> int:
    """Run `lsdc`.

    Parameters
    ----------
    args : sequence of str, optional
        Arguments; by default those of the process.

    Returns
    -------
    int
        The exit code; see `lsdc.runtime.commands.run_command`.
    """
    words = list(sys.argv[1:] if args is None else args)
    if words[:1] == ["--version"]:
        return print_version("lsdc")
    if not words or words[0] in ("-h", "--help"):
        return print_page(overview(), "lsdc", asked=bool(words))
    if words[0] in COMMANDS:
        code = run_program(command_of(words[0]), f"lsdc {words[0]}", words[1:])
        return code if args is not None else end_at_once_if_stopped(code)
    if words[0] not in GROUPS:
        groups = [name for name in GROUPS if words[0] in import_module(f"lsdc.commands.{name}").COMMANDS]
        likely = (
            f"; did you mean `lsdc {groups[0]} {words[0]}`?"
            if groups
            else suggestion(words[0], (*COMMANDS, *GROUPS))
        )
        print(f"lsdc: unknown command {words[0]!r}{likely}", file=sys.stderr)
        return USERS_MISTAKE
    group = import_module(f"lsdc.commands.{words[0]}")
    code = run_command(group.COMMANDS, f"lsdc {words[0]}", group.DESCRIPTION, words[1:])
    return code if args is not None else end_at_once_if_stopped(code)


if __name__ == "__main__":
    sys.exit(main())
