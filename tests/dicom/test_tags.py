"""Tags as people write them: every name and form, what they mean, and what is no tag."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import (
    dictionary_keyword,
    dictionary_VR,
    get_private_entry,
    keyword_dict,
    keyword_for_tag,
)

from mrdock.dicom import philips, standard
from mrdock.dicom.reading import read_header
from mrdock.dicom.scan import Key, scan
from mrdock.dicom.tags import folded, is_private, name_of, number_of, parse, parse_list, vr_of, wanted
from mrdock.dicom.values import Header
from mrdock.errors import TagError
from tests.builders import StudyIdentity, classic_fmri, part10
from tests.conftest import NeedTool

from .encoding import ALL, Syntax, element

DD_1 = "Philips Imaging DD 001"
MR_DD_1 = "Philips MR Imaging DD 001"
SLOPE: Key = (0x2005, 0x0E, MR_DD_1)


# ---- the dictionaries ----


def test_our_table_of_the_standard_is_that_of_pydicom() -> None:
    assert len(standard.elements()) > 300
    for tag, (vr, keyword) in standard.elements().items():
        assert (vr, keyword) == (dictionary_VR(tag), dictionary_keyword(tag))


def test_every_keyword_of_the_standard_in_any_case() -> None:
    for keyword, tag in keyword_dict.items():
        if keyword:
            assert parse(keyword) == parse(keyword.upper()) == parse(keyword.lower()) == tag
            assert name_of(tag) == keyword
            assert vr_of(tag) in dictionary_VR(tag)


def test_every_name_of_a_philips_element() -> None:
    standard_keywords = {keyword.lower() for keyword in keyword_dict}
    assert len(philips.elements()) > 500
    for key, known in philips.elements().items():
        assert name_of(key) == (known.names[0] if known.names else number_of(key))
        assert name_of(key).lower() not in standard_keywords
        for name in known.names:
            assert parse(f".{name}") == key
            assert parse(name) == (keyword_dict.get(name) or key)


def test_philips_vrs_are_those_that_pydicom_knows() -> None:
    compared = 0
    for (group, low, creator), known in philips.elements().items():
        try:
            vr, *_ = get_private_entry(group << 16 | 0x1000 | low, creator)
        except KeyError:
            continue
        assert known.vr == vr
        compared += 1
    assert compared > 250


def philips_in_dcmtk(need_tool: NeedTool) -> Iterator[tuple[int, str, int, str, str]]:
    """Group, creator, element, VR and name from DCMTK's dictionary."""
    need_tool("dcmdump")
    (path,) = Path("/usr/share").glob("libdcmtk*/private.dic")
    line = re.compile(r'\(([0-9a-f]{4}),"(Philips [^"]*)",([0-9a-f]{2,4})\)\t(\w\w)\t(\w+)', re.IGNORECASE)
    for entry in path.read_text(encoding="latin-1").splitlines():
        found = line.match(entry)
        if found and found[5] != "Unknown":
            yield int(found[1], 16), found[2], int(found[3], 16), found[4], found[5]


@pytest.mark.peer
def test_every_name_of_philips_imaging_in_dcmtk(need_tool: NeedTool) -> None:
    names = [entry for entry in philips_in_dcmtk(need_tool) if "IMAGING DD" in entry[1].upper()]
    assert len(names) > 100
    for group, creator, low, vr, name in names:
        key = parse(f".{name}")
        assert folded(key) == folded((group, low, creator))
        assert parse(name) == (keyword_dict.get(name) or key)
        # NumberOfStackSlices (2005,102d) is SS in DCMTK's dictionary, IS in pydicom's and in the scanners' files
        assert vr_of((group, low, creator)) == vr or name == "NumberOfStackSlices"


