"""The frame table under generated input: it is pydicom's reading, or a `MalformedError`."""

from __future__ import annotations

import warnings
from random import Random
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.dicom import frame_rows
from mrdock.dicom.frame_rows import Rows
from mrdock.dicom.frames import FrameTable
from mrdock.errors import MalformedError

from .encoding import ALL, Syntax
from .frames_made import Style, data_set
from .frames_support import check, read

CHANCES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
RARELY = st.sampled_from([0.0, 0.02])
SYNTAXES = st.sampled_from(ALL)
SEEDS = st.integers(0, 1 << 32)

ANY = st.builds(
    Style,
    syntax=SYNTAXES,
    defined=CHANCES,
    absent=st.sampled_from([0.0, 0.1, 0.5]),
    shuffled=CHANCES,
    moved=CHANCES,
    unknown=st.sampled_from([0.0, 0.0, 0.3]),
    same=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)
ALIKE = st.builds(
    Style,
    syntax=SYNTAXES,
    defined=st.sampled_from([0.0, 1.0]),
    absent=RARELY,
    shuffled=RARELY,
    moved=RARELY,
    same=st.sampled_from([0.0, 0.7, 0.98]),
)


def compare_with_pydicom(style: Style, frames: int, seed: int) -> None:
    data = data_set(style, frames, Random(seed))
    table = FrameTable(data, style.syntax.uid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of character sets
        check(table, read(data, style.syntax.uid))
    assert len(table.items()) == frames


@settings(deadline=None, max_examples=75)
@given(ANY, st.integers(1, 12), SEEDS)
def test_frames_of_any_shape_are_read_as_pydicom_reads_them(style: Style, frames: int, seed: int) -> None:
    compare_with_pydicom(style, frames, seed)


@settings(deadline=None, max_examples=50)
@given(ALIKE, st.integers(20, 60), SEEDS)
def test_frames_that_are_alike_are_read_as_pydicom_reads_them(style: Style, frames: int, seed: int) -> None:
    compare_with_pydicom(style, frames, seed)


@settings(deadline=None, max_examples=50)
@given(st.one_of(ANY, ALIKE), st.integers(1, 20), SEEDS, st.integers(0, 200), st.integers(0, 6))
def test_frames_whose_patterns_are_not_kept_are_read_alike(
    style: Style, frames: int, seed: int, pieces: int, varying: int
) -> None:
    with patch.object(frame_rows, "MOST_PIECES", pieces), patch.object(frame_rows, "MOST_VARYING", varying):
        compare_with_pydicom(style, frames, seed)


def everything(data: bytes, uid: str) -> tuple[object, ...] | None:
    """All that a table says; None where it refuses; any other exception fails the test."""
    try:
        table = FrameTable(data, uid)
        said: list[object] = [table.frames, table.items()]
        said += [(column.name, column.vr, column.texts(), column.varying) for column in table.columns()]
        assert all(name in table for name in table.names())
    except MalformedError:
        return None
    return tuple(said)


@settings(deadline=None, max_examples=125)
@given(ALIKE, st.integers(2, 8), SEEDS, st.integers(1, 3), st.booleans())
def test_damaged_frames_are_what_the_slow_walk_says(
    style: Style, frames: int, seed: int, places: int, near: bool
) -> None:
    """Bytes are changed, cut out or put in: comparing with a pattern must never hide that."""
    random = Random(seed)
    data = bytearray(data_set(style, frames, random))
    for _ in range(places):
        at = random.randrange(len(data) // 2 if near else 0, len(data))
        kind = random.randrange(4)
        if kind == 0:
            data[at] = random.choice((0, 1, 2, 0xFF, random.randrange(256)))
        elif kind == 1:
            del data[at : at + random.choice((1, 2, 8, 30))]
        elif kind == 2:
            data[at:at] = random.choice((b"\0", b"\0\0", bytes(8), data[at : at + 20]))
        else:
            data[at] ^= 1 << random.randrange(8)
    fast = everything(bytes(data), style.syntax.uid)
    with patch.object(Rows, "_fast", lambda *_: None):
        assert everything(bytes(data), style.syntax.uid) == fast


@settings(deadline=None, max_examples=75)
@given(st.binary(max_size=200), SYNTAXES, st.booleans())
def test_any_bytes(noise: bytes, syntax: Syntax, behind: bool) -> None:

    if behind:
        noise = data_set(Style(syntax), 2, Random(1))[:-8] + noise
    everything(noise, syntax.uid)
