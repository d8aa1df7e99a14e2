"""The classic images of a directory, each as the few values that say which image of its scan it is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from mrdock.dicom.elements import find
from mrdock.dicom.opening import DataSet, open_data_set
from mrdock.dicom.reading import FileHeader, read_many
from mrdock.dicom.rendering import value_text
from mrdock.dicom.scan import Key, Wanted
from mrdock.dicom.sop_classes import STORAGE_CLASSES
from mrdock.dicom.values import Header
from mrdock.errors import DicomError, MalformedError, NotDicomError, PlaceError, UnsuitableError
from mrdock.files.names import printable
from mrdock.files.walk import walk

Triple = tuple[float, float, float]

_CLASSIC_MR: Final = "1.2.840.10008.5.1.4.1.1.4"
_ENHANCED: Final = frozenset({"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"})

_DD1: Final = "Philips Imaging DD 001"
_MR1: Final = "Philips MR Imaging DD 001"
_MR5: Final = "Philips MR Imaging DD 005"

_FIELDS: Final[dict[str, tuple[Key, str]]] = {
    "manufacturer": (0x00080070, "LO"),
    "series": (0x0020000E, "UI"),
    "study_date": (0x00080020, "DA"),
    "study_time": (0x00080030, "TM"),
    "study_description": (0x00081030, "LO"),
    "patient_name": (0x00100010, "PN"),
    "patient_id": (0x00100020, "LO"),
    "thickness": (0x00180050, "DS"),
    "repetition_time": (0x00180080, "DS"),
    "echo_time": (0x00180081, "DS"),
    "echo_number": (0x00180086, "IS"),
    "spacing_between": (0x00180088, "DS"),
    "duration": (0x00189073, "FD"),
    "protocol": (0x00181030, "LO"),
    "flip_angle": (0x00181314, "DS"),
    "acquisition": (0x00200012, "IS"),
    "position": (0x00200032, "DS"),
    "orientation": (0x00200037, "DS"),
    "temporal_position": (0x00200100, "IS"),
    "rows": (0x00280010, "US"),
    "columns": (0x00280011, "US"),
    "pixel_spacing": (0x00280030, "DS"),
    "intercept": (0x00281052, "DS"),
    "slope": (0x00281053, "DS"),
    "step_date": (0x00400244, "DA"),
    "step_time": (0x00400245, "TM"),
    "step_description": (0x00400254, "LO"),
    "b_value": ((0x2001, 0x03, _DD1), "FL"),
    "phase_number": ((0x2001, 0x08, _DD1), "IS"),
    "slice_number": ((0x2001, 0x0A, _DD1), "IS"),
    "epi_factor": ((0x2001, 0x13, _DD1), "SL"),
    "echoes": ((0x2001, 0x14, _DD1), "SL"),
    "phases": ((0x2001, 0x17, _DD1), "SL"),
    "slices": ((0x2001, 0x18, _DD1), "SL"),
    "reconstruction": ((0x2001, 0x1D, _DD1), "IS"),
    "technique": ((0x2001, 0x20, _DD1), "LO"),
    "stacks": ((0x2001, 0x60, _DD1), "SL"),
    "philips_acquisition": ((0x2001, 0x7B, _DD1), "IS"),
    "dynamics": ((0x2001, 0x81, _DD1), "IS"),
    "angulation_ap": ((0x2005, 0x00, _MR1), "FL"),
    "angulation_fh": ((0x2005, 0x01, _MR1), "FL"),
    "angulation_rl": ((0x2005, 0x02, _MR1), "FL"),
    "offcentre_ap": ((0x2005, 0x08, _MR1), "FL"),
    "offcentre_fh": ((0x2005, 0x09, _MR1), "FL"),
    "offcentre_rl": ((0x2005, 0x0A, _MR1), "FL"),
    "scale_slope": ((0x2005, 0x0E, _MR1), "FL"),
    "type": ((0x2005, 0x11, _MR1), "CS"),
    "is_diffusion": ((0x2005, 0x14, _MR1), "CS"),
    "mixes": ((0x2005, 0x21, _MR1), "SS"),
    "sequence": ((0x2005, 0x6E, _MR1), "CS"),
    "b_number": ((0x2005, 0x12, _MR5), "IS"),
    "gradient_number": ((0x2005, 0x13, _MR5), "IS"),
    "label_types": ((0x2005, 0x28, _MR5), "SL"),
    "label": ((0x2005, 0x29, _MR5), "CS"),
}
_STACK: Final = {"fov": (0x74, 0x75, 0x76), "angulation": (0x71, 0x72, 0x73), "offcentre": (0x78, 0x79, 0x7A)}
_WANTED: Final = Wanted(_FIELDS.values(), longest=256)
_ABSENT: Final = 1.6e38  # and beyond: what Philips writes for no value


class Kind(NamedTuple):
    """What tells images of one place and time apart; in a scan of dynamics alone it is the same in all."""

    echo: int
    echo_time_ms: float
    phase: int
    type: str
    sequence: str
    b_value: float
    b_number: int
    gradient_number: int
    label: str


@dataclass(frozen=True, slots=True)
class Series:
    """What one image says of its whole series; numbers are 0 and texts empty where it does not say it."""

    uid: str
    patient_name: str
    patient_id: str
    examination_names: tuple[str, ...]
    protocol_name: str
    began: tuple[str, ...]
    """Date and time of the examination and of the study, ``YYYYMMDDhhmmss``."""
    acquisition: int
    reconstruction: int
    duration_s: float
    technique: str
    repetition_time_ms: float
    epi_factor: int
    slices: int
    echoes: int
    phases: int
    mixes: int
    stacks: int
    dynamics: int
    label_types: int
    is_diffusion: bool
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Image:
    """One classic image; lengths in mm, angles in degrees. None where the header does not say it.

    ``slice_number`` and ``dynamic`` are 0 where there is none. ``offcentre_mm`` is the centre, ``angulation_deg`` the
    angles, along (ap, fh, rl): to posterior, to the head, to the left.
    """

    path: str
    sop_instance: str
    series: Series
    kind: Kind
    slice_number: int
    dynamic: int
    position_mm: Triple | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    spacing_mm: float | None
    flip_angle_deg: float | None
    offcentre_mm: Triple | None
    angulation_deg: Triple | None
    intercept: float
    slope: float
    scale_slope: float | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a directory holds: classic MR images in the order of their names, and other files."""

    folder: str
    images: list[Image]
    left_out: list[str]


