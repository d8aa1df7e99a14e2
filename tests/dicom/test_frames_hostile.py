"""Functional groups that are broken or meant to break: refused with a sentence, in bounded time and memory."""

from __future__ import annotations

import re
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from mrdock.dicom import frame_rows, frame_walk
from mrdock.dicom.frames import FrameTable
from mrdock.errors import MalformedError, NotDicomError
from tests.builders import StudyIdentity, enhanced_mr, part10

from .encoding import (
    ALL,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    UNDEFINED,
    Syntax,
    element,
    head,
    item,
    mark,
    nested,
    sequence,
)

SHARED, PER_FRAME, CONTENT, NUMBER = 0x52009229, 0x52009230, 0x00209111, 0x00280008
POSITION, ECHO_TIME = 0x00200032, 0x00189082

syntaxes = pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
lengths = pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])


def frame(value: bytes, syntax: Syntax = EXPLICIT, *, defined: bool = True, after: bytes = b"") -> bytes:
    """One item of the per-frame groups, with a position of ``value``."""
    values = element(syntax, POSITION, "DS", value) + element(syntax, 0x00209056, "SH", b"1 ") + after
    group = sequence(syntax, CONTENT, item(syntax, values, defined=defined), defined=defined)
    return item(syntax, group, defined=defined)


def file_of(*frames: bytes, syntax: Syntax = EXPLICIT, declared: bytes | None = None, defined: bool = False) -> bytes:
    number = str(len(frames)).encode() if declared is None else declared
    number += b" " * (len(number) % 2)
    return element(syntax, NUMBER, "IS", number) + sequence(syntax, PER_FRAME, *frames, defined=defined)


def read(data: bytes, syntax: Syntax = EXPLICIT) -> list[str | None]:
    column = FrameTable(data, syntax.uid).column(POSITION)
    return [] if column is None else column.texts()


def refused(data: bytes, match: str, syntax: Syntax = EXPLICIT) -> None:
    with pytest.raises(MalformedError, match=match) as caught:
        read(data, syntax)
    assert "\n" not in str(caught.value)


# ---- counts ----


@pytest.mark.parametrize("declared", [b"2", b"4", b"1000000"])
def test_a_number_of_frames_that_lies(declared: bytes) -> None:
    match = "more than 2 items" if declared == b"2" else f"Number of Frames is {declared.decode()}, .* have 3 items"
    refused(file_of(*[frame(b"1 ")] * 3, declared=declared), match)


@pytest.mark.parametrize("declared", [b"0", b"-3", b"1A", b"1.5", b"1048577", b"99999999999999999999", b"\xff\xff"])
def test_a_number_of_frames_that_is_none(declared: bytes) -> None:
    refused(file_of(frame(b"1 "), declared=declared), "Number of Frames is '.*', no number from 1 to 1048576")


def test_more_frames_than_declared_are_not_all_walked() -> None:
    data = file_of(*[frame(b"1 ")] * 200_000, declared=b"2")
    began = time.process_time()
    refused(data, "more than 2 items")
    assert time.process_time() - began < 0.2


def test_a_million_frames_without_groups_cost_little() -> None:
    data = element(EXPLICIT, NUMBER, "IS", b"1048576 ") + sequence(EXPLICIT, SHARED, frame(b"1\\2 "))
    column = FrameTable(data, EXPLICIT.uid).column(POSITION)
    assert column is not None
    tracemalloc.start()
    assert column.values.shape == (1 << 20, 2)
    assert len(column.texts()) == 1 << 20
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


