"""The original's text: its own outputs byte for byte, and its rules on files made here."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from mrdock.rawdata.blobs import Blob, RawFile, read_blobs
from mrdock.rawdata.legacy import legacy_text
from tests.builders import Parameter, StudyIdentity, parameter_block, part10, raw_series


@pytest.mark.real_data
@pytest.mark.parametrize("series", ["1301", "2001", "2201"])
def test_the_originals_own_output(series: str, real_data: Path) -> None:
    folder = real_data / "philips_r57" / "rawdata"
    (path,) = folder.glob(f"{series}*.dcm")
    expected = (folder / f"{series}_blobs.txt").read_bytes()
    shown = expected.split(b"\r\n", 1)[0].removeprefix(b"+" * 13)
    assert shown.startswith(b"D:\\")
    assert legacy_text(read_blobs(str(path)), shown) == expected


def lines(folder: Path, *blobs: tuple[str, bytes]) -> list[str]:
    content = part10(raw_series(StudyIdentity("legacy"), blobs=[(name, "IEEE_PDF", data) for name, data in blobs]))
    path = folder / "XX_0001"
    path.write_bytes(content)
    return legacy_text(read_blobs(str(path)), b"XX_0001").decode("latin-1").split("\r\n")


def block(*found: Parameter) -> bytes:
    return parameter_block(found, tokens=False)


def test_the_form_of_a_line(tmp_path: Path) -> None:
    data = block(
        Parameter("EX_GEO_stacks_orientations", "enum", (0, 0, 1)),
        Parameter("EX_int", "int", (-5,)),
        Parameter("EX_run", "int", (1, 0, 0)),
        Parameter("EX_float", "float", (0.1, 1e-5, -0.0, 0.0, 123456789.0)),
        Parameter("EX_string", "string", ("one",)),
    )
    assert lines(tmp_path, ("PDF_EXAM_PARS", data)) == [
        "+++++++++++++XX_0001",
        "-------------PDF_EXAM_PARS",
        "Number of Fields: 5",
        "EX_GEO_stacks_orientatio \ttype:enum   size:     3 values: 0 x 2, 1 ",
        "EX_int                   \ttype:int    size:     1 values: -5 ",
        "EX_run                   \ttype:int    size:     3 values: 1, 0 x 2",
        "EX_float                 \ttype:float  size:     5 values: 0.1, 1e-05, -0 x 2, 1.23457e+08",
        "EX_string                \ttype:string size:     1 values: one",
        "",
    ]


def test_strings_are_read_one_behind_the_other(tmp_path: Path) -> None:
    """The builder's cells hold left-over memory after the NUL, with a line feed put there."""
    data = block(Parameter("EX_two", "string", ("one", "two"))).replace(b"one\0left", b"one\0le\nt")
    *_, first, second, end = lines(tmp_path, ("PDF_EXAM_PARS", data))
    assert first == "EX_two                   \ttype:string size:     2 values: one|le"
    assert second.startswith("t\xbb\x11over")
    assert second.endswith("two")
    assert end == ""


def test_an_empty_blob_takes_the_next_ones_data_and_ends_there(tmp_path: Path) -> None:
    good = block(Parameter("EX_a", "int", (1,)))
    text = b'{"RequestResponsePair<CoilSelectionRequest,CoilSelectionResponse>": {}}#:#' + bytes(40)
    found = lines(tmp_path, ("PDF_EXAM_PARS", good), ("PDF_PRESCAN_COIL_PARS", b""), ("JSON", text), ("LAST", good))
    assert found[-3:] == [
        "-------------PDF_PRESCAN_COIL_PARS",
        "Number of Fields: 1952671084",
        "ionRequest,CoilSelection ",
    ]


@pytest.mark.parametrize("blobs", [[], [("A", b"")], [("A", b"short")], [("A", b""), ("B", b"x" * 31)]])
def test_where_there_is_nothing(blobs: list[tuple[str, bytes]], tmp_path: Path) -> None:
    found = lines(tmp_path, *blobs)
    assert found[0] == "+++++++++++++XX_0001"
    assert found[1:] in ([""], ["-------------A", ""])


def of_blobs(*found: bytes) -> RawFile:
    texts = dict.fromkeys(RawFile.__dataclass_fields__, "")
    blobs = tuple(Blob(f"B{number}", "", len(data), memoryview(data)) for number, data in enumerate(found))
    return RawFile(**texts | {"kind": "series", "series_number": None, "blobs": blobs})  # type: ignore[arg-type]


def test_wrong_pointers_end_it() -> None:
    data = block(Parameter("EX_a", "int", (1, 2)))
    for at, form, value in ((38 + 32, "<I", 0xFFFFFFFF), (46 + 32, "<i", -(2**31)), (46 + 32, "<i", 2**31 - 1)):
        wrong = bytearray(data)
        struct.pack_into(form, wrong, at, value)
        assert legacy_text(of_blobs(bytes(wrong)), b"").endswith(b"EX_a                     ")


def test_data_that_many_print_do_not_grow() -> None:
    """Thousands of empty BLOBs before a large one, whose parameters share their values."""
    many = 1000
    records = b"".join(
        b"EX".ljust(33, b"\0") + struct.pack("<BiIIi", 1, 1, 16384, 0, 50 * (many - number) - 46)
        for number in range(many)
    )
    data = struct.pack("<iHHiIiIiI", 0, 0, 0, 0, 0, 0, 0, 8, many) + records + struct.pack("<16384i", *range(16384))
    began = time.process_time()
    text = legacy_text(of_blobs(*[b""] * 4000, data), b"")
    assert len(text) < 20 * len(data)
    assert time.process_time() - began < 2
