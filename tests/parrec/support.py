"""Small PAR/REC pairs, and the scanners' own in nibabel's wheel."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, Final

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrdock.parrec.general import General
from mrdock.parrec.table import COLUMNS, KEYS, Version
from mrdock.parrec.writing import format_par

NIBABEL: Final = Path(nibabel.__file__).parent / "tests" / "data"
"""PAR files of scanners, and some that were made from them."""

EDITED: Final = frozenset(
    {
        "DTIv40",
        "phantom_fake_dualTR",
        "phantom_fake_v4",
        "phantom_fake_v4_1",
        "phantom_truncated",
        "phantom_varscale",
        "umass_anonymized",
        "variant_v4_2_header",
    }
)
"""Those that no scanner printed."""

RELEASE_11: Final = "R11_T2W_TSE"

SCANNERS: Final = tuple(sorted(path.stem for path in NIBABEL.glob("*.PAR") if path.stem not in {*EDITED, RELEASE_11}))
"""Those that scanners of releases up to 5 printed."""

REC_FILES: Final = tuple(sorted(path.stem for path in NIBABEL.glob("*.REC")))

Table = dict[str, NDArray[Any]]


def table_of(rows: int = 4, columns: int = 6, **keys: int) -> Table:
    """The columns of a scan: a grid over keys with so many values each, slices fastest; a transverse stack."""
    order: list[str] = [key for key in KEYS if key in keys]
    grid = np.array(list(product(*(range(1, keys[key] + 1) for key in order))), dtype=np.int64)
    images = len(grid)
    table: Table = {}
    for column in COLUMNS:
        dtype = np.int64 if column.whole else np.float64
        table[column.key] = np.zeros((images, column.size) if column.size > 1 else images, dtype)
    for at, key in enumerate(order):
        table[key] = grid[:, at]
    for key in set(KEYS) - set(order) - {"image_type_mr", "scanning_sequence"}:
        table[key][:] = 1
    table["index_in_rec_file"][:] = np.arange(images)
    table["image_pixel_size_bits"][:] = 16
    table["recon_resolution"][:] = columns, rows
    table["rescale_slope"][:] = 1.25
    table["scale_slope"][:] = 0.004
    table["pixel_spacing_mm"][:] = 3.0
    table["slice_thickness_mm"][:] = 2.0
    table["slice_gap_mm"][:] = 0.5
    table["slice_orientation"][:] = 1
    middle = (keys.get("slice_number", 1) + 1) / 2
    table["image_offcentre_mm"][:, 1] = (table["slice_number"] - middle) * 2.5
    return table


def write_pair(
    folder: Path,
    table: Table,
    general: General | None = None,
    *,
    name: str = "scan",
    version: Version = "V4.2",
    pixels: NDArray[Any] | None = None,
) -> Path:
    """A PAR and its REC, of random pixels where none are given; the path of PAR."""
    path = folder / f"{name}.PAR"
    path.write_bytes(format_par(general or General(), table, dataset_name=name, version=version))
    if pixels is None:
        pixels = noise(table)
    path.with_suffix(".REC").write_bytes(pixels.tobytes())
    return path


def noise(table: Table) -> NDArray[Any]:
    """Random images (images, rows, columns) for a table."""
    columns, rows = table["recon_resolution"][0].tolist()
    bits = int(table["image_pixel_size_bits"][0])
    generator = np.random.default_rng(7)
    kind = np.uint8 if bits == 8 else np.dtype("<u2")
    return generator.integers(0, 1 << min(bits, 12), (len(table["slice_number"]), rows, columns)).astype(kind)
