"""What goes out changed: a copied field, another transfer syntax; the file untouched, all elements kept."""

from __future__ import annotations

import random
import subprocess
import warnings
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.dicom.sop_classes import DEFLATED, UNCOMPRESSED
from mrdock.errors import DicomError, MalformedError, UnacceptedError
from mrdock.network import bodies
from mrdock.network.bodies import Copied, converted, with_copied
from mrdock.network.choosing import Chooser, alternatives, refusal
from mrdock.network.collecting import recognised
from mrdock.network.outgoing import ImageFile
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.conftest import NeedTool

from .pydicoms import pydicom_files

EXPLICIT, IMPLICIT, BIG = UNCOMPRESSED
MR, ENHANCED = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
DCMCONV = {EXPLICIT: "+te", IMPLICIT: "+ti", BIG: "+tb"}
COMMENTS, PATIENT = 0x00400280, 0x00104000
FIELD = Copied(COMMENTS, PATIENT)


def sent(item: ImageFile, *, block: int = 1 << 20) -> bytes:
    """All that goes out."""
    with item.opened() as read:
        parts = []
        while part := read(block):
            assert len(part) <= block
            parts.append(part)
    data = b"".join(parts)
    assert len(data) == item.length
    return data


def as_read(item: ImageFile) -> Dataset:
    """What goes out, as pydicom reads it."""
    return dcmread(BytesIO(encode_file_meta(item.meta) + sent(item)))


def differs(one: Dataset, other: Dataset, path: str = "") -> str:
    """Where two data sets differ in tags, VRs, or values; group lengths do not count."""
    ours, theirs = ([e.tag for e in each if e.tag.element and e.tag != 0x00080001] for each in (one, other))
    if ours != theirs:
        return f"{path}: {set(ours) ^ set(theirs)}"
    for tag in ours:
        a, b = one[tag], other[tag]
        if isinstance(a.value, Sequence) and isinstance(b.value, Sequence):
            if len(a.value) != len(b.value):
                return f"{path}{tag}: items"
            found = [differs(*pair, f"{path}{tag}>") for pair in zip(a.value, b.value, strict=True)]
            if any(found):
                return next(filter(None, found))
        elif a.VR != b.VR or _plain(a.value) != _plain(b.value):
            return f"{path}{tag}: {a.VR} {str(a.value)[:40]!r}, {b.VR} {str(b.value)[:40]!r}"
    return ""


def _plain(value: object) -> str:
    return str(value.rstrip(b"\0 ") if isinstance(value, bytes) else value)


# ---- another transfer syntax ----


def both(path: Path, program: str, folder: Path, syntax: str) -> tuple[Dataset, Dataset]:
    """A file converted by us and by DCMTK."""
    ours, note = converted(recognised(str(path)), syntax)
    assert "converted from" in note
    out = folder / "converted"
    subprocess.run([program, DCMCONV[syntax], str(path), str(out)], check=True, capture_output=True)
    return as_read(ours), dcmread(out)


@pytest.mark.peer
@pytest.mark.real_data
@pytest.mark.parametrize("syntax", [IMPLICIT, BIG], ids=["implicit", "big endian"])
def test_real_files_are_converted_as_dcmtk_converts_them(
    real_data: Path, need_tool: NeedTool, tmp_path: Path, syntax: str
) -> None:
    """Enhanced files, but those of hundreds of frames, raw data, some classic ones. Where DCMTK makes a private
    sequence UN, ours stays a sequence."""
    files = [path for path in sorted(real_data.glob("*/enhanced/*.dcm")) if path.stat().st_size < 3_000_000]
    files += sorted(real_data.glob("*/rawdata/*.dcm"))
    files += sorted(real_data.glob("philips_asl/*.dcm"))
    classic = sorted(real_data.glob("philips_r57/classic/**/*.dcm"))
    for path in [*files, *random.Random(5).sample(classic, 8)]:
        ours, theirs = both(path, need_tool("dcmconv"), tmp_path, syntax)
        for tag in (0x2001105F,):
            if tag in theirs and theirs[tag].VR == "UN":
                assert ours[tag].VR == "SQ"
                assert len(ours[tag].value) == len(dcmread(path)[tag].value)
                del ours[tag], theirs[tag]
        assert not differs(ours, theirs), path