def read_directory(folder: str) -> Contents:
    """The classic MR images in ``folder`` and the directories in it; what is no MR image is left out.

    Raises PlaceError where it is no directory, UnsuitableError where it holds Enhanced MR, images of another maker
    or no MR images, MalformedError for a broken DICOM file, and OSError.
    """
    if not os.path.isdir(folder):
        what = "is a file; name the directory that holds the images" if os.path.exists(folder) else "is not there"
        raise PlaceError(f"{printable(folder)}: {what}")
    images: list[Image] = []
    others: list[str] = []
    known: dict[Series, Series] = {}
    seen = ""
    for path, outcome in read_many(_files(folder), _WANTED):
        if isinstance(outcome, NotDicomError):
            others.append(path)
        elif isinstance(outcome, DicomError):
            raise MalformedError(f"{printable(path)}: {outcome}")
        elif isinstance(outcome, OSError):
            raise outcome
        elif outcome.sop_class in _ENHANCED:
            raise UnsuitableError(f"{printable(path)}: is Enhanced MR already; dcms2e makes it of classic images")
        elif outcome.sop_class == _CLASSIC_MR:
            images.append(_image(path, outcome, known))
        else:
            seen = seen or _kind_of_object(outcome.sop_class)
            others.append(path)
    if not images:
        instead = f" (but {seen})" if seen else ""
        raise UnsuitableError(f"{printable(folder)}: holds no classic MR images{instead}")
    return Contents(folder, images, others)


def stack_geometry(path: str) -> dict[str, Triple]:
    """Field of view and offcentre in mm, angulation in degrees, of the first stack, each along (ap, fh, rl).

    From the item of (2001,105F); what it does not say is missing. Raises DicomError and OSError.
    """
    try:
        with open_data_set(path) as data_set:
            found = {name: _three_of(data_set, lows) for name, lows in _STACK.items()}
    except DicomError as error:
        raise type(error)(f"{printable(path)}: {error}") from None
    return {name: values for name, values in found.items() if values is not None}


def _three_of(data_set: DataSet, lows: tuple[int, ...]) -> Triple | None:
    """Three numbers of Philips' creator, wherever they stand; None where one is missing or none."""
    values = []
    for low in lows:
        key = (0x2005, low, _MR1)
        for element in find(data_set.data, data_set.transfer_syntax, key, start=data_set.start)[:1]:
            try:
                values.append(float(value_text(element.vr, element.raw, b"", element.big_endian)))
            except ValueError:
                return None
    return _triple(tuple(values)) if len(values) == 3 and max(map(abs, values)) < _ABSENT else None


def root_of(folder: str) -> str:
    """The directory without a final separator; ``.`` and ``..`` by their name."""
    given = os.path.normpath(folder)
    return os.path.abspath(given) if os.path.basename(given) in (os.curdir, os.pardir, "") else given


