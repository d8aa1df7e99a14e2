"""The frame table on real and on built files, and what a column says."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
import warnings
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset

from mrdock.dicom.frames import FrameTable, describe
from mrdock.dicom.part10 import decode_file_meta, encode_file_meta
from mrdock.errors import MrdockError, TagError
from tests.builders import StudyIdentity, enhanced_large, enhanced_mr, part10

from .encoding import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    Syntax,
    element,
    head,
    item,
    mark,
    sequence,
)
from .frames_support import check

REAL = [
    "dicom2nifti/enhanced/anatomical.dcm",
    "dicom2nifti/enhanced/dti.dcm",
    "dicom2nifti/enhanced/fmri.dcm",
    "philips_asl/enhanced/201_pCASL_real.dcm",
    "philips_asl/enhanced/402_SOURCE_3D_pCASL_6mm.dcm",
    "philips_r57/enhanced/1901_3DpCASL_real.dcm",
    "philips_r57/enhanced/2001_fcMRI_Field_Mapping.dcm",
]
FRAME_CONTENT, ECHO, SHARED, PER_FRAME = 0x00209111, 0x00189114, 0x52009229, 0x52009230
DD1, DD5 = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"
ECHO_TIME, POSITION = 0x00189082, 0x00200032

# ---- real and built files ----


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_every_value_of_a_real_file_is_pydicoms(real_data: Path, name: str) -> None:
    path = real_data / name
    with FrameTable.of_file(str(path)) as table:
        assert check(table, pydicom.dcmread(path, stop_before_pixels=True)) > 800


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL[-2:])
@pytest.mark.parametrize("syntax", [IMPLICIT, BIG], ids=["implicit", "big"])
def test_a_real_file_in_other_transfer_syntaxes(real_data: Path, name: str, syntax: Syntax) -> None:
    """As pydicom writes it, with lengths; in implicit VR private ones then have the VR of a dictionary."""
    with FrameTable.of_file(str(real_data / name)) as table:
        original = list(table.columns())
    data_set = pydicom.dcmread(real_data / name, stop_before_pixels=True)
    for each in data_set.iterall():
        assert each.VR  # all of it is decoded before it is written anew
        each.is_undefined_length = False
    data = BytesIO()
    pydicom.filewriter.write_dataset(_writer(data, syntax), data_set)
    written = data.getvalue()
    table = FrameTable(written, syntax.uid)
    assert check(table, _read(written, syntax)) > 800
    for column, theirs in zip(table.columns(), original, strict=True):
        assert column.name == theirs.name
        if column.vr != "UN":
            assert (column.vr, column.texts()) == (theirs.vr, theirs.texts()), column.name
    assert sum(column.vr == "UN" for column in table.columns()) < 3


@pytest.mark.real_data
def test_real_field_map_by_name(real_data: Path) -> None:
    with FrameTable.of_file(str(real_data / REAL[-1])) as table:
        assert table.frames == 212
        index = table.column("DimensionIndexValues")
        assert index is not None
        assert (index.values.shape, index.values.dtype) == ((212, 4), np.dtype("uint32"))
        assert index.values[-1].tolist() == [1, 53, 3, 2]
        assert described(table, "EffectiveEchoTime") == "varying (2 values, 2.3 .. 4.6)"
        assert described(table, "MRScaleSlope") == "varying (2 values, 0.00023798899 .. 651.7395)"
        assert described(table, "FrameType").startswith("varying (2 values: ORIGINAL\\PRIMARY\\T1\\M, ORIGINAL\\")
        assert described(table, "RepetitionTime") == "20"
        assert described(table, "OperatingModeSequence[3].OperatingModeType") == "GRADIENT"
        assert described(table, "DimensionIndexValues") == "varying (212 values, 1\\1\\0\\1 .. 1\\53\\3\\2)"


@pytest.mark.real_data
def test_directions_are_missing_where_there_are_none(real_data: Path) -> None:
    """Of the DTI's 32 frames the 8 without diffusion weighting have no direction."""
    with FrameTable.of_file(str(real_data / "dicom2nifti/enhanced/dti.dcm")) as table:
        column = table.column("DiffusionGradientOrientation")
        assert column is not None
        assert column.name == "MRDiffusionSequence.DiffusionGradientDirectionSequence.DiffusionGradientOrientation"
        there = column.counts == 3
        assert np.isnan(column.values[~there]).all()
        assert np.allclose(np.linalg.norm(column.values[there], axis=1), 1, atol=1e-5)
        assert column.texts().count(None) == (~there).sum() > 0
        assert f"; none in {(~there).sum()} frames)" in describe(column)


