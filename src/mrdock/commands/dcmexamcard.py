"""``dcmexamcard``: what Philips raw files hold: ExamCards, and the parameters of an acquisition."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec

import click

from mrdock.commands.common import CONTEXT, DONE, FOUND, Command, Failures, errors_as_sentences, output, version_option
from mrdock.errors import MrdockError, PlaceError, UnsuitableError
from mrdock.files.names import printable

if TYPE_CHECKING:
    from mrdock.commands.examcard_printing import Printer
    from mrdock.rawdata.blobs import Blob, RawFile
    from mrdock.rawdata.extract import Exam, ExamCardFile
    from mrdock.rawdata.searching import Search


P = ParamSpec("P")

_SHORT_BLOB: Final = 4096  # dcmdump's -M, too, leaves out what is longer


@dataclass(frozen=True, slots=True)
class _Options:
    """The switches as they were given."""

    out: str | None
    force: bool
    form: Literal["text", "json", "csv", "legacy"]
    search: Search | None
    names: tuple[str, ...]
    extract: str | None
    write: str | None
    load: bool
    quiet: bool
    verbose: bool


@click.command("dcmexamcard", cls=Command, context_settings=CONTEXT)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option(
    "-o",
    "--out",
    metavar="PLACE",
    type=click.Path(readable=False),
    help="Where ExamCards go: a directory that exists or, of one exam, a file. Default: beside the raw file.",
)
@click.option("--force", is_flag=True, help="Replace output files that exist.")
@click.option("--legacy", is_flag=True, help="Print what the original program printed, byte for byte.")
@click.option("--shown-path", metavar="PATH", help="With --legacy and one FILE: the path on the first line.")
@click.option(
    "+P",
    "--search",
    "wanted",
    metavar="NAME",
    multiple=True,
    help="Print only this parameter (EX_ACQ_*) or element of the header (a tag or its name). May be repeated.",
)
@click.option("--blob", "names", metavar="NAME", multiple=True, help="Only this BLOB. May be repeated.")
@click.option("--extract", metavar="DIR", type=click.Path(readable=False), help="Write the BLOBs unchanged, only.")
@click.option(
    "+W", "--write-blobs", "write", metavar="DIR", type=click.Path(readable=False), help="Write the BLOBs, and go on."
)
@click.option("--diff", is_flag=True, help="Print what differs between two FILEs; exit code 3 if anything does.")
@click.option("+L/-L", "--print-all/--print-short", "long", default=None, help="Print long lists whole, or cut.")
@click.option("+M/-M", "--load-all/--load-short", "load", default=True, help="Read BLOBs above 4 kB, or name them.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON array.")
@click.option("--csv", "as_csv", is_flag=True, help="For programs and spreadsheets: a table.")
@click.option("-q", "--quiet", is_flag=True, help="Print no errors and remarks; the exit code says enough.")
@click.option("-v", "--verbose", is_flag=True, help="Say of each file what it is.")
@version_option()
@errors_as_sentences
def command(
    files: tuple[str, ...],
    out: str | None,
    force: bool,
    legacy: bool,
    shown_path: str | None,
    wanted: tuple[str, ...],
    names: tuple[str, ...],
    extract: str | None,
    write: str | None,
    diff: bool,
    long: bool | None,
    load: bool,
    as_json: bool,
    as_csv: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Take the ExamCard out of a study's Philips raw file, to NAME.ExamCard, and print what a series' raw file says of
    its acquisition: the scanner's parameters, coils and prescans.
    """
    from mrdock.commands.examcard_printing import printer_of

    if legacy + as_json + as_csv > 1:
        raise click.UsageError("Only one of --legacy, --json and --csv.")
    if shown_path is not None and not (legacy and len(files) == 1):
        raise click.UsageError("--shown-path goes with --legacy and one FILE.")
    if legacy and (wanted or names or diff):
        raise click.UsageError("--legacy prints what the original printed: no --search, no --blob, no --diff.")
    if extract is not None and write is not None:
        raise click.UsageError("Only one of --extract and +W.")
    if diff and (len(files) != 2 or wanted or extract is not None or write is not None or out is not None):
        raise click.UsageError("--diff goes with two FILEs, and with none of --search, --extract, +W and --out.")
    options = _Options(
        out=out,
        force=force,
        form="legacy" if legacy else "json" if as_json else "csv" if as_csv else "text",
        search=_search_of(wanted),
        names=names,
        extract=extract,
        write=write,
        load=load,
        quiet=quiet,
        verbose=verbose,
    )
    output("utf-8")
    printer = printer_of(
        options.form,
        several=len(files) > 1,
        short=not long if diff else long is False,
        longest=None if load else _SHORT_BLOB,
        shown_path=shown_path,
    )
    run = _Run(options, printer)
    sys.exit(run.compare(*files) if diff else run.all(files))


