"""``dcminfo``: the values of DICOM headers, of one file or of many side by side; names for files from them."""

from __future__ import annotations

import functools
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

import click

from mrdock.commands.common import CONTEXT, FOUND, Command, Failures, errors_as_sentences, output, version_option
from mrdock.errors import MrdockError

if TYPE_CHECKING:
    from mrdock.dicom.scan import Key
    from mrdock.sorting.fields import Field
    from mrdock.sorting.info import Overview, Question
    from mrdock.sorting.renaming import RenamePlan

_WIDTH: Final = 200
_CHUNK: Final = 1000  # lines that are written at once
_ENOUGH_FOR_TWO: Final = 1500  # files; below, a second process does not pay
_ENOUGH_TO_WALK: Final = 100  # the same, where files are walked to their end
_MOST_JOBS: Final = 8  # unless more are asked for


@dataclass(frozen=True, slots=True)
class _Options:
    """The switches as they were given."""

    tags: str | None
    only: bool
    full: bool
    every: bool
    width: int | None
    rename: str | None
    dry_run: bool
    names: bool
    by_name: bool
    all_fields: bool
    diff: bool
    ignore: str | None
    form: str | None
    jobs: int | None
    undo: str | None
    quiet: bool
    verbose: bool


@click.command("dcminfo", cls=Command, context_settings=CONTEXT)
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path(readable=False))
@click.option("-t", "--tags", metavar="TAGS", help="Further tags, separated by colons; * for all, 0018,* for a group.")
@click.option("-x", "--only", is_flag=True, help="With -t: these tags alone, not the default list.")
@click.option("-f", "--full", is_flag=True, help="List each file by itself, not what they have in common.")
@click.option("-s", "--every", is_flag=True, help="All occurrences of a tag, not only the first found.")
@click.option(
    "-w", "--width", type=click.IntRange(40, 100_000), metavar="N", help="Width of the table.  [default: 200]"
)
@click.option("-r", "--rename", metavar="TAGS", help="Rename the files by the values of these tags.")
@click.option("-c", "--dry-run", is_flag=True, help="With -r: only show the names.")
@click.option("-l", "--names", is_flag=True, help="The names of all fields of one FILE, by tag.")
@click.option("-k", "--by-name", is_flag=True, help="With -l: sorted by name.")
@click.option("-a", "--all-fields", is_flag=True, help="All fields of one FILE, nested sequences indented.")
@click.option("--diff", is_flag=True, help="Where the headers differ, but for UIDs, dates and times; exit code 3 then.")
@click.option("--ignore", metavar="TAGS", help="With --diff: tags that may differ.")
@click.option("--csv", "form", flag_value="csv", help="For programs: comma-separated values.")
@click.option("--json", "form", flag_value="json", help="For programs: JSON.")
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Processes that read headers.")
@click.option("--undo", metavar="JOURNAL", help="Give the files of a journal their old names back.")
@click.option("-q", "--quiet", is_flag=True, help="With -r or --diff: list nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Name the files in directories that are no DICOM.")
@version_option()
@errors_as_sentences
def command(files: tuple[str, ...], **switches: object) -> None:
    """Show the values of DICOM headers. Of several files, first the tags whose value is the same in all, then a table
    of those that differ. Of a directory, all files in and below it.

    A tag is a keyword (EchoTime), gggg,eeee, a name of a private Philips element (MRScaleSlope), or
    gggg,ee,"creator". ~/.dcminforc (Tags ..., MaxWidth ...) replaces the default list and width.
    """
    options = _Options(**switches)  # type: ignore[arg-type]
    _check_usage(files, options)
    if options.undo is not None:
        _undo(options.undo, options)
    elif options.names or options.all_fields:
        _fields(files[0], options)
    else:
        _overview(files, options)


def _check_usage(files: Sequence[str], options: _Options) -> None:
    """Refuse switches that contradict each other or would have no effect."""
    modes = {
        "-r": options.rename is not None,
        "-l": options.names,
        "-a": options.all_fields,
        "--diff": options.diff,
        "--undo": options.undo is not None,
    }
    chosen = [name for name, given in modes.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} do not go together.")
    needs = (
        (options.only, "-x", "-t", options.tags is not None),
        (options.dry_run, "-c", "-r", modes["-r"]),
        (options.by_name, "-k", "-l", options.names),
        (options.ignore is not None, "--ignore", "--diff", options.diff),
    )
    for given, switch, other, there in needs:
        if given and not there:
            raise click.UsageError(f"{switch} goes with {other}.")
    if modes["--undo"]:
        if files:
            raise click.UsageError("--undo takes no FILE.")
    elif not files:
        raise click.UsageError("Missing argument 'FILE...'.")
    elif len(files) > 1 and (options.names or options.all_fields):
        raise click.UsageError(f"{chosen[0]} takes one FILE.")