def test_built_files_are_pydicoms() -> None:
    who = StudyIdentity()
    for made in (
        enhanced_mr(who, echoes=2, types=("M", "P")),
        enhanced_mr(who, labels=("CONTROL", "LABEL"), missing={(2, 3), (4, 3)}),
        enhanced_mr(who, slices=1, dynamics=1),
    ):
        data = part10(made)
        meta = decode_file_meta(data)
        check(FrameTable(data, meta.transfer_syntax, start=meta.data_set_at), pydicom.dcmread(BytesIO(data)))


def test_a_large_file_is_pydicoms(tmp_path: Path) -> None:
    """Mapped, and with values whose lengths change on the way (9 to 10, 99 to 100)."""
    path = tmp_path / "large"
    enhanced_large(path, 400, 8, 8)
    with FrameTable.of_file(str(path)) as table:
        check(table, pydicom.dcmread(path, stop_before_pixels=True))


def test_a_deflated_file(tmp_path: Path) -> None:
    data = part10(enhanced_mr(StudyIdentity(), echoes=2))
    meta = decode_file_meta(data)
    squeeze = zlib.compressobj(wbits=-15)
    body = squeeze.compress(data[meta.data_set_at :]) + squeeze.flush()
    path = tmp_path / "deflated"
    deflated = replace(meta, transfer_syntax="1.2.840.10008.1.2.1.99")
    path.write_bytes(encode_file_meta(deflated) + body + b"\0" * (len(body) % 2))
    with FrameTable.of_file(str(path)) as table:
        check(table, pydicom.dcmread(BytesIO(data)))


