"""``dcm_movegui``: dcm_move in a window."""

from __future__ import annotations

import os
import sys

import click

from mrdock.commands.common import CONTEXT, Command, errors_as_sentences, fail, version_option


@click.command("dcm_movegui", cls=Command, context_settings=CONTEXT)
@click.option("-s", "--source", metavar="DIR", type=click.Path(), help="The source that the window begins with.")
@click.argument("destdir", required=False, type=click.Path(readable=False))
@version_option()
@errors_as_sentences
def command(source: str | None, destdir: str | None) -> None:
    """Move DICOM files into studies and series, in a window: dcm_move with a field for each switch.

    The window shows what would happen before anything moves, and can undo it. Its fields are as they were the last
    time. DESTDIR is where the files go.
    """
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        fail("dcm_movegui", "there is no display to show a window on; dcm_move does the same without one")
    from mrdock.gui.app import run

    sys.exit(run(source, destdir))
