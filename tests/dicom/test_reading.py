"""The fast reading of headers equals pydicom's: real files, the same in other encodings, synthetic and odd ones."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.uid import UID

from mrdock.dicom.reading import SOP_CLASS, SOP_INSTANCE, FileHeader, read_header, read_many
from mrdock.dicom.scan import Key, Value, Wanted
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET
from mrdock.errors import MalformedError, NotDicomError
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, presentation_state, raw_data
from tests.conftest import NeedTool

from .anew import encodings, one_of_each_kind, real_files_anew
from .encoding import ALL, EXPLICIT
from .test_scan_against_pydicom import ANY_LENGTH, ODD_FILES, as_pydicom_reads

ALWAYS = (SPECIFIC_CHARACTER_SET, SOP_CLASS, SOP_INSTANCE)
CREATOR = "Philips MR Imaging DD 001"

# What pydicom reads of its own odd files and the reading refuses, each for the reason that its docstring gives.
REFUSED = {
    "MR_truncated.dcm": "is cut short",  # the wanted pixel data
    "no_meta.dcm": "the prefix DICM is missing",  # a stray byte stands before the first element
    "rtplan_truncated.dcm": "is cut short",
}


def pydicom_reads(data: bytes) -> dict[Key, Value]:
    """All that the reading can bring, as pydicom has it; "wanted" stands for a VR that the file does not say."""
    whole = pydicom.dcmread(BytesIO(data), force=True)
    found = as_pydicom_reads(whole)
    if SPECIFIC_CHARACTER_SET in whole:  # pydicom has decoded this one already
        terms = whole[SPECIFIC_CHARACTER_SET].value or ""
        text = terms if isinstance(terms, str) else "\\".join(terms)
        found[SPECIFIC_CHARACTER_SET] = Value("CS", text.encode())
    for tag in map(int, whole.keys()):
        element = whole.get_item(tag)
        if (
            isinstance(element, DataElement)
            and element.VR != "SQ"
            and element.value in ("", None)
            and whole.is_implicit_VR
        ):
            found.setdefault(tag, Value("", b""))  # in implicit VR, pydicom makes elements of empty values at once
    return {key: Value("wanted" if value.vr in ("", "UN") else value.vr, value.raw) for key, value in found.items()}


@cache
def _wanted(keys: tuple[Key, ...]) -> Wanted:
    """Files of one series have the same elements."""
    return Wanted([(key, "wanted") for key in keys], ANY_LENGTH)


def assert_same(path: Path, keys: Iterable[Key] | None = None) -> int:
    """Assert that both read these elements alike (None: all that pydicom finds); return how many there are."""
    data = path.read_bytes()
    theirs = pydicom_reads(data)
    wanted = list(theirs if keys is None else keys)
    header = read_header(path, _wanted(tuple(wanted)))
    expected = {key: theirs[key] for key in (*wanted, *ALWAYS) if key in theirs}
    ours = dict(header.found.values)
    for key in ALWAYS:
        if key in expected:
            said = "CS" if key == SPECIFIC_CHARACTER_SET else "UI"
            expected[key] = Value(said, expected[key].raw.strip(b"\0 "))
            assert ours[key].vr in (said, "wanted")
            ours[key] = Value(said, ours[key].raw.strip(b"\0 "))
    assert ours == expected, path
    assert header.size == len(data)
    return len(expected)


def subsets(path: Path) -> Iterable[list[Key]]:
    """Some choices of a file's elements, the same in every run: one, few, and some that are not there."""
    keys = sorted(pydicom_reads(path.read_bytes()), key=str)
    choose = random.Random(len(keys))
    for count in (1, 2, 5, 20):
        yield choose.sample(keys, min(count, len(keys)))
    yield [
        *choose.sample(keys, min(3, len(keys))),
        0x00081199,
        0x00400254,
        (0x2005, 0x0E, CREATOR),
        (0x0029, 0x01, "NOBODY"),
    ]


# ---- real files ----


@pytest.mark.real_data
def test_every_real_file(real_data: Path) -> None:
    files = [path for path in sorted(real_data.rglob("*")) if is_dicom(path)]
    assert len(files) > 950
    for path in files:
        assert assert_same(path) > 20


