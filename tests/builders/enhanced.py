"""Enhanced MR Image Storage as Philips writes it (PS3.3 A.36)."""

from __future__ import annotations

from collections.abc import Iterator, Set

from pydicom.dataset import FileDataset

from . import layout
from .elements import Header, Template, Value, dataset, encode, raw, sequence
from .geometry import Geometry
from .identity import StudyIdentity
from .scan import ENHANCED_MR_IMAGE, KIND_CODES, LABEL_CODES, Cell, Scan, image_names

_PRIVATE_001 = "Philips MR Imaging DD 001"
_PRIVATE_005 = "Philips MR Imaging DD 005"


def enhanced_mr(
    identity: StudyIdentity,
    *,
    slices: int = 4,
    dynamics: int = 3,
    rows: int = 32,
    columns: int = 32,
    series_number: int = 301,
    echoes: int = 1,
    types: tuple[str, ...] = ("M",),
    labels: tuple[str, ...] = (),
    missing: Set[tuple[int, int]] = frozenset(),
    geometry: Geometry | None = None,
    description: str = "Enhanced fMRI",
    repetition_time_ms: float = 2000.0,
    dimension_index: bool = True,
    **overrides: object,
) -> FileDataset:
    """Return one Enhanced MR file with all images of a scan.

    `labels` makes an ASL scan (CONTROL, LABEL); `missing` leaves (slice, dynamic) pairs out, as a stopped scan does;
    without `dimension_index` the Dimension Index Sequence is away but the index values stay, as in anonymised files
    (`dicom2nifti/enhanced/fmri.dcm`). `overrides` are attributes of the root by keyword, set last; None removes.
    """
    scan = Scan(
        identity,
        series_number,
        slices=slices,
        dynamics=dynamics,
        rows=rows,
        columns=columns,
        echoes=echoes,
        types=types,
        labels=labels,
        missing=missing,
        geometry=geometry or Geometry(),
        description=description,
        repetition_time_ms=repetition_time_ms,
    )
    cells = list(scan.cells())
    header = enhanced_header(scan, len(cells))
    if dimension_index:
        header.update(dimensions(scan))
    frame = frame_template(scan)
    images = [scan.stored(cell) for _, cell in cells]
    items = (
        frame.encode(frame_values(scan, number, cell, scan.image_values(number, cell, image)))
        for (number, cell), image in zip(cells, images, strict=True)
    )
    per_frame = sequence(0x52009230, items)
    pixels = raw(0x7FE00010, "OW", b"".join(image.tobytes() for image in images))
    header |= {per_frame.tag: per_frame, pixels.tag: pixels}
    return dataset(header, overrides)


def enhanced_header(scan: Scan, frames: int) -> Header:
    """Return all but dimensions, per-frame groups and pixels."""
    values: dict[str, Value] = {
        **scan.common_values(),
        "sop_class": ENHANCED_MR_IMAGE,
        "sop_instance": scan.identity.uid("enhanced", scan.series_number),
        "frames": frames,
        "frame_kind": "NONE" if len(scan.types) == 1 else "MIXED",
        "component": _one_or_mixed(scan),
    }
    table = layout.COMMON + layout.REFERENCES + layout.ENHANCED_IMAGE + layout.SERIES_PRIVATE
    header = Template(table, values).header()
    shared = sequence(0x52009229, [encode(Template(layout.SHARED_GROUPS, values).header())])
    header[shared.tag] = shared
    return header


def _one_or_mixed(scan: Scan) -> str:
    if len(scan.types) > 1:
        return "MIXED"
    return "PHASE" if scan.types[0] == "P" else "MAGNITUDE"


def dimension_pointers(scan: Scan) -> Iterator[tuple[str, str, str, str]]:
    """Yield pointer, functional group, label and private creator of each dimension.

    The order is that of `402_SOURCE_3D_pCASL_6mm.dcm` (stack, position, time, label) and
    `2001_fcMRI_Field_Mapping.dcm` (stack, position, image type, echo time); what has one value is no dimension.
    """
    yield "00209056", "00209111", "Stack ID", ""
    yield "00209057", "00209111", "In-Stack Position Number", ""
    if scan.dynamics > 1:
        yield "00209128", "00209111", "Temporal Position Index", ""
    if len(scan.types) > 1:
        yield "20051011", "2005140f", "Private ImageTypeMR", _PRIVATE_001
    if scan.echoes > 1:
        yield "00189082", "00189114", "Effective Echo Time", ""
    if len(scan.labels) > 1:
        yield "20051429", "2005140f", "Private Label Type", _PRIVATE_005


def index_values(scan: Scan, cell: Cell) -> list[int]:
    """Return Dimension Index Values (0020,9157); a private dimension holds its code, which may be 0."""
    values = [1, cell.slice]
    if scan.dynamics > 1:
        values.append(cell.dynamic)
    if len(scan.types) > 1:
        values.append(KIND_CODES[cell.kind])
    if scan.echoes > 1:
        values.append(cell.echo)
    if len(scan.labels) > 1:
        values.append(LABEL_CODES[cell.label])
    return values


def dimensions(scan: Scan) -> Header:
    """Return Dimension Organization Sequence and Dimension Index Sequence."""
    uid = scan.identity.uid("dimensions", scan.series_number)
    items: list[bytes] = []
    for pointer, group, label, creator in dimension_pointers(scan):
        elements = [raw(0x00209164, "UI", uid), raw(0x00209165, "AT", pointer), raw(0x00209167, "AT", group)]
        if creator:
            elements += [raw(0x00209213, "LO", creator), raw(0x00209238, "LO", _PRIVATE_005)]
        elements.append(raw(0x00209421, "LO", label))
        items.append(encode({element.tag: element for element in elements}))
    organization = raw(0x00209164, "UI", uid)
    sequences = (
        sequence(0x00209221, [encode({organization.tag: organization})]),
        sequence(0x00209222, items),
    )
    return {element.tag: element for element in sequences}


def frame_template(scan: Scan) -> Template:
    """Return the template of one item of the Per-frame Functional Groups Sequence."""
    varying = image_names() | {"frame_kind", "index_values"}
    return Template(layout.FRAME_GROUPS, scan.common_values(), varying)


def frame_values(scan: Scan, number: int, cell: Cell, image: dict[str, Value]) -> dict[str, Value]:
    """Return what varies in one per-frame item."""
    kind = cell.kind if len(scan.types) > 1 else "NONE"
    return {
        **image,
        "study_date": scan.identity.study_date,
        "instance_number": number,
        "frame_kind": kind,
        "index_values": index_values(scan, cell),
    }
