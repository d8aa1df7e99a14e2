"""``mrdock sweep``: delete what is old now."""

from __future__ import annotations

import click

from mrdock.commands.common import CONTEXT, errors_as_sentences, settings_options


@click.command("sweep", context_settings=CONTEXT, short_help="Delete what is old.")
@click.option("--dry-run", is_flag=True, help="Only print what would go, and by which rule.")
@settings_options
@errors_as_sentences
def command(dry_run: bool, config: str | None, store: str | None) -> None:
    """Delete the study directories that are older than the settings allow, as the dock does each night.

    Run by hand it also confirms that the clock is right, after a jump of the clock had stopped the nightly sweep.
    """
    from mrdock.commands.opening import opened_store
    from mrdock.dock import clock, keeper, quarantine, queries, retention

    with opened_store(config, store) as dock:
        now = clock.now()
        days = dock.settings.retention.days
        if dry_run:
            studies = queries.all_studies(dock.index)
            found = retention.plan(studies, now.wall, dock.settings.retention)
            for expiry in found:
                click.echo(f"{'would go' if expiry.goes else 'stays'}: {expiry.study.directory}: {expiry.why}")
            refused = quarantine.old(dock.store, now.wall - days * retention.DAY)
            for name in refused:
                click.echo(f"would go: quarantine/{name}")
            if not found and not refused:
                click.echo(f"Nothing is older than {days:g} days.")
            return
        keeper.check_clock(dock.index, now)
        results = keeper.sweep(dock.store, dock.index, dock.settings, now)
        keeper.confirm_clock(dock.index, now)
        for expiry, stayed in results:
            if stayed:
                click.echo(f"stays: {expiry.study.directory}: {stayed}")
            else:
                click.echo(f"deleted: {expiry.study.directory}: {expiry.why}")
        if not results:
            click.echo(f"Nothing is older than {days:g} days.")