@pytest.mark.peer
@pytest.mark.real_data
def test_what_comes_back_is_what_was(real_data: Path, tmp_path: Path) -> None:
    """Explicit to implicit to explicit: values and VRs of everything that the dictionaries know."""
    path = next(iter(sorted(real_data.glob("philips_r57/enhanced/*.dcm"))))
    implicit, _ = converted(recognised(str(path)), IMPLICIT)
    middle = tmp_path / "implicit"
    middle.write_bytes(encode_file_meta(implicit.meta) + sent(implicit))
    back, _ = converted(recognised(str(middle)), EXPLICIT)
    assert not differs(as_read(back), dcmread(path))


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_odd_files_are_converted_as_dcmtk_converts_them_or_refused(need_tool: NeedTool, tmp_path: Path) -> None:
    converted_files = 0
    for name in pydicom_files("*.dcm"):
        try:
            item = recognised(name)
        except (DicomError, OSError):
            continue
        for syntax in UNCOMPRESSED:
            if item.meta.transfer_syntax == syntax or item.meta.transfer_syntax not in bodies.NAMES:
                continue
            try:
                ours, theirs = both(Path(name), need_tool("dcmconv"), tmp_path, syntax)
            except MalformedError:
                assert "truncated" in name or "jpeg" in name  # compressed, and says otherwise
                continue
            assert not differs(ours, theirs), (name, syntax)
            converted_files += 1
    assert converted_files > 60


