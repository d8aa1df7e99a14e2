"""``ExamCard_to_HTML``: ExamCards as pages, and as the scanner's text export."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, DONE, FOUND, Command, Failures, errors_as_sentences, output, version_option
from mrdock.files.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrdock.rawdata.examcard import ExamCard, Scan


_CHOSEN = re.compile(r"(.+)#(\d{1,6})", re.DOTALL)  # a FILE and the number of a scan in it


@click.command("ExamCard_to_HTML", cls=Command, context_settings=CONTEXT)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option("-t", "--text", is_flag=True, help="The scanner's text export instead: one file for each scan.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON array on standard output.")
@click.option("--csv", "as_csv", is_flag=True, help="For programs: a line for each parameter on standard output.")
@click.option("-a", "--all", "every", is_flag=True, help="Also parameters that the scanner hides; internal names.")
@click.option("-d", "--diff", is_flag=True, help="Compare two FILEs scan by scan; exit code 3 if they differ.")
@click.option(
    "-o",
    "--out",
    metavar="PLACE",
    type=click.Path(readable=False),
    help="A directory for what is written, or, for one page, its file. Default: beside each FILE.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was written.")
@version_option()
@errors_as_sentences
def command(
    paths: tuple[str, ...],
    text: bool,
    as_json: bool,
    as_csv: bool,
    every: bool,
    diff: bool,
    out: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Render ExamCards as pages: the scans in order, with the parameters of each as on the scanner's print-out.

    FILE is an ExamCard that was exported, or a raw file: a study's, which holds its ExamCard, or that of a series,
    which holds one scan. Each becomes FILE.html beside it, without the ending of FILE.

    FILE#3 is the third scan of a FILE.
    """
    if sum((text, as_json, as_csv)) > 1:
        raise click.UsageError("--text, --json and --csv exclude each other.")
    if text and every:
        raise click.UsageError("--all does not go with --text: the scanner's export has only what it shows.")
    if (as_json or as_csv) and (out is not None or force):
        raise click.UsageError("--json and --csv write to standard output; --out and --force do not go with them.")
    if diff:
        if len(paths) != 2 or as_csv:
            raise click.UsageError("--diff compares two FILEs, as a page, with --text, or with --json.")
        sys.exit(_compare(paths, text, as_json, every, _Writer(paths, out, force, quiet)))
    if out is not None and (text or len(paths) > 1) and not os.path.isdir(out):
        raise click.UsageError(f"--out {printable(out)}: for several files, PLACE is a directory that exists.")
    failures = Failures()
    cards = _cards(paths, failures)
    if as_json:
        _print_json(cards, every)
    elif as_csv:
        _print_csv(cards, every)
    else:
        writer = _Writer(paths, out, force, quiet)
        for path, card in cards:
            _write(writer, path, card, text, every, failures)
    sys.exit(failures.code)


def _cards(paths: tuple[str, ...], failures: Failures) -> Iterator[tuple[str, ExamCard]]:
    """Read the cards one by one; what fails, or is not whole, is said."""
    from mrdock.errors import MrdockError

    for path in paths:
        try:
            card = _read(path)
        except (MrdockError, OSError) as error:
            failures.failed(path, error)
            continue
        for problem in card.problems:
            failures.add(path, problem)
        yield path, card


def _read(path: str) -> ExamCard:
    """Read a card, or the one scan of it that ``#3`` names; a file of that very name comes first."""
    from dataclasses import replace

    from mrdock.errors import ChoiceError
    from mrdock.rawdata.examcard import read_examcard

    chosen = _CHOSEN.fullmatch(path)
    if chosen is None or os.path.lexists(path):
        return read_examcard(path)
    card = read_examcard(chosen[1])
    scans = tuple(scan for scan in card.scans if scan.number == int(chosen[2]))
    if not scans:
        raise ChoiceError(f"{printable(chosen[1])}: has no scan {chosen[2]}, but {len(card.scans)} scans")
    return replace(card, scans=scans, path=path)


class _Writer:
    """Puts pages and texts in their places: never over an input, and never over what this run has written."""

    def __init__(self, paths: tuple[str, ...], out: str | None, force: bool, quiet: bool) -> None:
        self._inputs = [path for path in map(_file_of, paths) if os.path.exists(path)]
        self._out = out
        self._force = force
        self._quiet = quiet
        self._written: dict[str, str] = {}

    def place(self, path: str, ending: str) -> str:
        """Where the output of a file goes: beside it or in a directory, or to the file that was asked for."""
        if self._out is not None and not os.path.isdir(self._out):
            return self._out
        folder, name = os.path.split(path)
        return os.path.join(self._out if self._out is not None else folder, _stem(name) + ending)

    def write(self, path: str, files: list[tuple[str, bytes]]) -> None:
        """Write all files of one input, or none."""
        from mrdock.errors import PlaceError
        from mrdock.files.writing import check_free, write_file

        for place, _ in files:
            earlier = self._written.get(os.path.abspath(place))
            if earlier is not None:
                raise PlaceError(f"{printable(place)}: is already what {printable(earlier)} became")
            if any(os.path.exists(place) and os.path.samefile(place, one) for one in self._inputs):
                raise PlaceError(f"{printable(place)}: is an input, which stays as it is")
            check_free(place, force=self._force)
        for place, data in files:
            write_file(place, data, force=self._force)
            self._written[os.path.abspath(place)] = path

    def say(self, path: str, what: str, places: list[str]) -> None:
        """Say what was written, unless that is not wanted."""
        if self._quiet:
            return
        where = places[0] if places else "nothing"
        if len(places) > 1:
            where = f"{len(places)} files in {os.path.dirname(where) or os.curdir}"
        click.echo(f"{printable(path)}: {what}: {printable(where)}")


