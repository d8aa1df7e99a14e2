"""Files that are no DICOM, broken on purpose, or no files at all: refused in bounded time and memory."""

from __future__ import annotations

import os
import pickle
import struct
import time
import tracemalloc
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mrdock.dicom import reading
from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.dicom.reading import FileHeader, open_noatime, read_header, read_many
from mrdock.dicom.scan import Wanted
from mrdock.dicom.sop_classes import DEFLATED
from mrdock.errors import DicomError, MalformedError, NotDicomError

from . import encoding
from .encoding import ALL, BIG, CONTENT_SEQUENCE, EXPLICIT, IMPLICIT, UNDEFINED, element, head, item, mark, nested
from .test_scan_against_pydicom import ODD_FILES

NAME, NUMBER, ROWS = 0x00100010, 0x00200013, 0x00280010
WANTED = Wanted([(NAME, "PN"), (NUMBER, "IS"), (ROWS, "US")])
UID = element(EXPLICIT, 0x00080018, "UI", b"1.2\0")


def file_of(path: Path, data: bytes, syntax: str = EXPLICIT.uid) -> Path:
    path.write_bytes(encode_file_meta(FileMeta("1.2.3", "4.5", syntax)) + data)
    return path


@contextmanager
def bounded(seconds: float = 2, megabytes: float = 8) -> Generator[None, None, None]:
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
        assert time.process_time() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * (1 << 20)
    finally:
        tracemalloc.stop()


def test_a_header_goes_to_another_process(tmp_path: Path) -> None:
    header = read_header(file_of(tmp_path / "file", UID + element(EXPLICIT, NUMBER, "IS", b"12")), WANTED)
    again = pickle.loads(pickle.dumps(header))
    assert (again.found, again.sop_instance, again.size) == (header.found, header.sop_instance, header.size)
    assert again.header.number(NUMBER) == 12


# ---- no DICOM ----


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"DICM",
        bytes(4096),
        b"A text that is long enough to have a prefix where DICM would stand. " * 9,
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        b"\x08\0" + b"A text that begins with eight. " * 20,
        struct.pack("<4I", 8, 4, 0, 8) + bytes(500),
        struct.pack("<500I", *([8] * 500)),
        b"\0\x08" + bytes(500),
        b"\x02\0" + bytes(500),
        b"\x08\0\x05\0CS\x0a\0ISO_IR 100",  # one element alone is not enough to tell
    ],
)
def test_other_files_are_no_dicom(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(NotDicomError, match="no DICOM file"), bounded():
        read_header(path, WANTED)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "missing", WANTED)
    with pytest.raises(IsADirectoryError if os.name == "posix" else OSError):
        read_header(tmp_path, WANTED)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotDicomError, match="not a regular file"):
        read_header(tmp_path / "pipe", WANTED)
    with pytest.raises(NotDicomError, match="not a regular file"):
        read_header("/dev/null", WANTED)


def test_errors_stand_in_their_places(tmp_path: Path) -> None:
    good = file_of(tmp_path / "good", UID + element(EXPLICIT, NUMBER, "IS", b"12"))
    text = tmp_path / "text"
    text.write_text("nothing")
    paths = [str(good), str(text), str(tmp_path / "missing"), str(good)] * 25
    for jobs in (1, 3):
        read = list(read_many(iter(paths), WANTED, jobs))
        assert [path for path, _ in read] == paths
        kinds = [FileHeader, NotDicomError, FileNotFoundError, FileHeader] * 25
        assert [type(header) for _, header in read] == kinds


def test_files_are_asked_for_as_they_are_read(tmp_path: Path) -> None:
    """Also with several at once: an endless directory is listed from its beginning."""
    path = file_of(tmp_path / "file", UID)
    asked = 0

    def endless() -> Generator[Path, None, None]:
        nonlocal asked
        while True:
            asked += 1
            yield path

    for jobs, most in ((1, 1), (2, 100)):
        asked = 0
        headers = read_many(endless(), WANTED, jobs)
        next(headers)
        assert asked <= most
        headers.close()  # type: ignore[attr-defined]


def test_several_files_at_once_do_not_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path / "file", UID)

    def slowly(path: reading.StrPath) -> int:
        time.sleep(0.005)
        return open_noatime(path)

    monkeypatch.setattr(reading, "open_noatime", slowly)
    took = []
    for jobs in (1, 8):
        began = time.monotonic()
        assert len(list(read_many([path] * 128, WANTED, jobs))) == 128
        took.append(time.monotonic() - began)
    assert took[1] < took[0] / 2


