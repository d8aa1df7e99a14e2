"""What `dcmls` lists, for programs: flat records, as a JSON array or as CSV; both stream."""

from __future__ import annotations

import csv
import io
import json
import stat
import time
from collections.abc import Iterable, Iterator
from typing import Final

from mrdock.dicom.scan import Found
from mrdock.dicom.values import Header
from mrdock.files.owners import Owners
from mrdock.sorting.listing import FIELDS, SERIES_NUMBER, Heading, Listed, values_of
from mrdock.sorting.series_list import Series, Span, uids_of

Record = dict[str, str | int | bool | None]
"""One entry or series: a value for each of `FILE_KEYS` or `SERIES_KEYS`, None where there is none."""

_VALUES: Final = tuple(field.key for field in FIELDS)
FILE_KEYS: Final = (
    *("path", "type", "permissions", "owner", "group", "size", "accessed", "modified", "target", "dicom"),
    *_VALUES,
    "problem",
)
_SPANS: Final = ("accessed_first", "accessed_last", "modified_first", "modified_last")
SERIES_KEYS: Final = (
    *("directory", "dicom", "files", "frames", "size", *_SPANS, "acquired_first", "acquired_last"),
    *_VALUES,
    *("study_instance_uid", "series_instance_uid"),
)


def file_records(items: Iterable[Heading | Listed]) -> Iterator[Record]:
    """A record an entry, with the keys `FILE_KEYS`; headings bring none."""
    owners = Owners()
    for item in items:
        if isinstance(item, Listed):
            status = item.status
            yield {
                "path": item.path,
                "type": item.kind,
                "permissions": stat.filemode(status.st_mode),
                "owner": owners.owner(item.path, status),
                "group": owners.group(item.path, status),
                "size": status.st_size,
                "accessed": _utc(status.st_atime),
                "modified": _utc(status.st_mtime),
                "target": item.target,
                "dicom": None if item.problem and item.found is None else item.found is not None,
                **_values(item.found),
                "problem": item.problem or None,
            }


def series_records(items: Iterable[Heading | Series]) -> Iterator[Record]:
    """A record a series, with the keys `SERIES_KEYS`; headings bring none."""
    for item in items:
        if isinstance(item, Series):
            yield {
                "directory": item.directory,
                "dicom": None if item.unread else item.found is not None,
                "files": item.files,
                "frames": None if item.found is None else item.frames,
                "size": item.size,
                **_ends("accessed", item.accessed),
                **_ends("modified", item.modified),
                "acquired_first": _moment(item.acquired_first),
                "acquired_last": _moment(item.acquired_last),
                **_values(item.found),
                **uids_of(item),
            }


def _values(found: Found | None) -> Record:
    if found is None:
        return dict.fromkeys(_VALUES)
    record: Record = {key: text or None for key, text in zip(_VALUES, values_of(found), strict=True)}
    number = Header(found).number(SERIES_NUMBER)
    if isinstance(number, int):
        record["series_number"] = number
    return record


def _ends(name: str, span: Span) -> Record:
    return {
        f"{name}_first": None if span.first is None else _utc(span.first),
        f"{name}_last": None if span.last is None else _utc(span.last),
    }


def _utc(moment: float) -> str | None:
    """Seconds since 1970 in ISO 8601; None for a year that the system does not know."""
    micros = int(moment * 1e6 // 1)
    try:
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(micros // 1_000_000))}.{micros % 1_000_000:06d}Z"
    except (OverflowError, ValueError, OSError):
        return None


def _moment(digits: str) -> str | None:
    """20190502091533.12 as 2019-05-02T09:15:33.12: the scanner's time of day, without a zone."""
    if not digits:
        return None
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}:{digits[12:]}"


def json_lines(records: Iterable[Record]) -> Iterator[str]:
    """The lines of a JSON array, each record on its own, in ASCII; a name's undecodable bytes are ``\\udcNN``."""
    yield "["
    comma = ""
    for record in records:
        yield comma + json.dumps(record)
        comma = ","
    yield "]"


def csv_lines(records: Iterable[Record], keys: Iterable[str]) -> Iterator[str]:
    """A line with the keys, then one a record; texts as `escaped` writes them, nothing for None."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="")

    def line(values: Iterable[str]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(values)
        return buffer.getvalue()

    keys = tuple(keys)
    yield line(keys)
    for record in records:
        yield line([_csv_text(record[key]) for key in keys])


def _csv_text(value: str | int | bool | None) -> str:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def escaped(text: str) -> str:
    """``text`` on one line, and so that it can be told exactly: ``\\\\`` is a backslash, ``\\n`` ``\\r`` ``\\t`` as in
    C, ``\\xNN`` the byte NN of a name, and ``\\uNNNN`` or ``\\UNNNNNNNN`` another character that does not print.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escape(c) for c in text)


def _escape(character: str) -> str:
    short = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    code = ord(character)
    if short is not None:
        return short
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
