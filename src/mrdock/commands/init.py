"""``mrdock init``: write a settings file."""

from __future__ import annotations

import os

import click

from mrdock.commands.common import CONTEXT, USAGE, errors_as_sentences, fail


@click.command("init", context_settings=CONTEXT, short_help="Write a settings file.")
@click.argument("file", required=False, type=click.Path())
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@errors_as_sentences
def command(file: str | None, force: bool) -> None:
    """Write a commented settings file with every setting and its default.

    FILE is ~/.config/mrdock/dock.toml unless given; - writes to standard output.
    """
    from mrdock.dock.settings import home, search_path
    from mrdock.dock.template import template

    text = template()
    if file == "-":
        click.echo(text, nl=False)
        return
    path = search_path()[0] if file is None else home(file)
    if path.is_dir() or not path.name:
        fail("mrdock init", f"{file or '.'}: a directory, not a file", USAGE)
    if os.path.lexists(path) and not force:
        fail("mrdock init", f"{path}: exists already; --force replaces it", USAGE)
    path.parent.mkdir(parents=True, exist_ok=True)
    from mrdock.files.durable import opened, write_whole

    with opened(str(path.parent), os.O_RDONLY | os.O_DIRECTORY) as directory:
        write_whole(path.name, text.encode("utf-8"), directory=directory)
    click.echo(f"wrote {path}")