def _search_of(wanted: Sequence[str]) -> Search | None:
    if not wanted:
        return None
    from mrdock.rawdata.searching import search_of

    return search_of(wanted)


class _Run:
    """One run over many files: series are printed as they come, ExamCards written when all are known."""

    def __init__(self, options: _Options, printer: Printer) -> None:
        self._options = options
        self._printer = printer
        self._failures = Failures(quiet=options.quiet)
        self._cards: list[ExamCardFile] = []
        self._inputs: Sequence[str] = ()
        self._tokens: dict[str, Mapping[str, tuple[str, ...]]] = {}

    def all(self, files: Sequence[str]) -> int:
        """Do all files; return the exit code."""
        self._inputs = [path for path in files if os.path.exists(path)]
        if len(files) > 1 and self._options.form != "legacy":
            self._learn_words(files)
        click.echo(self._printer.begin(), nl=False)
        for path in files:
            click.echo(self._tried(path, self._one, path), nl=False)
        for exam, place in self._places():
            click.echo(self._tried(place, self._write, exam, place), nl=False)
        click.echo(self._printer.end(), nl=False)
        return self._failures.code

    def _learn_words(self, files: Sequence[str]) -> None:
        """Find the words of enumerations in the latest ExamCard of each study of which there are series, too."""
        from mrdock.rawdata.blobs import read_blobs
        from mrdock.rawdata.extract import exam_card_of, tokens_of

        cards: dict[str, tuple[str, str]] = {}
        wanted = set()
        for path in files:
            with suppress(MrdockError, OSError):  # said when its turn comes
                raw = read_blobs(path)
                if raw.kind == "study":
                    cards[raw.study_uid] = max(cards.get(raw.study_uid, ("", "")), (raw.created, path))
                else:
                    wanted.add(raw.study_uid)
        for study in wanted & cards.keys() - {""}:
            with suppress(MrdockError, OSError):
                self._tokens[study] = tokens_of(exam_card_of(read_blobs(cards[study][1])))

    def compare(self, one: str, other: str) -> int:
        """Print what differs between two files; return the exit code."""
        from mrdock.rawdata.comparison import differences

        pairs = [self._for_comparison(path) for path in (one, other)]
        (left, left_blobs), (right, right_blobs) = pairs
        found = list(differences(left, right, left_blobs, right_blobs))
        click.echo(self._printer.differences(found), nl=False)
        return FOUND if found else DONE

    def _for_comparison(self, path: str) -> tuple[RawFile, list[Blob]]:
        from mrdock.rawdata.blob_text import chosen
        from mrdock.rawdata.blobs import read_blobs

        raw = read_blobs(path)
        if raw.kind == "study":
            raise UnsuitableError(f"{printable(path)}: an ExamCard; ExamCard_to_HTML --diff compares these")
        return raw, chosen(raw, self._options.names)

    def _tried(self, path: str, work: Callable[P, str | bytes], *args: P.args, **kwargs: P.kwargs) -> str | bytes:
        """What ``work`` returns; where it fails, nothing, and the failure is named."""
        try:
            return work(*args, **kwargs)
        except (MrdockError, OSError) as error:
            self._failures.failed(path, error)
        return ""

    def _one(self, path: str) -> str | bytes:
        """Read one file, write its BLOBs if that is asked for, and return what is to be printed."""
        from mrdock.rawdata.blob_text import chosen
        from mrdock.rawdata.blobs import EXAM_CARD_BLOB, read_blobs

        options = self._options
        raw = read_blobs(path)
        raw = replace(raw, tokens=self._tokens.get(raw.study_uid, {}))
        blobs = chosen(raw, options.names)
        self._remark_on(raw, blobs)
        self._write_blobs(raw, blobs)
        is_part = bool(options.names) or options.search is not None or options.extract is not None
        if raw.kind == "study" and (not is_part or options.out is not None):
            self._keep(raw)
        if options.extract is not None:
            return ""
        if options.search is not None:
            return self._found(raw, blobs, options.search)
        if raw.kind == "study" and not is_part:
            blobs = [blob for blob in blobs if blob.name != EXAM_CARD_BLOB]
            if not blobs or options.form == "legacy":
                return ""
        return self._printer.raw(raw, blobs)

    def _found(self, raw: RawFile, blobs: Sequence[Blob], search: Search) -> str:
        from mrdock.rawdata.searching import found_elements, found_parameters

        elements = list(found_elements(raw.path, search))
        hits = list(found_parameters(raw, blobs, search))
        if not elements and not hits and not self._options.quiet:
            self._failures.remark(raw.path, "has nothing of what --search names")
        return self._printer.found(raw, elements, hits)

    def _keep(self, raw: RawFile) -> None:
        """Keep what is to be known of an ExamCard until all files are read, but not the card itself."""
        from mrdock.rawdata.extract import exam_card_of

        card = exam_card_of(raw)
        self._cards.append(replace(card, raw=replace(raw, blobs=()), xml=b""))

    def _places(self) -> list[tuple[Exam, str]]:
        """The exams, and where the card of each is to be written."""
        from mrdock.rawdata.extract import by_exam
        from mrdock.rawdata.saving import card_places

        out = self._options.out
        exams = by_exam(self._cards)
        if out is None or os.path.isdir(out):
            return list(zip(exams, card_places(exams, out), strict=True))
        if len(exams) > 1:
            self._failures.say(f"{printable(out)}: of several exams, --out names a directory that exists")
            return []
        return [(exam, out) for exam in exams]

    def _write(self, exam: Exam, place: str) -> str:
        from mrdock.rawdata.blob_data import record_of_study
        from mrdock.rawdata.saving import save_card

        card = exam.fullest
        path = card.raw.path
        if os.path.exists(place) and any(os.path.samefile(place, given) for given in self._inputs):
            raise PlaceError(f"{printable(place)}: is one of the FILEs, which stay as they are")
        save_card(path, place, force=self._options.force)
        what = f'ExamCard "{card.name}"' if card.name else "an ExamCard without a name"
        printed = self._said(f"{place}: {what} of {path}, {_scans(card)}", record_of_study(card, written=place))
        for earlier in exam.earlier:
            same = (earlier.done, len(earlier.scans)) == (card.done, len(card.scans))
            what = "the same state" if same else "an earlier state"
            sentence = f"{earlier.raw.path}: {what} of the exam in {path}, {_scans(earlier)}; not written"
            printed += self._said(sentence, record_of_study(earlier, earlier_than=path))
        return printed

    def _said(self, sentence: str, record: dict[str, Any]) -> str:
        """What was done, where it is to be printed as a result; else it is said on standard error."""
        printed = self._printer.card(sentence, record)
        if printed is None and not self._options.quiet:
            click.echo(f"{click.get_current_context().command_path}: {printable(sentence)}", err=True)
        return "" if printed is None or (self._options.quiet and self._options.form == "text") else printed

    def _write_blobs(self, raw: RawFile, blobs: Sequence[Blob]) -> None:
        from mrdock.rawdata.saving import save_blobs

        folder = self._options.write if self._options.extract is None else self._options.extract
        if folder is not None:
            places = save_blobs(raw, blobs, folder, force=self._options.force)
            if self._options.verbose:
                for place in places:
                    self._failures.remark(place, "written")

    def _remark_on(self, raw: RawFile, blobs: Sequence[Blob]) -> None:
        """What the user should know beside the results."""
        from mrdock.rawdata.contents import broken

        options, remark = self._options, self._failures.remark
        if options.verbose:
            kind = "an ExamCard" if raw.kind == "study" else "raw data of a series"
            sizes = ", ".join(f"{blob.name or '(no name)'} {len(blob.data)}" for blob in raw.blobs)
            remark(raw.path, f"{kind}, SOP class {raw.sop_class or '(none)'}; bytes of each BLOB: {sizes or 'no BLOB'}")
        for blob in blobs:
            if blob.problem and not options.quiet:
                remark(raw.path, f"the size of BLOB {blob.name} is wrong: {blob.problem}")
        if options.form != "legacy" and options.extract is None and options.load:
            for name, why in broken(blobs):
                self._failures.add(raw.path, f"BLOB {name}: {why}")


def _scans(card: ExamCardFile) -> str:
    count = len(card.scans)
    scans = f"{count} scan{'' if count == 1 else 's'}"
    return f"{scans}, all completed" if card.done == count else f"{scans}, {card.done} completed"