# ---- what is kept as it is ----


def test_the_access_time_stays(tmp_path: Path) -> None:
    path = file_of(tmp_path / "file", UID + element(EXPLICIT, 0x00290010, "UN", bytes(1 << 20)))
    os.utime(path, ns=(10**18, 2 * 10**18))
    read_header(path, Wanted([(0x00300010, "LO")]))  # further than the first block
    assert path.stat().st_atime_ns == 10**18


def test_a_file_of_someone_else_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path / "file", UID)
    real = os.open

    def strict(name: str, flags: int, *rest: int) -> int:
        if flags & getattr(os, "O_NOATIME", 0):
            raise PermissionError(1, "Operation not permitted", name)
        return real(name, flags, *rest)

    monkeypatch.setattr(os, "open", strict)
    assert read_header(path, WANTED).sop_instance == "1.2"


# ---- beginnings ----


def test_the_meta_group_answers_where_the_data_set_does_not(tmp_path: Path) -> None:
    header = read_header(file_of(tmp_path / "file", element(EXPLICIT, NUMBER, "IS", b"12")), WANTED)
    assert (header.sop_class, header.sop_instance, header.transfer_syntax) == ("1.2.3", "4.5", EXPLICIT.uid)
    assert 0x00080018 not in header.header
    header = read_header(file_of(tmp_path / "file", UID), WANTED)
    assert (header.sop_class, header.sop_instance) == ("1.2.3", "1.2")


@pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
def test_elements_of_the_meta_group(tmp_path: Path, syntax: encoding.Syntax) -> None:
    wanted = Wanted([(0x00020000, "UL"), (0x00020010, "UI"), (0x00020013, "SH"), (0x00020016, "AE")])
    header = read_header(file_of(tmp_path / "file", element(syntax, NUMBER, "IS", b"12"), syntax.uid), wanted).header
    assert header.text(0x00020010) == syntax.uid
    assert header.number(0x00020000) == struct.unpack_from("<I", (tmp_path / "file").read_bytes(), 140)[0]
    assert header.text(0x00020013)
    assert 0x00020016 not in header


def test_a_meta_group_in_implicit_vr_without_a_preamble(tmp_path: Path) -> None:
    meta = element(EXPLICIT, 0x00020010, "UI", IMPLICIT.uid.encode() + b"\0")
    path = tmp_path / "file"
    path.write_bytes(meta + element(IMPLICIT, NUMBER, "IS", b"12"))
    assert read_header(path, WANTED).header.number(NUMBER) == 12
    meta = element(IMPLICIT, 0x00020010, "UI", BIG.uid.encode() + b"\0")
    path.write_bytes(bytes(128) + b"DICM" + meta + element(BIG, ROWS, "US", b"\1\2"))
    assert read_header(path, WANTED).header.number(ROWS) == 0x102


def test_a_command_set_before_the_data_set(tmp_path: Path) -> None:
    command = element(IMPLICIT, 0, "UL", b"\x0a\0\0\0") + element(IMPLICIT, 0x100, "US", b"\1\0")
    for syntax in ALL:
        path = file_of(tmp_path / "file", command + element(syntax, ROWS, "US", b"\1\1"), syntax.uid)
        assert read_header(path, WANTED).header.number(ROWS) == 0x101


@pytest.mark.parametrize(("said", "real"), [(EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)])
def test_the_bytes_are_believed_rather_than_the_meta_group(
    tmp_path: Path, said: encoding.Syntax, real: encoding.Syntax
) -> None:
    path = file_of(tmp_path / "file", element(real, NAME, "PN", b"A^B ") + element(real, NUMBER, "IS", b"12"), said.uid)
    header = read_header(path, WANTED)
    assert header.header.number(NUMBER) == 12
    assert header.transfer_syntax == said.uid
    with pytest.raises(MalformedError, match="said to be explicit VR big endian"):
        read_header(file_of(path, element(IMPLICIT, NAME, "PN", b"A^B "), BIG.uid), WANTED)


