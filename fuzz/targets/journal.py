"""A journal that a dead worker left, as the keeper reads it.

The first byte says whether the rest is the file, or lines that are put into whole frames.
"""

from __future__ import annotations

from collections.abc import Iterable

from fuzz.bench import bench, listening
from fuzz.target import Target
from fuzz.traffic import Traffic, wrong_types
from mrdock.dicom.deflated import inflate
from mrdock.dicom.part10 import decode_file_meta
from mrdock.dock.entries import Closed, Noted, Opened
from mrdock.dock.headers import read_header
from mrdock.dock.journal import Arrival, JournalReader, _frame, decode, encode, row_of
from mrdock.dock.record import Receipt
from mrdock.dock.settings import RouteSettings
from mrdock.errors import MalformedError

ROUTE = RouteSettings()
NAME = "1-dead-000000"
DEFLATED = "1.2.840.10008.1.2.1.99"


def check(data: bytes) -> None:
    """It is read as far as it is a journal, whatever its entries say, and gone then; nothing raises."""
    if not data:
        return
    content = data[1:]
    if data[0] % 2:
        lines = content.split(b"\n")
        for line in lines:
            _decoded(line)
        content = b"".join(map(_frame, lines))
    place = bench()
    path = place.store.root / ".mrdock/journals" / NAME
    path.write_bytes(content)
    reader = JournalReader(place.store, place.index, ROUTE)
    with listening() as said:
        count = reader.drain(place.clock.wall)
    assert 0 <= count <= len(content) // 8
    assert not path.exists()
    assert all(len(text) < 300 for text in said)
    if count or said:
        place.index.clear()
        place.index.prune(float("inf"))


def _decoded(line: bytes) -> None:
    try:
        entry = decode(line)
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    again = decode(encode(entry))
    assert again == entry or again != again  # not a number is not itself


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """Entries of every kind, as lines and as a file."""
    entries = [
        encode(Opened("a1", "enhanced", "SCANNER", "MRDOCK", "192.0.2.1", 1.0, "1-dead")),
        encode(Closed("a1", 2.0, "released", 1, 0)),
        encode(Noted(1.0, "refused", None, "text")),
    ]
    for content in traffic.files:
        meta = decode_file_meta(content)
        deflated = meta.transfer_syntax == DEFLATED
        try:
            body = inflate(content, meta.data_set_at) if deflated else content[meta.data_set_at :]
            header = read_header(body, "1.2.840.10008.1.2.1" if deflated else meta.transfer_syntax, ROUTE)
        except MalformedError:
            continue
        receipt = Receipt(1_700_000_000.25, "a1")
        arrival = Arrival(header.found, "d", "n", meta.transfer_syntax, len(content), receipt, False, 1.0)
        entries += [encode(arrival), encode(row_of(arrival, ROUTE))]
    for entry in entries:
        yield b"\1" + entry
        yield b"\0" + _frame(entry)
    for entry in entries[:5]:
        yield from (b"\1" + changed for changed in wrong_types(entry))
    yield b"\1" + b"[" * 5000
    yield b"\1" + b"\n".join(entries[:4])
    yield b"\0" + b"".join(map(_frame, entries[:4])) + _frame(b"")


TARGET = Target(
    check,
    seeds,
    words=(b'"entry":"Arrival"', b'"Received"', b'"Noted"', b"null", b"[[", b"1e999", b"NaN", b'"values":['),
)
