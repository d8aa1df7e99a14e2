"""The builder on the classic files of two real scans, against the Enhanced files that the scanner made of them.

Release 5.7.1: 1901 is a perfusion map of 40 slices, 2001 a field map of 53 slices with two echoes, magnitude and phase.
Every element in which the scanner's file differs from the built one is in `DIFFERENCES`, with the reason. A difference
that is not there fails, and so does an entry that is none any more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from .enhanced_support import build_classic

pytestmark = pytest.mark.real_data

SCANS = {"1901": "1901_3DpCASL_real.dcm", "2001": "2001_fcMRI_Field_Mapping.dcm"}
BOTH = ("1901", "2001")

Leaves = Mapping[str, str]
"""Every element of a file by its path, with its VR and value."""


class Difference(NamedTuple):
    """Why an element differs, in which scans, and what is true of every pair of values (None: only one file has it)."""

    why: str
    scans: tuple[str, ...]
    alike: str


META = "the file meta says who wrote the file"
CREATED = "when the file was made"
NEW_UID = "the built file is another object, with UIDs of its own"
LOST = "no classic image has the slab of the labelling pulse, nor does any other element of it"

DIFFERENCES = {
    "0002,0000": Difference(META, BOTH, "any"),
    "0002,0003": Difference(NEW_UID, BOTH, "uids"),
    "0002,0012": Difference(META, BOTH, "uids"),
    "0002,0013": Difference(META, BOTH, "any"),
    "0002,0016": Difference("the program that sent the scanner's file on", BOTH, "only theirs"),
    "0008,0012": Difference(CREATED, BOTH, "any"),
    "0008,0013": Difference(CREATED, BOTH, "any"),
    "0008,0018": Difference(NEW_UID, BOTH, "uids"),
    "0008,1010": Difference(
        "the station's name was blanked in the classic files before they were published", ("2001",), "any"
    ),
    "0020,9221>0020,9164": Difference(NEW_UID, BOTH, "uids"),
    "0020,9222>0020,9164": Difference(NEW_UID, BOTH, "uids"),
    "5200,9229>0018,9006>0018,0095": Difference("classic images have the bandwidth in whole Hz", BOTH, "within 0.5"),
    "5200,9229>0018,9107": Difference(LOST, ("1901",), "only theirs"),
    "5200,9229>0018,9107>0018,9104": Difference(LOST, ("1901",), "only theirs"),
    "5200,9229>0018,9107>0018,9105": Difference(LOST, ("1901",), "only theirs"),
    "5200,9229>0018,9107>0018,9106": Difference(LOST, ("1901",), "only theirs"),
    "5200,9230>0020,9113>0020,0032": Difference(
        "the 16 characters of the position: classic files have its last digit rounded, Enhanced ones cut",
        BOTH,
        "within 2e-12",
    ),
    "5200,9230>2005,140f>0020,0032": Difference(
        "the corner of the image, computed from Image Position of 16 characters: the last digit", BOTH, "within 2e-11"
    ),
}


def leaves(data_set: Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    """Every element; of a sequence the number of its items, then what is in them. Without the pixels."""
    for element in data_set:
        if element.tag == 0x7FE00010:
            continue
        name = f"{path}{element.tag.group:04x},{element.tag.element:04x}"
        if element.VR != "SQ":
            yield name, f"{element.VR} {element.value!r}"
            continue
        yield name, f"SQ {len(element.value)}"
        for number, item in enumerate(element.value):
            yield from leaves(item, f"{name}[{number}]>")


def everything(data_set: FileDataset) -> dict[str, str]:
    """Every element of the file and of its meta group."""
    return {**dict(leaves(data_set.file_meta)), **dict(leaves(data_set))}


def kind(path: str) -> str:
    """The path without the numbers of items."""
    return re.sub(r"\[\d+\]", "", path)


def alike(how: str, theirs: str | None, built: str | None) -> bool:
    """Whether two values differ as the table says."""
    if how == "only theirs":
        return built is None
    if theirs is None or built is None or theirs[:2] != built[:2]:
        return False
    if how == "uids":
        return built.startswith("UI '2.25.") and len(built) <= 3 + 66
    if how.startswith("within"):
        pairs = zip(re.findall(r"-?\d+\.?\d*", theirs[3:]), re.findall(r"-?\d+\.?\d*", built[3:]), strict=True)
        return all(math.isclose(float(one), float(other), rel_tol=0, abs_tol=float(how[7:])) for one, other in pairs)
    return how == "any"


class Scan(NamedTuple):
    """One scan: the scanner's file and the built one, and all their elements."""

    name: str
    theirs: FileDataset
    built: FileDataset
    their_leaves: Leaves
    built_leaves: Leaves


@pytest.fixture(scope="module", params=BOTH)
def scan(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    name = str(request.param)
    path = build_classic(real_data / "philips_r57" / "classic" / name, tmp_path_factory.mktemp(name) / "built.dcm")
    theirs, built = dcmread(real_data / "philips_r57" / "enhanced" / SCANS[name]), dcmread(path)
    return Scan(name, theirs, built, everything(theirs), everything(built))


def test_every_element_that_differs_is_explained(scan: Scan) -> None:
    theirs, built = scan.their_leaves, scan.built_leaves
    assert len(theirs) > 5_000
    differing = [path for path in theirs.keys() | built.keys() if theirs.get(path) != built.get(path)]
    expected = {path: entry for path, entry in DIFFERENCES.items() if scan.name in entry.scans}
    unexplained = {
        path: (theirs.get(path), built.get(path))
        for path in sorted(differing)
        if kind(path) not in expected or not alike(expected[kind(path)].alike, theirs.get(path), built.get(path))
    }
    assert not unexplained
    assert {kind(path) for path in differing} == set(expected)


def test_the_frames_have_the_scanners_pixels(scan: Scan) -> None:
    assert scan.theirs.PixelData == scan.built.PixelData


def test_elements_stand_in_the_scanners_order_and_sequences_in_its_form(scan: Scan) -> None:
    theirs, built = scan.their_leaves, scan.built_leaves
    assert [path for path in built if path in theirs] == [path for path in theirs if path in built]
    for file in (scan.theirs, scan.built):
        lengths = {element.tag: element.is_undefined_length for element in file if element.VR == "SQ" and element.value}
        assert set(lengths.values()) == {True}
    assert all(one.tag < other.tag for one, other in pairwise(scan.built))
