"""``mrdock route``: copy a study again, to where its header says or to another place."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, DONE, FAILED, USAGE, errors_as_sentences, fail, settings_options

if TYPE_CHECKING:
    from mrdock.commands.opening import Opened

_PATIENCE = 600.0


@click.command("route", context_settings=CONTEXT, short_help="Copy a study (again).")
@click.argument("study")
@click.option("--to", "path", metavar="PATH", help="Copy there, whatever the header says.")
@settings_options
@errors_as_sentences
def command(study: str, path: str | None, config: str | None, store: str | None) -> None:
    """Try again to copy STUDY: a directory name, a Study Instance UID, or a unique beginning of either.

    With --to, the series that have not been copied yet go to PATH; if all have been, all of them. The rules for
    paths are those for paths in headers: below an allowed directory, it or its parent exists.
    """
    from mrdock.commands.opening import opened_store
    from mrdock.dock import clock, queries, routing
    from mrdock.dock.destination import RouteTrouble, resolve
    from mrdock.dock.logs import printable

    with opened_store(config, store) as dock:
        row = queries.find_study(dock.index, study)
        if path is not None:
            try:
                path = resolve(path, dock.settings.route, dock.store.root).path
            except RouteTrouble as trouble:
                meant = f"; perhaps {trouble.suggestion} was meant" if trouble.suggestion else ""
                said = printable(f"{path}: {trouble.reason}{meant}")
                fail("mrdock route", said, FAILED if trouble.passing else USAGE)
        routing.ask(dock.index, dock.store, row, path, clock.now())
        _finish(dock, row.uid)
        sys.exit(_tell(dock, row.uid))


def _finish(dock: Opened, study: str) -> None:
    """Do what was asked for, or wait until the running dock has done it."""
    from mrdock.dock import clock, queries
    from mrdock.dock.states import DUE

    deadline = time.monotonic() + _PATIENCE
    while not _done_here(dock, study) and time.monotonic() < deadline:
        row = queries.study(dock.index, study)
        if row is None or row.state not in DUE or (row.next_try > clock.now().wall and row.copying is None):
            return
        time.sleep(0.2)


def _done_here(dock: Opened, study: str) -> bool:
    """Do what is due, if nobody else uses the store (or, on a shared index, has the study); whether nobody does."""
    from mrdock.dock import clock, queries, routing
    from mrdock.dock.lock import exclusive
    from mrdock.dock.states import DUE
    from mrdock.errors import BusyError

    try:
        with exclusive(dock.store, "mrdock route", patience=0), dock.index.claim(study) as mine:
            row = queries.study(dock.index, study)
            if mine and row is not None and row.state in DUE:
                routing.route_study(dock.store, dock.index, dock.settings, row, clock.now())
            return mine
    except BusyError:
        return False


def _tell(dock: Opened, study: str) -> int:
    from mrdock.dock import clock, queries
    from mrdock.dock.lock import holder
    from mrdock.dock.logs import printable
    from mrdock.dock.queries import NO_COUNT
    from mrdock.dock.states import State
    from mrdock.dock.status import in_words

    row = queries.study(dock.index, study)
    if row is None:
        fail("mrdock route", "the study has been deleted meanwhile")
    count = queries.counts(dock.index, study).get(study, NO_COUNT)
    text = in_words(row, queries.routes_of(dock.index, study), count, clock.now())
    click.echo(printable(f"{row.directory}: {text}"))
    if row.state is State.RECEIVING:
        runs = "listeners" in holder(dock.store)
        ends = "it will be copied when it is complete" if runs else "no dock is running to finish that: mrdock serve"
        click.echo(f"{row.directory} is being received; {ends}.", err=True)
        return DONE if runs else FAILED
    return DONE if row.state is State.ROUTED else FAILED
