"""Philips raw files as ``dcmexamcard`` reads them: BLOBs, what is in them, the texts and tables, the ExamCard."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.errors import DicomError, ExamCardError
from mrdock.rawdata.blob_data import csv_rows, record_of_raw, record_of_study
from mrdock.rawdata.blob_text import heading, text_of_raw
from mrdock.rawdata.blobs import RawFile, read_blobs
from mrdock.rawdata.comparison import differences
from mrdock.rawdata.extract import by_exam, exam_card_of
from mrdock.rawdata.legacy import legacy_text
from tests.builders import PRIVATE_MR_EXAMCARD, PRIVATE_MR_SERIES_DATA, StudyIdentity, part10, raw_data, raw_series


def check(data: bytes) -> None:
    """A raw file or a documented error; no line that is printed has a control character, and names are safe."""
    path = _file()
    path.write_bytes(data)
    try:
        raw = read_blobs(str(path))
    except DicomError as error:
        _check_sentence(str(error), path)
        return
    for blob in raw.blobs:
        assert bool(blob.problem) or blob.size is None or blob.size == len(blob.data)
    lines = [heading(raw), *text_of_raw(raw, raw.blobs, short=True)]
    assert all(line.isprintable() for line in lines)
    for row in csv_rows(raw, raw.blobs):
        assert len(row) == 9
        assert all(cell.isprintable() for cell in row)
    json.loads(json.dumps(record_of_raw(raw, raw.blobs)), parse_constant=_no_constant)
    assert legacy_text(raw, b"x").startswith(b"+++++++++++++x\r\n")
    assert not list(differences(raw, raw, raw.blobs, raw.blobs))
    if raw.kind == "study":
        _check_card(raw, path)


def _check_card(raw: RawFile, path: Path) -> None:
    try:
        card = exam_card_of(raw)
    except ExamCardError as error:
        _check_sentence(str(error), path)
        return
    assert card.xml.rstrip().endswith(b">")
    assert b"\0" not in card.xml
    assert os.path.basename(card.file_name) == card.file_name
    assert card.file_name.endswith(".ExamCard")
    assert card.file_name.isprintable()
    assert len(os.fsencode(card.file_name)) < 255
    (exam,) = by_exam([card])
    assert exam.fullest is card
    json.dumps(record_of_study(card))


def _check_sentence(text: str, path: Path) -> None:
    assert text.startswith(f"{path}: ")
    assert len(text) < 1000


def _no_constant(name: str) -> None:
    raise AssertionError(name)


@cache
def _file() -> Path:
    handle, name = tempfile.mkstemp(prefix="mrdock-fuzz-rawdata-")
    os.close(handle)
    return Path(name)


def seeds(_: Traffic) -> Iterable[bytes]:
    """Raw files of a series and of a study, as Enhanced and as classic exports have them."""
    identity = StudyIdentity("fuzz")
    yield part10(raw_series(identity))
    yield part10(raw_series(identity, sop_class=PRIVATE_MR_SERIES_DATA))
    yield part10(raw_data(identity, scans=[]))
    yield part10(raw_data(identity, scans=[], sop_class=PRIVATE_MR_EXAMCARD, examcard_name=""))


TARGET = Target(
    check,
    seeds,
    words=(
        b"\x05\x20\x32\x11SQ\0\0",
        b"\x05\x20\x37\x11LO",
        b"\x05\x20\x43\x11SL\4\0",
        b"\x05\x20\x44\x11OW\0\0",
        b"Philips MR Imaging DD 002 ",
        b"ExamCardBlob",
        b"COILSTATE",
        b"HARDWARE_CONFIG ",
        b"PDF_USED_PRESCAN_RESPONSES",
        b'"RequestResponsePair<',
        b"#:#",
        b"<!DOCTYPE ExamCard [<!ENTITY",
        b"</SOAP-ENV:Envelope>",
    ),
    seconds=2.0,
    megabytes=128,
)
