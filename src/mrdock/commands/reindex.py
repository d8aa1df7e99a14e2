"""``mrdock reindex``: make the index anew from the files."""

from __future__ import annotations

import click

from mrdock.commands.common import CONTEXT, errors_as_sentences, settings_options


@click.command("reindex", context_settings=CONTEXT, short_help="Rebuild the index from the files.")
@settings_options
@errors_as_sentences
def command(config: str | None, store: str | None) -> None:
    """Rebuild the index from the images and the studies' records. The dock must not be running."""
    import os

    from mrdock.dock import clock, startup
    from mrdock.dock import settings as all_settings
    from mrdock.dock.lock import exclusive
    from mrdock.dock.reconcile import rebuild
    from mrdock.dock.store import open_store
    from mrdock.dock.words import counted

    os.umask(0o027)
    settings = all_settings.load(config, store)
    here = open_store(settings.root, settings.store.minimum_free, create=False)
    try:
        with exclusive(here, "mrdock reindex", patience=1.0):
            now = clock.now()
            report, _ = startup.with_index(here, settings, lambda index: rebuild(here, index, settings, now), anew=True)
    finally:
        here.close()
    click.echo(f"{counted(report.studies, 'study')} with {counted(report.images, 'image')} in the index.")
    if report.unknown:
        click.echo(f"{counted(report.unknown, 'file')} did not come through the dock: left alone, not in the index.")
