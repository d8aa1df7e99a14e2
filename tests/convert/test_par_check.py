"""What `--check` finds: the pair is changed between writing and reading back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mrdock.convert.par_check import check_pair
from mrdock.convert.par_columns import columns_of, keys_of
from mrdock.convert.par_convert import line_order
from mrdock.convert.par_general import general_of
from mrdock.convert.par_images import open_images
from mrdock.convert.par_notes import Notes
from tests.builders import StudyIdentity, write
from tests.builders.enhanced import enhanced_mr
from tests.convert.par_support import converted


def swapped(word: bytes, other: bytes) -> Callable[[Path], None]:
    """A change of the first place where a word stands in the PAR file."""

    def change(stem: Path) -> None:
        par = stem.with_suffix(".PAR")
        text = par.read_bytes()
        assert word in text
        par.write_bytes(text.replace(word, other, 1))

    return change


def pixel(stem: Path) -> None:
    rec = stem.with_suffix(".REC")
    found = np.fromfile(rec, "<u2")
    found[3 * 64 + 5] += 1
    found.tofile(rec)


def swapped_images(stem: Path) -> None:
    rec = stem.with_suffix(".REC")
    found = np.fromfile(rec, "<u2").reshape(-1, 64)
    found[[1, 2]] = found[[2, 1]]
    found.tofile(rec)


def shorter(stem: Path) -> None:
    rec = stem.with_suffix(".REC")
    rec.write_bytes(rec.read_bytes()[:-2])


def fewer_lines(stem: Path) -> None:
    par = stem.with_suffix(".PAR")
    lines = par.read_bytes().splitlines(keepends=True)
    par.write_bytes(b"".join(lines[:-4] + lines[-3:]))


def nothing(stem: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (nothing, []),
        (pixel, ["pixels: those of line 104 differ from image 10 of the source"]),
        (swapped_images, ["pixels: those of line 102 differ", "pixels: those of line 103 differ"]),
        (shorter, ["cannot be read back"]),
        (fewer_lines, ["has 11 image lines for 12 images"]),
        (swapped(b"   0.75000 ", b"   0.75001 "), ["rescale_slope: line 101 has 0.75001, the source 0.75"]),
        (swapped(b"5.00000e-002", b"5.00001e-002"), ["scale_slope: line 101"]),
        (swapped(b"  -3.50   2.25 ", b"  -3.50   2.35 "), ["image_angulation_deg: line 101", "geometry: the image"]),
        (swapped(b"  2.250", b" -2.250"), ["angulation_deg: (-3.5, -2.25, 0.0) in the general lines"]),
        (swapped(b"  6.000  6.000", b"  6.000  6.001"), ["pixel_spacing_mm: line 101"]),
        (swapped(b"-3.500  2.250  0.000", b"-3.500  2.250  0.010"), ["angulation_deg: (-3.5, 2.25, 0.01)"]),
        (swapped(b"dynamics            :   3", b"dynamics            :   4"), ["max_dynamics: 4, the source has 3"]),
        (swapped(b"  30.00    0.00", b"  30.00    0.01"), ["dyn_scan_begin_time_s: line 101"]),
    ],
)
def test_changes_are_found(change: Callable[[Path], None], expected: list[str], tmp_path: Path) -> None:
    (path,) = write([enhanced_mr(StudyIdentity("check"), rows=8, columns=8)], tmp_path)
    stem = tmp_path / "scan"
    converted(path, stem)
    change(stem)
    with open_images(path) as images:
        notes = Notes()
        keys = keys_of(images, notes)
        described = columns_of(images, keys, notes)
        general = general_of(images, described.table, described.geometry, notes)
        found = check_pair(images, described, general, line_order(keys), str(stem.with_suffix(".PAR")))
    for sentence in expected:
        assert any(line.startswith(sentence) for line in found), found
    assert bool(found) == bool(expected)
