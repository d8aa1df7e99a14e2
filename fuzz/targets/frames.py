"""The frame table: its fast way through the frames finds what the slow walk finds. The first byte says the syntax."""

from __future__ import annotations

from collections.abc import Iterable
from unittest.mock import patch

from fuzz.scans import WORDS, small_data_sets
from fuzz.target import Target
from fuzz.targets.scan import SYNTAXES
from fuzz.traffic import Traffic
from mrdock.dicom.frame_rows import Rows
from mrdock.dicom.frames import MOST_FRAMES, FrameTable
from mrdock.errors import MalformedError

Said = list[object]


def check(data: bytes) -> None:
    """A table or a `MalformedError`, with the same columns whether frames are compared or walked."""
    if not data:
        return
    syntax, data = SYNTAXES[data[0] % 3], data[1:]
    said = _read(data, syntax)
    with patch.object(Rows, "_fast", lambda *_: None):
        assert _read(data, syntax) == said


def _read(data: bytes, syntax: str) -> Said | str:
    try:
        table = FrameTable(data, syntax)
        frames, items = table.frames, table.items()
        columns = list(table.columns())
    except MalformedError as error:
        return _sentence(error)
    assert 0 < frames <= MOST_FRAMES
    assert all(0 <= start < end <= len(data) for start, end in items)
    said: Said = [frames, items]
    if frames > 4096:  # one declared in a shared group may have a million
        return [*said, [column.name for column in columns]]
    for column in columns:
        assert column.name in table
        try:
            values, counts = column.values, column.counts
            assert len(values) == len(counts) == frames
            said.append((column.name, column.vr, values.tobytes() if values.dtype != object else values.tolist()))
        except MalformedError as error:
            said.append(str(error))
        texts = column.texts()
        assert len(texts) == frames
        said.append(texts)
    return said


def _sentence(error: MalformedError) -> str:
    said = str(error)
    assert said.isprintable()
    return said


def seeds(_: Traffic) -> Iterable[bytes]:
    """Small scans."""
    for syntax, data in small_data_sets():
        yield bytes((SYNTAXES.index(syntax) if syntax in SYNTAXES else 1,)) + data


TARGET = Target(check, seeds, words=WORDS, longest=1 << 15, megabytes=192)