# ---- forms 1 and 2, and --diff ----


def _overview(files: Sequence[str], options: _Options) -> None:
    failures = Failures()
    paths = _Paths(failures, options)
    found = paths.of(files)
    question, width = _question(options)
    naming = None if options.rename is None else _naming_tags(options.rename)
    if options.diff:
        differ = _diff(found, question, options, paths)
        sys.exit(failures.code or (FOUND if differ else 0))
    if not (naming and (options.quiet or options.form)):
        overview = _gather(found, question, options, paths)
        _write(_lines(overview, options, width), options.form)
    if naming:
        _rename(found, naming, options, paths)
    paths.close()
    sys.exit(failures.code)


class _Paths:
    """The files to be read, and what is said of those that cannot be."""

    def __init__(self, failures: Failures, options: _Options) -> None:
        self.failures = failures
        self._options = options
        self._by_directory: set[str] = set()
        self._told: set[str] = set()
        self._passed_over = 0

    def of(self, arguments: Sequence[str]) -> list[str]:
        """The files named, and those in and below the directories named, by name."""
        from mrdock.files.walk import walk

        found: list[str] = []
        for argument in arguments:
            if not os.path.isdir(argument):
                found.append(argument)
                continue
            for directory in walk(argument, self.failures.add, hidden=False):
                below = [entry.path for entry in directory.entries if entry.is_file]
                self._by_directory.update(below)
                found += below
        return found

    def failed(self, path: str, error: Exception) -> None:
        """Say once that a file cannot be read; what is no DICOM and only lies in a directory is counted."""
        from mrdock.errors import NotDicomError

        if path in self._told:
            return
        self._told.add(path)
        if path in self._by_directory and isinstance(error, NotDicomError | IsADirectoryError):
            self._passed_over += 1
            if self._options.verbose:
                self.failures.remark(path, error)
        else:
            self.failures.add(path, error)

    def check_any(self, found: bool) -> None:
        """Raise `PlaceError` where there was nothing to read at all, which nobody was told of."""
        from mrdock.errors import PlaceError

        if not found and not self.failures.count:
            raise PlaceError("no DICOM files in what was named")

    def close(self) -> None:
        """Say how many files were passed over."""
        if self._passed_over and not self._options.quiet and not self._options.verbose:
            count = self._passed_over
            what = "1 file that is no DICOM was" if count == 1 else f"{count} files that are no DICOM were"
            click.echo(f"dcminfo: {what} passed over (-v names them)", err=True)


def _question(options: _Options) -> tuple[Question, int]:
    """What is asked of the files, and the width of the table."""
    from mrdock.dicom.tags import split_list
    from mrdock.sorting.info import Question
    from mrdock.sorting.info_defaults import DEFAULTS
    from mrdock.sorting.info_rc import rc_path, read_preferences
    from mrdock.sorting.info_tags import Selection, select

    preferences = read_preferences(rc_path())
    asked = select(split_list(options.tags or ""))
    if options.tags is not None and asked == Selection():
        raise click.UsageError("-t names no tag.")
    width = options.width or preferences.width or _WIDTH
    if options.only:
        return Question((), asked, options.every), width
    if preferences.tags is not None:
        return Question((), asked.joined(preferences.tags), options.every), width
    return Question(DEFAULTS, asked, options.every), width


def _gather(paths: Sequence[str], question: Question, options: _Options, told: _Paths) -> Overview:
    from mrdock.sorting import info, info_jobs

    jobs = options.jobs or 1
    enough = _ENOUGH_TO_WALK if question.deep else _ENOUGH_FOR_TWO
    if options.jobs is None and len(paths) >= enough and info_jobs.can_fork():
        jobs = min(os.cpu_count() or 1, _MOST_JOBS)
    if jobs == 1 or len(paths) < 2:
        overview = info.gather(paths, question, told.failed)
    else:
        overview = info_jobs.gather_at_once(paths, question, told.failed, jobs)
    told.check_any(bool(overview.files))
    return overview


def _lines(overview: Overview, options: _Options, width: int) -> Iterable[str]:
    if options.form == "csv":
        from mrdock.sorting.info_data import csv_lines

        return csv_lines(overview)
    if options.form == "json":
        from mrdock.sorting.info_data import json_text

        return [json_text(overview)]
    from mrdock.sorting.info_text import lines

    return lines(overview, full=options.full, width=width)


