"""The fast reading under generated input: what it remembers of other files changes nothing, and it stops early."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from mrdock.dicom.reading import FileHeader, read_header, read_many
from mrdock.dicom.scan import Key, Value, Wanted, scan
from mrdock.errors import DicomError, MalformedError
from tests.builders import StudyIdentity, bulk_classic, enhanced_mr, part10, presentation_state

from . import encoding
from .encoding import ALL, BIG, EXPLICIT, Syntax, element, sequence
from .test_scan_properties import NODES, Fragments, Nest, Node, encode

PAIRS: list[tuple[Key, str]] = [
    (0x00080018, "UI"),
    (0x00080060, "CS"),
    (0x00100010, "PN"),
    (0x0020000D, "UI"),
    (0x00200013, "IS"),
    (0x00280010, "US"),
    ((0x2001, 0x0A, "Philips Imaging DD 001"), "IS"),
    ((0x2005, 0x12, "Philips MR Imaging DD 001"), "CS"),
]
WARM = Wanted(PAIRS)  # in every test of this module: what it remembers comes from hundreds of broken files
WHO = StudyIdentity("reading")
FILES = [
    *bulk_classic(3, WHO, rows=2, columns=2),
    part10(enhanced_mr(WHO, slices=2, dynamics=1, rows=2, columns=2)),
    part10(presentation_state(WHO)),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading") / "file.dcm"


def outcome(path: Path, wanted: Wanted) -> object:
    """What is read, or what is said to be wrong; any exception but the documented ones fails the test."""
    ((_, read),) = read_many([path], wanted)
    if isinstance(read, FileHeader):
        return read.found, read.sop_class, read.sop_instance, read.transfer_syntax, read.size
    assert isinstance(read, DicomError)
    return type(read), str(read)


# ---- what is remembered ----

CHANGES = st.tuples(
    st.integers(0, 1 << 16),
    st.sampled_from([0, 0, 1, 2, 4, 8, 30]),
    st.one_of(st.binary(max_size=4), st.sampled_from([b"SQ\0\0", b"\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0", bytes(8)])),
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(FILES), st.lists(CHANGES, max_size=4), st.integers(0, 1 << 16))
def test_what_other_files_had_changes_nothing(
    path: Path, content: bytes, changes: list[tuple[int, int, bytes]], cut: int
) -> None:
    data = bytearray(content)
    for where, removed, put in changes:
        at = 128 + where % (len(data) - 128)
        data[at : at + removed] = put
    path.write_bytes(data if cut % 4 else data[: cut % len(data)])
    assert outcome(path, WARM) == outcome(path, Wanted(PAIRS))
    path.write_bytes(content)
    assert outcome(path, WARM) == outcome(path, Wanted(PAIRS))


def test_files_that_differ_in_one_length_or_block_only(path: Path) -> None:
    """The same elements at the same distances, but for one; private elements move to another block."""
    creators = (b"Philips Imaging DD 001", b"Philips MR Imaging DD 001", b"SOMEBODY ELSE ")
    private: Key = (0x2001, 0x0A, "Philips Imaging DD 001")
    for number in range(300):
        block, creator = 0x10 + number % 3, creators[number // 3 % 3]
        name = b"A^B"[: number % 4] + b" " * (4 - number % 4)
        reference = sequence(
            EXPLICIT, 0x00081140, encoding.item(EXPLICIT, bytes(8 * (number % 5))), defined=number % 2 > 0
        )
        data = (
            element(EXPLICIT, 0x00080018, "UI", b"1.2." + b"%04d" % number)
            + reference
            + element(EXPLICIT, 0x00100010, "PN", name + b"xx" * (number % 7 == 0))
            + element(EXPLICIT, 0x20010000 | block, "LO", creator)
            + element(EXPLICIT, 0x20010010 | block + 1, "LO", creators[0])
            + element(EXPLICIT, 0x2001000A | block << 8, "IS", b"%02d" % (number % 100))
            + element(EXPLICIT, 0x2001000A | block + 1 << 8, "IS", b"-1")
            + element(EXPLICIT, 0x7FE00010, "OW", bytes(100))
        )
        path.write_bytes(encode_file_meta(FileMeta("1.2", "3.4", EXPLICIT.uid)) + data)
        header = read_header(path, WARM)
        assert header.found.values == scan(data, EXPLICIT.uid, Wanted([*PAIRS, (0x00080005, "CS")])).values
        assert header.found.values[private].raw == (b"%02d" % (number % 100) if creator == creators[0] else b"-1")


# ---- generated data sets ----


def written(path: Path, syntax: Syntax, data: bytes) -> Path:
    path.write_bytes(encode_file_meta(FileMeta("1.2", "3.4", syntax.uid)) + data)
    return path


def rising(nodes: Sequence[Node]) -> list[Node]:
    """Each tag once, in order."""
    unique = {tag_of(node): node for node in nodes}
    return [unique[tag] for tag in sorted(unique)]


def holds_unknown(node: Node) -> bool:
    """Whether there is a sequence of VR UN: always little endian (PS3.5 section 6.2.2), which pydicom forgets."""
    if not isinstance(node, Nest):
        return False
    return node.unknown or any(holds_unknown(inner) for content, _ in node.items for inner in content)


def tag_of(node: Node) -> int:
    return encoding.PIXELS if isinstance(node, Fragments) else node.tag


SOME: list[tuple[Key, str]] = [(0x00080018, "UI"), ((0x0009, 0x01, "TEST"), "LO"), (0x00280010, "US")]
LAST = 0x00280010


@pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
@settings(deadline=None, max_examples=100)
@given(nodes=st.lists(NODES, max_size=6), bare=st.booleans())
def test_generated_data_sets_are_read_as_the_scan_and_pydicom_read_them(
    path: Path, syntax: Syntax, nodes: list[Node], bare: bool
) -> None:
    parts = {0x00080005: element(syntax, 0x00080005, "CS", b"ISO_IR 100")}
    parts[0x00080016] = element(syntax, 0x00080016, "UI", b"1.2.3\0")
    parts |= {tag_of(node): encode(syntax, node) for node in nodes}
    parts[0x00090010] = element(syntax, 0x00090010, "LO", b"TEST")
    data = b"".join(parts[tag] for tag in sorted(parts))
    written(path, syntax, data)
    if bare:
        path.write_bytes(data)
    header = read_header(path, Wanted(SOME))
    assert header.transfer_syntax == syntax.uid
    assert header.sop_class == "1.2.3"
    always: list[tuple[Key, str]] = [(0x00080005, "CS"), (0x00080016, "UI")]
    expected = dict(scan(data, syntax.uid, Wanted([*SOME, *always])).values)
    if not (syntax is BIG and any(map(holds_unknown, nodes))):
        theirs = pydicom.dcmread(BytesIO(path.read_bytes()), force=True)
        for tag in (0x00080018, LAST):
            assert (tag in header.found.values) == (tag in theirs)
    assert header.found.values == expected


@pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
@settings(deadline=None, max_examples=40)
@given(nodes=st.lists(NODES, min_size=1, max_size=5))
def test_what_stands_behind_the_last_wanted_element_does_not_matter(
    path: Path, syntax: Syntax, nodes: list[Node]
) -> None:
    before = b"".join(
        encode(syntax, node) for node in rising(nodes) if not isinstance(node, Fragments) and node.tag < LAST
    )
    before += element(syntax, LAST, "US", b"\1\2")
    written(path, syntax, before)
    whole = read_header(path, Wanted(SOME))
    behind = element(syntax, LAST + 1, "US", b"", length=9999)
    for rest in (behind, behind + b"\xff" * 100, element(syntax, encoding.PIXELS, "OW", bytes(1 << 17))):
        written(path, syntax, before + rest)
        header = read_header(path, Wanted(SOME))
        assert header.found == whole.found
        assert header.size == path.stat().st_size


@pytest.mark.parametrize("content", FILES, ids=["classic", "classic2", "classic3", "enhanced", "state"])
def test_a_file_cut_at_every_byte_is_read_or_refused(path: Path, content: bytes) -> None:
    """Refused is what is cut in an element before the last wanted one; never is anything made up or lost."""
    path.write_bytes(content)
    wanted = Wanted(PAIRS[:6])
    whole = read_header(path, wanted).found.values
    meta = decode_file_meta(content)
    following = min(
        (place for place in places(content) if place[0] > LAST),
        default=(0, len(content)),
    )[1]
    ends = {at for _, at in places(content)} | {len(content)}
    for cut in range(meta.data_set_at + 8, min(len(content), following + 40)):
        path.write_bytes(content[:cut])
        ((_, read),) = read_many([path], wanted)
        if isinstance(read, FileHeader):
            assert cut in ends or cut >= following + 8 or not any(content[max(e for e in ends if e <= cut) : cut])
            assert all(whole[key] == value for key, value in read.found.values.items())
            if cut >= following:
                assert read.found.values == whole
        else:
            assert isinstance(read, MalformedError)
            assert cut < following + 8
            assert cut not in ends


def places(content: bytes) -> list[tuple[int, int]]:
    """Tag and place of every element of the top level, as pydicom finds them."""
    whole = pydicom.dcmread(BytesIO(content))
    found = []
    for tag in list(whole.keys()):
        entry = whole.get_item(tag)
        value_at = entry.value_tell if hasattr(entry, "value_tell") else int(entry.file_tell or 0)
        found.append((int(tag), value_at - (12 if entry.VR in encoding.LONG_VRS else 8)))
    return found


def test_a_long_value_is_cut_where_wanted_says_and_only_its_beginning_is_read(path: Path) -> None:
    data = element(EXPLICIT, 0x00080018, "UI", b"1.2") + element(EXPLICIT, 0x00204000, "UT", b"x" * (1 << 20))
    written(path, EXPLICIT, data)
    values = read_header(path, Wanted([(0x00204000, "LT")], longest=1000)).found.values
    assert values[0x00204000] == Value("UT", b"x" * 1000)
    written(path, EXPLICIT, data[:-1])
    with pytest.raises(MalformedError, match="is cut short"):
        read_header(path, Wanted([(0x00204000, "LT")], longest=1000))