def test_pydicoms_own_files() -> None:
    """Whatever it is: read as pydicom reads it, or refused with a sentence."""
    read, refused = 0, list[tuple[str, str]]()
    for name in get_testdata_files("**/*.dcm"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pydicom.dcmread(name, force=True, stop_before_pixels=True)
            try:
                with FrameTable.of_file(name) as table:
                    read += check(table, theirs) > 0
            except MrdockError as error:
                refused.append((Path(name).name, str(error)))
    assert read >= 2
    assert {name for name, _ in refused} <= {"badVR.dcm", "no_meta.dcm", "rtplan_truncated.dcm"}
    for _, sentence in refused:
        assert "\n" not in sentence


# ---- which place a name means ----


def groups(*elements: bytes, syntax: Syntax = EXPLICIT) -> bytes:
    return item(syntax, b"".join(elements), defined=False)


def within(tag: int, *elements: bytes, syntax: Syntax = EXPLICIT) -> bytes:
    return sequence(syntax, tag, item(syntax, b"".join(elements)))


def table_of(*frames: bytes, shared: bytes = b"", declared: int | None = None, syntax: Syntax = EXPLICIT) -> FrameTable:
    data = element(syntax, 0x00280008, "IS", str(len(frames) if declared is None else declared).encode().ljust(4))
    if shared:
        data += sequence(syntax, SHARED, shared)
    return FrameTable(data + sequence(syntax, PER_FRAME, *frames, defined=False), syntax.uid)


def fd(tag: int, *numbers: float) -> bytes:
    return element(EXPLICIT, tag, "FD", struct.pack(f"<{len(numbers)}d", *numbers))


def text(tag: int, vr: str, value: bytes) -> bytes:
    return element(EXPLICIT, tag, vr, value + b" " * (len(value) % 2))


def creator(group: int, block: int, name: str) -> bytes:
    return text(group << 16 | block, "LO", name.encode())


def texts(table: FrameTable, where: str) -> list[str | None]:
    column = table.column(where)
    assert column is not None
    return column.texts()


def described(table: FrameTable, where: str) -> str:
    column = table.column(where)
    assert column is not None
    return describe(column)


PRIVATE = within(0x2005140F, text(0x00180081, "DS", b"9"), text(POSITION, "DS", b"7\\7\\7"), fd(ECHO_TIME, 9))


def test_a_standard_group_comes_before_a_private_one() -> None:
    table = table_of(
        groups(
            within(0x00209113, text(POSITION, "DS", b"1\\2\\3")),
            within(ECHO, fd(ECHO_TIME, 4.6)),
            creator(0x2005, 0x14, DD5),
            PRIVATE,
        )
    )
    assert texts(table, "ImagePositionPatient") == ["1\\2\\3"]
    assert texts(table, "EffectiveEchoTime") == ["4.6"]
    assert texts(table, "EchoTime") == ["9"]
    assert texts(table, f'2005,0f,"{DD5}".EffectiveEchoTime') == ["9"]
    assert texts(table, f'(2005,0f,"{DD5.upper()}").(0018,9082)') == ["9"]
    column = table.column([(0x2005, 0x0F, DD5), ECHO_TIME])
    assert column is not None
    assert column.texts() == ["9"]
    assert column.key == ECHO_TIME
    assert table.column([ECHO, POSITION]) is None
    assert table.column(ECHO) is None, "a sequence is no value"


def test_the_higher_level_comes_before_the_deeper_one_and_the_lower_tag_before_the_higher() -> None:
    deep = sequence(EXPLICIT, 0x00089215, item(EXPLICIT, fd(ECHO_TIME, 1)))
    table = table_of(
        groups(within(0x00189112, deep), within(ECHO, fd(ECHO_TIME, 2)), within(0x00209111, fd(ECHO_TIME, 3)))
    )
    assert texts(table, "EffectiveEchoTime") == ["2"]
    assert texts(table, "FrameContentSequence.EffectiveEchoTime") == ["3"]
    assert texts(table, "MRTimingAndRelatedParametersSequence.EffectiveEchoTime") == ["1"], "levels may be left out"
    assert len(table.names()) == 3


def test_a_column_is_one_place() -> None:
    """A frame that has the value elsewhere has none."""
    table = table_of(groups(within(ECHO, fd(ECHO_TIME, 1))), groups(within(FRAME_CONTENT, fd(ECHO_TIME, 2))))
    assert texts(table, "EffectiveEchoTime") == ["1", None]
    assert described(table, "EffectiveEchoTime") == "varying (1 value: 1; none in 1 frame)"


def test_items_are_counted_from_one_and_the_first_is_meant() -> None:
    def modes(*names: bytes) -> bytes:
        return sequence(EXPLICIT, 0x00189176, *(item(EXPLICIT, text(0x00189177, "CS", name)) for name in names))

    table = table_of(
        groups(within(0x00189112, modes(b"RF", b"GRADIENT"))), groups(within(0x00189112, modes(b"STATIC")))
    )
    assert texts(table, "OperatingModeType") == ["RF", "STATIC"]
    assert texts(table, "OperatingModeSequence[1].OperatingModeType") == ["RF", "STATIC"]
    assert texts(table, "OperatingModeSequence[2].OperatingModeType") == ["GRADIENT", None]
    assert table.column("OperatingModeSequence[3].OperatingModeType") is None
    assert table.names() == [
        "MRTimingAndRelatedParametersSequence.OperatingModeSequence.OperatingModeType",
        "MRTimingAndRelatedParametersSequence.OperatingModeSequence[2].OperatingModeType",
    ]


@pytest.mark.parametrize("where", ["", ".", "NoSuchName", "FrameContentSequence.", 'a"b', "EchoTime[0]", "[2]"])
def test_a_place_that_names_nothing(where: str) -> None:
    table = table_of(groups(within(ECHO, fd(ECHO_TIME, 1))))
    if where == "FrameContentSequence.":
        assert table.column(where) is None
        return
    with pytest.raises(TagError):
        table.column(where)


def test_shared_values_stand_in_every_frame_without_the_group() -> None:
    own = groups(within(ECHO, fd(ECHO_TIME, 5)))
    empty = groups(within(ECHO, text(0x00209056, "SH", b"1")))
    table = table_of(own, groups(), empty, shared=groups(within(ECHO, fd(ECHO_TIME, 1))))
    assert texts(table, "EffectiveEchoTime") == ["5", "1", None]
    assert texts(table_of(own, own, shared=groups(within(ECHO, fd(POSITION, 1)))), "EffectiveEchoTime") == ["5", "5"]


def test_a_file_with_shared_groups_only() -> None:
    data = element(EXPLICIT, 0x00280008, "IS", b"3 ") + sequence(
        EXPLICIT, SHARED, groups(within(ECHO, fd(ECHO_TIME, 1.5)))
    )
    for end in (b"", sequence(EXPLICIT, PER_FRAME, defined=True), sequence(EXPLICIT, PER_FRAME, defined=False)):
        table = FrameTable(data + end, EXPLICIT.uid)
        column = table.column(ECHO_TIME)
        assert column is not None
        assert column.values.tolist() == [1.5] * 3
        assert column.counts.tolist() == [1] * 3
        assert not column.varying
        assert not column.values.flags.writeable
        assert table.items() == []


def test_a_file_without_groups() -> None:
    for data in (b"", element(EXPLICIT, 0x00280010, "US", b"\4\0")):
        table = FrameTable(data, EXPLICIT.uid)
        assert table.frames == 1
        assert table.names() == []
        assert ECHO_TIME not in table


def test_the_frames_are_counted_where_no_number_of_frames_is() -> None:
    frames = [groups(within(ECHO, fd(ECHO_TIME, 1)))] * 3
    for number in (b"", element(EXPLICIT, 0x00280008, "IS", b"")):
        table = FrameTable(number + sequence(EXPLICIT, PER_FRAME, *frames), EXPLICIT.uid)
        assert table.frames == 3
        assert texts(table, "EffectiveEchoTime") == ["1"] * 3


# ---- private elements ----


def test_private_elements_are_found_by_the_creator_of_each_frame() -> None:
    def frame(first: int, second: int, low: int = 0x0D) -> bytes:
        values = {
            first << 8 | low: element(EXPLICIT, 0x20050000 | first << 8 | low, "FL", struct.pack("<f", 1.0)),
            second << 8 | low: element(EXPLICIT, 0x20050000 | second << 8 | low, "FL", struct.pack("<f", 2.0)),
        }
        names = creator(0x2005, first, DD1) + creator(0x2005, second, DD5)
        return groups(within(FRAME_CONTENT, names, *(values[at] for at in sorted(values))))

    table = table_of(frame(0x10, 0x11), frame(0x10, 0x11), frame(0x11, 0x10), frame(0x42, 0xFF), frame(0x10, 0x11))
    assert texts(table, f'2005,0d,"{DD1}"') == ["1"] * 5
    assert texts(table, f'2005,0d,"{DD5}"') == ["2"] * 5
    assert table.column(0x2005100D) is None, "a private tag alone is nobody's"


def test_a_creator_that_changes_is_no_value_that_varies() -> None:
    """The same bytes mean another thing behind another creator."""
    value = element(EXPLICIT, 0x2005100D, "FL", struct.pack("<f", 1.0))
    frames = [groups(within(FRAME_CONTENT, creator(0x2005, 0x10, name), value)) for name in (DD1, DD1, DD5, DD1, DD5)]
    assert texts(table_of(*frames), f'2005,0d,"{DD1}"') == ["1", "1", None, "1", None]
    assert texts(table_of(*frames), f'2005,0d,"{DD5}"') == [None, None, "1", None, "1"]


def test_creators_count_in_any_case() -> None:
    value = element(EXPLICIT, 0x2005100D, "FL", struct.pack("<f", 1.0))
    frames = [groups(within(FRAME_CONTENT, creator(0x2005, 0x10, name), value)) for name in (DD1, DD1.upper())]
    assert texts(table_of(*frames), f'2005,0d,"{DD1.lower()}"') == ["1", "1"]
    assert len(table_of(*frames).names()) == 1


def test_private_elements_without_creator() -> None:
    table = table_of(groups(within(FRAME_CONTENT, text(0x20051011, "CS", b"M"))))
    assert texts(table, "(2005,1011)") == ["M"]
    assert table.names() == ["FrameContentSequence.(2005,1011)"]


@pytest.mark.parametrize("name", ['SAY "AH"', "A.B", "[2]", 'x".y', "Größe", "a,b", "'", "(1,2)"])
def test_creators_that_look_like_something_else(name: str) -> None:
    value = element(EXPLICIT, 0x2005100D, "CS", b"M ")
    said = text(0x20050010, "LO", name.encode("latin-1"))
    table = table_of(groups(within(FRAME_CONTENT, said, value)))
    assert [column.name for column in table.columns()] == table.names()
    assert texts(table, table.names()[0]) == ["M"]
    column = table.column((0x2005, 0x0D, name))
    assert column is not None


def test_a_character_set_in_an_item_holds_for_it() -> None:
    def frame(charset: bytes, name: bytes) -> bytes:
        return groups(within(FRAME_CONTENT, text(0x00080005, "CS", charset), text(0x00181251, "SH", name)))

    name = "Müller"
    frames = [
        frame(b"ISO_IR 192", name.encode()),
        frame(b"ISO_IR 192", b"S"),
        frame(b"ISO_IR 100", name.encode("latin-1")),
    ]
    assert texts(table_of(*frames), "TransmitCoilName") == [name, "S", name]


@pytest.mark.parametrize("outer", [EXPLICIT, BIG], ids=["explicit", "big"])
def test_a_sequence_written_as_unknown_is_in_implicit_vr(outer: Syntax) -> None:
    """PS3.5 section 6.2.2, note 4: little endian, too."""
    values = element(IMPLICIT, ECHO_TIME, "FD", struct.pack("<d", 2.3))
    content = mark(IMPLICIT, ITEM, len(values)) + values
    name = element(outer, 0x20050014, "LO", DD5.encode() + b" ")
    for group in (
        head(outer, 0x2005140F, "UN", UNDEFINED) + content + mark(IMPLICIT, SEQUENCE_END),
        head(outer, 0x2005140F, "UN", len(content)) + content,
    ):
        table = table_of(*[groups(name, group, syntax=outer)] * 3, syntax=outer)
        column = table.column([(0x2005, 0x0F, DD5), ECHO_TIME])
        assert column is not None
        assert column.values.tolist() == [2.3] * 3


def test_a_sequence_written_as_unknown_may_be_explicit_all_the_same() -> None:
    content = item(EXPLICIT, fd(ECHO_TIME, 2.3))
    group = head(EXPLICIT, 0x2005140F, "UN", len(content)) + content
    assert texts(table_of(groups(creator(0x2005, 0x14, DD5), group)), "EffectiveEchoTime") == ["2.3"]


# ---- columns ----


def of(vr: str, *values: bytes | None, tag: int = 0x20051011) -> FrameTable:
    return table_of(
        *(groups(within(ECHO, b"" if value is None else element(EXPLICIT, tag, vr, value))) for value in values)
    )


@pytest.mark.parametrize(
    ("vr", "values", "expected", "said"),
    [
        ("DS", [b"1 ", b"2.5 "], [1.0, 2.5], "varying (2 values, 1 .. 2.5)"),
        ("DS", [b"1.0 ", b"1 "], [1.0, 1.0], "1.0"),
        ("DS", [b"10", b"9 ", b"-1"], [10.0, 9.0, -1.0], "varying (3 values, -1 .. 10)"),
        ("DS", [b"1 ", None, b""], [1.0, math.nan, math.nan], "varying (1 value: 1; none in 2 frames)"),
        ("DS", [b"1\\2 ", b"3 "], [[1, 2], [3, math.nan]], "varying (2 values: 1\\2, 3)"),
        ("DS", [b"1\\\\3"], [[1, math.nan, 3]], "1\\\\3"),
        ("IS", [b"1 ", b"12.0"], [1, 12], "varying (2 values, 1 .. 12.0)"),
        ("IS", [b"", b"7 "], [0, 7], "varying (1 value: 7; none in 1 frame)"),
        (
            "UV",
            [b"\xff" * 8, b"\xfe" + b"\xff" * 7],
            [2**64 - 1, 2**64 - 2],
            f"varying (2 values, {2**64 - 2} .. {2**64 - 1})",
        ),
        ("SS", [b"\xff\xff"] * 2, [-1, -1], "-1"),
        ("AT", [b"\x18\0\x82\x90"], [0x00189082], "(0018,9082)"),
        ("FL", [struct.pack("<f", 0.1)], [np.float32(0.1)], "0.1"),
        ("FD", [struct.pack("<d", math.nan)] * 2, [math.nan] * 2, "nan"),
        ("CS", [b"M ", b"P ", None], ["M", "P", None], "varying (2 values: M, P; none in 1 frame)"),
        ("CS", [b"A\\B ", b""], ["A\\B", ""], "varying (1 value: A\\B; none in 1 frame)"),
        (
            "TM",
            [b"%06d" % at for at in range(9)],
            [f"{at:06d}" for at in range(9)],
            "varying (9 values, 000000 .. 000008)",
        ),
        (
            "OB",
            [b"\1\2" * 20, b"\2\1" * 20],
            [b"\1\2" * 20, b"\2\1" * 20],
            "varying (2 values: (40 bytes), (40 bytes))",
        ),
    ],
)
def test_values_and_description(vr: str, values: list[bytes | None], expected: list[object], said: str) -> None:
    table = of(vr, *values)
    column = table.column(0x20051011)
    assert column is not None
    ours = column.values
    assert len(ours) == table.frames == column.frames
    if ours.dtype == object:
        assert ours.tolist() == expected
    else:
        np.testing.assert_array_equal(ours, np.asarray(expected, ours.dtype))
        assert ours.dtype.isnative
    assert describe(column) == said
    assert column.varying == said.startswith("varying")


@pytest.mark.parametrize(
    ("vr", "kind"),
    [
        *(
            ("US", "u2"),
            ("SS", "i2"),
            ("UL", "u4"),
            ("SL", "i4"),
            ("UV", "u8"),
            ("SV", "i8"),
            ("FL", "f4"),
            ("FD", "f8"),
        ),
        *(("AT", "u4"), ("DS", "f8"), ("IS", "i8")),
    ],
)
def test_numbers_have_the_type_of_their_vr(vr: str, kind: str) -> None:
    value = b"00000001" if vr in ("DS", "IS") else bytes(8)
    for values in ([value], [value, value], [value, b""], [value, None]):
        column = of(vr, *values).column(0x20051011)
        assert column is not None
        assert column.values.dtype == np.dtype(kind)


def test_one_value_shared_by_all_frames_takes_the_place_of_one() -> None:
    frame = groups(within(ECHO, fd(0x00189089, 0.0, 0.6, 0.8)))
    column = table_of(*[frame] * 1000).column(0x00189089)
    assert column is not None
    assert column.values.shape == (1000, 3)
    assert column.values.strides[0] == 0


def test_texts_load_neither_numpy_nor_pydicom() -> None:
    """Of explicit VR: dcminfo starts quickly."""
    program = """
import sys
from mrdock.dicom.frames import FrameTable, describe
table = FrameTable(bytes.fromhex(sys.stdin.read()), "1.2.840.10008.1.2.1")
column = table.column("FrameContentSequence.DimensionIndexValues")
assert describe(column) == "varying (3 values, 1 .. 3)", describe(column)
assert not {"numpy", "pydicom"} & set(sys.modules), "loaded"
assert column.values.tolist() == [1, 2, 3]
"""
    frames = [
        groups(within(FRAME_CONTENT, element(EXPLICIT, 0x00209157, "UL", struct.pack("<I", at)))) for at in (1, 2, 3)
    ]
    data = element(EXPLICIT, 0x00280008, "IS", b"3 ") + sequence(EXPLICIT, PER_FRAME, *frames)
    subprocess.run([sys.executable, "-c", program], input=data.hex(), text=True, check=True, timeout=60)


def _writer(out: BytesIO, syntax: Syntax) -> pydicom.filebase.DicomFileLike:
    writer = pydicom.filebase.DicomFileLike(out)
    writer.is_implicit_VR = not syntax.explicit
    writer.is_little_endian = syntax.order == "<"
    return writer


def _read(data: bytes, syntax: Syntax) -> Dataset:
    return pydicom.filereader.read_dataset(BytesIO(data), not syntax.explicit, syntax.order == "<")
