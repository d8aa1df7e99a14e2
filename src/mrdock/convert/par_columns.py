"""The image columns of a PAR file: each from the attributes that hold it in Enhanced and classic Philips files.

Where Philips' own sequence (2005,140F) is missing, standard attributes stand in as far as they can; numbers that
nothing gives are printed as 0, as scanners do. Verified by scanner PAR files and the images of the same scans, releases
5.1 and 5.7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrdock.convert import par_codes
from mrdock.convert.par_geometry import Geometry, geometry_of, stacks_of
from mrdock.convert.par_images import FRAME, Floats, Images, Ints, Place, first_of, words_of
from mrdock.convert.par_notes import Notes
from mrdock.convert.par_values import IMAGING, MR, MR_5
from mrdock.dicom.scan import Key

CONTENT: Final = 0x00209111
ECHO: Final = 0x00189114
TIMING: Final = 0x00189112
DIFFUSION: Final = 0x00189117
FIELD: Final = 0x00189125
AVERAGES: Final = 0x00189119
CARDIAC: Final = 0x00189118
FRAME_TYPE: Final = 0x00189226
TRANSFORMATION: Final = 0x00289145
WINDOW: Final = 0x00289132
MEASURES: Final = 0x00289110

SLICE_NUMBER: Final[Place] = (FRAME, (0x2001, 0x0A, IMAGING))
IMAGE_TYPE: Final[Place] = (FRAME, (0x2005, 0x11, MR))
SEQUENCE: Final[Place] = (FRAME, (0x2005, 0x6E, MR))
B_NUMBER: Final[Place] = (FRAME, (0x2005, 0x12, MR_5))
GRADIENT_NUMBER: Final[Place] = (FRAME, (0x2005, 0x13, MR_5))
LABEL: Final[Place] = (FRAME, (0x2005, 0x29, MR_5))
BEGIN: Final[Place] = (FRAME, (0x2005, 0xA0, MR))
TRIGGER: Final[Place] = (FRAME, 0x00181060)
NOMINAL_DELAY: Final[Place] = (CARDIAC, 0x00209153)
ECHO_TIME: Final = ((FRAME, 0x00180081), (ECHO, 0x00189082))
B_VALUE: Final = ((FRAME, (0x2001, 0x03, IMAGING)), (DIFFUSION, 0x00189087))
ORIENTATION: Final[Place] = (DIFFUSION, 0x00189089)
COMPONENT: Final[Place] = (FRAME_TYPE, 0x00089208)
TYPE_OF_FRAME: Final[Place] = (FRAME_TYPE, 0x00089007)
CONTRAST: Final[Place] = (FRAME_TYPE, 0x00089209)
ANISOTROPY: Final[Place] = (FRAME, 0x00189147)
DISPLAY: Final[Place] = (FRAME, (0x2005, 0x04, MR))
HEART: Final[Place] = (FRAME, (0x2001, 0x07, IMAGING))
BETWEEN: Final = ((MEASURES, 0x00180088), (FRAME, 0x00180088))
THICKNESS: Final = ((MEASURES, 0x00180050), (FRAME, 0x00180050))
PHASE_NUMBER: Final[Place] = (FRAME, (0x2001, 0x08, IMAGING))
DYNAMIC: Final = ((FRAME, 0x00200100), (CONTENT, 0x00209128))
SCALE_SLOPE: Final[Place] = (FRAME, (0x2005, 0x0E, MR))
PULSES: Final = 0x00189008

_SAME_TIME_MS: Final = 1.5
_LARGEST: Final = 2.0**62

Table = dict[str, NDArray[Any]]


class _Simple(NamedTuple):
    """A column that is the number of one attribute: where it may stand, and what is printed where it is missing.

    ``name`` is what people call it, empty where its absence is nothing to speak of.
    """

    key: str
    places: tuple[Place, ...]
    name: str = ""
    absent: float = 0.0
    whole: bool = False


_SIMPLE: Final = (
    _Simple("scan_percentage", ((FIELD, 0x00180093),), "scan percentage"),
    _Simple("rescale_intercept", ((TRANSFORMATION, 0x00281052), (FRAME, 0x00281052)), "rescale intercept"),
    _Simple("rescale_slope", ((TRANSFORMATION, 0x00281053), (FRAME, 0x00281053)), "rescale slope", absent=1),
    _Simple("window_center", ((WINDOW, 0x00281050), (FRAME, 0x00281050)), "window center"),
    _Simple("window_width", ((WINDOW, 0x00281051), (FRAME, 0x00281051)), "window width"),
    _Simple("slice_thickness_mm", THICKNESS, "slice thickness"),
    _Simple("fmri_status_indication", ((FRAME, (0x2005, 0x63, MR)),), whole=True),
    _Simple("number_of_averages", ((FRAME, 0x00180083), (AVERAGES, 0x00180083))),
    _Simple("image_flip_angle_deg", ((FRAME, 0x00181314), (TIMING, 0x00181314)), "flip angle"),
    _Simple("cardiac_frequency_bpm", ((FRAME, 0x00181088),), whole=True),
    _Simple("minimum_rr_interval_ms", ((FRAME, 0x00181081),), whole=True),
    _Simple("maximum_rr_interval_ms", ((FRAME, 0x00181082),), whole=True),
    _Simple("turbo_factor", ((FRAME, 0x00180091), (TIMING, 0x00180091)), "TURBO factor", whole=True),
    _Simple("inversion_delay_ms", ((FRAME, 0x00180082),)),
)

_FOR_KEYS: Final = (
    _Simple("echo_time_ms", ECHO_TIME, "echo time"),
    _Simple("diffusion_b_factor", B_VALUE),
)

_CODED: Final[tuple[tuple[str, Place, Mapping[str, int], int, str], ...]] = (
    ("image_display_orientation", DISPLAY, par_codes.DISPLAYS, 0, "display orientation"),
    ("image_type_ed_es", HEART, par_codes.PHASES_OF_HEART, par_codes.PHASES_OF_HEART["U"], "image type ED/ES"),
    ("contrast_type", CONTRAST, par_codes.CONTRASTS, par_codes.CONTRASTS["UNKNOWN"], "contrast type"),
    ("diffusion_anisotropy_type", ANISOTROPY, par_codes.ANISOTROPIES, 0, "diffusion anisotropy type"),
)


class Described(NamedTuple):
    """All columns but the index in REC, in the order of the images, and where these lie."""

    table: Table
    geometry: Geometry


def keys_of(images: Images, notes: Notes) -> Table:
    """The columns that put images in order, and those they may have to be made from."""
    if images.numbers(SLICE_NUMBER) is None:
        notes.add("Philips' own image attributes (2005,140F): not in the file; standard ones stand in for them")
    table: Table = {column.key: _simple(images, column, notes) for column in _FOR_KEYS}
    table["slice_number"] = _slice_numbers(images)
    table["dynamic_scan_number"] = _whole(first_of(images, DYNAMIC), images.count, 1)
    table["echo_number"] = _echo_numbers(images, table)
    table["image_type_mr"] = _image_types(images, notes)
    table["scanning_sequence"] = _sequences(images, notes)
    table["label_type"] = _coded(images, (LABEL,), par_codes.LABELS, 1, "label type", notes)
    table["diffusion"] = _directions(images)
    table["dyn_scan_begin_time_s"] = _begin_times(images, table, notes)
    table["trigger_time_ms"] = _trigger_times(images, table)
    table["cardiac_phase_number"] = _phase_numbers(images, table)
    return table | _diffusion_numbers(images, table)


def columns_of(images: Images, keys: Table, notes: Notes) -> Described:
    """Every image column; what had to be replaced, or is not there, goes into the notes."""
    table = keys | {column.key: _simple(images, column, notes) for column in _SIMPLE}
    geometry = geometry_of(images, table["slice_number"], notes)
    table["image_pixel_size_bits"] = np.full(images.count, images.bits)
    table["recon_resolution"] = np.tile([images.columns, images.rows], (images.count, 1))
    table["image_angulation_deg"] = geometry.angulation_deg
    table["image_offcentre_mm"] = geometry.offcentre_mm
    table["slice_orientation"] = geometry.orientation
    table["pixel_spacing_mm"] = geometry.spacing_mm
    table["slice_gap_mm"] = _gaps(images, geometry, table, notes)
    table["scale_slope"] = _scale_slopes(images, table, notes)
    for key, place, codes, absent, name in _CODED:
        table[key] = _coded(images, (place,), codes, absent, name, notes)
    return Described(table, geometry)


def _simple(images: Images, column: _Simple, notes: Notes) -> NDArray[Any]:
    found = first_of(images, column.places)
    missing = images.count if found is None else int(np.isnan(found).sum())
    if missing and column.name:
        where = "the file" if missing == images.count else f"{missing} of {images.count} images"
        notes.add(f"{column.name}: not in {where}, printed as {column.absent:g}")
    if column.whole:
        return _whole(found, images.count, int(column.absent))
    return np.full(images.count, column.absent) if found is None else np.where(np.isnan(found), column.absent, found)


def _whole(found: Floats | None, count: int, absent: int) -> Ints:
    if found is None:
        return np.full(count, absent, np.int64)
    bounded = np.clip(np.where(np.isnan(found), absent, found), -_LARGEST, _LARGEST)
    whole: Ints = np.rint(bounded).astype(np.int64)
    return whole


def _slice_numbers(images: Images) -> Ints:
    """Slices run over all stacks; without Philips' number they are counted by the place in their stack."""
    said = images.numbers(SLICE_NUMBER)
    if said is not None and not np.isnan(said).any():
        return _whole(said, images.count, 1)
    stack = stacks_of(images)
    within = images.numbers((CONTENT, 0x00209057))
    if within is None or np.isnan(within).any():
        within = _by_position(images, stack)
    numbers = _whole(within, images.count, 1)
    found = numbers.copy()
    before = 0
    for number in range(int(stack.max()) + 1):
        own = stack == number
        if own.any():
            found[own] += before
            before += int(numbers[own].max())
    return found


