"""Which dimensions of a Philips image its name shows: decided by its own header, whatever else is there."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mrdock.dicom.scan import Key
from mrdock.sorting import records as tags
from mrdock.sorting.naming import names_of
from mrdock.sorting.records import ImageRecord
from tests.sorting.headers import Said, image, named, slices

PLAIN: dict[Key, Said] = {tags.SLICE: 7, tags.SLICES: 20, tags.INSTANCE: 500}


def name(said: dict[Key, Said]) -> str:
    """The last part of the name of one image alone."""
    (found,) = slices([image(PLAIN | said)])
    return found


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "0007"),
        ({tags.DYNAMICS: 75, tags.TIME_POINT: 1}, "0007_0001"),
        ({tags.DYNAMICS: 12000, tags.TIME_POINT: 11000}, "0007_11000"),
        ({tags.TIME_POINTS: 75, tags.TIME_POINT: 12}, "0007_0012"),
        ({tags.DYNAMICS: 1, tags.TIME_POINTS: 3, tags.TIME_POINT: 1}, "0007"),  # six files of 2201
        ({tags.DYNAMICS: 1, tags.TIME_POINTS: 1, tags.TIME_POINT: 1}, "0007"),
        ({tags.ECHOES: 2, tags.ECHO: 1}, "0007_0001"),
        ({tags.PHASES: 30, tags.PHASE: 9}, "0007_0009"),
        ({tags.DYNAMICS: 2, tags.TIME_POINT: 2, tags.ECHOES: 3, tags.ECHO: 1}, "0007_0002_0001"),
        ({tags.TYPE: "M"}, "0007"),
        ({tags.TYPE: "P"}, "0007_P"),
        ({tags.ECHOES: 2, tags.ECHO: 2, tags.TYPE: "P"}, "0007_0002_P"),
        ({tags.IMAGE_TYPE: "ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE"}, "0007_P"),
        ({tags.IMAGE_TYPE: "ORIGINAL\\PRIMARY\\R_FFE\\R\\FFE"}, "0007_R"),
        ({tags.IMAGE_TYPE: "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE"}, "0007"),
        ({tags.TYPE: "W"}, "0007_W"),
        ({tags.TYPE: "T1 MAP"}, "0007_T1-MAP"),
        ({tags.TYPE: "PERFUSION", tags.INSTANCE: 7}, "0007"),
        ({tags.TYPE: "PERFUSION", tags.INSTANCE: 27}, "0007_PERFUSION"),
        ({tags.TYPE: "T2 MAP", tags.DYNAMICS: 3, tags.TIME_POINT: 2, tags.INSTANCE: 20}, "0007_0002"),
        ({tags.TYPE: "../.."}, "0007"),
        ({tags.TYPE: "M", tags.SEQUENCE: "FFE"}, "0007"),
        ({tags.TYPE: "M", tags.SEQUENCE: "PCA"}, "0007_M-PCA"),
        ({tags.TYPE: "P", tags.SEQUENCE: "PCA"}, "0007_P-PCA"),
        ({tags.TYPE: "M", tags.SEQUENCE: "IR", tags.TECHNIQUE: "MIXED"}, "0007_M-IR"),
        ({tags.LABELS: 2, tags.LABEL: "CONTROL"}, "0007_CONTROL"),
        ({tags.LABELS: 1, tags.LABEL: "CONTROL"}, "0007"),
        ({tags.LABELS: 2, tags.LABEL: "LABEL", tags.DYNAMICS: 8, tags.TIME_POINT: 8}, "0007_0008_LABEL"),
        ({tags.B_NUMBERS: 2, tags.B_NUMBER: 1, tags.GRADIENTS: 17, tags.GRADIENT: 17}, "0007_0001_0017"),
        ({tags.B_NUMBERS: 3, tags.B_NUMBER: 2, tags.GRADIENTS: 1, tags.GRADIENT: 1}, "0007_0002"),
        ({tags.B_NUMBERS: 1, tags.B_NUMBER: 1, tags.GRADIENTS: 6, tags.GRADIENT: 2}, "0007_0001_0002"),
        ({tags.B_FACTOR: 1000.0}, "0007_b1000_0500"),
        ({tags.B_FACTOR: 0.0}, "0007"),
        ({tags.B_VALUE: 700.4}, "0007_b700_0500"),
        ({tags.TIME_POINT: 2}, "0007_0002"),
        ({tags.ECHO: 2}, "0007_0002"),
        ({tags.TIME_POINT: 1, tags.ECHO: 2}, "0007_0001_0002"),  # 0007_0002 is the second dynamic
        ({tags.SLICE: 12345}, "12345"),
    ],
)  # fmt: skip
def test_what_the_header_says_is_what_the_name_says(said: dict[Key, Said], expected: str) -> None:
    assert name(said) == expected


def test_all_in_their_order() -> None:
    said: dict[Key, Said] = {tags.DYNAMICS: 2, tags.TIME_POINT: 1, tags.ECHOES: 2, tags.ECHO: 2, tags.PHASES: 9}
    said |= {tags.PHASE: 8, tags.TYPE: "P", tags.LABELS: 2, tags.LABEL: "LABEL", tags.B_NUMBERS: 2, tags.B_NUMBER: 2}
    assert name(said | {tags.GRADIENTS: 6, tags.GRADIENT: 5}) == "0007_0001_0002_0008_P_LABEL_0002_0005"


_KINDS = (("M",), ("M", "P"), ("M", "P", "R", "I"), ("W", "F", "IP", "OP"), ("M", "T1 MAP"), ("PERFUSION",))


@st.composite
def scans(draw: st.DrawFn) -> list[ImageRecord]:
    """All images of a Philips scan as planned, with or without Instance Numbers in the scanner's order."""
    counts = [draw(st.integers(1, most)) for most in (4, 3, 2, 3, 2, 3)]
    planned, dynamics, echoes, phases, b_values, gradients = counts
    labels = draw(st.sampled_from([("",), ("CONTROL", "LABEL")]))
    kinds = draw(st.sampled_from(_KINDS))
    assume(planned * dynamics * echoes * phases * b_values * gradients * len(labels) * len(kinds) <= 200)
    in_order = draw(st.booleans())
    series: dict[Key, Any] = {
        tags.SLICES: planned,
        tags.DYNAMICS: dynamics,
        tags.ECHOES: echoes,
        tags.PHASES: phases,
        tags.LABELS: len(labels) if labels[0] else 0,
        tags.B_NUMBERS: b_values,
        tags.GRADIENTS: gradients,
    }
    keys = (tags.LABEL, tags.TYPE, tags.SLICE, tags.PHASE, tags.TIME_POINT, tags.ECHO, tags.B_NUMBER, tags.GRADIENT)
    cells = product(labels, kinds, *(range(1, n + 1) for n in (planned, phases, dynamics, echoes, b_values, gradients)))
    images = []
    for number, cell in enumerate(cells, 1):
        instance = number if in_order else draw(st.integers(1000, 9999))
        images.append(image(series | dict(zip(keys, cell, strict=True)) | {tags.INSTANCE: instance}))
    return images


