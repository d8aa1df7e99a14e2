"""Building Enhanced files from classic ones, for the tests of the builder."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

from mrdock.convert.enhanced_build import build
from mrdock.convert.enhanced_frames import Frame
from mrdock.convert.enhanced_source import ClassicImage, read_classic, read_pixels

NOW = datetime(2024, 5, 6, 7, 8, 9, 123_456)


def read_all(paths: Iterable[Path]) -> list[ClassicImage]:
    """The images, the first of which shares its elements with the others."""
    images: list[ClassicImage] = []
    for path in paths:
        images.append(read_classic(str(path), images[0] if images else None))
    return images


def build_classic(folder: Path, out: Path) -> Path:
    """An Enhanced file of all classic files of a directory, each frame its source's own."""
    images = read_all(sorted(folder.iterdir()))
    shape = images[0].whole(0x00280010, 0), images[0].whole(0x00280011, 0)
    pixels = np.stack([np.frombuffer(read_pixels(image), "<u2").reshape(shape) for image in images])
    frames = [Frame(image, temporal=image.whole(0x00200100, 1)) for image in images]
    with out.open("xb") as stream:
        build(frames, lambda numbers: pixels[numbers], stream, now=NOW)
    return out
