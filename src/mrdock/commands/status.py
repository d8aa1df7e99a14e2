"""``mrdock status``: what the dock is doing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, errors_as_sentences, settings_options

if TYPE_CHECKING:
    from mrdock.dock.status import Status, StudyStatus

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@click.command("status", context_settings=CONTEXT, short_help="Show what the dock is doing.")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="The same for programs.")
@click.option("-n", "--number", type=click.IntRange(0), default=20, show_default=True, help="Studies shown; 0: all.")
@errors_as_sentences
def command(config: str | None, store: str | None, as_json: bool, number: int) -> None:
    """Listeners, studies and their state, what is deleted next, and the disk."""
    from mrdock.commands.opening import opened_store
    from mrdock.dock import clock, status

    with opened_store(config, store, write=False) as dock:
        found = status.gather(dock.store, dock.index, dock.settings, clock.now())
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    _print(found, number)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def _print(found: Status, number: int) -> None:
    _print_dock(found)
    shown = found.studies[:number] if number else found.studies
    if not shown:
        click.echo("No studies yet.")
    elif sys.stdout.isatty():
        _table(shown)
    else:
        for study in shown:
            text = _printable(_state(study))
            click.echo(f"{study.directory}  {_images(study)}  {size(study.size)}  {text}")
            for line in _remarks(study):
                click.echo(f"    {_printable(line)}")
    if len(shown) < len(found.studies):
        click.echo(f"... and {len(found.studies) - len(shown)} older studies (-n 0 shows all)")
    _print_expiry(found)


def _print_dock(found: Status) -> None:
    from mrdock.dock.words import counted

    if found.running:
        click.echo(f"The dock runs (process {found.pid}) on {found.store}.")
        for item in found.listeners:
            click.echo(
                f"  {item.name}: {item.host} port {item.port}, {item.title}, {item.accepts}; "
                f"{counted(item.associations, 'association')} open"
            )
    else:
        click.echo(f"No dock is running on {found.store}.")
    for notice in found.notices:
        click.secho(f"  {notice}", fg="red")
    if found.quarantined:
        where = f"{found.store}/quarantine"
        click.echo(f"  {counted(found.quarantined, 'unidentified data set')} in {where}")
    click.echo(f"  disk: {size(found.free)} of {size(found.total)} free, reserve {size(found.reserve)}\n")


def _print_expiry(found: Status) -> None:
    from mrdock.dock.clock import local

    leaving = sorted((study for study in found.studies if study.goes is not None), key=lambda item: item.goes or 0.0)
    announced = [study for study in leaving if study.announced]
    for study in announced[:10]:
        held = "held, " if study.state == "held" else ""
        click.echo(f"{held}to be deleted after {local(study.goes or 0.0)}: {study.directory}")
    if leaving and not announced:
        click.echo(f"Next to be deleted: {leaving[0].directory}, after {local(leaving[0].goes or 0.0)}.")


def _images(study: StudyStatus) -> str:
    from mrdock.dock.words import counted

    taken = f" ({study.taken} taken)" if study.taken else ""
    return f"{counted(study.images, 'image')} in {study.series} series{taken}"


def _state(study: StudyStatus) -> str:
    return f"{study.text}; looks whole" if study.whole and study.state != "receiving" else study.text


def _remarks(study: StudyStatus) -> list[str]:
    from mrdock.dock.words import counted

    differing = f"{counted(study.differing, 'image')} came again with other content; both are kept"
    return [*study.missing, *([differing] if study.differing else [])]


def _printable(text: str) -> str:
    from mrdock.dock.logs import printable

    return printable(text)


def _table(studies: tuple[StudyStatus, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"held": "red", "waiting": "yellow", "receiving": "cyan", "routed": "green"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Study", "Images", "Size", "State"):
        table.add_column(title, no_wrap=title in ("Study", "Size"), justify="right" if title == "Size" else "left")
    for study in studies:
        text = Text(_printable(_state(study)), style=colours.get(study.state, ""))
        for line in _remarks(study):
            text.append("\n" + _printable(line), style="yellow")
        table.add_row(study.directory, _images(study), size(study.size), text)
    Console().print(table)
