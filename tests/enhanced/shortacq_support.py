"""Enhanced files that were cut short, made from whole ones by pydicom."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset

Index = tuple[int, ...]


def read(path: Path) -> FileDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def indexes(data_set: FileDataset) -> list[Index]:
    """The Dimension Index Values of each frame."""
    return [
        tuple(item.FrameContentSequence[0].DimensionIndexValues) for item in data_set.PerFrameFunctionalGroupsSequence
    ]


def frames(data_set: FileDataset) -> list[bytes]:
    """The pixels of each frame of a native file."""
    size = data_set.Rows * data_set.Columns * data_set.BitsAllocated // 8
    return [data_set.PixelData[at * size : (at + 1) * size] for at in range(int(data_set.NumberOfFrames))]


def cut(source: Path, target: Path, missing: Callable[[Index], bool]) -> None:
    """Write a file without the frames whose index values are ``missing``."""
    data_set = read(source)
    kept = [at for at, index in enumerate(indexes(data_set)) if not missing(index)]
    pixels = frames(data_set)
    groups = data_set.PerFrameFunctionalGroupsSequence
    data_set.PerFrameFunctionalGroupsSequence = [groups[at] for at in kept]
    data_set.PixelData = b"".join(pixels[at] for at in kept)
    data_set.NumberOfFrames = len(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set.save_as(target)
