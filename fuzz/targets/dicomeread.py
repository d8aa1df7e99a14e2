"""Enhanced MR files as ``dicomeread`` and ``dcm2btable`` read them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from fuzz.scans import WORDS, small_files
from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.enhanced.btable import b_table
from mrdock.enhanced.image import EnhancedImage, dicomeread
from mrdock.enhanced.report import lines, record
from mrdock.errors import ChoiceError, DicomError


def check(data: bytes) -> None:
    """An image or one sentence that names the file; each frame stands in one cell, whatever the arguments."""
    path = _file()
    path.write_bytes(data)
    stored = _read(path, "stored", "merge")
    for scale in ("float", "display"):
        scaled = _read(path, scale, "merge")
        assert stored is not None or scaled is None
        if scaled is not None and stored is not None:
            assert np.array_equal(scaled.items, stored.items)
            assert scaled.data.dtype == np.float32
    masked = _read(path, "stored", "mask")
    if masked is not None and stored is not None:
        assert sorted(masked.items[masked.items > 0].tolist()) == sorted(stored.items.reshape(-1).tolist())
    for form in ("table", "fsl", "mrtrix"):
        _check_table(path, form)


def _read(path: Path, scale: str, missing: Literal["merge", "mask"]) -> EnhancedImage | None:
    try:
        image = dicomeread(path, scale=scale, missing=missing)
    except (DicomError, ChoiceError) as error:
        _check_sentence(str(error), path)
        return None
    frames = image.plan.pixels.frames
    items = image.items.reshape(-1)
    assert sorted(items[items > 0].tolist()) == list(range(1, frames + 1))
    assert image.data.shape == image.shape
    assert len(set(image.dims)) == len(image.dims) == image.data.ndim
    assert [len(each) for each in image.matlab_indexes] == list(image.shape)
    assert all(line.isprintable() for line in lines(image.plan, verbose=True))
    json.dumps(record(image), allow_nan=False)
    return image


def _check_table(path: Path, form: Literal["table", "fsl", "mrtrix"]) -> None:
    try:
        table = b_table(str(path), form)
    except (DicomError, ChoiceError) as error:
        _check_sentence(str(error), path)
        return
    assert all(text.isascii() for text in table.files().values())


def _check_sentence(said: str, path: Path) -> None:
    assert said.startswith(f"{path}: ")
    assert said.isprintable()


@cache
def _file() -> Path:
    handle, name = tempfile.mkstemp(prefix="mrdock-fuzz-dicomeread-")
    os.close(handle)
    return Path(name)


def seeds(_: Traffic) -> Iterable[bytes]:
    """Small scans."""
    return small_files()


TARGET = Target(check, seeds, words=WORDS, longest=1 << 15, megabytes=256)
