"""The general lines of a PAR file: from Philips' numbers at the top of a data set, behind them standard attributes.

Anonymised files often lack the whole private part of the root; what nothing stands in for is printed as scanners print
nothing, and noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.convert import par_codes
from mrdock.convert.par_geometry import Geometry, midslice_of
from mrdock.convert.par_images import FRAME, SHARED, Images, Place
from mrdock.convert.par_notes import Notes
from mrdock.convert.par_values import IMAGING, MR, MR_5
from mrdock.dicom.scan import Key
from mrdock.parrec.general import General
from mrdock.parrec.writing import plain

PATIENT: Final = 0x00100010

_MODIFIER: Final = 0x00189115
_IMAGING_MODIFIER: Final = 0x00189006
_FIELD: Final = 0x00189125
_CONTENT: Final = 0x00209111

_COUNTED: Final[Mapping[str, tuple[str, tuple[Key, ...], str]]] = {
    "max_cardiac_phases": ("cardiac_phase_number", ((0x2001, 0x17, IMAGING),), "cardiac phases"),
    "max_echoes": ("echo_number", ((0x2001, 0x14, IMAGING),), "echoes"),
    "max_slices": ("slice_number", ((0x2001, 0x18, IMAGING),), "slices"),
    "max_dynamics": ("dynamic_scan_number", ((0x2001, 0x81, IMAGING), 0x00200105), "dynamics"),
    "max_diffusion_values": ("diffusion_b_value_number", ((0x2005, 0x14, MR_5),), "diffusion values"),
    "max_gradient_orients": ("gradient_orientation_number", ((0x2005, 0x15, MR_5),), "gradient orientations"),
}
"""Maxima: the column whose numbers they count, where the planned number stands, and what they are called."""


def general_of(
    images: Images, table: Mapping[str, NDArray[Any]], geometry: Geometry, notes: Notes, *, anonymous: bool = False
) -> General:
    """The general information of a scan with these columns."""
    root = images.root.values
    midslice = midslice_of(
        images, geometry, table["slice_number"], table["slice_thickness_mm"], table["slice_gap_mm"], notes
    )
    lookup = _Lookup(images, notes)
    counted = {name: _maximum(images, table, name, notes) for name in _COUNTED}
    acquisition, reconstruction = _numbers_of_scan(lookup)
    return General(
        patient_name="" if anonymous else _text(root.text(PATIENT).partition("=")[0], "patient name", notes),
        examination_name=_text(root.text(0x00400254, 0x00081030), "examination name", notes),
        protocol_name=_text(root.text(0x00181030, 0x0008103E), "protocol name", notes),
        examination_date_time=_date_time(lookup),
        acquisition_nr=acquisition,
        reconstruction_nr=reconstruction,
        scan_duration_s=_duration(lookup),
        max_cardiac_phases=counted["max_cardiac_phases"],
        max_echoes=counted["max_echoes"],
        max_slices=counted["max_slices"],
        max_dynamics=counted["max_dynamics"],
        max_mixes=round(lookup.number("mixes", (0x2005, 0x21, MR), absent=1)),
        patient_position=par_codes.patient_position(lookup.text("patient position", 0x00185100)),
        preparation_direction=par_codes.DIRECTIONS.get(midslice.preparation, midslice.preparation),
        technique=_text(lookup.text("technique", (0x2001, 0x20, IMAGING), 0x00189005), "technique", notes),
        scan_resolution=_resolution(lookup),
        scan_mode=_scan_mode(lookup),
        repetition_time_ms=_repetition_times(lookup),
        fov_mm=midslice.fov_mm,
        water_fat_shift_pixels=lookup.number("water fat shift", (0x2001, 0x22, IMAGING)),
        angulation_deg=midslice.angulation_deg,
        off_centre_mm=midslice.offcentre_mm,
        flow_compensation=lookup.flag("flow compensation", (0x2005, 0x16, MR), (_MODIFIER, 0x00189010)),
        presaturation=lookup.flag("presaturation", (0x2005, 0x2F, MR), (_MODIFIER, 0x00189027)),
        phase_encoding_velocity_cm_s=_velocity(lookup),
        mtc=lookup.flag("MTC", (0x2005, 0x1C, MR), (_IMAGING_MODIFIER, 0x00189020)),
        spir=lookup.flag("SPIR", (0x2001, 0x21, IMAGING)),
        epi_factor=round(lookup.number("EPI factor", (0x2001, 0x13, IMAGING), absent=1)),
        dynamic_scan=_flag_or(images, (0x2001, 0x12, IMAGING), len(np.unique(table["dynamic_scan_number"])) > 1),
        diffusion=_flag_or(images, (0x2005, 0x14, MR), bool((table["diffusion_b_factor"] > 0).any())),
        diffusion_echo_time_ms=root.number((0x2001, 0x11, IMAGING)) or 0.0,
        max_diffusion_values=counted["max_diffusion_values"],
        max_gradient_orients=counted["max_gradient_orients"],
        label_types=_label_types(images),
    )


class _Lookup:
    """Asks for values, and notes those that are not there."""

    def __init__(self, images: Images, notes: Notes) -> None:
        self.images = images
        self.root = images.root.values
        self.notes = notes

    def text(self, name: str, *keys: Key) -> str:
        """A text of the root."""
        text = self.root.text(*keys)
        if not text:
            self.notes.add(f"{name}: not in the file")
        return text

    def number(self, name: str, *keys: Key, absent: float = 0.0) -> float:
        """A number of the root."""
        found = self.root.number(*keys)
        if found is None:
            self.notes.add(f"{name}: not in the file, printed as {absent:g}")
            return absent
        return found

    def flag(self, name: str, key: Key, standard: Place | None = None) -> int:
        """Y or N of the root; else whether the standard attribute is anything but NONE or NO."""
        found = self.root.flag(key)
        if found is not None:
            return found
        words = self.images.words(standard) if standard is not None else None
        if words is not None and words.of(0):
            return int(words.of(0) not in ("NONE", "NO"))
        self.notes.add(f"{name}: not in the file, printed as 0")
        return 0

    def first(self, *places: Place) -> float | None:
        """The number of the first image that has one."""
        for place in places:
            found = self.images.numbers(place)
            if found is not None:
                return float(found[~np.isnan(found)][0])
        return None


def _text(text: str, name: str, notes: Notes) -> str:
    """A text as it goes into the file; `plain` is what the writer makes of it."""
    if plain(text) != text:
        notes.add(f"{name}: has characters or a length that a PAR file cannot hold, they are replaced")
    return text


def _maximum(images: Images, table: Mapping[str, NDArray[Any]], name: str, notes: Notes) -> int:
    """The planned number where all images are there, which is the number of different ones; else that."""
    column, keys, word = _COUNTED[name]
    there = len(np.unique(table[column]))
    planned = images.root.values.number(*keys)
    if planned is not None and round(planned) != there:
        notes.add(f"{word}: {there} in the file, which is printed; {round(planned)} were planned")
    return there


def _numbers_of_scan(lookup: _Lookup) -> tuple[int, int]:
    """Acquisition and reconstruction; Series Number is 100 times the first and the second."""
    series = lookup.root.number(0x00200011)
    acquisition = lookup.root.number((0x2001, 0x7B, IMAGING), 0x00200012)
    reconstruction = lookup.root.number((0x2001, 0x1D, IMAGING))
    if acquisition is None:
        acquisition = lookup.first((FRAME, 0x00200012))
    if acquisition is None and series is not None and series > 100:
        acquisition = series // 100
    if acquisition is None:
        lookup.notes.add("acquisition number: not in the file, printed as 0")
        acquisition = 0
    if reconstruction is None and series is not None and series // 100 == acquisition:
        reconstruction = series % 100
    if reconstruction is None:
        lookup.notes.add("reconstruction number: not in the file, printed as 0")
        reconstruction = 0
    return round(acquisition), round(reconstruction)


def _date_time(lookup: _Lookup) -> str:
    """When the examination began."""
    date = lookup.root.text(0x00400244, 0x00080020).replace(".", "")
    time = lookup.root.text(0x00400245, 0x00080030).replace(":", "").ljust(6, "0")
    if len(date) != 8 or not date.isdecimal() or not time[:6].isdecimal():
        lookup.notes.add("examination date and time: not in the file")
        return ""
    return f"{date[:4]}.{date[4:6]}.{date[6:]} / {time[:2]}:{time[2:4]}:{time[4:6]}"


def _duration(lookup: _Lookup) -> float:
    """In seconds; the frames of an Enhanced file have that of the whole scan, in ms."""
    found = lookup.root.number((0x2005, 0x33, MR), 0x00189073)
    if found is None:
        duration_ms = lookup.first((_CONTENT, 0x00189220))
        found = None if duration_ms is None else duration_ms / 1000
    if found is None:
        lookup.notes.add("scan duration: not in the file, printed as 0")
    return found or 0.0


def _resolution(lookup: _Lookup) -> tuple[int, int]:
    """Steps of frequency and phase encoding."""
    x = lookup.root.number((0x2005, 0x1D, MR))
    if x is None:
        x = lookup.first((_FIELD, 0x00189058))
    y = lookup.first((SHARED, 0x00180089), (_FIELD, 0x00189231))
    if x is None or y is None:
        lookup.notes.add("scan resolution: not in the file, printed as 0")
    return round(x or 0), round(y or 0)


def _scan_mode(lookup: _Lookup) -> str:
    """2D, 3D, MS or M2D; the standard knows the first two."""
    found = lookup.root.text((0x2005, 0x6F, MR))
    if not found:
        words = lookup.images.words((0x00180023,))
        found = (words.of(0) if words is not None else "") or lookup.root.text(0x00180023)
        what = "not in the file" if not found else f"not in the file; {found} is the MR Acquisition Type (0018,0023)"
        lookup.notes.add(f"scan mode: {what}")
    return found


def _repetition_times(lookup: _Lookup) -> tuple[float, ...]:
    """In ms: two where a scan has two mixes."""
    found = lookup.root.numbers((0x2005, 0x30, MR))
    while len(found) > 1 and found[-1] == 0:
        found = found[:-1]
    if not found:
        one = lookup.first((0x00189112, 0x00180080))
        if one is None:
            lookup.notes.add("repetition time: not in the file, printed as 0")
        return (one or 0.0,)
    if len(found) > 1:
        lookup.notes.add("repetition times: the scan has several, and no column says which image has which")
    return found


def _velocity(lookup: _Lookup) -> tuple[float, float, float]:
    """Phase encoding velocity along (ap, fh, rl), cm/s."""
    found = lookup.root.numbers((0x2001, 0x1A, IMAGING))
    if len(found) < 3:
        lookup.notes.add("phase encoding velocity: not in the file, printed as 0")
        return 0.0, 0.0, 0.0
    return found[0], found[1], found[2]


def _flag_or(images: Images, key: Key, seen: bool) -> int:
    found = images.root.values.flag(key)
    return int(seen) if found is None else found


def _label_types(images: Images) -> int:
    """How many there are in an ASL scan, 0 in another."""
    planned = images.root.values.number((0x2005, 0x28, MR_5))
    if planned is not None:
        return round(planned)
    words = images.words((FRAME, (0x2005, 0x29, MR_5)))
    return len([word for word in words.distinct if word]) if words is not None else 0