def test_what_is_no_uncompressed_data_set_is_refused(tmp_path: Path) -> None:
    """Compressed pixel data under an uncompressed transfer syntax, and a data set that is cut."""
    image = next(iter(classic_fmri(StudyIdentity("cut"), slices=1, dynamics=1)))
    whole = part10(image)
    path = tmp_path / "cut"
    path.write_bytes(whole[:-10])
    with pytest.raises(MalformedError, match="cut short"):
        converted(recognised(str(path)), IMPLICIT)
    pixels = whole.rindex(b"\xe0\x7f\x10\x00OW")
    path.write_bytes(whole[:pixels] + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\xdd\xe0\0\0\0\0")
    with pytest.raises(MalformedError, match="compressed"):
        converted(recognised(str(path)), IMPLICIT)


def test_a_large_data_set_goes_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_IN_MEMORY", 1000)
    path = tmp_path / "enhanced"
    path.write_bytes(part10(enhanced_mr(StudyIdentity("large"))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours, _ = converted(recognised(str(path)), IMPLICIT)
        data = sent(ours)
        monkeypatch.undo()
        assert data == sent(converted(recognised(str(path)), IMPLICIT)[0])


def test_a_deflated_file_is_inflated() -> None:
    (name,) = pydicom_files("image_dfl.dcm")
    item = recognised(name)
    assert item.meta.transfer_syntax == DEFLATED
    ours, note = converted(item, EXPLICIT)
    assert note == "converted from deflated to explicit VR little endian"
    assert not differs(as_read(ours), dcmread(name))


# ---- a copied field ----


def written(folder: Path, syntax: str = EXPLICIT, **elements: str) -> ImageFile:
    """A small file with these elements."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.SOPClassUID, data.SOPInstanceUID = MR, "1.2.3.4"
    data.PatientName = "Doe"
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    data.PixelData = bytes(range(100))
    data["PixelData"].VR = "OW"
    buffer = BytesIO()
    data.save_as(buffer, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG, enforce_file_format=False)
    path = folder / "image.dcm"
    path.write_bytes(encode_file_meta(FileMeta(MR, "1.2.3.4", syntax)) + buffer.getvalue())
    return recognised(str(path))


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=["explicit", "implicit", "big endian"])
@pytest.mark.parametrize("there", [{}, {"PatientComments": "what was there before"}], ids=["new", "replaced"])
def test_a_field_is_copied_in_what_is_sent_and_not_in_the_file(
    tmp_path: Path, syntax: str, there: dict[str, str]
) -> None:
    text = "Project:Brain Subject:Ä01 Session:1"
    item = written(tmp_path, syntax, CommentsOnThePerformedProcedureStep=text, **there)
    before = item.path.read_bytes()
    changed, note = with_copied(item, FIELD)
    assert note == "PatientComments has the value of CommentsOnThePerformedProcedureStep"
    expected = dcmread(item.path)
    expected.PatientComments = text
    assert not differs(as_read(changed), expected)
    assert sent(changed, block=7) == sent(changed)
    assert item.path.read_bytes() == before


@pytest.mark.real_data
def test_a_field_is_copied_in_real_files(real_data: Path) -> None:
    """Everything else stays byte for byte."""
    source = Copied(0x00081030, PATIENT)  # Study Description, which they have
    copied = 0
    for path in sorted(real_data.rglob("*.dcm"))[::40] + sorted(real_data.glob("*/enhanced/*.dcm")):
        item = recognised(str(path))
        expected = dcmread(path)
        changed, note = with_copied(item, source)
        if not expected.get("StudyDescription"):
            assert (changed, note) == (item, "")
            continue
        copied += 1
        got = as_read(changed)
        assert got.PatientComments == expected.StudyDescription
        if "PatientComments" not in expected:
            own, data = path.read_bytes()[item.meta.data_set_at :], sent(changed)
            at = next(n for n, pair in enumerate(zip(own, data, strict=False)) if pair[0] != pair[1])
            assert own[at:] == data[at + len(data) - len(own) :]
        expected.PatientComments = expected.StudyDescription
        assert not differs(got, expected)
    assert copied > 10


def test_without_a_value_nothing_is_copied(tmp_path: Path) -> None:
    item = written(tmp_path, PatientComments="stays", CommentsOnThePerformedProcedureStep="")
    assert with_copied(item, FIELD) == (item, "")
    assert with_copied(item, Copied(0x00100030, PATIENT)) == (item, "")


@pytest.mark.parametrize(("source", "target"), [(0x00100010, 0x00080080), (0x00100010, 0x7FE10000 - 0xFFF0)])
def test_a_field_before_and_one_behind(tmp_path: Path, source: int, target: int) -> None:
    item = written(tmp_path)
    changed, _ = with_copied(item, Copied(source, target))
    assert as_read(changed)[target].value in ("Doe", b"Doe ")


def test_a_group_length_that_is_no_longer_right_goes(tmp_path: Path) -> None:
    item = written(tmp_path, CommentsOnThePerformedProcedureStep="text")
    content = item.path.read_bytes()
    at = content.index(b"\x10\x00\x10\x00PN")
    item.path.write_bytes(content[:at] + b"\x10\x00\x00\x00UL\x04\x00\x0c\0\0\0" + content[at:])
    changed, _ = with_copied(recognised(str(item.path)), FIELD)
    got = as_read(changed)
    assert got.PatientComments == "text"
    assert 0x00100000 not in got


def test_a_copied_field_and_a_conversion(tmp_path: Path) -> None:
    item = written(tmp_path, CommentsOnThePerformedProcedureStep="text", PatientComments="before")
    changed, note = converted(item, IMPLICIT, FIELD)
    assert note == (
        "converted from explicit VR little endian to implicit VR little endian; "
        "PatientComments has the value of CommentsOnThePerformedProcedureStep"
    )
    expected = dcmread(item.path)
    expected.PatientComments = "text"
    assert not differs(as_read(changed), expected)


# ---- choosing ----


def test_a_file_goes_out_as_it_is_where_that_is_taken(tmp_path: Path) -> None:
    item = written(tmp_path)
    every = frozenset({(MR, syntax) for syntax in UNCOMPRESSED})
    assert Chooser()(item, every) == (item, "")


def test_else_in_the_best_of_what_is_taken(tmp_path: Path) -> None:
    item = written(tmp_path)
    chosen, _ = Chooser(FIELD)(item, frozenset({(MR, BIG), (MR, IMPLICIT)}))
    assert chosen.meta.transfer_syntax == IMPLICIT
    with chosen.opened():
        pass


def test_what_is_taken_in_no_way_has_a_reason() -> None:
    def said(sop_class: str, syntax: str, *accepted: tuple[str, str]) -> str:
        return refusal(ImageFile(Path("x"), FileMeta(sop_class, "1", syntax), 0), accepted)

    assert said(ENHANCED, EXPLICIT) == (
        "the peer does not take Enhanced MR Image Storage; it takes them only as classic images"
    )
    assert said(MR, EXPLICIT, (ENHANCED, EXPLICIT)) == "the peer does not take MR Image Storage"
    assert said("1.2.3", EXPLICIT) == "the peer does not take SOP class 1.2.3"
    jpeg = "1.2.840.10008.1.2.4.70"
    assert said(MR, jpeg, (MR, EXPLICIT)).startswith("the peer takes MR Image Storage, but not in JPEG Lossless")
    assert said(MR, "1.2.9", (MR, EXPLICIT)) == "the peer takes MR Image Storage, but not in transfer syntax 1.2.9"
    assert list(alternatives(jpeg)) == []
    with pytest.raises(UnacceptedError):
        Chooser()(ImageFile(Path("x"), FileMeta(MR, "1", jpeg), 0), frozenset({(MR, EXPLICIT)}))


def test_a_deflated_file_and_a_copied_field() -> None:
    (name,) = pydicom_files("image_dfl.dcm")
    item = recognised(name)
    pair = item.meta.sop_class
    with pytest.raises(UnacceptedError, match="only deflated"):
        Chooser(FIELD)(item, frozenset({(pair, DEFLATED)}))
    chosen, _ = Chooser(FIELD)(item, frozenset({(pair, DEFLATED), (pair, EXPLICIT)}))
    assert chosen.meta.transfer_syntax == EXPLICIT
    with chosen.opened():
        pass
