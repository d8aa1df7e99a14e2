"""What pydicom says about the functional groups of a file, value by value, to compare a frame table with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from mrdock.dicom import tags
from mrdock.dicom.frames import Column, FrameTable
from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.dicom.scan import Key

Step = tuple[Key, int]
Place = tuple[Step, ...]

FLOATS = frozenset({"DS", "FL", "FD"})
INTEGERS = frozenset({"IS", "US", "SS", "UL", "SL", "UV", "SV", "AT"})


def read(data: bytes, transfer_syntax: str) -> Dataset:
    """A data set as pydicom reads it."""
    meta = encode_file_meta(FileMeta("1.2.840.10008.5.1.4.1.1.4.1", "1.2.3", transfer_syntax))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(meta + data))


def values_of(data_set: Dataset) -> tuple[int, dict[Place, dict[int, DataElement]]]:
    """The number of frames, and by place the element of each frame that has it, shared groups in all that lack them."""
    per_frame = data_set.get("PerFrameFunctionalGroupsSequence", [])
    shared = data_set.get("SharedFunctionalGroupsSequence", [])
    frames = len(per_frame) if per_frame else int(data_set.get("NumberOfFrames", 1) or 1)
    common = dict(places(shared[0])) if shared else {}
    found: dict[Place, dict[int, DataElement]] = {}
    for frame in range(frames):
        own = dict(places(per_frame[frame])) if per_frame else {}
        groups = {place[0][0] for place in own}
        for place, element in (*own.items(), *((at, it) for at, it in common.items() if at[0][0] not in groups)):
            found.setdefault(place, {})[frame] = element
    return frames, found


def places(data_set: Dataset, way: Place = ()) -> Iterator[tuple[Place, DataElement]]:
    """Every value of an item by its place, private ones by creator."""
    for tag in sorted(data_set.keys()):
        element = data_set[tag]
        key = key_of(data_set, int(tag))
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from places(item, (*way, (key, number)))
        else:
            yield (*way, (key, 0)), element


def key_of(data_set: Dataset, tag: int) -> Key:
    if tag & 0x10000 and tag & 0xFFFF >= 0x1000:
        creator = data_set.get_item(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
        if creator is not None and creator.value:
            said = creator.value if isinstance(creator.value, str) else creator.value.decode("latin-1")
            return (tag >> 16, tag & 0xFF, said.strip(" \0").upper())
    return tag


def written(place: Place) -> str:
    """A place as text in digits."""
    return ".".join(tags.number_of(key) + (f"[{number + 1}]" if number else "") for key, number in place)


def check(table: FrameTable, data_set: Dataset) -> int:
    """Every value of the table is pydicom's; return how many there are."""
    frames, expected = values_of(data_set)
    assert table.frames == frames
    checked = 0
    for place, elements in expected.items():
        column = table.column(written(place))
        assert column is not None, written(place)
        theirs = next(iter(elements.values())).VR
        if theirs == "UN" != column.vr:  # pydicom's dictionary knows fewer private elements
            continue
        assert column.vr == theirs, written(place)
        compare(column, elements)
        checked += len(elements)
    creators = sum(tags.is_private_creator(place[-1][0]) for place in expected)
    assert len(table.names()) == len(expected) - creators, table.names()
    return checked


def compare(column: Column, elements: dict[int, DataElement]) -> None:
    texts, values, counts = column.texts(), column.values, column.counts
    assert len(texts) == len(values) == len(counts) == column.frames
    distinct = set()
    for frame in range(column.frames):
        element = elements.get(frame)
        if element is None:
            assert texts[frame] is None
            assert counts[frame] == 0
            if values.dtype == object:
                assert values[frame] is None
            distinct.add("")
            continue
        theirs = listed(element)
        distinct.add(str(theirs) if theirs else "")
        if column.vr in FLOATS | INTEGERS:
            ours = np.atleast_1d(values[frame])
            assert counts[frame] == len(theirs)
            assert [*ours[: len(theirs)].tolist()] == theirs
            rest = ours[len(theirs) :]
            assert np.isnan(rest).all() if column.vr in FLOATS else not rest.any()
        elif column.vr in ("OB", "OW", "UN", "OF", "OD", "OL", "OV"):
            assert values[frame] == (element.value or b"")
        else:
            assert values[frame] == texts[frame] == "\\".join(map(str, theirs)), (column.name, element)
    assert column.varying == (len(distinct) > 1), (column.name, distinct)


def listed(element: DataElement) -> list[object]:
    """All values of an element, as plain numbers or as texts without padding."""
    value = element.value
    several = (
        [] if value is None or value in ("", b"") else [*value] if isinstance(value, MultiValue | list) else [value]
    )
    if element.VR in FLOATS:
        return [float(each) for each in several]
    if element.VR in INTEGERS:
        return [int(each) for each in several]
    if element.VR in ("OB", "OW", "UN", "OF", "OD", "OL", "OV"):
        return several
    strip = str.rstrip if element.VR in ("LT", "ST", "UT") else str.strip
    texts = [strip(str(each), " \0") for each in several]
    return [] if texts == [""] else [*texts]
