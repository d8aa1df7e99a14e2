"""An image's header as the dock uses it, in every layout, and its way through a journal.

The first byte says which layout; the last of them deflates what follows, so that what is inflated varies, too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import replace

from fuzz.target import Target
from fuzz.traffic import Traffic, layouts
from mrdock.dicom.deflated import inflate
from mrdock.dicom.part10 import decode_file_meta
from mrdock.dock.headers import ImageHeader, read_header
from mrdock.dock.journal import Arrival, decode, encode, row_of
from mrdock.dock.record import Receipt
from mrdock.dock.settings import RouteSettings
from mrdock.errors import MalformedError

ROUTE = RouteSettings()
SYNTAXES = tuple(map(str, layouts()))
DEFLATED = len(SYNTAXES) - 1
RECEIPT = Receipt(1_700_000_000.25, "0123456789abcdef")


def check(data: bytes) -> None:
    """It says who it is or is a `MalformedError`; all it says can be stored, and a journal changes none of it."""
    if not data:
        return
    number, data = data[0] % (len(SYNTAXES) + 1), data[1:]
    if number > DEFLATED:
        engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        number, data = DEFLATED, engine.compress(data) + engine.flush()
    try:
        header = read_header(data, SYNTAXES[number], ROUTE)
    except MalformedError:
        return
    said = _said(header)
    arrival = Arrival(header.found, "directory", "name", SYNTAXES[number], len(data), RECEIPT, False, 1.0)
    read = decode(encode(arrival))
    assert isinstance(read, Arrival)
    assert replace(read, found=arrival.found) == arrival
    assert _said(ImageHeader(read.found, ROUTE)) == said
    row = row_of(arrival, ROUTE)
    assert (row.study, row.series, row.uid, row.path) == (header.study, header.series, header.uid, header.path)


def _said(header: ImageHeader) -> list[str | int | None]:
    said = [header.sop_class, header.uid, header.study, header.series, header.study_date, header.study_time]
    texts = [*said, header.modality, header.path, header.facts]
    for text in texts:
        assert text is None or b"\0" not in text.encode()  # a database would take no other
    json.loads(header.facts)
    return [*texts, header.series_number]


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The data sets that were sent; what was deflated comes as it is and inflated."""
    for content in traffic.files:
        meta = decode_file_meta(content)
        number = SYNTAXES.index(meta.transfer_syntax) if meta.transfer_syntax in SYNTAXES else 1
        yield bytes((number,)) + content[meta.data_set_at :]
        if number == DEFLATED:
            yield bytes((DEFLATED + 1,)) + inflate(content, meta.data_set_at)


TARGET = Target(
    check,
    seeds,
    words=(b"#-#/", b"ISO 2022 IR 149", b"ISO_IR 192", b"GB18030", b"\x1b$)C", b"\x1b(B", b"\x08\0\x05\0CS", b"\\"),
    megabytes=256,  # 64 MiB inflated, and once more where it grows
)