def _by_position(images: Images, stack: Ints) -> Floats:
    """The rank of each image along the normal of its stack, from 1; all 1 where positions are missing."""
    position = images.numbers((0x00209113, 0x00200032), 3)
    vectors = images.numbers((0x00209116, 0x00200037), 6)
    found = np.ones(images.count)
    if position is None or vectors is None or np.isnan(position).any() or np.isnan(vectors).any():
        return found
    for number in np.unique(stack):
        own = np.flatnonzero(stack == number)
        along = position[own] @ np.cross(vectors[own[0], :3], vectors[own[0], 3:])
        found[own] = _ranks(np.round(along, 2))
    return found


def _ranks(values: Floats) -> Ints:
    """The rank of each value among the distinct ones, from 1."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64) + 1


def _gaps(images: Images, geometry: Geometry, table: Mapping[str, NDArray[Any]], notes: Notes) -> Floats:
    """Spacing Between Slices (0018,0088) less the thickness; negative where slices overlap."""
    between = first_of(images, BETWEEN)
    thickness: Floats = table["slice_thickness_mm"]
    if between is None or np.isnan(between).any():
        steps = _steps(geometry, table["slice_number"])
        notes.add("slice gap: not in the file; computed from the positions, 0 for a single slice")
        between = steps if between is None else np.where(np.isnan(between), steps, between)
        between = np.where(between == 0, thickness, between)
    return between - thickness


def _steps(geometry: Geometry, slices: Ints) -> Floats:
    """How far apart the slices of each image's stack are, 0 for one alone."""
    found = np.zeros(len(slices))
    for number in np.unique(geometry.stack):
        own = np.flatnonzero(geometry.stack == number)
        first, last = own[slices[own].argmin()], own[slices[own].argmax()]
        if slices[last] > slices[first]:
            way = np.linalg.norm(geometry.offcentre_mm[last] - geometry.offcentre_mm[first])
            found[own] = way / (slices[last] - slices[first])
    return found


