"""The header scan under generated input: whole data sets are accepted, everything else is a `MalformedError`."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement, RawDataElement

from mrdock.dicom.part10 import decode_file_meta
from mrdock.dicom.scan import Found, Wanted, scan
from mrdock.errors import MalformedError
from tests.builders import bulk_classic

from . import encoding
from .encoding import ALL, EXPLICIT, IMPLICIT, Syntax

WANTED = Wanted(
    [
        (0x00080008, "CS"),
        (0x00080018, "UI"),
        (0x00280010, "US"),
        ((0x2005, 0x12, "Philips MR Imaging DD 001"), "CS"),
        ((0x0009, 0x01, "TEST"), "LO"),
    ]
)
SYNTAXES = st.sampled_from(ALL)
UIDS = st.sampled_from([syntax.uid for syntax in ALL] + ["1.2.840.10008.1.2.4.90", ""])


def found_or_refused(data: bytes, uid: str, *, start: int = 0, depth: int = 64) -> Found | None:
    """What the scan says; any exception but the documented one fails the test."""
    try:
        return scan(data, uid, WANTED, start=start, depth=depth)
    except MalformedError:
        return None


# ---- arbitrary bytes ----


@settings(deadline=None, max_examples=125)
@given(st.binary(max_size=300), UIDS)
def test_any_bytes(data: bytes, uid: str) -> None:
    found_or_refused(data, uid)


PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([encoding.ITEM, encoding.ITEM_END, encoding.SEQUENCE_END]).flatmap(
        lambda tag: st.builds(encoding.mark, SYNTAXES, st.just(tag), st.sampled_from([0, 4, 8, 100, 0xFFFFFFFF]))
    ),
    st.builds(
        encoding.head,
        SYNTAXES,
        st.sampled_from([0x00080008, 0x00280010, 0x0040A730, 0x00090010, 0x00091001, 0x7FE00010]),
        st.sampled_from(["SQ", "UN", "OB", "OW", "US", "LO", "UT"]),
        st.sampled_from([0, 2, 8, 40, 0xFFFE]),
    ),
    st.builds(
        encoding.head,
        SYNTAXES,
        st.sampled_from([0x0040A730, 0x7FE00010, 0x00091001]),
        st.sampled_from(["SQ", "UN", "OB"]),
        st.just(0xFFFFFFFF),
    ),
)


@settings(deadline=None, max_examples=125)
@given(st.lists(PIECES, max_size=30).map(b"".join), UIDS)
def test_any_pile_of_tags_lengths_and_delimiters(data: bytes, uid: str) -> None:
    found_or_refused(data, uid)


REAL_LIKE = next(bulk_classic(1))
REAL_META = decode_file_meta(REAL_LIKE)


@settings(deadline=None, max_examples=125)
@given(st.lists(st.tuples(st.integers(REAL_META.data_set_at, len(REAL_LIKE) - 1), st.integers(0, 255)), max_size=8))
def test_a_header_with_changed_bytes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(REAL_LIKE)
    for where, byte in changes:
        data[where] = byte
    found_or_refused(bytes(data), REAL_META.transfer_syntax, start=REAL_META.data_set_at)


def test_a_header_cut_at_every_byte() -> None:
    """Accepted is what ends between two elements, as pydicom finds them, and nothing else."""
    whole = pydicom.dcmread(BytesIO(REAL_LIKE))
    ends = {REAL_META.data_set_at, len(REAL_LIKE)}
    for tag in list(whole.keys()):
        element: DataElement | RawDataElement = whole.get_item(tag)
        value_at = element.value_tell if isinstance(element, RawDataElement) else int(element.file_tell or 0)
        ends.add(value_at - (12 if element.VR in encoding.LONG_VRS else 8))
    for end in range(REAL_META.data_set_at, len(REAL_LIKE) + 1):
        found = found_or_refused(REAL_LIKE[:end], REAL_META.transfer_syntax, start=REAL_META.data_set_at)
        assert (found is not None) == (end in ends), end


# ---- generated data sets ----


@dataclass(frozen=True)
class Leaf:
    tag: int
    vr: str
    value: bytes


@dataclass(frozen=True)
class Fragments:
    parts: tuple[bytes, ...]


@dataclass(frozen=True)
class Nest:
    """A sequence; ``unknown`` writes it as UN of undefined length, its contents in implicit VR."""

    tag: int
    items: tuple[tuple[tuple[Node, ...], bool], ...]
    defined: bool
    unknown: bool


Node = Leaf | Fragments | Nest

VALUES = st.binary(max_size=12).map(lambda raw: raw + b" " * (len(raw) % 2))
LEAVES = st.builds(
    Leaf,
    st.sampled_from([0x00080008, 0x00080018, 0x00090010, 0x00091001, 0x00280010, 0x00291001, 0x7FE00010]),
    st.sampled_from(["AE", "CS", "LO", "US", "FD", "UN", "OB", "OW", "UT", "OV"]),
    VALUES,
)
NODES: st.SearchStrategy[Node] = st.recursive(
    LEAVES | st.builds(Fragments, st.lists(VALUES, max_size=3).map(tuple)),
    lambda inner: st.builds(
        Nest,
        st.sampled_from([0x00081140, 0x0040A730, 0x20051402]),
        st.lists(st.tuples(st.lists(inner, max_size=3).map(tuple), st.booleans()), max_size=3).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    max_leaves=12,
)


def encode(syntax: Syntax, node: Node) -> bytes:
    if isinstance(node, Leaf):
        return encoding.element(syntax, node.tag, node.vr, node.value)
    if isinstance(node, Fragments):
        return encoding.fragments(syntax, *node.parts)
    within = IMPLICIT if node.unknown else syntax
    items = [
        encoding.item(within, b"".join(encode(within, inner) for inner in content), defined=defined)
        for content, defined in node.items
    ]
    if node.unknown:
        start = encoding.head(syntax, node.tag, "UN", encoding.UNDEFINED)
        return start + b"".join(items) + encoding.mark(IMPLICIT, encoding.SEQUENCE_END)
    return encoding.sequence(syntax, node.tag, *items, defined=node.defined)


def depth_of(syntax: Syntax, node: Node) -> int:
    """How deep the scan has to go: implicit VR hides that an element of defined length is a sequence."""
    if not isinstance(node, Nest) or (not syntax.explicit and node.defined and not node.unknown):
        return 0
    within = IMPLICIT if node.unknown else syntax
    return 1 + max((depth_of(within, inner) for content, _ in node.items for inner in content), default=0)


@pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
@settings(deadline=None, max_examples=80)
@given(nodes=st.lists(NODES, max_size=5))
def test_a_whole_data_set_is_accepted_up_to_the_limit_of_its_nesting(syntax: Syntax, nodes: list[Node]) -> None:
    data = b"".join(encode(syntax, node) for node in nodes)
    depth = max((depth_of(syntax, node) for node in nodes), default=0)
    assert found_or_refused(data, syntax.uid, depth=depth) is not None
    if depth:
        with pytest.raises(MalformedError, match=r"more than \d+ deep"):
            scan(data, syntax.uid, WANTED, depth=depth - 1)


@settings(deadline=None, max_examples=80)
@given(st.lists(NODES, max_size=4), SYNTAXES)
def test_a_data_set_cut_anywhere_is_accepted_only_between_elements_or_after_zeros(
    nodes: list[Node], syntax: Syntax
) -> None:
    parts = [encode(syntax, node) for node in nodes]
    data = b"".join(parts)
    ends = {sum(map(len, parts[:count])) for count in range(len(parts) + 1)}
    for end in range(len(data) + 1):
        last = max(place for place in ends if place <= end)
        accepted = not any(data[last:end])  # nothing, or zeros that could as well be padding
        assert (found_or_refused(data[:end], syntax.uid) is not None) == accepted


@settings(deadline=None, max_examples=80)
@given(st.lists(NODES, max_size=5), SYNTAXES)
def test_what_is_found_is_the_first_of_the_top_level(nodes: list[Node], syntax: Syntax) -> None:
    found = found_or_refused(b"".join(encode(syntax, node) for node in nodes), syntax.uid)
    assert found is not None
    expected: dict[int, bytes] = {}
    for node in nodes:
        if isinstance(node, Leaf) and node.tag in (0x00080008, 0x00080018, 0x00280010):
            expected.setdefault(node.tag, node.value)
    assert {key: value.raw for key, value in found.values.items() if isinstance(key, int)} == expected


EXPLICIT_META = REAL_LIKE[: REAL_META.data_set_at]


@settings(deadline=None, max_examples=60)
@given(st.lists(NODES, max_size=5))
def test_pydicom_reads_generated_data_sets_alike(nodes: list[Node]) -> None:
    """Rising tags, each once, as pydicom keeps them."""
    unique = {node.tag if not isinstance(node, Fragments) else encoding.PIXELS: node for node in nodes}

    data = b"".join(encode(EXPLICIT, unique[tag]) for tag in sorted(unique))
    theirs = pydicom.dcmread(BytesIO(EXPLICIT_META + data))
    ours = found_or_refused(data, EXPLICIT.uid)
    assert ours is not None
    for tag in (0x00080018, 0x00280010):
        assert (tag in ours.values) == (tag in theirs)
        if tag in theirs:
            assert ours.values[tag].raw == (theirs.get_item(tag).value or b"")
