"""PAR files as scanners print them: their own files again, and each rule by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mrdock.parrec.general import General
from mrdock.parrec.reading import read
from mrdock.parrec.table import COLUMNS, GENERAL, VERSIONS, Version
from mrdock.parrec.writing import format_par, plain
from tests.parrec.support import NIBABEL, SCANNERS, Table, table_of

ANONYMISED = frozenset({"ADC_Map", "ASL_3D_Multiecho", "T1_3echo_mag_real_imag_phase", "T1_dual_echo"})
"""Their date was blanked in an editor, which took blanks at the ends of lines away: two behind the repetition time."""


def dataset_name(content: bytes) -> str:
    found = re.search(rb"^# Dataset name: (.*?)\r?$", content, re.M)
    assert found
    return found[1].decode("ascii")


@pytest.mark.parametrize("name", SCANNERS)
def test_a_scanner_s_file_is_printed_again_byte_for_byte(name: str) -> None:
    path = NIBABEL / f"{name}.PAR"
    content = path.read_bytes()
    par = read(str(path))
    assert par.version == "V4.2"
    assert not par.missing
    printed = format_par(par.general, par.columns, dataset_name=dataset_name(content))
    if name in ANONYMISED:
        printed = re.sub(rb"(Repetition time .*?) +\r", rb"\1\r", printed)
    assert printed == content


def test_all_scanners_files_are_there() -> None:
    assert len(SCANNERS) == 23
    assert set(SCANNERS) > ANONYMISED


def values_of(content: bytes) -> list[str]:
    """The image lines of a file."""
    return [line for line in content.decode("ascii").split("\r\n") if line[:3].strip().isdigit()]


def printed(table: Table, general: General | None = None, version: Version = "V4.2") -> bytes:
    return format_par(general or General(), table, dataset_name="x", version=version)


def column(content: bytes, key: str) -> list[str]:
    """What stands in the columns of a key, in the first image line."""
    words = values_of(content)[0].split()
    for each in COLUMNS:
        if each.key == key:
            return words[: each.size]
        words = words[each.size :]
    raise KeyError(key)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_line_ends_alike_and_is_ascii(version: Version) -> None:
    content = printed(table_of(slice_number=3), General(patient_name="Å"), version)
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n")
    assert content.endswith(b"\r\n\r\n# === END OF DATA DESCRIPTION FILE ===" + b"=" * 44 + b"\r\n")
    colons = {line.index(":") for line in content.decode().split("\r\n") if line.startswith(".")}
    assert colons == {40}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("scale_slope", 0.00428404, "4.28404e-003"),
        ("scale_slope", 1.5e12, "1.50000e+012"),
        ("scale_slope", 3e-200, "3.00000e-200"),
        ("scan_percentage", 62.5, "62"),
        ("scan_percentage", 63.5, "64"),
        ("window_center", 1069.6, "1070"),
        ("number_of_averages", 1.5, "2"),
        ("diffusion_b_factor", 0.001, "0.00"),
        ("rescale_slope", 0.000674, "0.00067"),
        ("rescale_intercept", -3142.0, "-3142.00000"),
        ("image_type_mr", 18, "18"),
        ("contrast_type", -1, "-1"),
        ("slice_gap_mm", -1.5, "-1.500"),
    ],
)
def test_numbers_are_rounded_and_printed_as_scanners_do(key: str, value: float, text: str) -> None:
    for others in (value, 1):  # a column of one value is printed another way than others
        table = table_of(slice_number=3)
        table[key][:] = others
        table[key][0] = value
        assert column(printed(table), key) == [text]


@pytest.mark.parametrize("rest", [0.0, -0.0, 1.0])
def test_the_sign_of_zero_is_kept(rest: float) -> None:
    table = table_of(slice_number=3)
    table["image_angulation_deg"][:] = rest
    table["image_angulation_deg"][0] = 0.0, -0.0, -0.001
    assert column(printed(table), "image_angulation_deg") == ["0.00", "-0.00", "-0.00"]


def test_what_is_too_wide_pushes_the_rest_to_the_right() -> None:
    narrow, wide = table_of(slice_number=2), table_of(slice_number=2)
    wide["window_width"][1] = 643162
    wide["window_center"][1] = 369991
    wide["image_type_mr"][1] = 18
    short, (first, second) = values_of(printed(narrow))[1], values_of(printed(wide))
    assert first == values_of(printed(narrow))[0]
    assert len(second) == len(short) + 3
    assert " 369991 643162 " in second
    assert "  1 18 0 " in second


def test_a_long_scan_is_in_columns() -> None:
    lines = values_of(printed(table_of(slice_number=40, dynamic_scan_number=30)))
    assert len(lines) == 1200
    assert {len(line) for line in lines} == {len(lines[0])}
    assert [line.split()[6] for line in lines] == [str(number) for number in range(1200)]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"scan_duration_s": 7.97}, "7.97"),
        ({"scan_duration_s": 143.3}, "143"),
        ({"scan_duration_s": 999.6}, "1000"),
        ({"scan_duration_s": 12345.6}, "12346"),
        ({"repetition_time_ms": (25, 125)}, "25.000  125.000  "),
        ({"repetition_time_ms": (1999.9998,)}, "2000.000  "),
        ({"fov_mm": (240, 70, 240)}, "240.000  70.000  240.000"),
        ({"off_centre_mm": (-0.0, 1, 2)}, "-0.000  1.000  2.000"),
        ({"phase_encoding_velocity_cm_s": (0, 0, 150)}, "0.000000  0.000000  150.000000"),
        ({"scan_resolution": (64, 39)}, "64  39"),
        ({"diffusion_echo_time_ms": 0}, "0.0000"),
        ({"series_type": "Image   MRSERIES"}, "Image   MRSERIES"),
        ({"patient_name": "Grüße^Łukasz\r\nx"}, "Grusse^Lukasz  x"),
        ({"patient_name": "山田"}, "??"),
        ({"protocol_name": "a" * 60 + " " + "b" * 60}, "a" * 49 + " " + "b" * 49),
    ],
)
def test_general_lines(values: dict[str, Any], text: str) -> None:
    (name,) = values
    label = next(field.label for field in GENERAL if field.name == name)
    lines = printed(table_of(slice_number=1), General(**values)).decode().split("\r\n")
    assert f".    {label:<35}:   {text}" in lines


def test_a_data_set_s_name_keeps_long_words() -> None:
    content = format_par(General(), table_of(slice_number=1), dataset_name="/data/" + "é" * 60)
    assert dataset_name(content) == "/data/" + "e" * 60


def test_plain_texts_stay() -> None:
    assert plain("WIP EPI_asc  CLEAR ^~?") == "WIP EPI_asc  CLEAR ^~?"


WRONG: dict[str, Callable[[Table], Any]] = {
    "the table lacks echo_time_ms": lambda table: table.pop("echo_time_ms"),
    "scale_slope has values that are no numbers": lambda table: table["scale_slope"].fill(np.nan),
    "slice_number has values that are not whole": lambda table: table.update(slice_number=np.array([1, 1.5])),
    r"diffusion has the shape \(2, 2\)": lambda table: table.update(diffusion=np.zeros((2, 2))),
    r"echo_number has the shape \(3, 1\)": lambda table: table.update(echo_number=np.ones(3)),
    "contrast_type has values that are no numbers": lambda table: table.update(contrast_type=np.array(["T1", "T2"])),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_table_that_is_wrong_is_not_printed(text: str) -> None:
    table = table_of(slice_number=2)
    WRONG[text](table)
    with pytest.raises(ValueError, match=f"^{text}"):
        printed(table)


@pytest.mark.parametrize(
    "values", [{"fov_mm": (1.0, 2.0)}, {"scan_duration_s": float("inf")}, {"off_centre_mm": (0.0, float("nan"), 0.0)}]
)
def test_general_information_that_is_wrong_is_not_printed(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(ValueError, match=f"^{name} "):
        printed(table_of(slice_number=1), General(**values))


def test_whole_numbers_may_come_as_floats() -> None:
    table = table_of(slice_number=2)
    table["slice_number"] = table["slice_number"].astype(np.float32)
    assert [line.split()[0] for line in values_of(printed(table))] == ["1", "2"]
