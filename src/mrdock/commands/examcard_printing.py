"""What ``dcmexamcard`` prints: text, the original's text, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from mrdock.files.names import printable
from mrdock.rawdata import blob_data, blob_rows, blob_text, comparison

if TYPE_CHECKING:
    from mrdock.rawdata.blobs import Blob, RawFile
    from mrdock.rawdata.comparison import Difference
    from mrdock.rawdata.searching import ElementHit, Hit

Form = Literal["text", "legacy", "json", "csv"]


class Printer:
    """Text for people. Each method returns what is to be printed, of `legacy` bytes in no encoding.

    several: whether there are several files. short: whether long lists are cut. longest: the bytes of the longest BLOB
    that is shown; None for any.
    """

    def __init__(self, *, several: bool, short: bool, longest: int | None) -> None:
        """Nothing is printed yet."""
        self._several = several
        self._short = short
        self._longest = longest
        self._first = True

    def begin(self) -> str:
        """What comes before all files."""
        return ""

    def raw(self, raw: RawFile, blobs: Sequence[Blob]) -> str | bytes:
        """A raw file with these BLOBs."""
        lines = blob_text.text_of_raw(raw, blobs, short=self._short, longest=self._longest)
        return self._joined([printable(raw.path), f"  {blob_text.heading(raw)}", *lines])

    def found(self, raw: RawFile, elements: Iterable[ElementHit], hits: Iterable[Hit]) -> str:
        """What a search found in a file."""
        lines = [printable(raw.path)] if self._several else []
        for hit in elements:
            value = printable(hit.text)
            lines.append(f"{'  ' * hit.depth}{hit.number} {hit.vr} {printable(hit.name)}: {value}".rstrip())
        where = None
        for found in hits:
            if found.where != where:
                where = found.where
                lines.append(printable(where))
            lines.append(blob_text.row_line(found.row, short=self._short))
        return self._joined(lines)

    def card(self, sentence: str, _: dict[str, Any], /) -> str | None:
        """What became of a study's file, as a sentence and as a record; None where it belongs on standard error."""
        return f"{printable(sentence)}\n"

    def differences(self, found: Sequence[Difference]) -> str:
        """What differs between two files."""
        lines: list[str] = []
        blob = None
        for difference in found:
            if difference.blob != blob:
                blob = difference.blob
                lines.append(printable(blob))
            text = comparison.difference_text(difference, short=self._short)
            lines.append(f"  {printable(difference.name):<33} {text}")
        return "".join(f"{line}\n" for line in lines)

    def end(self) -> str:
        """What comes after all files."""
        return ""

    def _joined(self, lines: Sequence[str]) -> str:
        """The lines, after a blank one where this is not the first file."""
        before = "" if self._first else "\n"
        self._first = False
        return before + "".join(f"{line}\n" for line in lines)


class _LegacyPrinter(Printer):
    """The original's text."""

    def __init__(self, shown_path: str | None) -> None:
        super().__init__(several=False, short=False, longest=None)
        self._shown_path = shown_path

    def raw(self, raw: RawFile, blobs: Sequence[Blob]) -> str | bytes:
        from mrdock.rawdata.legacy import legacy_text

        text = legacy_text(replace(raw, blobs=tuple(blobs)), os.fsencode(self._shown_path or raw.path))
        if not sys.stdout.isatty():
            return text
        return "".join(f"{printable(line)}\n" for line in text.decode("latin-1").split("\r\n"))

    def card(self, _: str, __: dict[str, Any], /) -> str | None:
        return None


class _JsonPrinter(Printer):
    """A JSON array with a record on each line."""

    def begin(self) -> str:
        return "["

    def raw(self, raw: RawFile, blobs: Sequence[Blob]) -> str | bytes:
        return self._record(blob_data.record_of_raw(raw, blobs, self._longest))

    def found(self, raw: RawFile, elements: Iterable[ElementHit], hits: Iterable[Hit]) -> str:
        record = blob_data.record_of_header(raw)
        record["elements"] = [
            {"tag": hit.number, "vr": hit.vr, "name": hit.name, "value": hit.text} for hit in elements
        ]
        record["parameters"] = [{"in": hit.where, **blob_data.record_of_row(hit.row)} for hit in hits]
        return self._record(record)

    def card(self, _: str, record: dict[str, Any], /) -> str | None:
        return self._record(record)

    def differences(self, found: Sequence[Difference]) -> str:
        lines = [json.dumps(blob_data.record_of_difference(difference)) for difference in found]
        return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"

    def end(self) -> str:
        return "]\n" if self._first else "\n]\n"

    def _record(self, record: dict[str, Any]) -> str:
        before = "\n" if self._first else ",\n"
        self._first = False
        return before + json.dumps(record)


class _CsvPrinter(Printer):
    """A table with a line for each parameter."""

    def begin(self) -> str:
        return _table([blob_data.COLUMNS])

    def raw(self, raw: RawFile, blobs: Sequence[Blob]) -> str | bytes:
        return _table(blob_data.csv_rows(raw, blobs, self._longest))

    def found(self, raw: RawFile, elements: Iterable[ElementHit], hits: Iterable[Hit]) -> str:
        rows = [blob_rows.BlobRow(hit.number, hit.vr, (hit.text,)) for hit in elements]
        return _table(
            [
                *(blob_data.csv_row(raw, "", row) for row in rows),
                *(blob_data.csv_row(raw, hit.where, hit.row) for hit in hits),
            ]
        )

    def card(self, _: str, __: dict[str, Any], /) -> str | None:
        return None

    def differences(self, found: Sequence[Difference]) -> str:
        return _table([blob_data.DIFFERENCE_COLUMNS, *map(blob_data.csv_row_of_difference, found)])


def _table(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def printer_of(
    form: Form, *, several: bool, short: bool, longest: int | None, shown_path: str | None = None
) -> Printer:
    """The printer of a form."""
    if form == "legacy":
        return _LegacyPrinter(shown_path)
    kinds = {"text": Printer, "json": _JsonPrinter, "csv": _CsvPrinter}
    return kinds[form](several=several, short=short, longest=longest)
