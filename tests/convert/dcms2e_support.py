"""A small scan as `dcms2e` wants it: a directory with the classic images of the first dynamic, a PAR/REC beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import FileDataset

from tests.builders import StudyIdentity, classic_fmri, part10
from tests.builders.par_of_classic import ParRec, par_of_classic

SLICES, DYNAMICS, ROWS, COLUMNS = 3, 4, 8, 6


Stored = dict[tuple[int, int], bytes]


@dataclass(repr=False)
class Case:
    """A directory, the pair to be written beside it, and the pixels of all images by (slice, dynamic)."""

    folder: Path
    pair: ParRec
    pixels: Stored
    given: list[FileDataset] | None = None

    @cached_property
    def images(self) -> list[FileDataset]:
        """All images of the scan."""
        return images_of() if self.given is None else self.given

    @property
    def result(self) -> Path:
        return self.folder.with_name(self.folder.name + ".dcm")

    def stored(self, slice_number: int, dynamic: int) -> NDArray[np.uint16]:
        """The pixels of one image."""
        return np.frombuffer(self.pixels[slice_number, dynamic], "<u2").reshape(ROWS, COLUMNS)

    def save(self, images: list[FileDataset], name: Callable[[int], str] = "image{}".format) -> None:
        """Write images into the directory, under names that say nothing."""
        self.folder.mkdir(exist_ok=True)
        for number, image in enumerate(images):
            path = self.folder / name(number)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(part10(image))


def images_of(slices: int = SLICES, dynamics: int = DYNAMICS, **options: object) -> list[FileDataset]:
    """The images of a scan, release 5.7.1, made up."""
    return [dcmread(BytesIO(data)) for data in _files(slices, dynamics, tuple(sorted(options.items())))]


@cache
def _files(slices: int, dynamics: int, options: tuple[tuple[str, object], ...]) -> list[bytes]:
    chosen: dict[str, object] = {"rows": ROWS, "columns": COLUMNS, **dict(options)}
    images = classic_fmri(StudyIdentity(), slices=slices, dynamics=dynamics, **chosen)  # type: ignore[arg-type]
    return [part10(image) for image in images]


def _pixels_of(images: list[FileDataset]) -> Stored:
    return {
        (int(image[0x2001, 0x100A].value), int(image.TemporalPositionIdentifier)): image.PixelData for image in images
    }


@cache
def _usual() -> tuple[ParRec, Stored, list[bytes]]:
    """The pair and the pixels of the usual scan, and the files of its first dynamic."""
    images = images_of()
    first = [image for image in images if image.TemporalPositionIdentifier == 1]
    return par_of_classic(images), _pixels_of(images), [part10(image) for image in first]


def case_in(place: Path, images: list[FileDataset] | None = None, name: str = "02_Resting") -> Case:
    """A case whose directory is written and whose pair is not: the usual scan, or that of ``images``."""
    if images is None:
        pair, pixels, files = _usual()
        case = Case(place / name, deepcopy(pair), pixels)
        case.folder.mkdir()
        for number, data in enumerate(reversed(files)):  # neither names nor their order may count
            (case.folder / f"image{number}").write_bytes(data)
        return case
    case = Case(place / name, par_of_classic(images), _pixels_of(images), images)
    case.save([image for image in images if image.TemporalPositionIdentifier == 1][::-1])
    return case


def frames_of(path: str | os.PathLike[str]) -> dict[tuple[int, int], NDArray[np.uint16]]:
    """The frames of a result by (slice, dynamic), read with pydicom."""
    found = dcmread(path)
    pixels = found.pixel_array.reshape(-1, found.Rows, found.Columns)
    frames = {}
    for item, plane in zip(found.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        content = item.FrameContentSequence[0]
        frames[content.InStackPositionNumber, content.TemporalPositionIndex] = plane
    return frames


def same_as(case: Case, path: Path, dynamics: int = DYNAMICS) -> None:
    """Assert that a result has the images of the case, each in its place."""
    frames = frames_of(path)
    slices = max(number for number, _ in frames)
    assert len(frames) == slices * dynamics
    for place, plane in frames.items():
        np.testing.assert_array_equal(plane, case.stored(*place))