def _files(folder: str) -> Iterable[str]:
    def failed(path: str, error: OSError) -> None:
        raise OSError(error.errno, error.strerror, path)

    for directory in walk(folder, failed):
        for entry in directory.entries:
            if entry.is_file:
                yield entry.path


def _image(path: str, file: FileHeader, known: dict[Series, Series]) -> Image:
    said = _Said(file.header)
    manufacturer = said.text("manufacturer")
    if not manufacturer.upper().startswith("PHILIPS"):
        maker = printable(manufacturer)[:40] or "an unknown maker"
        raise UnsuitableError(f"{printable(path)}: from {maker}; dcms2e converts images of Philips scanners")
    series = _series(said)
    return Image(
        path=path,
        sop_instance=file.sop_instance,
        series=known.setdefault(series, series),
        kind=_kind(said),
        slice_number=said.whole("slice_number"),
        dynamic=said.whole("temporal_position"),
        position_mm=_triple(said.numbers("position")),
        orientation=said.numbers("orientation", 6),
        pixel_spacing_mm=said.numbers("pixel_spacing", 2),
        thickness_mm=said.number("thickness"),
        spacing_mm=said.number("spacing_between"),
        flip_angle_deg=said.number("flip_angle"),
        offcentre_mm=said.three("offcentre"),
        angulation_deg=said.three("angulation"),
        intercept=said.number("intercept") or 0.0,
        slope=said.number("slope") or 1.0,
        scale_slope=said.number("scale_slope"),
    )


def _series(said: _Said) -> Series:
    moments = [[said.text(f"{what}_{part}") for part in ("date", "time")] for what in ("step", "study")]
    names = [said.text("step_description"), said.text("study_description")]
    return Series(
        uid=said.text("series"),
        patient_name=said.text("patient_name"),
        patient_id=said.text("patient_id"),
        examination_names=tuple(filter(None, names)),
        protocol_name=said.text("protocol"),
        began=tuple("".join(moment) for moment in moments if all(moment)),
        acquisition=said.whole("philips_acquisition") or said.whole("acquisition"),
        reconstruction=said.whole("reconstruction"),
        duration_s=said.number("duration") or 0.0,
        technique=said.text("technique"),
        repetition_time_ms=said.number("repetition_time") or 0.0,
        epi_factor=said.whole("epi_factor"),
        slices=said.whole("slices"),
        echoes=said.whole("echoes"),
        phases=said.whole("phases"),
        mixes=said.whole("mixes"),
        stacks=said.whole("stacks"),
        dynamics=said.whole("dynamics"),
        label_types=said.whole("label_types"),
        is_diffusion=said.text("is_diffusion") == "Y",
        rows=said.whole("rows"),
        columns=said.whole("columns"),
    )


def _kind(said: _Said) -> Kind:
    return Kind(
        echo=said.whole("echo_number") or 1,
        echo_time_ms=said.number("echo_time") or 0.0,
        phase=said.whole("phase_number") or 1,
        type=said.text("type"),
        sequence=said.text("sequence"),
        b_value=said.number("b_value") or 0.0,
        b_number=said.whole("b_number") or 1,
        gradient_number=said.whole("gradient_number") or 1,
        label=said.text("label").strip("-"),
    )


class _Said:
    """The values of one header by the names of `_FIELDS`."""

    def __init__(self, header: Header) -> None:
        self._header = header

    def text(self, name: str) -> str:
        return self._header.text(_FIELDS[name][0]) or ""

    def number(self, name: str) -> float | None:
        found = self._header.number(_FIELDS[name][0])
        return None if found is None or abs(found) > _ABSENT else float(found)

    def whole(self, name: str) -> int:
        found = self.number(name)
        return 0 if found is None or abs(found) >= 2**31 - 1 else int(found)

    def numbers(self, name: str, count: int = 3) -> tuple[float, ...] | None:
        """The values of a DS of ``count`` values; None where it has others."""
        try:
            found = tuple(float(word) for word in self.text(name).split("\\"))
        except ValueError:
            return None
        return found if len(found) == count and all(abs(each) < _ABSENT for each in found) else None

    def three(self, name: str) -> Triple | None:
        return _triple(tuple(self.number(f"{name}_{axis}") for axis in ("ap", "fh", "rl")))


def _triple(values: tuple[float | None, ...] | None) -> Triple | None:
    if values is None or None in values:
        return None
    a, b, c = values
    return a, b, c  # type: ignore[return-value]


def _kind_of_object(sop_class: str) -> str:
    found = STORAGE_CLASSES.get(sop_class)
    return found.name if found else "other DICOM objects"