def _scale_slopes(images: Images, table: Mapping[str, NDArray[Any]], notes: Notes) -> Floats:
    """(2005,100E); where it is missing 1 / RS, so that FP = DV where RI is 0."""
    found = images.numbers(SCALE_SLOPE)
    slopes: Floats = table["rescale_slope"]
    inverse = np.divide(1.0, slopes, out=np.ones(images.count), where=slopes != 0)
    if found is None or np.isnan(found).any() or (found == 0).any():
        notes.add("scale slope: not in all images; 1 / rescale slope is printed, so that FP = DV where RI is 0")
        found = inverse if found is None else np.where(np.isnan(found) | (found == 0), inverse, found)
    return found


def _echo_numbers(images: Images, table: Mapping[str, NDArray[Any]]) -> Ints:
    """Echo Numbers (0018,0086); without them the rank of the echo time."""
    found = images.numbers((FRAME, 0x00180086))
    if found is not None:
        return _whole(found, images.count, 1)
    times: Floats = table["echo_time_ms"]
    ranks = np.ones(images.count, np.int64)
    timed = times > 0
    ranks[timed] = _ranks(times[timed])
    return ranks


def _image_types(images: Images, notes: Notes) -> Ints:
    """(2005,1011); without it Complex Image Component, and FIELD_MAP for a B0 map."""
    absent = -1
    found = _coded(images, (IMAGE_TYPE,), par_codes.IMAGE_TYPES, absent, "image type", notes)
    if (found == absent).any():
        component = _coded(images, (COMPONENT,), par_codes.COMPONENTS, 0, "complex image component", Notes())
        kinds = images.words(TYPE_OF_FRAME)
        if kinds is not None:
            maps = {word: 1 for word in kinds.distinct if word.rpartition("\\")[2] == par_codes.FIELD_MAP}
            component[kinds.mapped(maps, 0) == 1] = par_codes.IMAGE_TYPES["B0"]
        found = np.where(found == absent, component, found)
    return found


