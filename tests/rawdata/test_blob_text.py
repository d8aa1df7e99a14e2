"""Raw files as text, JSON, CSV, and compared: what a person reads, and that programs can."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.errors import ChoiceError, TagError
from mrdock.rawdata.blob_data import COLUMNS, csv_rows, record_of_raw
from mrdock.rawdata.blob_rows import SHORT, BlobRow, blob_rows, values_text
from mrdock.rawdata.blob_text import chosen, heading, text_of_raw
from mrdock.rawdata.blobs import RawFile, read_blobs
from mrdock.rawdata.comparison import difference_text, differences
from mrdock.rawdata.contents import interpret
from mrdock.rawdata.searching import found_elements, found_parameters, search_of
from tests.builders import ExamCardScan, Parameter, StudyIdentity, parameter_block, part10, raw_data, raw_series

IDENTITY = StudyIdentity("text")


def series(folder: Path, *found: Parameter, name: str = "XX_0001", **how: object) -> RawFile:
    """A raw file with these parameters, or with all that the builder has."""
    blobs = [("PDF_EXAM_PARS", "IEEE_PDF", parameter_block(found, tokens=False))] if found else None
    content = part10(raw_series(IDENTITY, **{"blobs": blobs, **how}))  # type: ignore[arg-type]
    (folder / name).write_bytes(content)
    return read_blobs(str(folder / name))


def text(raw: RawFile, **how: Any) -> list[str]:
    return list(text_of_raw(raw, raw.blobs, **how))


# ---- text ----


@pytest.mark.real_data
def test_all_parameters_of_a_real_file_are_there(real_data: Path) -> None:
    """One line each, with all 32 characters of the names, and what the original lost: BLOBs 8 to 12."""
    (path,) = real_data.glob("philips_r57/rawdata/2001*.dcm")
    raw = read_blobs(str(path))
    lines = text(raw)
    assert all(line.isprintable() for line in lines)
    titles = [line.split(":")[0] for line in lines if line and line[0] not in " *"]
    assert titles == [blob.name for blob in raw.blobs]
    assert "PDF_PRESCAN_COIL_PARS: empty" in lines
    assert "PDF_EXAM_PARS: 1283 parameters, 290962 bytes" in lines
    assert "* EX_ACQ_scan_mode                  enum         1 (3D)" in lines
    assert "* EX_GEO_stacks_fov_ss              float[20]    159, 130 x 19" in lines
    assert '* EX_GEO_stacks_clinical_modes      string[20]   "32CH_HEAD_COIL"' in lines
    assert '  software                          string       "5.7.1"' in lines
    assert "    HEAD2_32_DCI, part 459801308271, serial 84, flag 1" in lines
    assert any(line.startswith("* PR_F0_spectrum ") for line in lines)


@pytest.mark.real_data
def test_floats_of_real_files_come_back(real_data: Path) -> None:
    """The digits that are printed make the same 32-bit numbers."""
    (path,) = real_data.glob("philips_asl/rawdata/*.dcm")
    raw = read_blobs(str(path))
    checked = 0
    for blob in raw.blobs:
        for row in blob_rows(interpret(blob), raw.release):
            if row.kind == "float":
                runs = [part.split(" x ") for part in values_text(row).split(", ")]
                checked += row.size
                again = [float(run[0]) for run in runs for _ in range(int(run[1]) if len(run) > 1 else 1)]
                assert struct.pack(f"<{len(again)}f", *again) == struct.pack(f"<{row.size}f", *row.values)
    assert checked > 1000


def test_the_form_of_a_line(tmp_path: Path) -> None:
    raw = series(
        tmp_path,
        Parameter("EX_float", "float", (0.1, -0.0, 0.0, 1e-45, math.inf), shown=False),
        Parameter("EX_ACQ_fast_imaging_mode", "enum", (3, 3, 99)),
        Parameter("EX_string", "string", ("a", "", "b", "", "")),
        Parameter("EX_none", "string", ("", "")),
        Parameter("EX_name_of_exactly_32_characters", "int", (-1,)),
    )
    assert text(raw) == [
        "",
        f"PDF_EXAM_PARS: 5 parameters, {32 + 5 * 50 + 4 * 4 + 5 * 4 + 7 * 81} bytes",
        "  EX_float                          float[5]     0.1, -0, 0, 1.4013e-45, inf",
        "* EX_ACQ_fast_imaging_mode          enum[3]      3 (EPI) x 2, 99",
        '* EX_string                         string[5]    "a", "", "b"',
        '* EX_none                           string[2]    ""',
        "* EX_name_of_exactly_32_characters  int          -1",
    ]


def test_unknown_releases_print_bare_numbers(tmp_path: Path) -> None:
    enum = Parameter("EX_ACQ_fast_imaging_mode", "enum", (3,))
    for software, printed in (("5.7.1", "3 (EPI)"), ("11.1.0", "3"), ("", "3")):
        raw = series(tmp_path, enum, SoftwareVersions=software)
        assert text(raw)[-1] == f"* EX_ACQ_fast_imaging_mode          enum         {printed}"


def test_no_control_character_reaches_a_terminal(tmp_path: Path) -> None:
    raw = series(tmp_path, Parameter("EX\x1b[2J", "string", ("\x1b]0;title\x07", "a\nb")), ProtocolName="x\x1b[31m")
    assert text(raw)[-1] == '* EX\\x1b[2J                         string[2]    "\\x1b]0;title\\x07", "a\\nb"'
    assert all(line.isprintable() for line in text(raw))
    assert heading(raw).isprintable()
    assert all(cell.isprintable() for row in csv_rows(raw, raw.blobs) for cell in row)
    assert json.dumps(record_of_raw(raw, raw.blobs)).isprintable()


def test_short_lists(tmp_path: Path) -> None:
    raw = series(tmp_path, Parameter("EX_a", "int", tuple(range(1000))), Parameter("EX_b", "int", (5,) * 1000))
    long, run = text(raw, short=True)[-2:]
    assert long.endswith("...")
    assert len(long) < 50 + SHORT + 3
    assert run.endswith("5 x 1000")
    assert text(raw)[-2].endswith(", 998, 999")


def test_long_blobs_are_only_named(tmp_path: Path) -> None:
    raw = series(tmp_path)
    lines = text(raw, longest=400)
    assert "PDF_EXAM_PARS: 3488 bytes, not shown" in lines
    assert "PDF_USED_PRESCAN_RESPONSES: 411 bytes, not shown" in lines
    assert not any("EX_ACQ" in line for line in lines)
    assert "    BODY_QUAD, flag 0" in lines
    record = record_of_raw(raw, raw.blobs, longest=400)
    assert record["blobs"][0] == {"name": "PDF_EXAM_PARS", "type": "IEEE_PDF", "size": 3488}


def test_what_is_not_known_is_named(tmp_path: Path) -> None:
    blobs = [("CPX", "BINARY", b"123"), ("PDF_EXAM_PARS", "IEEE_PDF", b"short"), ("", "", b"x")]
    raw = series(tmp_path, blobs=blobs)
    assert [line for line in text(raw) if line] == [
        "CPX: 3 bytes of type BINARY, not known; --extract writes them unchanged",
        "PDF_EXAM_PARS: 5 bytes of type IEEE_PDF, not known (no parameter block: 5 bytes are too few);"
        " --extract writes them unchanged",
        "(a BLOB without a name): 1 byte, not known; --extract writes them unchanged",
    ]


def test_prescans_as_a_tree(tmp_path: Path) -> None:
    data = (
        b'{"RequestResponsePair<A,B>": {"request": {"P": {"x": 1.5, "y": -0.0, "z": true}},'
        b'"list": [1, 1, 2], "objects": [{"C": {"n": "a"}}, {"C": {"n": "b", "deep": {"k": null, "l": [[]]}}}],'
        b'"empty": {}, "none": []}}#:#\0'
    )
    raw = series(tmp_path, blobs=[("PDF_USED_PRESCAN_RESPONSES", "IEEE_PDF", data)])
    assert text(raw)[2:] == [
        "  A, B",
        "    request.P: x 1.5, y -0, z true",
        "    list: 1 x 2, 2",
        '    objects[0].C.n: "a"',
        "    objects[1].C",
        '      n: "b"',
        "      deep",
        "        k: null",
        "        l[0]: []",
        "    empty: {}",
        "    none: []",
    ]
    names = [row.name for row in blob_rows(interpret(raw.blobs[0]), "")]
    assert names == [
        "A/B.request.P.x",
        "A/B.request.P.y",
        "A/B.request.P.z",
        "A/B.list",
        "A/B.objects[0].C.n",
        "A/B.objects[1].C.n",
        "A/B.objects[1].C.deep.k",
        "A/B.objects[1].C.deep.l[0]",
        "A/B.empty",
        "A/B.none",
    ]


def test_choosing(tmp_path: Path) -> None:
    raw = series(tmp_path)
    assert [blob.name for blob in chosen(raw, ["coilstate", "PDF_EXAM_PARS"])] == ["PDF_EXAM_PARS", "COILSTATE"]
    assert len(chosen(raw, [])) == 5
    with pytest.raises(ChoiceError, match="has no BLOB 'CPX'; it has PDF_EXAM_PARS, PDF_PRESCAN_COIL_PARS"):
        chosen(raw, ["CPX"])


@given(st.floats(width=32))
def test_any_float(value: float) -> None:
    printed = values_text(BlobRow("", "float", (value,)))
    assert struct.pack("<f", float(printed)) == struct.pack("<f", value) or math.isnan(value)


# ---- for programs ----


def test_json(tmp_path: Path) -> None:
    raw = series(
        tmp_path,
        Parameter("EX_f", "float", (struct.unpack("<f", struct.pack("<f", 0.1))[0], math.inf, math.nan)),
        Parameter("EX_ACQ_scan_mode", "enum", (1, 77)),
        Parameter("EX_s", "string", ("a\x1b", ""), shown=False),
    )
    record = json.loads(json.dumps(record_of_raw(raw, raw.blobs), allow_nan=False))
    assert record["series_number"] == 201
    assert record["software_versions"] == ["5.7.1", "5.7.1.1"]
    assert record["blobs"][0]["parameters"] == [
        {"name": "EX_f", "shown": True, "type": "float", "values": [0.1, "inf", "nan"]},
        {"name": "EX_ACQ_scan_mode", "shown": True, "type": "enum", "values": [1, 77], "tokens": ["3D", None]},
        {"name": "EX_s", "shown": False, "type": "string", "values": ["a\x1b", ""]},
    ]
    whole = series(tmp_path)
    contents = [blob["content"] for blob in record_of_raw(whole, whole.blobs)["blobs"]]
    assert contents == ["parameters", "empty", "prescans", "coils", "hardware"]


def test_csv(tmp_path: Path) -> None:
    raw = series(
        tmp_path,
        Parameter("EX_f", "float", (1.5, -0.0)),
        Parameter("EX_ACQ_scan_mode", "enum", (1, 77)),
        Parameter("EX_s", "string", ("a|b", "", "c"), shown=False),
    )
    assert [dict(zip(COLUMNS[3:], row[3:], strict=True)) for row in csv_rows(raw, raw.blobs)] == [
        {"name": "EX_f", "shown": "1", "type": "float", "size": "2", "values": "1.5|-0", "tokens": ""},
        {"name": "EX_ACQ_scan_mode", "shown": "1", "type": "enum", "size": "2", "values": "1|77", "tokens": "3D|"},
        {"name": "EX_s", "shown": "0", "type": "string", "size": "3", "values": "a\\x7cb||c", "tokens": ""},
    ]


# ---- comparing ----


def compared(left: RawFile, right: RawFile) -> list[str]:
    found = differences(left, right, left.blobs, right.blobs)
    return [f"{one.blob} {one.name} {difference_text(one)}" for one in found]


def test_nothing_differs(tmp_path: Path) -> None:
    raw = series(tmp_path, Parameter("EX_f", "float", (math.nan, 0.0)), Parameter("EX_f", "float", (1.0,)))
    other = series(tmp_path, Parameter("EX_f", "float", (math.nan, -0.0)), Parameter("EX_f", "float", (1.0,)), name="b")
    assert compared(raw, raw) == compared(raw, other) == []


def test_what_differs(tmp_path: Path) -> None:
    left = series(
        tmp_path,
        Parameter("EX_ACQ_flip_angle", "float", (8.0,)),
        Parameter("EX_ACQ_scan_mode", "enum", (1,)),
        Parameter("EX_list", "int", (0,) * 20),
        Parameter("EX_type", "int", (1,)),
        Parameter("EX_gone", "string", ("here",)),
    )
    right = series(
        tmp_path,
        Parameter("EX_list", "int", (0, 1, 0, 0, 2, *[0] * 14, 3)),
        Parameter("EX_ACQ_flip_angle", "float", (90.0,)),
        Parameter("EX_ACQ_scan_mode", "enum", (2,)),
        Parameter("EX_type", "float", (1.0, 2.0)),
        Parameter("EX_new", "int", (5,)),
        name="right",
    )
    assert compared(left, right) == [
        "PDF_EXAM_PARS EX_ACQ_flip_angle 8 -> 90",
        "PDF_EXAM_PARS EX_ACQ_scan_mode 1 (3D) -> 2 (MS)",
        "PDF_EXAM_PARS EX_list [1-4] 0 x 4 -> 1, 0 x 2, 2",
        "PDF_EXAM_PARS EX_list [19] 0 -> 3",
        "PDF_EXAM_PARS EX_type 1 -> 1, 2",
        'PDF_EXAM_PARS EX_gone only in the first: "here"',
        "PDF_EXAM_PARS EX_new only in the second: 5",
    ]


def test_blobs_that_differ(tmp_path: Path) -> None:
    left = series(tmp_path, blobs=[("CPX", "", b"a"), ("RC", "", b"same")])
    right = series(tmp_path, blobs=[("RC", "", b"same"), ("CPX", "", b"bb"), ("LAB", "", b"c")], name="b")
    first, second = compared(left, right)
    assert first.startswith('CPX (bytes) "1 bytes, SHA-256 ca978112')
    assert second.startswith('LAB (bytes) only in the second: "1 bytes, SHA-256')


# ---- searching ----


def test_searching(tmp_path: Path) -> None:
    raw = series(tmp_path)
    hits = list(found_parameters(raw, raw.blobs, search_of(["ex_acq_*TIME", "sockets*name", "EX_GEO_fov"])))
    assert [(hit.where, hit.row.name) for hit in hits] == [
        ("PDF_EXAM_PARS", "EX_GEO_fov"),
        ("PDF_EXAM_PARS", "EX_ACQ_first_echo_time"),
        ("PDF_EXAM_PARS", "EX_ACQ_ffe_rep_time"),
        ("COILSTATE", "sockets[0].coils[0].name"),
        ("COILSTATE", "sockets[1].coils[0].name"),
    ]
    search = search_of(["ProtocolName", "0020,0011", "MRBlobName", "(0002,0010)"])
    elements = list(found_elements(raw.path, search))
    assert [(hit.number, hit.depth) for hit in elements][:3] == [
        ("(0002,0010)", 0),
        ("(0018,1030)", 0),
        ("(0020,0011)", 0),
    ]
    assert [hit.text for hit in elements[3:]] == [blob.name for blob in raw.blobs]
    assert all(hit.depth == 1 for hit in elements[3:])
    with pytest.raises(TagError):
        search_of(["nothing of this name"])


def test_searching_a_card(tmp_path: Path) -> None:
    (tmp_path / "card").write_bytes(part10(raw_data(IDENTITY, scans=[ExamCardScan("T1"), ExamCardScan("T1")])))
    raw = read_blobs(str(tmp_path / "card"))
    hits = list(found_parameters(raw, raw.blobs, search_of(["EX_ACQ_scan_mode"])))
    assert [(hit.where, values_text(hit.row)) for hit in hits] == [("01 T1", "2 (MS)"), ("02 T1", "2 (MS)")]
