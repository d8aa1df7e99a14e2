"""An ExamCard for programs: as a record for JSON, and as rows for CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from mrdock.rawdata.examcard import ExamCard, Scan
from mrdock.rawdata.parameters import Parameter
from mrdock.rawdata.rows import Row, rows_of
from mrdock.rawdata.value_text import shortest, token, words

CSV_FIELDS: Final = ("file", "card", "number", "scan", "section", "parameter", "label", "value", "shown")


def card_record(card: ExamCard, *, all: bool = False) -> dict[str, object]:
    """The card as a record of texts, numbers, lists and records; ``all`` has also what the scanner hides."""
    return {
        "path": card.path or None,
        "name": card.name,
        "release": card.release or None,
        "facts": dict(card.facts),
        "comment": card.comment or None,
        "seconds": round(card.seconds, 3),
        "scans": [_scan_record(scan, all) for scan in card.scans],
    }


def csv_rows(card: ExamCard, *, all: bool = False) -> Iterator[tuple[str, ...]]:
    """The rows of all scans, with the columns of `CSV_FIELDS`."""
    for scan in card.scans:
        for row in _named(rows_of(scan, all=all)):
            place = (card.path, card.name, str(scan.number), scan.name)
            yield (*place, row.section, row.name, row.label, row.text, "yes" if row.shown else "no")


def _named(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows that are parameters."""
    return (row for row in rows if row.name)


def _scan_record(scan: Scan, every: bool) -> dict[str, object]:
    return {
        "number": scan.number,
        "name": scan.name,
        "kind": scan.kind,
        "duration": scan.duration or None,
        "seconds": None if scan.seconds is None else round(scan.seconds, 3),
        "summary": scan.summary or None,
        "comment": scan.comment or None,
        "geometry": scan.geometry or None,
        "instrument": scan.instrument or None,
        "pause": scan.pause,
        "contrast": scan.contrast,
        "state": scan.state or None,
        "acquisition": scan.acquisition,
        "series_uids": list(scan.series_uids),
        "problem": scan.problem or None,
        "parameters": [_row_record(row, scan.release) for row in _named(rows_of(scan, all=every))],
    }


def _row_record(row: Row, release: str) -> dict[str, object]:
    """A parameter: ``text`` is one line as printed, ``values`` are all as they are stored."""
    record: dict[str, object] = {
        "name": row.name,
        "section": row.section,
        "label": row.label,
        "shown": row.shown,
        "guessed": row.guessed,
        "kind": row.parameter.kind,
        "text": row.text,
        "values": _values(row.parameter),
    }
    if row.parameter.kind == "enum":
        record["token"] = token(row.parameter, release) or None
        record["labels"] = words(row.parameter, release)
    return record


def _values(parameter: Parameter) -> list[object]:
    """Numbers as numbers; what JSON has no number for (NaN, infinite) as a text."""
    if parameter.kind == "float":
        found = [float(value) for value in parameter.values]
        return [float(shortest(value)) if math.isfinite(value) else str(value) for value in found]
    return list(parameter.values)
