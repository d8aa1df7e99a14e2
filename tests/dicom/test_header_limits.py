"""What the dock takes from a header is bounded, and can be stored and encoded, whatever the header says."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from mrdock.dicom.deflated import inflate
from mrdock.dock.headers import read_header
from mrdock.dock.settings import RouteSettings
from mrdock.errors import MalformedError
from mrdock.files.locations import find_path

from .encoding import EXPLICIT, element

UID = b"1.2.840.10008.5.1.4.1.1.4\0"


def header(characters: bytes, description: bytes, uid: bytes = b"1.2.3\0") -> bytes:
    return (
        element(EXPLICIT, 0x00080005, "CS", characters)
        + element(EXPLICIT, 0x00080016, "UI", UID)
        + element(EXPLICIT, 0x00080018, "UI", uid)
        + element(EXPLICIT, 0x00080020, "DA", b"2" * 5000)
        + element(EXPLICIT, 0x00080030, "TM", b"1" * 5000)
        + element(EXPLICIT, 0x00081030, "UT", description)
        + element(EXPLICIT, 0x0020000D, "UI", uid)
        + element(EXPLICIT, 0x0020000E, "UI", uid)
    )


def deflated(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def test_a_path_is_cut_at_4096_characters() -> None:
    assert find_path(["x #-#/" + "a" * 5000], "#-#") == "/" + "a" * 4095
    found = read_header(header(b"ISO_IR 100", b"#-#/" + b"\xe9" * 60_000), EXPLICIT.uid, RouteSettings())
    assert found.path == "/" + "é" * 4095
    assert (len(found.study_date), len(found.study_time)) == (16, 16)


@pytest.mark.parametrize("characters", [b"unicode_escape", b"punycode", b"utf_16", b"ISO_IR 192", b"GB18030"])
def test_a_path_can_be_stored_and_encoded(characters: bytes) -> None:
    said = header(characters, b"#-#/\\ud800\xed\xa0\x80\0\xff/x")
    path = read_header(said, EXPLICIT.uid, RouteSettings()).path
    assert path is not None
    assert path.encode()
    assert "\0" not in path


def test_uids_with_blanks_before_them_and_empty_components() -> None:
    found = read_header(header(b"", b"", b" 1.2..3. "), EXPLICIT.uid, RouteSettings())
    assert (found.uid, found.study, found.series) == ("1.2..3.", "1.2..3.", "1.2..3.")
    for uid in (b"..", b". ", b"../1", b"1/2 "):
        with pytest.raises(MalformedError, match="is not a UID"):
            read_header(header(b"", b"", uid), EXPLICIT.uid, RouteSettings())


@pytest.mark.parametrize("size", [0, 1, 100, (3 << 20) + 7])
def test_what_was_deflated_is_inflated(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert inflate(b"before" + deflated(data) + b"\0", 6) == data


def test_a_deflated_data_set_beyond_the_limit_says_so() -> None:
    limit = 64 << 20
    assert len(inflate(deflated(bytes(limit)), 0)) == limit
    with pytest.raises(MalformedError, match="inflates to more than 64 MiB"):
        inflate(deflated(bytes(limit + 1)), 0)


def test_a_deflated_bomb_costs_its_limit_and_no_copy_of_what_follows() -> None:
    bomb = deflated(bytes(80 << 20)) + bytes(100 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match="inflates to more than"):
            inflate(bomb, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 160 << 20


def test_a_deflated_data_set_that_is_cut_or_broken() -> None:
    data = deflated(bytes(range(256)) * 100)
    for cut in (data[:-1], data[:10], b""):
        with pytest.raises(MalformedError, match="is cut short"):
            inflate(cut, 0)
    with pytest.raises(MalformedError, match="is broken"):
        inflate(b"\xff" * 100, 0)