@pytest.mark.peer
def test_the_older_names_of_philips_in_dcmtk(need_tool: NeedTool) -> None:
    """Of a name that several old creators use, the complaint says what to write."""
    understood = refused = 0
    for group, creator, low, _, name in philips_in_dcmtk(need_tool):
        if "IMAGING DD" in creator.upper() or low > 0xFF:
            continue
        assert parse(f'{group:04x},{low:02x},"{creator}"') == (group, low, creator)
        with suppress(TagError):
            parse(f".{name}")
            understood += 1
            continue
        refused += 1
        with pytest.raises(TagError, match=r"several private elements|did you mean"):
            parse(f".{name}")
    assert understood > refused


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("MRScaleSlope", SLOPE),
        ("MRScaleIntercept", (0x2005, 0x0D, MR_DD_1)),
        ("MRImageTypeMR", (0x2005, 0x11, MR_DD_1)),
        ("MRSeriesNrOfEchoes", (0x2001, 0x14, DD_1)),
        ("NumberOfEchoes", (0x2001, 0x14, DD_1)),
        ("DiffusionBFactor", (0x2001, 0x03, DD_1)),
        ("MRImageDiffBValueNumber", (0x2005, 0x12, "Philips MR Imaging DD 005")),
        ("MRImageLabelType", (0x2005, 0x29, "Philips MR Imaging DD 005")),
        ("MRBlobData", (0x2005, 0x44, "Philips MR Imaging DD 002")),
        ("EchoTime", 0x00180081),
        ("AcquisitionNumber", 0x00200012),
        (".AcquisitionNumber", (0x2001, 0x7B, DD_1)),
        ("OverlayRows", 0x60000010),
        ("CSAImageHeaderInfo", (0x0029, 0x10, "SIEMENS CSA HEADER")),
    ],
)
def test_names(name: str, key: Key) -> None:
    assert parse(name) == parse(name.upper()) == parse(f"  {name} ") == key


# ---- the forms ----


@pytest.mark.parametrize(
    "text", ["0018,0081", "(0018,0081)", "( 0018 , 0081 )", "00180081", "0x00180081", "EchoTime", "echotime"]
)
def test_forms_of_a_standard_tag(text: str) -> None:
    assert parse(text) == 0x00180081


@pytest.mark.parametrize(
    "text",
    [
        f'2005,0e,"{MR_DD_1}"',
        f"2005,0E,'{MR_DD_1}'",
        f"2005,0e,{MR_DD_1}",
        f'(2005,0e,"{MR_DD_1}")',
        f'(2005,"{MR_DD_1}",0e)',
        "MRScaleSlope",
        ".MRScaleSlope",
        "ScaleSlope",
    ],
)
def test_forms_of_a_private_tag(text: str) -> None:
    assert parse(text) == SLOPE


def test_a_private_tag_in_digits_stays_where_it_is() -> None:
    assert parse("2005,100e") == 0x2005100E
    assert name_of(0x2005100E) == "(2005,100e)"
    assert vr_of(0x2005100E) == "UN"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("EchoTme", "did you mean EchoTime?"),
        ("MRScaleSlop", "did you mean MRScaleSlope"),
        ("xyzzy", "xyzzy: no DICOM field of this name"),
        ("", "nothing is there"),
        ("0018", "no DICOM field"),
        ("0018,008", "no tag"),
        ("2005,zz", "no tag"),
        ('0018,81,"A"', "its group is even"),
        ('2005,0e," "', "its creator is blank"),
        ("SliceGap", '0021,21,"PHILIPS MR/'),
    ],
)
def test_what_is_no_tag(text: str, complaint: str) -> None:
    with pytest.raises(TagError) as refused:
        parse(text)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_lists_are_separated_by_colons_outside_quotes() -> None:
    assert parse_list(f'EchoTime:2005,0e,"{MR_DD_1}":0010,0010') == [0x00180081, SLOPE, 0x00100010]
    assert parse_list('2005,0e,"A:B"::EchoTime:') == [(0x2005, 0x0E, "A:B"), 0x00180081]
    assert parse_list(f'EchoTime:MRScaleSlope:00180081:2005,0e,"{MR_DD_1.upper()}"') == [0x00180081, SLOPE]
    assert parse_list("") == []


