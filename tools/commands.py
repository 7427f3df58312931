"""docs/commands.md: what each command says of itself when it is asked for help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hearthkms.cli import hearthkms

_WIDTH = 100
_INTRODUCTION = """\
# Commands

<!-- Written by `make docs` from the commands themselves. Do not edit. -->

What `--help` says. Commands other than `serve` work on a data folder (`--data`), beside a running service
or without one; [operations.md](operations.md) says when to use which.
"""


def document() -> str:
    """The text of docs/commands.md."""
    sections = (f"\n## `{name}`\n\n```text\n{text.strip()}\n```\n" for name, text in _helps(hearthkms, None))
    return _INTRODUCTION + "".join(sections)


def _helps(command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """The name and the help of a command and of those under it."""
    settings = {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(command, info_name=command.name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _helps(found, context)
