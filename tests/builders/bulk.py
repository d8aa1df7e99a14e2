"""Many instances, and big ones, without holding them: made from bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set

from . import layout
from .elements import SEQUENCE_END, UNDEFINED, Template, Value, encode, file_start, item, start
from .enhanced import dimensions, enhanced_header, frame_template, frame_values
from .geometry import Geometry
from .identity import StudyIdentity
from .scan import ENHANCED_MR_IMAGE, MR_IMAGE, Scan, image_names

_FOUR_GIB = 1 << 32


def bulk_classic(
    n: int,
    identity: StudyIdentity | None = None,
    *,
    slices: int = 20,
    rows: int = 8,
    columns: int = 8,
    series_number: int = 201,
    **overrides: Value,
) -> Iterator[bytes]:
    """Yield the Part 10 bytes of `n` tiny classic MR images of one series (about 2.5 kB and 0.1 ms each).

    They carry the standard attributes and of the private ones only those that number the images. The series has as
    many dynamics as `n` needs, and comes slice by slice in the scanner's order. `overrides` replaces values of the
    header tables by their placeholder's name, for example `study_description` or `patient_id`.
    """
    if n < 1:
        return
    slices = min(slices, n)
    scan = Scan(
        identity or StudyIdentity(), series_number, slices=slices, dynamics=-(-n // slices), rows=rows, columns=columns
    )
    constants: dict[str, Value] = {**scan.common_values(), "sop_class": MR_IMAGE}
    if unknown := overrides.keys() - constants.keys() - image_names():
        raise TypeError(f"no placeholder is named {', '.join(sorted(unknown))}")
    constants |= overrides
    varying = (image_names() | {"pixels"}) - overrides.keys()
    template = Template(layout.COMMON + layout.CLASSIC_IMAGE + layout.SMALL_PRIVATE, constants, varying)
    for (number, cell), _ in zip(scan.cells(), range(n), strict=False):
        image = scan.stored(cell)
        values = {**constants, **scan.image_values(number, cell, image), "pixels": image.tobytes(), **overrides}
        yield file_start(str(values["sop_class"]), str(values["sop_instance"])) + template.encode(values)


def enhanced_large(
    path: str | os.PathLike[str],
    frames: int,
    rows: int = 96,
    columns: int = 96,
    *,
    identity: StudyIdentity | None = None,
    series_number: int = 401,
    missing: Set[tuple[int, int]] = frozenset(),
) -> int:
    """Write a valid Enhanced MR file of any number of frames and return its length in bytes.

    Memory does not grow with the file. Slices are the largest divisor of `frames` up to 64, the rest are dynamics;
    `missing` (slice, dynamic) pairs are left out of `frames`, as by a stopped scan. The pixels must stay under 4 GiB,
    the limit of an element's length; 96 x 96 reaches 2 GiB at about 104,000 frames.
    """
    length = (frames - len(missing)) * rows * columns * 2
    if frames < 1 or length >= _FOUR_GIB:
        raise ValueError(f"{frames} frames of {rows} x {columns}: pixels must have 1 byte to 4 GiB")
    slices = max(number for number in range(1, min(64, frames) + 1) if frames % number == 0)
    scan = Scan(
        identity or StudyIdentity(),
        series_number,
        slices=slices,
        dynamics=frames // slices,
        missing=missing,
        rows=rows,
        columns=columns,
        geometry=Geometry(pixel_mm=192 / max(rows, columns), thickness_mm=2.5, gap_mm=0),
        description="Enhanced large",
    )
    frame = frame_template(scan)
    with open(path, "wb") as out:
        out.write(file_start(ENHANCED_MR_IMAGE, scan.identity.uid("enhanced", series_number)))
        out.write(encode(enhanced_header(scan, frames - len(missing)) | dimensions(scan)))
        out.write(start(0x52009230, "SQ", UNDEFINED))
        for number, cell in scan.cells():
            values = scan.image_values(number, cell, scan.stored(cell))
            out.write(item(frame.encode(frame_values(scan, number, cell, values))))
        out.write(SEQUENCE_END)
        out.write(start(0x7FE00010, "OW", length))
        for _, cell in scan.cells():
            out.write(scan.stored(cell).tobytes())
        return out.tell()