# ---- lengths that fit no more once a value is longer ----


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
@pytest.mark.parametrize("good", [0, 1, 2, 5])
def test_items_whose_lengths_do_not_fit(syntax: Syntax, good: int) -> None:
    """What a pattern compares is the same in the last frame; only the lengths around its value are wrong."""
    values = [b"%d\\%d " % (at, at * 7) for at in range(good)]
    frames = [frame(value, syntax) for value in values]
    right = frame(b"10\\1000 ", syntax)
    assert read(file_of(*frames, right, syntax=syntax), syntax)[-1] == "10\\1000"
    short = struct.pack("<I", len(right) - 8)
    assert right.count(short) == 1
    for wrong in (-2, -1, 2, 8):
        broken = right.replace(short, struct.pack("<I", len(right) - 8 + wrong))
        refused(file_of(*frames, broken, *frames, syntax=syntax), f"frame {good + 1}: ", syntax)
        refused(file_of(*frames, broken, syntax=syntax), "frame ", syntax)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
@pytest.mark.parametrize("longer", [b"1\\10", b"1\\77 ", b"1\\7777777777", b""])
def test_a_value_of_another_length_in_items_that_do_not_say_so(syntax: Syntax, longer: bytes) -> None:
    """All heads around it are those of the frames before."""
    frames = [frame(b"1\\%d " % at, syntax) for at in range(5)]
    value = element(syntax, POSITION, "DS", b"1\\4 ")
    last = frames[-1].replace(value, element(syntax, POSITION, "DS", longer))
    if len(longer) == 4:
        assert read(file_of(*frames, last, syntax=syntax), syntax)[-1] == longer.decode()
    else:
        for after in ([], frames, [bytes(64)]):
            refused(file_of(*frames, last, *after, syntax=syntax), "frame 6: ", syntax)


@lengths
def test_a_sequence_that_ends_in_the_middle_of_its_last_frame(defined: bool) -> None:
    frames = [frame(b"%d " % at, defined=defined) for at in range(6)]
    whole = file_of(*frames, defined=True) + bytes(64)
    size = struct.pack("<I", sum(map(len, frames)))
    assert read(whole) == [str(at) for at in range(6)]
    for less in (1, 2, 8, 9, 16):
        refused(whole.replace(size, struct.pack("<I", sum(map(len, frames)) - less)), "frame 6: ")


@syntaxes
@lengths
def test_a_file_cut_anywhere(syntax: Syntax, defined: bool) -> None:
    """Refused, but where nothing of the groups is there."""
    whole = file_of(*[frame(b"%d " % at, syntax, defined=defined) for at in range(3)], syntax=syntax, defined=defined)
    before = len(element(syntax, NUMBER, "IS", b"3 "))
    assert len(read(whole, syntax)) == 3
    for end in range(len(whole)):
        data = whole[:end]
        if not any(data) or (end >= before and not any(data[before:])):  # zeros may follow a data set
            assert read(data, syntax) == [], end
        else:
            refused(data, ".", syntax)


@syntaxes
@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x80000000, 0x7FFFFFFF, 9])
def test_a_value_longer_than_what_holds_it(syntax: Syntax, length: int) -> None:
    value = element(syntax, 0x00204000, "UT", b"x" * 8, length)
    for defined in (True, False):
        bad = frame(b"1 ", syntax, defined=defined, after=value)
        refused(file_of(frame(b"1 ", syntax), bad, syntax=syntax), "frame 2: ", syntax)


def test_groups_longer_than_the_file() -> None:
    start = element(EXPLICIT, NUMBER, "IS", b"1 ")
    for tag, match in ((SHARED, "shared"), (PER_FRAME, "per-frame")):
        data = start + head(EXPLICIT, tag, "SQ", 0xFFFFFFF0) + frame(b"1 ")
        if tag == SHARED:
            data = data[: len(start)] + head(EXPLICIT, tag, "SQ", UNDEFINED) + mark(EXPLICIT, ITEM, 0xFFFFFFF0)
        refused(data, f"{match}|sequence|item")


