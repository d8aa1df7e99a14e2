"""The text of PAR files: what other exporters and releases write, and what is refused and how."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel import parrec as nib

from mrdock.errors import NotParError, ParRecError
from mrdock.parrec import parsing
from mrdock.parrec.general import General
from mrdock.parrec.parsing import Parsed, parse
from mrdock.parrec.table import COLUMNS, GENERAL, VERSIONS, Kind, Version, columns, general_fields
from mrdock.parrec.writing import format_par
from tests.parrec.support import EDITED, NIBABEL, RELEASE_11, SCANNERS, table_of

ALL = sorted((*EDITED, RELEASE_11, *SCANNERS))


def parsed(content: bytes) -> Parsed:
    return parse(io.BytesIO(content), "scan.PAR")


def scan(version: Version = "V4.2", **keys: int) -> bytes:
    return format_par(General(), table_of(**(keys or {"slice_number": 3})), dataset_name="x", version=version)


def changed(pattern: bytes, new: bytes, content: bytes | None = None, count: int = 0) -> bytes:
    found, times = re.subn(pattern, lambda match: match.expand(new), content or scan(), count=count, flags=re.M)
    assert times
    return found


def changed_value(place: int, new: str, line: int = 1) -> bytes:
    """A scan in which one value of one image line is another."""
    lines = scan().split(b"\r\n")
    images = [number for number, each in enumerate(lines) if each[:3].strip().isdigit()]
    words = lines[images[line]].split()
    words[place] = new.encode()
    lines[images[line]] = b" " + b" ".join(words)
    return b"\r\n".join(lines)


# ---- against nibabel ----


@pytest.mark.parametrize("name", ALL)
def test_general_information_and_table_are_those_that_nibabel_reads(name: str) -> None:
    content = (NIBABEL / f"{name}.PAR").read_text("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        general, lines = nib.parse_PAR_header(io.StringIO(content))
    found = parsed(content.encode())
    attributes = {label.casefold(): attribute for label, (attribute, *_) in nib._hdr_key_dict.items()}
    for field in GENERAL:
        expected = general.get(attributes[field.label.casefold()])
        absent = expected is None or (isinstance(expected, str) and not expected)
        assert absent == (field.name in found.missing)
        if not absent:
            value = getattr(found.general, field.name)
            assert np.array_equal(expected, value) if field.kind is not Kind.TEXT else expected == value
    assert set(lines.dtype.names) == {each for each, *_ in nib.image_def_dtds[found.version]}
    assert [column.key for column in columns(found.version)] == list(found.table)
    for (theirs, *_), column in zip(nib.image_def_dtds[found.version], columns(found.version), strict=True):
        expected = lines[theirs].reshape(found.table[column.key].shape).astype(float)
        assert np.array_equal(expected, found.table[column.key]), column.key
        assert found.table[column.key].dtype == (np.int64 if column.whole else np.float64)


@pytest.mark.parametrize("name", ALL)
def test_line_numbers_are_those_of_the_file(name: str) -> None:
    content = (NIBABEL / f"{name}.PAR").read_bytes()
    lines = content.splitlines()
    found = parsed(content)
    assert [int(lines[number - 1].split()[0]) for number in found.lines] == found.table["slice_number"].tolist()
    assert np.array_equal(np.diff(found.lines), np.ones(len(found.lines) - 1))


# ---- what other exporters and releases write ----


@pytest.mark.real_data
def test_an_exporter_of_another_house(real_data: Path) -> None:
    """Other labels and names of columns, a note in the banner, two-digit exponents, a gap that varies."""
    content = (real_data / "parrec" / "survey_v42.PAR").read_bytes()
    found = parsed(content)
    assert (found.version, found.missing, found.remarks) == ("V4.2", (), ())
    assert (found.general.patient_position, found.general.repetition_time_ms) == ("HFS", (3.85,))
    assert found.general.fov_mm == (450.0, 200.0, 450.0)
    assert np.bincount(found.table["slice_orientation"]).tolist() == [0, 20, 20, 20]
    assert found.table["scale_slope"][0] == 7.25834e-03
    assert found.table["slice_gap_mm"][40:].tolist() == [5.0] * 20


def test_release_11() -> None:
    found = parsed((NIBABEL / f"{RELEASE_11}.PAR").read_bytes())
    assert (found.missing, found.remarks) == ((), ())
    assert found.general.max_diffusion_values == 1
    assert found.general.examination_date_time == "2025.09.01 / 16:53:36.9758980"
    assert found.table["contrast_type"].tolist() == [-1] * 81


VARIANTS: dict[str, bytes] = {
    "line feeds": scan().replace(b"\r\n", b"\n"),
    "carriage returns": scan().replace(b"\r\n", b"\r"),
    "blanks at the ends": scan().replace(b"\r\n", b" \t\r\n"),
    "tabs": changed(rb"(?<=\d) +(?=[-\d])", rb"\t"),
    "blank lines": scan().replace(b"\r\n", b"\r\n\r\n"),
    "capitals": changed(rb"^\. .*?(?=:)", rb"\g<0>").replace(b"e-", b"E-"),
    "two digits of exponent": changed(rb"e-0(\d\d)", rb"e-\1"),
    "a note": changed(rb"^# CLINICAL", rb"# Exported by a friend\r\n# CLINICAL"),
    "no definition": changed(rb"^#  .*\((\d\*)?(integer|float|string)\)\r\n", b""),
    "version in small letters": changed(rb"V4.2\r", b"v4.2\r"),
    "more behind the end": scan() + b"anything \xff\0 goes\r\n",
    "no line feed at the end": scan()[:-2],
    "a word for the contrast": changed_value(43, "T1"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_read_alike(name: str) -> None:
    found, plain = parsed(VARIANTS[name]), parsed(scan())
    assert (found.version, found.general, found.missing, found.remarks) == ("V4.2", General(), plain.missing, ())
    for key, values in plain.table.items():
        expected = [0, -1, 0] if key == "contrast_type" and "contrast" in name else values
        assert np.array_equal(expected, found.table[key]), key


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_its_columns(version: Version) -> None:
    found = parsed(scan(version))
    assert found.version == version
    assert list(found.table) == [column.key for column in columns(version)]
    lacking = {field.name for field in GENERAL} - {field.name for field in general_fields(version)}
    assert set(found.missing) == lacking | {field.name for field in GENERAL if getattr(General(), field.name) == ""}


def test_the_columns_go_before_the_version() -> None:
    for content, said in (
        (changed(rb"V4\r", b"V4.2\r", scan("V4")), "V4.2"),
        (changed(rb"^# CLIN.*$", b"#", scan("V4")), "no version"),
    ):
        found = parsed(content)
        assert found.version == "V4"
        assert found.remarks == (f"is read as V4, from its 41 columns; it says {said}",)


def test_a_version_behind_the_images_is_none() -> None:
    content = changed(rb"^\r\n# === END", b"# Research image export tool V4.2\r\n# === END", scan("V4"))
    assert parsed(content).version == "V4"


def test_oddities_are_remarked() -> None:
    content = changed(rb"^# === END.*", b"", changed(rb"^\.    Scan mode  ", b".    Mood       "))
    assert parsed(content).remarks == (
        "line 29 has a label that is not known: Mood",
        "lacks the line at the end of PAR files; it may be cut",
    )


def test_latin_and_utf8_names() -> None:
    for name in ("Jürgen", "山田"):
        for encoding in ("utf-8", "latin-1") if name == "Jürgen" else ("utf-8",):
            content = changed(rb"(Patient name +:)", rb"\1 " + name.encode(encoding))
            assert parsed(content).general.patient_name == name


def test_values_in_the_general_lines() -> None:
    content = changed(rb"(Max. number of dynamics +:).*", rb"\1 75.0")
    content = changed(rb"(Repetition time \[ms\] +:).*", rb"\1 25 125.5", content)
    assert parsed(content).general.max_dynamics == 75
    assert parsed(content).general.repetition_time_ms == (25.0, 125.5)


def test_long_files_are_read_in_blocks() -> None:
    table = table_of(slice_number=40, dynamic_scan_number=60)
    content = format_par(General(), table, dataset_name="x")
    assert len(content) > 2 * parsing._BLOCK
    for end in (b"\r\n", b"\n", b"\r"):
        found = parsed(content.replace(b"\r\n", end))
        assert all(np.array_equal(found.table[key], table[key]) for key in ("slice_number", "dynamic_scan_number"))
        assert len(found.lines) == len(set(found.lines)) == 2400


# ---- what is refused ----

DAMAGED: dict[str, bytes] = {
    "is a PAR file of version V3; V4, V4.1 and V4.2 can be read": changed(rb"V4.2\r", b"V3\r"),
    "is a PAR file of version V5.0; V4, V4.1 and V4.2 can be read": changed(rb"V4.2\r", b"V5.0\r"),
    "has no image lines": changed(rb"^ +\d.*\r\n", b""),
    "line 102 has 48 values, where the lines before have 49": changed_value(48, ""),
    "line 101 has 50 values; an image line of V4.2 has 49": changed_value(48, "1 1", line=0),
    "line 101 has 3 values; an image line of PAR has 41, 48 and 49": changed(
        rb"^ +\d.*$", b" 1 2 3", changed(rb"^# CLIN.*$", b"#")
    ),
    "line 102 has no number in column 12: 1,5": changed_value(11, "1,5"),
    "line 102 has no number in column 13: 1_0": changed_value(12, "1_0"),
    "line 102 has a value that is no number, or too large": changed_value(30, "nan"),
    "line 102 has a value that is no number, or too large ": changed_value(30, "1e999"),
    " line 102 has a value that is no number, or too large": changed_value(30, "-2e30"),
    "line 102 has no integer for recon resolution (x y)": changed_value(10, "6.5"),
    "line 102 has no integer for slice number": changed_value(0, "1e20"),
    "line 102 has no integer for cardiac frequency   (bpm)": changed_value(36, "-1e10"),
    "line 32 has no number: fast": changed(rb"(Water Fat shift \[pixels\] +:).*", rb"\1 fast"),
    "line 31 has no 3 numbers: 1 2": changed(rb"(FOV \(ap,fh,rl\) \[mm\] +:).*", rb"\1 1 2"),
    "line 17 has no integer: 1.5": changed(rb"(Acquisition nr +:).*", rb"\1 1.5"),
    "line 30 has no numbers: ?\\x1b[2J": changed(rb"(Repetition time \[ms\] +:).*", b"\\1 ?\x1b[2J"),
    "line 101 is no comment, no general information and no image": changed(rb"^ +1 .*$", b"what"),
    "line 101 has more than 4096 characters": changed(rb"^ +1 .*$", b"#" * 5000),
    "line 100 has more than 4096 characters": changed(rb"^\r\n +1 .*", b"#" * 900_000),
}


@pytest.mark.parametrize("text", DAMAGED)
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ParRecError) as error:
        parsed(DAMAGED[text])
    assert str(error.value) == f"scan.PAR: {text.strip()}"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is no PAR file"),
        (b"\0" * 5000, "is no PAR file"),
        (b"DICM" * 200, "is no PAR file"),
        (b'<?xml version="1.0"?>\n<PRIDE_V5>', "is the header of an XML/REC export; PAR/REC can be read"),
    ],
)
def test_other_files_are_no_par(content: bytes, text: str) -> None:
    with pytest.raises(NotParError) as error:
        parsed(content)
    assert str(error.value) == f"scan.PAR: {text}"


def test_counts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_IMAGES", 2)
    with pytest.raises(ParRecError, match="is beyond 2 images"):
        parsed(scan())
    monkeypatch.setattr(parsing, "MAX_COMMENTS", 50)
    with pytest.raises(ParRecError, match="line 51 is the 51th without an image"):
        parsed(scan())


# ---- any values, any bytes ----


def strategies() -> dict[str, st.SearchStrategy[Any]]:
    """What a general line can hold, by its attribute."""
    found: dict[str, st.SearchStrategy[Any]] = {}
    text = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=20)
    for field in GENERAL:
        one: st.SearchStrategy[Any] = {
            Kind.TEXT: text,
            Kind.INTEGER: st.integers(0, 99999),
            Kind.FLOAT: st.floats(-9999, 9999),
        }[field.kind]
        found[field.name] = (
            one if field.size == 1 else st.lists(one, min_size=field.size or 1, max_size=field.size or 3).map(tuple)
        )
    return found


NUMBERS = st.floats(-99999, 99999)


@settings(max_examples=60, deadline=None)
@given(st.builds(General, **strategies()), st.data(), st.integers(1, 4), st.sampled_from(VERSIONS))
def test_what_is_written_is_read(general: General, data: st.DataObject, images: int, version: Version) -> None:
    table = {}
    for column in columns(version):
        lowest = 0 if column.key == "slice_number" else -(2**31) + 1
        one: st.SearchStrategy[Any] = st.integers(lowest, 2**31 - 1) if column.whole else NUMBERS
        drawn = data.draw(st.lists(one, min_size=images * column.size, max_size=images * column.size))
        table[column.key] = np.array(drawn).reshape((images, column.size) if column.size > 1 else images)
    found = parsed(format_par(general, table, dataset_name="x", version=version))
    assert (found.version, found.remarks) == (version, ())
    for column in columns(version):
        values, read = table[column.key].reshape(images, -1), found.table[column.key].reshape(images, -1)
        for at, form in enumerate(column.form):
            near = 0.5 * 10.0 ** -int(form[1:-1].partition(".")[2] or "0") * (1 + 1e-9) + 1e-12
            off = np.abs(values[:, at] - read[:, at])
            assert (off <= (near * np.maximum(np.abs(values[:, at]), 1e-300) * 1.1 if "e" in form else near)).all()
    for field in general_fields(version):
        value, back = getattr(general, field.name), getattr(found.general, field.name)
        if field.name == "scan_duration_s":
            assert back == pytest.approx(value, rel=0.006, abs=1e-4)
        elif field.kind is Kind.FLOAT:
            assert back == pytest.approx(value, abs=0.501e-3)
        else:
            assert back == (value.strip() if isinstance(value, str) else value) or value == ""


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(scan(slice_number=2, dynamic_scan_number=2))
    pieces = st.one_of(
        st.binary(max_size=6),
        st.sampled_from([b"\r\n", b" ", b".", b"#", b"1", b"-", b"e9", b"nan", b"_", b"V3", b"\xff"]),
    )
    for _ in range(data.draw(st.integers(1, 5))):
        at, length = data.draw(st.integers(0, len(content))), data.draw(st.sampled_from([0, 1, 3, 300, 9000]))
        content[at : at + length] = data.draw(pieces)
    said = "scan.PAR: it was read"
    found = None
    try:
        found = parsed(bytes(content))
    except ParRecError as error:
        said = str(error)
    assert re.match(r"scan\.PAR: [a-z]", said)
    assert said.isprintable()
    if found is None:
        return
    images = len(found.lines)
    for column in columns(found.version):
        assert found.table[column.key].shape == ((images, column.size) if column.size > 1 else (images,))
        assert np.isfinite(found.table[column.key]).all()


def test_nibabel_is_what_we_think() -> None:
    assert nibabel.__version__
    assert len(ALL) == 32
    assert len(COLUMNS) == 41
