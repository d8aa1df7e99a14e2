"""``dcmcleanup``: tidies a directory of exports."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NoReturn

import click

from mrdock.commands.common import (
    CONTEXT,
    DONE,
    FAILED,
    USAGE,
    Command,
    errors_as_sentences,
    fail,
    given_beside,
    output,
    version_option,
)
from mrdock.commands.working import working
from mrdock.files.names import printable

if TYPE_CHECKING:
    from mrdock.sorting.cleanup_plan import CleanupOptions, LeftFile

_NAME: Final = "dcmcleanup"
_MOST_NAMED: Final = 20


@click.command(_NAME, cls=Command, context_settings=CONTEXT)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--undo", "journal", metavar="JOURNAL", help="Put back everything that this journal says was done.")
@click.option("--purge", is_flag=True, help="Only delete for good what earlier runs have put into the trash.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but failures.")
@click.option("-v", "--verbose", is_flag=True, help="Name every file and where it is now.")
@click.option(
    "--settle",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    default=5.0,
    help="Look again at files touched less than this ago (default: 5).",
)
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
@click.option(
    "-j", "--jobs", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="Headers read at once."
)
@version_option()
@click.argument("directories", metavar="[DIRECTORY]...", nargs=-1, type=click.Path(readable=False))
@errors_as_sentences
def command(
    directories: tuple[str, ...],
    journal: str | None,
    dry_run: bool,
    purge: bool,
    quiet: bool,
    verbose: bool,
    settle: float,
    as_json: bool,
    jobs: int,
) -> None:
    """Tidy each DIRECTORY (default: here) to which scanners export DICOM, PAR/REC, XML/REC and NIfTI.

    Images get names like 02_Resting.dcm, ExamCards become web pages, what is no image goes to extras, what is worthless
    to a trash. Never overwrites or deletes; a journal of every run makes it possible to put all back.
    """
    from mrdock.sorting.cleanup import CleanupOptions

    output("utf-8" if as_json else None)
    options = CleanupOptions(directories or (".",), quiet, settle, jobs)
    if journal is not None:
        _undo(journal, options, as_json, verbose)
    if purge:
        _purge(options, as_json, dry_run)
    _tidy(options, dry_run, as_json, verbose)


def _tidy(options: CleanupOptions, dry_run: bool, as_json: bool, verbose: bool) -> NoReturn:
    from mrdock.sorting import cleanup, cleanup_text

    quiet = options.quiet or as_json
    with working(quiet=quiet) as (progress, stopped):
        planned = cleanup.plan(options, progress=progress, cancelled=stopped)
    if dry_run:
        _name_left([file for directory in planned.directories for file in directory.left])
        _say(as_json, cleanup_text.plan_json(planned), cleanup_text.plan_lines(planned, every_file=verbose))
        sys.exit(FAILED if any(directory.left for directory in planned.directories) else DONE)
    with working(quiet=quiet) as (progress, stopped):
        result = cleanup.execute(planned, progress=progress, cancelled=stopped)
    _name_left(result.left)
    for remark in result.unmade:
        click.echo(f"{_NAME}: {printable(f'{remark.path}: {remark.text}')}", err=True)
    lines = [] if options.quiet else cleanup_text.closing_lines(planned, result, every_file=verbose)
    _say(as_json, cleanup_text.result_json(planned, result), lines)
    sys.exit(FAILED if result.stopped or result.left or result.unmade else DONE)


def _undo(journal: str, options: CleanupOptions, as_json: bool, verbose: bool) -> NoReturn:
    _only({"journal", "quiet", "verbose", "as_json"}, "--undo puts everything where it was")
    from mrdock.sorting import cleanup, cleanup_text

    with working(quiet=options.quiet or as_json) as (progress, stopped):
        result = cleanup.undo(journal, progress=progress, cancelled=stopped)
    _name_left(result.left)
    lines = [] if options.quiet else cleanup_text.undone_lines(result, every_file=verbose)
    _say(as_json, cleanup_text.undone_json(result), lines)
    sys.exit(FAILED if result.stopped or result.left else DONE)


def _purge(options: CleanupOptions, as_json: bool, dry_run: bool) -> NoReturn:
    _only({"purge", "directories", "quiet", "as_json", "dry_run"}, "--purge only empties the trash")
    from mrdock.sorting import cleanup, cleanup_text

    found = cleanup.purge(options, pretend=dry_run)
    lines = [] if options.quiet else cleanup_text.purge_lines(found, pretend=dry_run)
    _say(as_json, cleanup_text.purge_json(found), lines)
    sys.exit(DONE)


def _only(harmless: set[str], what: str) -> None:
    """Refuse switches that mean nothing beside this one."""
    for parameter in given_beside(harmless):
        other = parameter.opts[-1] if isinstance(parameter, click.Option) else "a directory"
        fail(_NAME, f"{other}: {what}, and goes with no such argument", USAGE)


def _say(as_json: bool, data: object, lines: Iterable[str]) -> None:
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    for line in lines:
        click.echo(line)


def _name_left(left: Iterable[LeftFile]) -> None:
    """Name on standard error what stays."""
    files = list(left)
    for file in files[:_MOST_NAMED]:
        reason = file.reason.removeprefix(f"{file.path}: ")
        click.echo(f"{_NAME}: {printable(file.path)}: {printable(reason)}", err=True)
    if len(files) > _MOST_NAMED:
        rest = len(files) - _MOST_NAMED
        click.echo(f"{_NAME}: ... and {rest:,} more files that stay (--json names them all)", err=True)