def _file_of(path: str) -> str:
    """A FILE without the scan that it may name."""
    chosen = _CHOSEN.fullmatch(path)
    return chosen[1] if chosen is not None and not os.path.lexists(path) else path


def _write(writer: _Writer, path: str, card: ExamCard, text: bool, every: bool, failures: Failures) -> None:
    """Write the page of a card, or the texts of its scans."""
    from mrdock.errors import MrdockError
    from mrdock.rawdata.examcard import clock

    try:
        files = list(_texts(writer, path, card) if text else _page(writer, path, card, every))
        writer.write(path, files)
    except (MrdockError, OSError) as error:
        failures.failed(path, error)
        return
    count = len(card.scans)
    scans = f"{count} scan{'' if count == 1 else 's'}" + (f", {clock(card.seconds)}" if card.seconds else "")
    writer.say(path, scans, [place for place, _ in files])


def _page(writer: _Writer, path: str, card: ExamCard, every: bool) -> Iterator[tuple[str, bytes]]:
    from mrdock.rawdata.html import html_page

    yield writer.place(path, ".html"), html_page(card, all=every).encode("utf-8", "backslashreplace")


def _texts(writer: _Writer, path: str, card: ExamCard) -> Iterator[tuple[str, bytes]]:
    """One file a scan, numbered as in the card, so that those of one name stay apart."""
    from mrdock.rawdata.text_export import text_of_scan

    stem = writer.place(path, "")
    width = len(str(len(card.scans)))
    for scan in card.scans:
        ending = "" if len(card.scans) == 1 else _part_of(scan, width)
        yield f"{stem}{ending}.txt", text_of_scan(scan).encode("utf-8", "backslashreplace")


def _part_of(scan: Scan, width: int) -> str:
    from mrdock.rawdata.extract import safe_name

    name = safe_name(scan.name)
    return f"_{scan.number:0{width}}" + (f"_{name}" if name else "")


def _stem(name: str) -> str:
    """A file's name without ``.dcm`` or ``.ExamCard``; ``#3`` stays apart."""
    from mrdock.files.writing import output_stem

    name, mark, number = name.rpartition("#") if _CHOSEN.fullmatch(name) else (name, "", "")
    stem = output_stem(name)
    if stem == name and name.lower().endswith(".examcard") and len(name) > 9:
        stem = name[:-9]
    return stem + (f"_{number}" if mark else "")


def _print_json(cards: Iterator[tuple[str, ExamCard]], every: bool) -> None:
    from mrdock.rawdata.card_data import card_record

    click.echo(json.dumps([card_record(card, all=every) for _, card in cards], indent=1, allow_nan=False))


def _print_csv(cards: Iterator[tuple[str, ExamCard]], every: bool) -> None:
    from mrdock.rawdata.card_data import CSV_FIELDS, csv_rows

    out = output("utf-8")
    if out is None:
        return
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_FIELDS)
    for _, card in cards:
        writer.writerows(csv_rows(card, all=every))


def _compare(paths: tuple[str, ...], text: bool, as_json: bool, every: bool, writer: _Writer) -> int:
    """Compare two cards: a page beside the first, or a text, or records on standard output."""
    from mrdock.rawdata.card_diff import compare, difference_page, difference_records, text_of_difference

    failures = Failures()
    cards = [card for _, card in _cards(paths, failures)]
    if len(cards) != 2:
        return failures.code
    left, right = cards
    pairs = compare(left, right, all=every)
    if text:
        click.echo(text_of_difference(left, right, pairs), nl=False)
    elif as_json:
        click.echo(json.dumps(difference_records(pairs), indent=1))
    else:
        place = writer.place(paths[0], f"_vs_{_stem(os.path.basename(paths[1]))}.html")
        writer.write(paths[0], [(place, difference_page(left, right, pairs).encode("utf-8", "backslashreplace"))])
        count = sum(pair.differs for pair in pairs)
        writer.say(paths[0], f"{count} of {len(pairs)} scans differ{'s' if count == 1 else ''}", [place])
    return failures.code or (FOUND if any(pair.differs for pair in pairs) else DONE)
