"""``dcmls``: list directories as ``ls -lR`` does, and of DICOM files what their headers say."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import click

from mrdock.commands.common import CONTEXT, Command, Failures, errors_as_sentences, output, version_option

if TYPE_CHECKING:
    from mrdock.sorting.listing import ListOptions

T = TypeVar("T")

_FLUSH_SECONDS: Final = 0.2
_PROGRESS_SECONDS: Final = 0.5


@click.command("dcmls", cls=Command, context_settings=CONTEXT)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(readable=False))
@click.option("-d", "--series", is_flag=True, help="One line a series: files, frames, size, first and last time.")
@click.option(
    "--time",
    "times",
    type=click.Choice(["access", "modified"]),
    default="access",
    show_default=True,
    help="The time of a file that is shown.",
)
@click.option("-a", "--all", "hidden", is_flag=True, help="Also entries whose names begin with a dot.")
@click.option("--no-recurse", is_flag=True, help="Not the directories in the directories.")
@click.option("-L", "--follow", is_flag=True, help="Also into directories that are symbolic links.")
@click.option("--csv", "form", flag_value="csv", help="For programs: comma-separated values.")
@click.option("--json", "form", flag_value="json", help="For programs: a JSON array.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    help="Headers read at once: more than one pays over a slow network.",
)
@click.option("-q", "--quiet", is_flag=True, help="Do not say what could not be read.")
@click.option("-v", "--verbose", is_flag=True, help="Say of each file that is no DICOM why not.")
@version_option()
@errors_as_sentences
def command(
    paths: tuple[str, ...],
    series: bool,
    times: str,
    hidden: bool,
    no_recurse: bool,
    follow: bool,
    form: str | None,
    jobs: int,
    quiet: bool,
    verbose: bool,
) -> None:
    """List directories as ls -lR does. Of DICOM files also series date and time, study and series description,
    patient name and ID, protocol, series number and performed procedure step.

    Without PATH, the directory here.
    """
    from mrdock.sorting import listing

    failures = Failures(quiet=quiet)
    remark = failures.remark if verbose else None
    options = listing.ListOptions(recurse=not no_recurse, hidden=hidden, follow=follow, jobs=jobs, no_dicom=remark)
    write = _write_series if series else _write_files
    write(paths or (os.curdir,), failures, options, times, form)
    sys.exit(failures.code)


def _write_files(paths: Sequence[str], failures: Failures, options: ListOptions, times: str, form: str | None) -> None:
    from mrdock.sorting.listing import listing

    items = listing(paths, failures.add, options)
    if form is None:
        from mrdock.sorting.listing_text import file_lines

        _write(file_lines(items, times, _terminal()))
    else:
        from mrdock.sorting.listing_data import FILE_KEYS, csv_lines, file_records, json_lines

        records = file_records(items)
        _write(csv_lines(records, FILE_KEYS) if form == "csv" else json_lines(records), "utf-8")


def _write_series(paths: Sequence[str], failures: Failures, options: ListOptions, times: str, form: str | None) -> None:
    from mrdock.sorting.listing import listing
    from mrdock.sorting.series_list import WANTED_OF_EACH, series_listing

    found = listing(paths, failures.add, options, WANTED_OF_EACH)
    items = series_listing(found if failures.quiet or not sys.stderr.isatty() else _shown(found))
    if form is None:
        from mrdock.sorting.listing_text import series_lines

        _write(series_lines(items, times, _terminal()))
    else:
        from mrdock.sorting.listing_data import SERIES_KEYS, csv_lines, json_lines, series_records

        records = series_records(items)
        _write(csv_lines(records, SERIES_KEYS) if form == "csv" else json_lines(records), "utf-8")


def _terminal() -> os.terminal_size | None:
    """The size of the terminal that shows the output, if one does."""
    return shutil.get_terminal_size() if sys.stdout is not None and sys.stdout.isatty() else None


def _write(lines: Iterable[str], encoding: str | None = None) -> None:
    """Print lines as they come: the first at once, the others not much later, whoever reads them."""
    out = output(encoding)
    if out is None:
        for _ in lines:  # what cannot be read is still named, and decides the exit code
            pass
        return
    due = 0.0
    for line in lines:
        out.write(line + "\n")
        now = time.monotonic()
        if now >= due:
            out.flush()
            due = now + _FLUSH_SECONDS
    out.flush()


def _shown(items: Iterator[T]) -> Iterator[T]:
    """Pass items on, and tell the person who waits at the terminal now and then how many files were read."""
    due, line = time.monotonic() + _PROGRESS_SECONDS, ""
    for count, item in enumerate(items):
        now = time.monotonic()
        if now >= due:
            line = f"{count} files read"
            click.echo(f"{line}\r", nl=False, err=True)
            due = now + _PROGRESS_SECONDS
        if line and isinstance(item, tuple):  # a heading: lines follow
            _wipe(line)
            line = ""
        yield item
    if line:
        _wipe(line)


def _wipe(line: str) -> None:
    click.echo(" " * len(line) + "\r", nl=False, err=True)