KEYS = st.one_of(
    st.integers(0, 0xFFFFFFFF),
    st.tuples(
        st.integers(0, 0x7FFF).map(lambda half: half << 1 | 1),
        st.integers(0, 0xFF),
        st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters='"'), min_size=1).filter(
            lambda creator: creator.strip() == creator
        ),
    ),
    st.sampled_from(sorted(philips.elements())),
    st.sampled_from(sorted(standard.elements())),
)


@given(st.one_of(st.integers(0, 0xFFFFFFFF), st.integers(0x50000000, 0x60FFFFFF), st.integers(0x00200000, 0x0028FFFF)))
@example(0x60120010)
@example(0x00203100)
@example(0x00203155)
def test_vrs_and_keywords_are_those_of_pydicom(tag: int) -> None:
    if not is_private(tag) and tag & 0xFFFF:
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            vr = "UN"
        assert vr_of(tag) in vr
        assert name_of(tag) == (keyword_for_tag(tag) or number_of(tag))


@given(KEYS)
@example((0x2001, 0x6E, DD_1))
def test_numbers_and_names_are_read_back(key: Key) -> None:
    assert parse(number_of(key)) == key
    if name_of(key) not in ("PrivateCreator", "GroupLength"):
        read = (
            parse(("." if is_private(key) else "") + name_of(key)) if "," not in name_of(key) else parse(name_of(key))
        )
        again = name_of(read) == name_of(key)
        assert folded(read) == folded(key) or (again and not is_private(key))  # 60xx: the first of the group


@given(
    st.one_of(st.text(max_size=40), st.from_regex(r"\(?[0-9a-f]{0,9},? ?\"?[A-Za-z0-9 ,.\"]{0,30}\)?", fullmatch=True))
)
def test_any_text_is_a_tag_or_a_complaint(text: str) -> None:
    try:
        key = parse(text)
    except TagError:
        return
    assert vr_of(key)
    assert name_of(key)


# ---- use ----


@pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
@pytest.mark.parametrize("spelled", [MR_DD_1, MR_DD_1.upper()])
def test_a_scan_finds_a_name_in_either_spelling_of_its_creator(syntax: Syntax, spelled: str) -> None:
    one = b"\x3f\x80\0\0" if syntax.order == ">" else b"\0\0\x80\x3f"
    data = element(syntax, 0x200500E0, "LO", spelled.encode() + b" " * (len(spelled) % 2))
    data += element(syntax, 0x2005E00E, "FL", one)
    key = parse("MRScaleSlope")
    assert Header(scan(data, syntax.uid, wanted([key]))).number(key) == 1


def test_a_header_is_read_by_the_other_spelling(tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    found = classic_fmri(StudyIdentity(), slices=1, dynamics=1)[0]
    file.write_bytes(part10(found))
    key: Key = (0x2001, 0x0A, DD_1.upper())
    header = read_header(file, wanted([key, 0x00180081])).header
    assert header.number(key) == 1
    assert header.text(0x00180081)


def test_common_names_take_no_import_of_pydicom() -> None:
    code = (
        "import sys\n"
        "from mrdock.dicom.tags import name_of, parse_list, vr_of, wanted\n"
        "keys = parse_list('PatientName:echotime:MRScaleSlope:0020,0013:MRSeriesNrOfEchoes:ProtocolName')\n"
        "wanted(keys), [(name_of(key), vr_of(key)) for key in keys]\n"
        "assert 'pydicom' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert parse_list('TableTopVerticalPosition') and 'pydicom' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_private_name_is_read_back() -> None:
    for creator, entries in private_dictionaries.items():
        for mask in entries:
            if re.fullmatch("[0-9a-f]{3}[13579bdf]xx[0-9a-f]{2}", mask, re.IGNORECASE):
                key = (int(mask[:4], 16), int(mask[6:], 16), creator)
                name = name_of(key)
                assert folded(parse(name if "," in name else f".{name}")) == folded(key)