def _diff(paths: Sequence[str], question: Question, options: _Options, told: _Paths) -> bool:
    """Show where the files differ; whether they do."""
    from mrdock.dicom.tags import split_list
    from mrdock.sorting import difference, difference_text
    from mrdock.sorting.info import Question
    from mrdock.sorting.info_tags import Selection, select

    ignored = select(split_list(options.ignore or ""))
    asked = question.asked if options.only else Selection(everything=True)
    overview = _gather(paths, Question((), asked, every=True), options, told)
    told.close()
    if len(overview.files) < 2 and not told.failures.count:
        raise click.UsageError("--diff compares two or more files.")
    found = difference.compare(overview, ignored)
    if options.form == "json":
        _write([difference_text.json_text(found)], "json")
    elif options.form == "csv":
        _write(difference_text.csv_lines(found, overview.files), "csv")
    elif not options.quiet:
        _write(difference_text.lines(found, overview.files))
    return bool(found.differences)


# ---- form 2: renaming ----


def _rename(paths: Sequence[str], keys: Sequence[Key], options: _Options, told: _Paths) -> None:
    """Rename the files, or only show how."""
    from mrdock.dicom.tags import name_of
    from mrdock.sorting import renaming

    journal = ""
    with nullcontext() if options.dry_run else renaming.alone(paths):
        named = renaming.gather(paths, keys, told.failed)
        told.check_any(bool(named))
        found = renaming.plan(named, list(map(name_of, keys)))
        for path, reason in found.problems:
            told.failures.add(path, reason)
        if told.failures.count:
            click.echo("dcminfo: nothing was renamed", err=True)
            return
        if found.steps() and not options.dry_run:
            journal, left = renaming.execute(found, ["dcminfo", *sys.argv[1:]])
            for path, reason in left:
                told.failures.add(path, reason)
    _write(_renamed(found, journal, options), options.form)
    if journal:
        click.echo(f"dcminfo: to undo this: dcminfo --undo {shlex.quote(journal)}", err=True)


def _naming_tags(text: str) -> tuple[Key, ...]:
    from mrdock.dicom.tags import split_list
    from mrdock.sorting.info_tags import select

    asked = select(split_list(text))
    if asked.open or not asked.keys:
        raise click.UsageError("-r takes tags, one or more, separated by colons.")
    return asked.keys


def _renamed(found: RenamePlan, journal: str, options: _Options) -> Iterator[str]:
    from mrdock.files.names import printable

    if options.form == "json":
        pairs = [{"file": path, "name": os.path.basename(target)} for path, target, _ in found.renames]
        yield json.dumps({"renames": pairs, "journal": journal or None}, indent=2)
    elif options.form == "csv":
        from mrdock.sorting.info_data import row

        yield row(["file", "name"])
        yield from (row([path, os.path.basename(target)]) for path, target, _ in found.renames)
    elif not options.quiet or options.dry_run:
        if not options.quiet:
            yield ""
        names = [(os.path.basename(path), os.path.basename(target)) for path, target, _ in found.renames]
        width = max((len(printable(old)) for old, _ in names), default=0)
        for old, new in names:
            yield f"{printable(old):<{width}}  ->  {new}"


def _undo(path: str, options: _Options) -> None:
    from mrdock.sorting import renaming

    failures = Failures()
    back, left = renaming.undo(path)
    for where, reason in left:
        failures.add(where, reason)
    if not options.quiet:
        click.echo(f"{back} file{'' if back == 1 else 's'} renamed back" if back else "Nothing to be renamed back")
    sys.exit(failures.code)


# ---- forms 3 and 4 ----


def _fields(path: str, options: _Options) -> None:
    from mrdock.sorting import fields

    if options.form:
        read = functools.partial(fields.names, by_name=options.by_name) if options.names else fields.fields
        _write(_field_rows(read, path, options.form), options.form)
    elif options.names:
        _write(fields.name_lines(path, by_name=options.by_name))
    else:
        _write(fields.field_lines(path))


def _field_rows(read: Callable[[str], Iterable[Field]], path: str, form: str) -> Iterator[str]:
    from mrdock.sorting.info_data import row

    if form == "csv":
        yield row(["depth", "tag", "name", "vr", "value"])
        yield from (row([str(field.depth), *field[1:]]) for field in read(path))
        return
    yield "["
    before = ""
    try:
        for field in read(path):
            if before:
                yield f"{before},"
            before = f"  {json.dumps(field._asdict())}"
    except (MrdockError, OSError):  # what came before the break is a whole array, too
        yield from (before, "]")
        raise
    yield from (before, "]")


def _write(lines: Iterable[str], form: str | None = None) -> None:
    """Print lines, many at a time; what programs read is UTF-8 everywhere."""
    out = output("utf-8" if form else None)
    chunk: list[str] = []
    try:
        for line in lines:
            chunk.append(line)
            if len(chunk) == _CHUNK:
                _print(chunk, out)
                chunk.clear()
    finally:  # what came before an error is worth showing
        _print(chunk, out)


def _print(lines: Sequence[str], out: TextIO | None) -> None:
    """Print lines; where standard output was closed before we began there is nobody to print to."""
    if out is not None and lines:
        out.write("\n".join(lines) + "\n")
        out.flush()
