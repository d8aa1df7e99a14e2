"""Small synthetic files laid out as a Philips scanner exports them: classic images, presentation states, a study.

They serve the tests and `make demo`, and need only numpy and pydicom. The layout is that of real files of release
5.7.1 (see `layout`); patient, UIDs and pixels are made up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set

from pydicom.dataset import FileDataset

from . import layout
from .elements import Template, dataset, part10, text_of
from .enhanced import enhanced_mr
from .geometry import Geometry
from .identity import StudyIdentity
from .rawdata import RAW_DATA_STORAGE, raw_data, raw_series
from .scan import MR_IMAGE, Cell, Scan, image_names

__all__ = [
    "classic_fmri",
    "demo_study",
    "enhanced_mr",
    "presentation_state",
    "raw_data",
    "raw_series",
    "write",
]

GRAYSCALE_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
_PRIVATE_CLASSES = "1.3.46.670589."


def classic_fmri(
    identity: StudyIdentity,
    *,
    slices: int = 4,
    dynamics: int = 3,
    rows: int = 32,
    columns: int = 32,
    series_number: int = 201,
    echoes: int = 1,
    types: tuple[str, ...] = ("M",),
    missing: Set[tuple[int, int]] = frozenset(),
    geometry: Geometry | None = None,
    description: str = "fMRI",
    repetition_time_ms: float = 2000.0,
    **overrides: object,
) -> list[FileDataset]:
    """Return a classic series: one MR image for each type, slice, dynamic and echo, in the order of Instance Number.

    `types` are M (magnitude) and P (phase). `missing` holds (slice, dynamic) pairs, from 1, that never arrived: the
    numbers of the others, and Number of Temporal Positions, stay as planned, as in a stopped scan. `overrides` are
    attributes by keyword, set last in every image; None removes one.
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
        missing=missing,
        geometry=geometry or Geometry(),
        description=description,
        repetition_time_ms=repetition_time_ms,
    )
    table = layout.COMMON + layout.REFERENCES + layout.CLASSIC_IMAGE + layout.SERIES_PRIVATE + layout.CLASSIC_PRIVATE
    constants = {**scan.common_values(), "sop_class": MR_IMAGE, "export_kind": 3}
    template = Template(table, constants, image_names() | {"pixels"})
    changed = overrides if dynamics > 1 else {"TriggerTime": None, **overrides}  # absent in `classic/2001`
    images: list[FileDataset] = []
    for number, cell in scan.cells():
        pixels = scan.stored(cell)
        values = {**scan.image_values(number, cell, pixels), "pixels": pixels.tobytes()}
        images.append(dataset(template.header(values), changed))
    return images


def presentation_state(
    identity: StudyIdentity,
    *,
    series_number: int = 201,
    references: Sequence[FileDataset] = (),
    rows: int = 32,
    columns: int = 32,
    **overrides: object,
) -> FileDataset:
    """Return a minimal Grayscale Softcopy Presentation State (PS3.3 A.33.1) of a series.

    It refers to the first of `references`, else to the first image that `classic_fmri` makes with that series number.
    There is no real Philips presentation state to compare with; a scanner writes one beside most series.
    """
    scan = Scan(identity, series_number, rows=rows, columns=columns)
    values = {
        **scan.common_values(),
        "sop_class": GRAYSCALE_PRESENTATION_STATE,
        "sop_instance": identity.uid("presentation state", series_number),
        "modality": "PR",
        "referenced_class": str(references[0].SOPClassUID) if references else MR_IMAGE,
        "referenced_instance": (
            str(references[0].SOPInstanceUID) if references else scan.instance_uid(Cell("", "M", 1, 1, 1))
        ),
    }
    template = Template(layout.COMMON + layout.PRESENTATION_STATE, values)
    changed: dict[str, object] = {
        "SeriesInstanceUID": identity.uid("presentation state series", series_number),
        "FrameOfReferenceUID": None,
        "PositionReferenceIndicator": None,
    }
    return dataset(template.header(), changed | overrides)


def demo_study(identity: StudyIdentity | None = None) -> list[FileDataset]:
    """Return a small study: a classic fMRI series, an Enhanced file, and the ExamCard that ran both."""
    who = identity or StudyIdentity()
    return [*classic_fmri(who), enhanced_mr(who), raw_data(who, examcard_name=who.examcard_name)]


def write(datasets: Iterable[FileDataset], directory: str | os.PathLike[str], *, first: int = 1) -> list[str]:
    """Write each data set as a Part 10 file, Explicit VR Little Endian; return the paths in the same order.

    Names are those of a Philips export: IM_ for images, PS_ for presentation states, XX_ for raw data, with one
    counter for all three (`first`), so the numbers of each kind have gaps. The directory is made if it is missing.
    """
    os.makedirs(directory, exist_ok=True)
    paths: list[str] = []
    for number, found in enumerate(datasets, first):
        path = os.path.join(os.fspath(directory), f"{_prefix(text_of(found, 0x00080016))}_{number:04d}")
        with open(path, "wb") as out:
            out.write(part10(found))
        paths.append(path)
    return paths


def _prefix(sop_class: str) -> str:
    if sop_class == GRAYSCALE_PRESENTATION_STATE:
        return "PS"
    return "XX" if sop_class == RAW_DATA_STORAGE or sop_class.startswith(_PRIVATE_CLASSES) else "IM"
