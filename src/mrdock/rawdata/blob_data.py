"""Raw files for programs: JSON and CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from mrdock.dicom.rendering import single_text
from mrdock.files.names import printable
from mrdock.rawdata.blob_rows import BlobRow, Value, blob_rows, value_text
from mrdock.rawdata.blobs import Blob, RawFile
from mrdock.rawdata.comparison import Difference
from mrdock.rawdata.contents import Card, CoilState, Content, HardwareConfig, Json, Nothing, Responses, interpret
from mrdock.rawdata.extract import ExamCardFile
from mrdock.rawdata.parameters import ParameterBlock

Record = dict[str, Any]

COLUMNS: Final = ("path", "series_number", "blob", "name", "shown", "type", "size", "values", "tokens")
"""The head of the CSV."""

DIFFERENCE_COLUMNS: Final = ("blob", "name", "first", "left", "right")
"""The head of the CSV of a comparison."""

_BETWEEN: Final = "|"


def record_of_raw(raw: RawFile, blobs: Sequence[Blob], longest: int | None = None) -> Record:
    """What JSON says of a raw file and these BLOBs; those of more than ``longest`` bytes are only named."""
    return record_of_header(raw) | {"blobs": [_record_of_blob(blob, raw, longest) for blob in blobs]}


def record_of_header(raw: RawFile) -> Record:
    """What JSON says of any raw file."""
    return {
        "path": raw.path,
        "kind": raw.kind,
        "series_number": raw.series_number,
        "protocol_name": raw.protocol_name,
        "series_description": raw.series_description,
        "exam_card_name": raw.exam_card_name,
        "study_instance_uid": raw.study_uid,
        "series_instance_uid": raw.series_uid,
        "sop_class_uid": raw.sop_class,
        "software_versions": [part.strip() for part in raw.software.split("\\") if part.strip()],
        "model": raw.model,
    }


def record_of_study(card: ExamCardFile, *, written: str | None = None, earlier_than: str | None = None) -> Record:
    """What JSON says of a study's file: where its ExamCard was written, or of which file it is an earlier state."""
    scans = [
        {
            "name": scan.name,
            "state": scan.state,
            "acquisition": scan.acquisition if scan.acquisition >= 0 else None,
            "series_numbers": [100 * scan.acquisition + number for number in scan.reconstructions],
            "series_instance_uids": list(scan.series_uids),
            "ended": scan.ended or None,
        }
        for scan in card.scans
    ]
    found = {"name": card.name, "written": written, "earlier_state_of": earlier_than, "scans": scans}
    return record_of_header(card.raw) | {"exam_card": found}


def _record_of_blob(blob: Blob, raw: RawFile, longest: int | None) -> Record:
    record: Record = {"name": blob.name, "type": blob.type_name, "size": len(blob.data)}
    if blob.problem:
        record["problem"] = blob.problem
    if longest is not None and len(blob.data) > longest:
        return record
    return record | _record_of_content(interpret(blob), raw)


def _record_of_content(content: Content, raw: RawFile) -> Record:
    if isinstance(content, ParameterBlock):
        rows = blob_rows(content, raw.release, raw.tokens)
        return {"content": "parameters", "parameters": [record_of_row(row) for row in rows]}
    if isinstance(content, CoilState):
        sockets = [
            {"path": socket.path, "coils": [coil._asdict() for coil in socket.coils]} for socket in content.sockets
        ]
        return {"content": "coils", "number": content.number, "sockets": sockets}
    if isinstance(content, HardwareConfig):
        numbers, more = list(content.numbers), list(content.more)
        return {"content": "hardware", "numbers": numbers, "software": content.software, "more": more}
    if isinstance(content, Responses):
        exchanges = [{"names": list(names), "content": _finite(value)} for names, value in content.exchanges]
        return {"content": "prescans", "exchanges": exchanges}
    if isinstance(content, Card):
        return {"content": "ExamCard"}
    if isinstance(content, Nothing):
        return {"content": "empty"}
    return {"content": "unknown", "why": content.why or None}


def record_of_row(row: BlobRow) -> Record:
    """What JSON says of one parameter."""
    record: Record = {"name": row.name, "shown": row.flag == 1, "type": row.kind}
    record["values"] = [_plain(value, row.kind) for value in row.values]
    if row.words:
        record["tokens"] = list(row.words)
    return record


def _plain(value: Value, kind: str) -> Value:
    """A float in the digits that it has; JSON knows no infinity."""
    if kind != "float" or not isinstance(value, float):
        return value
    return float(single_text(value)) if math.isfinite(value) else single_text(value)


def _finite(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def record_of_difference(difference: Difference) -> Record:
    """What JSON says of a difference; ``first`` is the place of the first value, of both."""
    left, right = (
        None if row is None else [_plain(value, row.kind) for value in row.values]
        for row in (difference.left, difference.right)
    )
    return {
        "blob": difference.blob,
        "name": difference.name,
        "first": difference.first,
        "left": left,
        "right": right,
    }


def csv_rows(raw: RawFile, blobs: Sequence[Blob], longest: int | None = None) -> Iterator[list[str]]:
    """A line for each parameter of these BLOBs, in `COLUMNS`; a BLOB without any, or too long, gets one line."""
    for blob in blobs:
        empty = True
        if longest is None or len(blob.data) <= longest:
            for row in blob_rows(interpret(blob), raw.release, raw.tokens):
                empty = False
                yield csv_row(raw, blob.name, row)
        if empty:
            yield csv_row(raw, blob.name, BlobRow("", "", (), size=len(blob.data)))


def csv_row(raw: RawFile, where: str, row: BlobRow) -> list[str]:
    """The line of one parameter; its values are separated by ``|``, which in texts is ``\\x7c``."""
    number = "" if raw.series_number is None else str(raw.series_number)
    shown = "" if row.flag is None else str(int(row.flag == 1))
    words = _BETWEEN.join(printable(word or "") for word in row.words)
    begin = [printable(raw.path), number, printable(where), printable(row.name)]
    return [*begin, shown, row.kind, str(row.size), _values(row), words]


def csv_row_of_difference(difference: Difference) -> list[str]:
    """The line of a difference, in `DIFFERENCE_COLUMNS`."""
    values = ["" if row is None else _values(row) for row in (difference.left, difference.right)]
    return [printable(difference.blob), printable(difference.name), str(difference.first), *values]


def _values(row: BlobRow) -> str:
    return _BETWEEN.join(_bare(value, row.kind) for value in row.values)


def _bare(value: Value, kind: str) -> str:
    if isinstance(value, str):
        return printable(value).replace(_BETWEEN, "\\x7c")
    return value_text(kind, value)
