"""A group of commands whose help lists them in the order in which a newcomer needs them."""

from __future__ import annotations

import click


class OrderedGroup(click.Group):
    """Lists its commands as they were added, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The names of the commands, in order."""
        return list(self.commands)