def test_a_file_without_any_data_set(tmp_path: Path) -> None:
    whole = encode_file_meta(FileMeta("1.2.3", "4.5", EXPLICIT.uid))
    path = tmp_path / "file"
    for cut in range(132, len(whole) + 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(MalformedError):
            read_header(path, WANTED)


# ---- elements ----


@pytest.mark.parametrize("vr", [b"??", b"  ", b"--", b"\0\0", b"us"])
def test_a_vr_that_is_none_has_a_length_of_16_bits(tmp_path: Path, vr: bytes) -> None:
    odd = struct.pack("<HH2sH", 0x0010, 0x0010, vr, 4) + b"A^B "
    header = read_header(file_of(tmp_path / "file", UID + odd + element(EXPLICIT, ROWS, "US", b"\1\1")), WANTED).header
    assert header.text(NAME) == "A^B"
    assert header.number(ROWS) == 0x101


def test_an_element_in_implicit_vr_among_explicit_ones(tmp_path: Path) -> None:
    odd = element(IMPLICIT, NAME, "PN", b"A^B ")
    header = read_header(file_of(tmp_path / "file", UID + odd + element(EXPLICIT, ROWS, "US", b"\1\1")), WANTED).header
    assert header.text(NAME) == "A^B"
    assert header.number(ROWS) == 0x101


@pytest.mark.parametrize(("vr", "inner"), [("SQ", IMPLICIT), ("UN", EXPLICIT)])
def test_a_sequence_in_the_other_kind_of_vr(tmp_path: Path, vr: str, inner: encoding.Syntax) -> None:
    content = item(inner, element(inner, NAME, "PN", b"C^D ") * 3, defined=False)
    odd = head(EXPLICIT, 0x00081140, vr, UNDEFINED) + content + mark(EXPLICIT, encoding.SEQUENCE_END)
    header = read_header(file_of(tmp_path / "file", UID + odd + element(EXPLICIT, ROWS, "US", b"\1\1")), WANTED).header
    assert header.number(ROWS) == 0x101
    assert NAME not in header


@pytest.mark.parametrize("stray", [encoding.ITEM_END, encoding.SEQUENCE_END])
def test_a_delimiter_too_many(tmp_path: Path, stray: int) -> None:
    data = UID + mark(EXPLICIT, stray) + element(EXPLICIT, ROWS, "US", b"\1\1")
    assert read_header(file_of(tmp_path / "file", data), WANTED).header.number(ROWS) == 0x101
    with pytest.raises(MalformedError, match="stands where an element should"):
        read_header(file_of(tmp_path / "file", UID + mark(EXPLICIT, encoding.ITEM) + data), WANTED)


def test_of_two_the_first_counts_and_nothing_is_looked_for_behind_a_later_tag(tmp_path: Path) -> None:
    names = element(EXPLICIT, NAME, "PN", b"A^B ") + element(EXPLICIT, NAME, "PN", b"C^D ")
    early = element(EXPLICIT, NUMBER, "IS", b"12") + UID
    late = element(EXPLICIT, ROWS + 1, "US", b"\1\1") + element(EXPLICIT, ROWS, "US", b"\1\1")
    header = read_header(file_of(tmp_path / "file", early + names + late), WANTED)
    assert header.header.text(NAME) == "A^B"
    assert header.header.number(NUMBER) == 12
    assert header.sop_instance == "1.2"
    assert ROWS not in header.header


def test_a_truncated_file_whose_beginning_is_there() -> None:
    """Pixel data that is cut does not matter to what stands before it."""
    path = next(ODD_FILES.rglob("MR_truncated.dcm"))
    header = read_header(path, WANTED)
    assert header.header.number(ROWS) == 64
    assert header.size == path.stat().st_size


# ---- hostile ----


def test_lengths_that_lead_out_of_the_file(tmp_path: Path) -> None:
    for data in (
        element(EXPLICIT, NAME, "PN", b"A^B ", length=6),
        element(EXPLICIT, NAME, "UT", b"A^B ", length=0xFFFFFFFE),
        element(EXPLICIT, 0x00090010, "UN", b"", length=0xFFFFFFFE),
        element(EXPLICIT, 0x00090010, "LO", b"", length=1000),
        head(EXPLICIT, CONTENT_SEQUENCE - 0x00300000, "SQ", UNDEFINED),
        head(EXPLICIT, 0x00090010, "UT", UNDEFINED),
        element(EXPLICIT, NUMBER, "IS", b"12") + b"\x28\0\x10",
        head(EXPLICIT, 0x00090010, "UN", 0)[:-2],
    ):
        with pytest.raises(MalformedError), bounded():
            read_header(file_of(tmp_path / "file", UID + data), WANTED)
    with pytest.raises(MalformedError), bounded():
        read_header(
            file_of(tmp_path / "file", element(IMPLICIT, NAME, "PN", b"A", length=1 << 31), IMPLICIT.uid), WANTED
        )


@pytest.mark.parametrize("defined", [True, False])
@pytest.mark.parametrize("depth", [65, 3000])
def test_deep_nesting(tmp_path: Path, defined: bool, depth: int) -> None:
    data = nested(EXPLICIT, depth, defined=defined).replace(
        struct.pack("<HH", 0x0040, 0xA730), struct.pack("<HH", 0x0008, 0x1140)
    )
    path = file_of(tmp_path / "file", UID + data + element(EXPLICIT, ROWS, "US", b"\1\1"))
    with bounded():
        if defined:  # its length says where it ends, whatever it holds
            assert read_header(path, WANTED).header.number(ROWS) == 0x101
        else:
            with pytest.raises(MalformedError, match="more than 64 deep"):
                read_header(path, WANTED)


def sparse(path: Path, start: bytes, syntax: str) -> Path:
    """A terabyte of zeros behind a beginning."""
    file_of(path, start, syntax)
    try:
        os.truncate(path, 1 << 40)
    except OSError:  # the file system does not go so far
        os.truncate(path, 15 << 30)
    return path


@pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
def test_a_terabyte_of_zeros(tmp_path: Path, syntax: encoding.Syntax) -> None:
    path = sparse(tmp_path / "file", element(syntax, 0x00080018, "UI", b"1.2\0"), syntax.uid)
    with pytest.raises(MalformedError, match="too many zeros"), bounded():
        read_header(path, WANTED)


def test_a_long_stretch_of_elements_that_are_all_different(tmp_path: Path) -> None:
    data = b"".join(element(EXPLICIT, 0x00090000 + n % 0xFFFF, "LO", b"x" * (n % 50)) for n in range(1 << 17))
    path = file_of(tmp_path / "file", UID + data)
    with bounded(seconds=10, megabytes=24):
        assert read_header(path, WANTED).sop_instance == "1.2"


EMPTY = b"\x09\0\x10\0LO\0\0"


@pytest.mark.parametrize("content", [bytes(8), EMPTY], ids=["zeros", "empty"])
def test_a_deflated_bomb(tmp_path: Path, content: bytes) -> None:
    """Of 80 MiB and more, 64 are inflated, which hold millions of elements."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = content * (1 << 17)
    data = engine.compress(UID) + b"".join(engine.compress(block) for _ in range(80)) + engine.flush()
    path = file_of(tmp_path / "file", data, DEFLATED)
    assert path.stat().st_size < 1 << 20
    began = time.process_time()
    with pytest.raises(MalformedError, match="inflates to more than 64 MiB"):
        read_header(path, WANTED)
    assert time.process_time() - began < 30


def test_a_deflated_bomb_takes_bounded_memory(tmp_path: Path) -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = UID + element(EXPLICIT, 0x00091010, "UN", length=0xFFFFFFF0)
    data = engine.compress(start) + b"".join(engine.compress(bytes(1 << 20)) for _ in range(500)) + engine.flush()
    path = file_of(tmp_path / "file", data, DEFLATED)
    with pytest.raises(MalformedError, match="inflates to more than 64 MiB"), bounded(10, megabytes=160):
        read_header(path, WANTED)


def test_a_deflated_file_is_inflated_only_as_far_as_needed(tmp_path: Path) -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = UID + element(EXPLICIT, NUMBER, "IS", b"12") + element(EXPLICIT, ROWS + 1, "US", b"\1\1")
    data = engine.compress(start) + b"".join(engine.compress(bytes(1 << 20)) for _ in range(80)) + engine.flush()
    with bounded(seconds=0.2, megabytes=1):
        assert read_header(file_of(tmp_path / "file", data, DEFLATED), WANTED).header.number(NUMBER) == 12
    engine = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = engine.compress(start + bytes(1 << 18)) + engine.flush()
    assert read_header(file_of(tmp_path / "file", data[:1000], DEFLATED), WANTED).header.number(NUMBER) == 12
    for bad in (data[:20], b"\xff" * 100):
        with pytest.raises(DicomError, match="deflated data set is"):
            read_header(file_of(tmp_path / "file", bad, DEFLATED), WANTED)
