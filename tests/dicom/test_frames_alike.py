"""Thousands of frames that are alike are compared many at a time, and read as one by one."""

from __future__ import annotations

import random
import struct
from unittest.mock import patch

import pytest

from mrdock.dicom.frame_rows import Rows
from mrdock.dicom.frames import FrameTable
from mrdock.errors import MalformedError

from .encoding import EXPLICIT, element, item, sequence

POSITION, CONTENT, PER_FRAME, NUMBER = 0x00200032, 0x00209111, 0x52009230, 0x00280008


def frame(number: int, words: int = 1) -> bytes:
    value = b"\\".join([b"%06d" % number] * words)
    inner = element(EXPLICIT, POSITION, "DS", value + b" " * (len(value) % 2))
    inner += element(EXPLICIT, 0x00209057, "UL", struct.pack("<I", number))
    return item(EXPLICIT, sequence(EXPLICIT, CONTENT, item(EXPLICIT, inner)))


def file_of(frames: list[bytes]) -> bytes:
    number = b"%d" % len(frames)
    count = element(EXPLICIT, NUMBER, "IS", number + b" " * (len(number) % 2))
    return count + sequence(EXPLICIT, PER_FRAME, *frames, defined=False) + bytes(16)


def everything(data: bytes, *, one_by_one: bool) -> tuple[object, ...]:
    table = FrameTable(data, EXPLICIT.uid)
    if one_by_one:
        with patch.object(Rows, "_behind", lambda self, *_: self.ends[-1]):
            table.items()
    return table.items(), [(column.texts(), column.values.tobytes()) for column in table.columns()]


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100, 5000])
def test_lengths_that_change_now_and_then(every: int) -> None:
    chance = random.Random(every)
    words, frames = 1, []
    for number in range(3000):
        words = chance.choice([1, 2, 3]) if number % every == 0 else words
        frames.append(frame(number, words))
    data = file_of(frames)
    found = everything(data, one_by_one=False)
    assert found == everything(data, one_by_one=True)
    assert FrameTable(data, EXPLICIT.uid).column(0x00209057).values.tolist() == list(range(3000))  # type: ignore[union-attr]


@pytest.mark.parametrize("at", [3, 4, 511, 1500, 2998, 2999])
@pytest.mark.parametrize("place", [0, 4, 9, 12, 20, 28, 29, 44])
def test_one_byte_that_is_wrong(at: int, place: int) -> None:
    """Heads and lengths are what must not differ, wherever the frame stands among thousands like it."""
    frames = [frame(number) for number in range(3000)]
    broken = bytearray(frames[at])
    broken[place] ^= 0x40
    frames[at] = bytes(broken)
    data = file_of(frames)

    def said(*, one_by_one: bool) -> object:
        try:
            return everything(data, one_by_one=one_by_one)
        except MalformedError as error:
            return str(error)

    assert said(one_by_one=False) == said(one_by_one=True)


def test_more_frames_than_declared() -> None:
    data = file_of([frame(number) for number in range(3000)]).replace(b"3000", b"2990")
    with pytest.raises(MalformedError, match="more than 2990 items"):
        FrameTable(data, EXPLICIT.uid).items()


def test_a_last_frame_that_is_cut_short() -> None:
    whole = file_of([frame(number) for number in range(3000)])
    for less in (17, 25, 30, 100):
        with pytest.raises(MalformedError):
            FrameTable(whole[:-less], EXPLICIT.uid).items()