@syntaxes
def test_groups_that_never_end(syntax: Syntax) -> None:
    start = element(syntax, NUMBER, "IS", b"2 ") + head(syntax, PER_FRAME, "SQ", UNDEFINED)
    refused(start, "middle of an item", syntax)
    refused(start + frame(b"1 ", syntax) * 2, "middle of an item", syntax)
    refused(start + mark(syntax, ITEM, UNDEFINED), "an item never ends|middle", syntax)
    refused(start + mark(syntax, ITEM, UNDEFINED) + frame(b"1 ", syntax)[8:], "an item never ends", syntax)
    refused(start + mark(syntax, ITEM_END, 4) + bytes(4), "frame 1: no item", syntax)
    refused(start + element(syntax, POSITION, "DS", b"1 "), "frame 1: no item", syntax)


@syntaxes
def test_delimiters_too_many_between_items_are_passed_over(syntax: Syntax) -> None:
    extra = mark(syntax, ITEM_END)
    frames = [frame(b"1 ", syntax), extra, frame(b"2 ", syntax), extra, extra, frame(b"33", syntax), extra]
    data = element(syntax, NUMBER, "IS", b"3 ") + sequence(syntax, PER_FRAME, *frames, defined=False)
    assert read(data, syntax) == ["1", "2", "33"]
    nested_one = sequence(syntax, CONTENT, item(syntax, element(syntax, POSITION, "DS", b"7 ")), extra, defined=False)
    assert read(file_of(*[item(syntax, nested_one)] * 3, syntax=syntax), syntax) == ["7"] * 3


# ---- what would cost ----


@pytest.mark.parametrize("defined", [True, False])
@pytest.mark.parametrize("depth", [64, 10_000])
def test_nesting_without_measure(defined: bool, depth: int) -> None:
    refused(file_of(item(EXPLICIT, nested(EXPLICIT, depth, defined=defined))), "nested more than 64 deep")


def test_nesting_up_to_the_limit() -> None:
    for defined in (True, False):
        assert read(file_of(item(EXPLICIT, nested(EXPLICIT, 63, defined=defined)))) == []


def test_an_item_of_too_many_elements() -> None:
    many = element(EXPLICIT, POSITION, "DS", b"") * (frame_walk.MOST_ELEMENTS + 1)
    tracemalloc.start()
    refused(file_of(item(EXPLICIT, many)), "frame 1: an item of functional groups has more than 65536 elements")
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    empty = sequence(EXPLICIT, CONTENT, mark(EXPLICIT, ITEM) * 70_000)
    refused(file_of(item(EXPLICIT, empty)), "more than 65536 elements")


def tracked(work: Callable[[], object]) -> tuple[float, int]:
    """Processor seconds, and the most memory at a time (while it is watched, which is slower)."""
    began = time.process_time()
    work()
    seconds = time.process_time() - began
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def test_every_frame_of_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pattern fits: as slow as walking, but no more, and what is kept stays small."""
    monkeypatch.setattr(frame_rows, "MOST_PIECES", 1 << 14)
    frames = []
    for at in range(1000):
        values = b"".join(element(EXPLICIT, 0x00180000 + at * 16 + low, "SH", b"%06d" % at) for low in range(16))
        frames.append(
            item(
                EXPLICIT, sequence(EXPLICIT, CONTENT, item(EXPLICIT, values + element(EXPLICIT, POSITION, "DS", b"5 ")))
            )
        )
    data = file_of(*frames)
    table = FrameTable(data, EXPLICIT.uid)
    seconds, peak = tracked(lambda: FrameTable(data, EXPLICIT.uid).items())
    assert seconds < 2
    assert peak < 10 << 20
    assert read(data) == ["5"] * 1000
    assert len(table.items()) == 1000


def test_every_frame_with_another_value_of_everything() -> None:
    """Thousands of values vary: more than a pattern keeps."""

    def values(at: int) -> bytes:
        return b"".join(
            element(EXPLICIT, 0x00180000 + low, "US", struct.pack("<H", at * low % 65536)) for low in range(1200)
        )

    data = file_of(*(item(EXPLICIT, sequence(EXPLICIT, CONTENT, item(EXPLICIT, values(at)))) for at in range(12)))
    seconds, peak = tracked(lambda: FrameTable(data, EXPLICIT.uid).items())
    assert seconds < 1
    assert peak < 32 << 20
    column = FrameTable(data, EXPLICIT.uid).column(0x00180007)
    assert column is not None
    assert column.values.tolist() == [at * 7 for at in range(12)]


def test_one_more_value_varies_in_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame makes a new pattern: what is kept of all of them has a limit."""
    monkeypatch.setattr(frame_rows, "MOST_PIECES", 1 << 13)

    def values(at: int) -> bytes:
        return b"".join(
            element(EXPLICIT, 0x00180000 + low, "US", struct.pack("<H", low == at)) for low in range(1, 151)
        )

    data = file_of(*(item(EXPLICIT, sequence(EXPLICIT, CONTENT, item(EXPLICIT, values(at)))) for at in range(151)))
    seconds, peak = tracked(lambda: FrameTable(data, EXPLICIT.uid).items())
    assert seconds < 1
    assert peak < 4 << 20
    table = FrameTable(data, EXPLICIT.uid)
    for low in (1, 100, 150):
        column = table.column(0x00180000 + low)
        assert column is not None
        assert column.values.tolist() == [int(low == at) for at in range(151)]