def _sequences(images: Images, notes: Notes) -> Ints:
    """(2005,106E); without it from Echo Pulse Sequence (0018,9008)."""
    absent = par_codes.PULSES.get(images.root.values.text(PULSES), par_codes.SEQUENCES["UNSPECIFIED"])
    return _coded(images, (SEQUENCE,), par_codes.SEQUENCES, absent, "scanning sequence", notes)


def _coded(
    images: Images, places: tuple[Place, ...], codes: Mapping[str, int], absent: int, name: str, notes: Notes
) -> Ints:
    """The code of each image's word; ``absent`` for none, and for one that is not known, which is noted."""
    words = words_of(images, places)
    if words is None:
        return np.full(images.count, absent, np.int64)
    for number in np.unique(words.numbers):
        word = words.distinct[number]
        if word and word.upper() not in codes:
            notes.add(f"{name}: {word!r} has no number in a PAR file; printed is {_printed(absent)}")
    known = {word: codes.get(word.upper(), absent) for word in words.distinct}
    return words.mapped(known, absent)


def _printed(absent: int) -> str:
    return str(absent) if absent >= 0 else "that of the complex image component"


def _directions(images: Images) -> Floats:
    """Along (ap, fh, rl): (2005,10B1), (2005,10B2) and (2005,10B0), else Diffusion Gradient Orientation, in LPS."""
    own: list[Key] = [(0x2005, 0xB1, MR), (0x2005, 0xB2, MR), (0x2005, 0xB0, MR)]
    found = [images.numbers((FRAME, key)) for key in own]
    present = [each for each in found if each is not None]
    if len(present) == len(own):
        return np.nan_to_num(np.column_stack(present))
    standard = images.numbers(ORIENTATION, 3)
    return np.zeros((images.count, 3)) if standard is None else np.nan_to_num(standard[:, [1, 2, 0]])