@given(scans(), st.randoms(use_true_random=False))
def test_any_part_of_a_scan_in_any_order_has_the_same_names(images: list[ImageRecord], random_: random.Random) -> None:
    together = named(images)
    assert not any(found.warning for found in names_of(images).values())
    some = random_.sample(images, random_.randint(1, len(images)))
    assert named(some).items() <= together.items()


_HEADERS = st.dictionaries(
    st.sampled_from([key for key in tags.WANTED.vrs if key not in (tags.STUDY, tags.SERIES)]),
    st.binary(max_size=24) | st.sampled_from([b"1", b"2", b"3", b"1\\0\\0\\0\\1\\0", b"0\\0\\5", b"\x01\0\0\0"]),
)
_CLASSES = st.sampled_from(
    ["1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.66", "1"]
)


@given(st.lists(st.tuples(_HEADERS, _CLASSES, st.sampled_from(["1.1", "1.2", "1.3"])), max_size=8), st.data())
def test_whatever_headers_say_names_are_different_and_the_same_in_any_order(
    rows: list[tuple[dict[Key, Said], str, str]], data: st.DataObject
) -> None:
    images = [image(said, sop_class, uid) for said, sop_class, uid in rows]
    names = named(images)
    assert named(data.draw(st.permutations(images))) == names
    for path in names.values():
        for part in path.split("/"):
            assert part
            assert part == part.strip(" .")
            assert part.isprintable()
            assert len(part.encode()) <= 255
