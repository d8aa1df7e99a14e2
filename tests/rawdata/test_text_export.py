"""The scanner's text export, against what a scanner of release 5.7 wrote of the same scans."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from mrdock.rawdata.examcard import Scan, read_examcard
from mrdock.rawdata.parameters import Kind, Parameter, Values
from mrdock.rawdata.rows import Row, rows_of
from mrdock.rawdata.text_export import text_of_scan

FILES = {
    "1301": "1301_WIP_ADNI_Sag3D_MPRAGE_Raw.dcm",
    "2001": "2001_WIP_fcMRI_Field_Mapping_Raw.dcm",
    "2201": "2201_WIP_DTI_S2MB2_Raw.dcm",
}
OF_A_PATCH = "lines of a research patch, made while it ran; nothing in the raw file has them"
OF_THE_EXPORT = "computed anew when the export was made; the raw file has what the scan was run with"
EXPLAINED = {
    "EX_single_scan_id": "the number of the export's own copy; the raw file has that of the acquisition",
    "IF_sg_patch_ver_display": OF_A_PATCH,
    "IF_sg_patch_date_display": OF_A_PATCH,
    "IF_sg_patch_option_status": OF_A_PATCH,
    "IF_sg_null_line": OF_A_PATCH,
    "TFE dur. shot / acq (ms)": OF_THE_EXPORT,
    "Min. TI delay": OF_THE_EXPORT,
    "WFS (pix) / BW (Hz)": OF_THE_EXPORT,
    "Sound Pressure Level (dB)": OF_THE_EXPORT,
    "Boil-off (hPa/h)": OF_THE_EXPORT,
    "Max Boil-off (hPa/h)": OF_THE_EXPORT,
    "Boil-off (hPa)": OF_THE_EXPORT,
}


def lines(text: str) -> list[str]:
    """The lines of an export; a value that has one of its own belongs to its label."""
    return re.sub(r"=\t\r\n\t+", "=\t", text).removesuffix("\r\n").split("\r\n")


@pytest.mark.real_data
@pytest.mark.parametrize("number", FILES)
def test_real_exports(real_data: Path, number: str) -> None:
    """Equal line by line, but for lines of which the raw file knows nothing (left out) or better (another value)."""
    folder = real_data / "philips_r57" / "rawdata"
    theirs = lines((folder / f"{number}_scanner_protocol.txt").read_bytes().decode("ascii"))
    ours = lines(text_of_scan(read_examcard(folder / FILES[number]).scans[0]))
    missing = 0
    for kind, start, end, other, last in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        assert last - other in (0, end - start), (theirs[start:end], ours[other:last])
        missing += end - start - (last - other)
        for line in theirs[start:end]:
            assert line.partition(" =")[0] in EXPLAINED, line
        assert [line.partition(" =")[0] for line in ours[other:last]] == [
            line.partition(" =")[0] for line in theirs[start:end][: last - other]
        ]
    assert missing == 4  # the patch's
    assert 1 - missing / len(theirs) > 0.97


@pytest.mark.real_data
@pytest.mark.parametrize(("number", "place"), [("1301", 16), ("2001", 26), ("2201", 29)])
def test_the_card_says_the_same_as_the_raw_file(real_data: Path, number: str, place: int) -> None:
    """The display flags of the raw file, and the rules for cards, which have none, lead to the same rows."""
    folder = real_data / "philips_r57" / "rawdata"
    raw = rows_of(read_examcard(folder / FILES[number]).scans[0])
    card = rows_of(read_examcard(folder / "104165610_ExamCard_Raw.dcm").scans[place - 1])
    of_raw = {row.name for row in raw} - {row.name for row in card}
    assert of_raw == {"EX_GEO_cur_stack_xclcoil_1", "IF_boiloff_dpdt", "IF_boiloff_dpdt_max", "IF_boiloff_dp"}
    assert {row.name for row in card} <= {row.name for row in raw}
    same = [row[:7] for row in raw if row.name not in of_raw and row.name != "EX_single_scan_id"]
    assert same == [row[:7] for row in card if row.name != "EX_single_scan_id"]


# ---- single rules, on made scans ----


def parameter(name: str, value: object, tokens: str = "", flag: int = 1) -> Parameter:
    values = value if isinstance(value, tuple) else (value,)
    if tokens:
        return Parameter(name, flag, "enum", values, None if tokens == "-" else tuple(tokens.split(",")))
    kinds: dict[type, Kind] = {float: "float", int: "int", str: "string"}
    kind = kinds[type(values[0])]
    found: Values = tuple(struct.unpack("<f", struct.pack("<f", x))[0] for x in values) if kind == "float" else values
    return Parameter(name, flag, kind, found)


def scan(*parameters: Parameter, release: str = "5.7.1", raw: bool = False) -> Scan:
    return Scan(1, "made", parameters=parameters, release=release, shown_by_flag=raw)


def labels(of: Scan) -> dict[str, str]:
    return {row.label: row.text for row in rows_of(of)}


MODE = "2D,3D,MS,M2D,SV,1D"
ORIENTATION = "TRANSVERSAL,SAGITTAL,CORONAL"
PREPARATION = "AP,LR,FH"


@pytest.mark.parametrize(
    ("orientation", "foldover", "m", "p", "s"),
    [
        (0, 0, "RL", "AP", "FH"),
        (1, 0, "FH", "AP", "RL"),
        (2, 2, "RL", "FH", "AP"),
        (0, 1, "AP", "RL", "FH"),
        (1, 1, "M", "RL", "RL"),
    ],
)
def test_directions(orientation: int, foldover: int, m: str, p: str, s: str) -> None:
    made = scan(
        parameter("EX_GEO_fov", 240.0),
        parameter("EX_GEO_fov_p", 241.0),
        parameter("EX_GEO_stacks_fov_ss", (120.0, 7.0)),
        parameter("EX_GEO_sense_p_red_factor", 2.0),
        parameter("EX_GEO_stacks_orientations", (orientation, 0), ORIENTATION),
        parameter("EX_GEO_stacks_prep_dirs", (foldover, 0), PREPARATION),
    )
    rows = rows_of(made)
    assert [row.label for row in rows[:4]] == [f"FOV {m} (mm)", f"{p} (mm)", f"{s} (mm)", f"P reduction ({p})"]
    assert [row.text for row in rows[:3]] == ["240", "241", "120"]
    assert rows[1].export_label == f"             {p} (mm)"


def test_values_that_belong_to_a_choice() -> None:
    times = "NOT_USED1,SHORT,SHORTEST,USER_DEF"
    for choice, shown in ((2, False), (3, True)):
        made = scan(
            parameter("EX_ACQ_echoes", 1),
            parameter("EX_ACQ_first_echo_time_enum", choice, times),
            parameter("EX_ACQ_first_echo_time", 30.0),
        )
        assert ("(ms)" in labels(made)) is shown
    halfscan = [parameter("EX_ACQ_partial_matrix", 2, "NO,YES,DEFAULT"), parameter("EX_ACQ_partial_matrix_factor", 0.6)]
    assert labels(scan(*halfscan)) == {"Halfscan": "default"}


def test_labels_that_depend_on_other_values() -> None:
    assert "TE first" in labels(
        scan(parameter("EX_ACQ_echoes", 2), parameter("EX_ACQ_first_echo_time_enum", 2, "A,B,SHORTEST"))
    )
    for number, text, label in (
        (1, "6.5 / 2.9", "Act. TR/TE (ms)"),
        (1, "4972", "Act. TR (ms)"),
        (2, "20 / 2.3 / 4.6", "Act. TR/TE1/TE2 (ms)"),
        (6, "53 / 6.9 / 7.3", "Act. TR/TE1/delta TE (ms)"),
    ):
        made = scan(parameter("EX_ACQ_echoes", number), parameter("IF_act_rep_time_echo_time", text))
        assert labels(made)[label] == text
    inverted = parameter("EX_ACQ_imaging_sequence", 1, "SE,IR")
    assert "Act. TR/TI (ms)" in labels(scan(inverted, parameter("IF_act_rep_time_echo_time", "4800 / 1650")))
    slices = parameter("EX_GEO_acq_voxel_size_s", 2.0)
    assert "Slice thickness (mm)" in labels(scan(parameter("EX_ACQ_scan_mode", 2, MODE), slices))
    enabled = parameter("EX_ACQ_kt_enable", 0, "TECH_NONE,BLAST")
    assert labels(scan(enabled)) == {"k-t Acceleration": "no"}
    assert labels(scan(enabled, release="5.3.1")) == {"k-t BLAST": "no"}


def test_slice_order_is_a_direction() -> None:
    order = parameter("EX_ACQ_slice_order", 1, "DEFAULT,ASCEND")
    for orientation, text in ((0, "FH"), (1, "ascend")):
        stack = parameter("EX_GEO_stacks_orientations", orientation, ORIENTATION)
        made = scan(stack, parameter("EX_GEO_stacks_prep_dirs", 0, PREPARATION), order)
        assert labels(made)["Slice scan order"] == text
        assert f'Slice scan order =\t\t"{text}";\r\n' in text_of_scan(made)


def test_off_centres_in_their_order() -> None:
    axes = ("ap", "lr", "fh")
    made = scan(
        parameter("EX_geometry_seperator", 0),
        parameter("EX_GEO_stacks", 2),
        *(
            parameter(f"EX_GEO_stacks_{axis}_{what}", (1.5, 9.0))
            for axis in axes
            for what in ("offcentres", "angulations")
        ),
        parameter("EX_REST_slabs", 1),
        *(parameter(f"EX_REST_slabs_{axis}_offcentres", (-0.0, 9.0)) for axis in axes),
        parameter("EX_AS_shim", 0, "HOS_VOLUME"),
        *(parameter(f"EX_AS_vols_{axis}_lengths", (100.0,)) for axis in axes),
        parameter("EX_ACQ_free_rotatable", 0, "NO,YES"),
    )
    rows = [row for row in rows_of(made) if row.section == "OFFC/ANG"]
    assert [row.label for row in rows] == [
        *("Stacks", "current", "Stack Offc. AP (P=+mm)", "RL (L=+mm)", "FH (H=+mm)"),
        *("Ang. AP (deg)", "RL (deg)", "FH (deg)", "Free rotatable"),
        *("Rest Offc. AP (P=+mm)", "RL (L=+mm)", "FH (H=+mm)"),
        *("Shim Size AP (mm)", "RL (mm)", "FH (mm)"),
    ]
    assert [row.text for row in rows][9] == "0"
    assert row_of(rows_of(made, all=True), "EX_GEO_stacks_ap_offcentres").text == "1.5, 9"
    assert row_of(rows_of(made, all=True), "EX_REST_slabs_ap_offcentres").text == "0"
    assert "-0;" in text_of_scan(made)
    without = replace(made, parameters=tuple(p for p in made.parameters if p.name != "EX_REST_slabs"))
    assert not any("Rest" in row.label for row in rows_of(without))


def test_an_unknown_release_prints_bare_numbers() -> None:
    mode = parameter("EX_ACQ_scan_mode", 1, "-")
    images = parameter("EX_PROC_image_types", (2, 4, 4, 4), "-")
    known, unknown = (scan(mode, images, release=release, raw=True) for release in ("5.7.1", "11.1"))
    assert labels(known) == {"Scan mode": "3D", "Images": "M, no, no, no"}
    assert labels(unknown) == {"Scan mode": "1", "Images": "2, 4, 4, 4"}
    assert text_of_scan(known) == 'Scan mode =\t\t\t"3D";\r\nImages =\t\t\t"M", (3) "no";\r\n'
    assert text_of_scan(unknown) == "Scan mode =\t\t\t1;\r\nImages =\t\t\t2, (3) 4;\r\n"


def test_a_card_of_an_unknown_release_has_its_own_words() -> None:
    made = scan(parameter("EX_ACQ_scan_mode", 0, "MS,4D"), parameter("EX_ACQ_pns_mode", 7, "HIGH,LOW"), release="11.1")
    assert labels(made) == {"Scan mode": "MS", "PNS mode": "7"}
    assert text_of_scan(made) == 'Scan mode =\t\t\t"MS";\r\nPNS mode =\t\t\t7;\r\n'


def test_numbers_as_the_scanner_prints_them() -> None:
    made = scan(parameter("EX_ACQ_flip_angle", 1.6), parameter("EX_ACQ_measurements", 3), raw=True)
    assert labels(made) == {"Flip angle (deg)": "1.6", "NSA": "3"}
    assert text_of_scan(made) == "Flip angle (deg) =\t\t1.60000002;\r\nNSA =\t\t\t\t3;\r\n"
    assert labels(scan(parameter("IF_relative_SNR", 0.93))) == {"Rel. SNR": "1"}


def test_what_is_hidden_and_what_is_new() -> None:
    made = scan(
        parameter("EX_geometry_seperator", 1634755923),
        parameter("EX_GEO_compacted", (0,) * 200),
        parameter("EX_GEO_new_thing", 5),
        parameter("EX_GEO_not_flagged", 5, flag=0),
        parameter("EX_pdf_seperator", 0),
        parameter("EX_conflict_suggestion", 0),
        parameter("IF_info_seperator", 0),
        parameter("IF_new", "x"),
        raw=True,
    )
    assert [(row.section, row.label, row.guessed) for row in rows_of(made)] == [
        ("GEOMETRY", "EX_GEO_new_thing", True),
        ("INFO PAGE", "IF_new", True),
    ]
    assert text_of_scan(made) == 'EX_GEO_new_thing =\t\t5;\r\nIF_info_seperator =\t\t0;\r\nIF_new =\t\t\t"x";\r\n'
    every = rows_of(made, all=True)
    assert [row.name for row in every if not row.shown] == [
        "EX_geometry_seperator",
        "EX_GEO_compacted",
        "EX_GEO_not_flagged",
        "IF_info_seperator",
        "EX_pdf_seperator",
        "EX_conflict_suggestion",
    ]
    assert row_of(every, "EX_GEO_compacted").text == "(200) 0"


def row_of(rows: list[Row], name: str) -> Row:
    return next(row for row in rows if row.name == name)


def test_a_long_value_stands_on_a_line_of_its_own() -> None:
    made = scan(parameter("IF_sed", "x" * 20), parameter("IF_max_B1_rms", "R571_023 v6 (Ganji,S.)"))
    first, second = text_of_scan(made).split(";\r\n")[:2]
    assert first == 'SED =\t\t\t\t"xxxxxxxxxxxxxxxxxxxx"'
    assert second == 'Max B1+rms =\t\t\t\r\n\t\t\t\t"R571_023 v6 (Ganji,S.)"'
