"""``mrdock``: the dock and what concerns it. Sub-commands are loaded when they are called."""

from __future__ import annotations

import importlib
from typing import Final

import click

from mrdock.commands.common import CONTEXT, version_option

COMMANDS: Final = ("serve", "init", "status", "route", "sweep", "reindex")


class _Lazy(click.Group):
    """A group whose commands live in modules of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mrdock.commands.{cmd_name}").command
        return command


@click.group(cls=_Lazy, context_settings=CONTEXT)
@version_option()
def main() -> None:
    """The dock: DICOM storage servers that keep, route and expire what MR scanners send."""