def is_dicom(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


@pytest.mark.real_data
def test_some_elements_of_every_kind_of_real_file(real_data: Path) -> None:
    for path in one_of_each_kind(real_data):
        for keys in subsets(path):
            assert_same(path, keys)


@pytest.mark.real_data
def test_many_real_files_at_once_as_dcmdump_prints_them(real_data: Path, need_tool: NeedTool) -> None:
    """All files with the same tables of what element headers mean, in the order given, by one thread and by four."""
    paths = [path for path in sorted((real_data / "philips_r57" / "classic").rglob("*")) if path.is_file()][::7]
    tags = {"0008,0018": 0x00080018, "0020,0011": 0x00200011, "0020,0013": 0x00200013, "0018,1030": 0x00181030}
    words = [word for tag in tags for word in ("+P", tag)]
    nested = re.compile(r"\([0-9a-f,]{9}\)\.")
    dump = subprocess.run(
        [need_tool("dcmdump"), "-q", "+L", "+p", *words, *map(str, paths)], capture_output=True, text=True, check=True
    ).stdout
    said = [
        line.split("[", 1)[1].split("]", 1)[0].strip()
        for line in dump.splitlines()
        if line.startswith("(") and not nested.match(line)
    ]
    wanted = Wanted([(tag, "LO") for tag in tags.values()])
    for jobs in (1, 4):
        read = list(read_many(paths, wanted, jobs))
        assert [path for path, _ in read] == paths
        headers = [header for _, header in read if isinstance(header, FileHeader)]
        assert [header.header.text(tag) for header in headers for tag in tags.values()] == said


@pytest.mark.real_data
@encodings()
def test_real_files_encoded_anew_by_dcmtk(real_data: Path, need_tool: NeedTool, tmp_path: Path, encoding: str) -> None:
    for _, target in real_files_anew(real_data, tmp_path, need_tool, encoding, "+g"):
        assert assert_same(target) > 20
        for keys in subsets(target):
            assert_same(target, keys)


@pytest.mark.real_data
@pytest.mark.parametrize("syntax", ["+ti", "+tb", "+te"])
def test_real_files_without_preamble_and_meta_group(
    real_data: Path, need_tool: NeedTool, tmp_path: Path, syntax: str
) -> None:
    for number, path in enumerate(one_of_each_kind(real_data)[:3]):
        target = tmp_path / f"{number}.dcm"
        subprocess.run([need_tool("dcmconv"), "-F", syntax, str(path), str(target)], check=True, timeout=60)
        assert not is_dicom(target)
        assert assert_same(target) > 20
        uid = {"+ti": ALL[1].uid, "+tb": ALL[2].uid, "+te": EXPLICIT.uid}[syntax]
        assert read_header(target, Wanted([])).transfer_syntax == uid


# ---- synthetic and odd files ----


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"])
def test_synthetic_files(syntax: str, tmp_path: Path) -> None:
    who = StudyIdentity()
    made = (classic_fmri(who, slices=1, dynamics=1)[0], enhanced_mr(who), raw_data(who), presentation_state(who))
    for number, found in enumerate(made):
        path = tmp_path / f"{number}.dcm"
        found.file_meta.TransferSyntaxUID = UID(syntax)
        found.save_as(path, implicit_vr=syntax == ALL[1].uid, little_endian=True, enforce_file_format=True)
        assert assert_same(path) > 15
        for keys in subsets(path):
            assert_same(path, keys)
        assert read_header(path, Wanted([])).transfer_syntax == syntax


@pytest.mark.filterwarnings("ignore")  # pydicom's own, about files that are wrong on purpose
@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(ODD_FILES.rglob("*"))
        if path.is_file() and path.suffix in ("", ".dcm") and path.name != "README"
    ],
    ids=lambda path: path.relative_to(ODD_FILES).as_posix(),
)
def test_odd_files(path: Path) -> None:
    why = REFUSED.get(path.name)
    if why is None:
        assert_same(path)
        for keys in subsets(path):
            assert_same(path, keys)
        return
    with pytest.raises((NotDicomError, MalformedError), match=why):
        read_header(path, Wanted([(0x7FE00010, "OW")]))