def _begin_times(images: Images, table: Mapping[str, NDArray[Any]], notes: Notes) -> Floats:
    """(2005,10A0), seconds from the start of dynamic 1; else from the times of acquisition."""
    found = images.numbers(BEGIN)
    if found is not None:
        return np.nan_to_num(found)
    dynamics: Ints = table["dynamic_scan_number"]
    if len(np.unique(dynamics)) < 2:
        return np.zeros(images.count)
    started = _seconds(images)
    if started is None:
        notes.add("dynamic scan begin time: not in the file, printed as 0")
        return np.zeros(images.count)
    notes.add("dynamic scan begin time: not in the file; it is that of the acquisition of each dynamic's first image")
    begins = {number: started[dynamics == number].min() for number in np.unique(dynamics).tolist()}
    first = min(begins.values())
    return np.array([begins[number] - first for number in dynamics.tolist()])


def _seconds(images: Images) -> Floats | None:
    """When each image was acquired, in seconds after some midnight."""
    moments = images.words((CONTENT, 0x00189074))
    if moments is not None:
        found = [_moment(word) for word in moments.distinct]
        seconds = np.array(found)[moments.numbers]
    else:
        dates, times = images.words((0x00080022,)), images.words((0x00080032,))
        if dates is None or times is None:
            return None
        seconds = np.array([_moment(dates.of(image) + times.of(image)) for image in range(images.count)])
    return None if np.isnan(seconds).any() else seconds


def _moment(text: str) -> float:
    """A DT value in seconds, NaN for none."""
    from datetime import datetime

    whole, _, part = text.partition(".")
    try:
        moment = datetime.strptime(whole[:14], "%Y%m%d%H%M%S")  # only differences count
        return (moment - datetime(1900, 1, 1)).total_seconds() + float(f"0.{part[:6] or 0}")
    except ValueError:
        return math.nan


def _trigger_times(images: Images, table: Mapping[str, NDArray[Any]]) -> Floats:
    """Trigger Time (0018,1060), or the nominal delay of an Enhanced file; 0 for none.

    In the files of a dynamic series Trigger Time is when the dynamic began, which a PAR file has elsewhere.
    """
    found = first_of(images, (TRIGGER, NOMINAL_DELAY))
    if found is None:
        return np.zeros(images.count)
    times = np.nan_to_num(found)
    begins_ms: Floats = table["dyn_scan_begin_time_s"] * 1000
    return np.where(np.abs(times - begins_ms) < _SAME_TIME_MS, 0.0, times)


def _phase_numbers(images: Images, table: Mapping[str, NDArray[Any]]) -> Ints:
    """(2001,1008); without it the rank of the trigger time among those of the slice."""
    found = images.numbers(PHASE_NUMBER)
    if found is not None:
        return _whole(found, images.count, 1)
    numbers = np.ones(images.count, np.int64)
    slices, times = table["slice_number"], table["trigger_time_ms"]
    if len(np.unique(times)) > 1:
        for number in np.unique(slices):
            own = slices == number
            numbers[own] = _ranks(times[own])
    return numbers


def _diffusion_numbers(images: Images, table: Mapping[str, NDArray[Any]]) -> Table:
    """(2005,1412) and (2005,1413); without them the rank of the b-value and of the direction among those of its b."""
    values, gradients = images.numbers(B_NUMBER), images.numbers(GRADIENT_NUMBER)
    factors = table["diffusion_b_factor"]
    b_numbers = _whole(values, images.count, 1) if values is not None else _ranks(factors)
    if gradients is not None:
        return _numbered(b_numbers, _whole(gradients, images.count, 1))
    numbers = np.ones(images.count, np.int64)
    for each in np.unique(b_numbers):
        own = np.flatnonzero(b_numbers == each)
        _, first, ranks = np.unique(table["diffusion"][own], axis=0, return_index=True, return_inverse=True)
        numbers[own] = first.argsort().argsort()[ranks.reshape(-1)] + 1  # in the order in which they come
    return _numbered(b_numbers, numbers)


def _numbered(b_numbers: Ints, gradients: Ints) -> Table:
    return {"diffusion_b_value_number": b_numbers, "gradient_orientation_number": gradients}