def test_a_table_of_too_many_numbers() -> None:
    long = b"\\".join([b"1"] * 30_000) + b" "
    frames = [frame(value, IMPLICIT) for value in [b"1 "] * 1000 + [long]]  # in explicit VR it would be too long
    column = FrameTable(file_of(*frames, syntax=IMPLICIT), IMPLICIT.uid).column(POSITION)
    assert column is not None
    with pytest.raises(MalformedError, match=r"ImagePositionPatient: 30000 values in one of 1001 frames are too many"):
        _ = column.values
    assert column.texts()[0] == "1"


@pytest.mark.parametrize(
    ("vr", "value", "match"),
    [
        ("DS", b"12a ", "frame 3: '12a' is no number of VR DS"),
        ("DS", b"1_0 ", "no number"),
        ("DS", b"nan ", "no number"),
        ("DS", b"0x10", "no number"),
        ("DS", b"\xd9\xa1", "no number"),
        ("IS", b"1.5 ", "frame 3: '1.5' is no number of VR IS"),
        ("IS", b"99999999999999999999", "no number"),
        ("IS", b"1e99", "no number"),
        ("IS", b"1\\\\2 ", "no number"),
        ("US", b"\1", "frame 3: 1 bytes are no numbers of VR US"),
        ("FD", b"1234567", "frame 3: 7 bytes are no numbers of VR FD"),
        ("AT", b"12", "frame 3: 2 bytes are no numbers of VR AT"),
    ],
)
def test_numbers_that_are_none(vr: str, value: bytes, match: str) -> None:
    good = b"1 " if vr in ("DS", "IS") else bytes(8)
    frames = [item(EXPLICIT, element(EXPLICIT, 0x00189999, vr, each)) for each in (good, good, value, good)]
    column = FrameTable(file_of(*frames), EXPLICIT.uid).column(0x00189999)
    assert column is not None
    with pytest.raises(MalformedError, match=rf"^\(0018,9999\): .*{re.escape(match)}"):
        _ = column.values
    assert len(column.texts()) == 4


# ---- files ----


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "enhanced"
    data = part10(enhanced_mr(StudyIdentity(), slices=2, dynamics=2))
    at = data.index(b"\x00\x52\x30\x92SQ")
    for broken, kind in (
        (b"no DICOM", NotDicomError),
        (data[: at + 500], MalformedError),
        (data[: at + 2], MalformedError),
    ):
        path.write_bytes(broken)
        with pytest.raises(kind) as caught:
            FrameTable.of_file(str(path)).names()
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        FrameTable.of_file(str(tmp_path / "none"))


def test_nothing_of_the_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "enhanced"
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), rows=512, columns=512)))
    with FrameTable.of_file(str(path)) as table:
        column = table.column("ImagePositionPatient")
        assert column is not None
    assert column.values.shape == (12, 3)
    assert len(column.texts()) == 12
