"""Images of one series read quickly are what they are when each is read by itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileDataset
from pydicom.uid import ImplicitVRLittleEndian

from mrdock.convert.dcms2e_series import SeriesReader
from mrdock.convert.enhanced_source import ClassicImage, read_classic
from mrdock.errors import DicomError
from tests.builders import part10
from tests.convert.dcms2e_support import images_of


def one_by_one(paths: list[Path]) -> list[ClassicImage]:
    first = read_classic(str(paths[0]))
    return [first, *(read_classic(str(path), first) for path in paths[1:])]


@pytest.mark.real_data
@pytest.mark.parametrize(("series", "count"), [("1901", 40), ("2001", 40), ("2101", 80), ("2201", 40)])
def test_real_series(real_data: Path, series: str, count: int) -> None:
    paths = sorted((real_data / "philips_r57" / "classic" / series).iterdir())
    random.Random(count).shuffle(paths)
    reader = SeriesReader()
    assert [reader.read(str(path)) for path in paths[:count]] == one_by_one(paths[:count])


def images(place: Path) -> list[Path]:
    paths = [place / f"{number}" for number in range(6)]
    for path, image in zip(paths, images_of(), strict=False):
        path.write_bytes(part10(image))
    return paths


def removed(image: FileDataset) -> None:
    del image.PatientWeight, image.EchoNumbers


def added(image: FileDataset) -> None:
    image.ContrastBolusVolume = 3
    image.TextValue = "long " * 20_000


def inner(image: FileDataset) -> None:
    image.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0].PulseSequenceName = "other"


def emptied(image: FileDataset) -> None:
    image.EchoTime = None
    image.SliceThickness = "2.50000000000000"


def larger(image: FileDataset) -> None:
    image.PixelData = image.PixelData * 2


@pytest.mark.parametrize("change", [removed, added, inner, emptied, larger])
@pytest.mark.parametrize("at", [0, 3, 5])
def test_images_that_differ_otherwise(tmp_path: Path, change: Callable[[FileDataset], None], at: int) -> None:
    paths = images(tmp_path)
    image = images_of()[at]
    change(image)
    paths[at].write_bytes(part10(image))
    reader = SeriesReader()
    assert [reader.read(str(path)) for path in paths] == one_by_one(paths)


def test_other_transfer_syntaxes(tmp_path: Path) -> None:
    paths = images(tmp_path)
    for at in (1, 4):
        image = images_of()[at]
        image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        image.save_as(paths[at], implicit_vr=True, little_endian=True)
    for order in (paths, paths[::-1], paths[1:]):
        reader = SeriesReader()
        assert [reader.read(str(path)) for path in order] == one_by_one(order)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_damaged_files(tmp_path: Path, seed: int) -> None:
    """A file with changed bytes, or cut, is read as it is alone, or refused with the same words."""
    rng = random.Random(seed)
    paths = images(tmp_path) if not (tmp_path / "0").exists() else [tmp_path / str(number) for number in range(6)]
    data = bytearray(paths[5].read_bytes())
    for _ in range(rng.randrange(1, 4)):
        data[rng.randrange(128, len(data))] = rng.randrange(256)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data[: rng.randrange(200, len(data))] if rng.random() < 0.2 else data)
    reader = SeriesReader()
    first = reader.read(str(paths[0]))
    reader.read(str(paths[1]))
    try:
        expected: ClassicImage | str = read_classic(str(damaged), first)
    except DicomError as error:
        expected = str(error)
    try:
        found: ClassicImage | str = reader.read(str(damaged))
    except DicomError as error:
        found = str(error)
    assert found == expected
