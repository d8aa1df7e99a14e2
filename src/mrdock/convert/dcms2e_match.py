"""Whether a PAR file is of the scan that classic images are of, and where each of its images stands in the REC.

Values are compared as PAR prints them. What exports are known to get wrong does not count: old V4 files have the image
offcentre in the order rl, ap, fh; release 11 has it half a pixel off in the plane of the slice.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.dcms2e_images import Image, Series, stack_geometry
from mrdock.convert.dcms2e_scan import ONLY, Scan, numbers
from mrdock.errors import ParRecError
from mrdock.files.names import printable
from mrdock.parrec.reading import ParRec

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

_ROUNDED: Final = 0.51  # of the last decimal: half of it, and what binary fractions add
_HALF_PIXEL: Final = (0.0, 0.5, -0.5)
_MOST_NAMED: Final = 3
_MOST_PLACES: Final = 1000  # for each line, before memory is taken for them


def lines_of(par: ParRec, scan: Scan) -> Whole:
    """Which line of the PAR each image is: numbers of lines from 0, shape (slices, dynamics).

    Raises ParRecError where the PAR is of another kind of scan, or has not exactly one line for each image.
    """
    table = par.columns
    problem = _kind_problem(par)
    if problem:
        raise _error(par, f"{problem}; {ONLY}")
    rows, columns = scan.series.rows, scan.series.columns
    resolutions = table["recon_resolution"]
    differs = np.not_equal(resolutions, [columns, rows]).any(axis=1)
    if differs.any():
        other = resolutions[differs.argmax()]
        raise _error(par, f"its images are {other[0]} x {other[1]}, the DICOM images {columns} x {rows}")
    slices, dynamics = table["slice_number"], table["dynamic_scan_number"]
    last = int(dynamics.max())
    if slices.min() < 1 or dynamics.min() < 1:
        raise _error(par, "has slices or dynamics below 1")
    if slices.max() > scan.slices:
        raise _error(par, f"has {slices.max()} slices, the scan in {_folder(scan)} has {scan.slices}")
    if last * scan.slices > _MOST_PLACES * len(dynamics):
        raise _error(par, f"has {len(dynamics)} image lines, but slices up to {scan.slices} and dynamics up to {last}")
    lines = np.full((scan.slices, last), -1, dtype=np.int64)
    lines[slices - 1, dynamics - 1] = np.arange(len(slices), dtype=np.int64)
    if (lines >= 0).sum() != len(slices):
        raise _error(par, _twice(par, lines))
    return lines


def whole_dynamics(lines: Whole, par: ParRec, *, drop_partial: bool) -> tuple[Whole, tuple[int, ...]]:
    """The lines of the dynamics that are whole, and the numbers of the partial ones at the end that were left out.

    Raises ParRecError where others lack slices, or these do and ``drop_partial`` is false, or one dynamic is left.
    """
    whole = np.asarray((lines >= 0).all(axis=0))
    last = int(np.flatnonzero(whole)[-1]) + 1 if whole.any() else 0
    dropped = tuple(range(last + 1, lines.shape[1] + 1))
    if not whole[:last].all() or (dropped and not drop_partial):
        partial = np.flatnonzero(~whole)
        first = int(partial[0])
        missing = (np.flatnonzero(lines[:, first] < 0) + 1).tolist()
        what = f"slice {missing[0]}" if len(missing) == 1 else f"slices {numbers(missing)}"
        more = f", and {len(partial) - 1} more dynamics lack some" if len(partial) > 1 else ""
        hint = "; --drop-partial leaves out what is incomplete at the end" if whole[:last].all() and last else ""
        raise _error(par, f"has no line for {what} of dynamic {first + 1}{more}{hint}")
    if last < 2:
        raise _error(par, f"is of one dynamic; {ONLY}")
    return np.ascontiguousarray(lines[:, :last]), dropped


def check_general(par: ParRec, scan: Scan) -> None:
    """Raise ParRecError where the general information contradicts the classic images."""
    stack = stack_geometry(scan.images[1, 1].path)
    _refuse(par, scan, [*_general_differences(par, scan.series), *_stack_differences(par, stack)])


def check_images(par: ParRec, lines: Whole, scan: Scan) -> None:
    """Raise ParRecError where the image lines contradict the classic images of the first dynamic."""
    _refuse(par, scan, list(_image_differences(par, lines, scan)))


def _refuse(par: ParRec, scan: Scan, found: Sequence[str]) -> None:
    if found:
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise _error(par, f"is not of the scan in {_folder(scan)}: {'; '.join(found[:_MOST_NAMED])}{more}")


def rescales_of(par: ParRec, lines: Whole, image: Image) -> list[tuple[float, float, float] | None]:
    """Intercept, slope and scale slope of lines of one slice; None where PAR has those of its DICOM image, rounded."""
    table, decimals = par.columns, _Decimals(par)
    intercept, slope, scale = (table[key][lines] for key in ("rescale_intercept", "rescale_slope", "scale_slope"))
    own_scale = np.nan if image.scale_slope is None else image.scale_slope
    same = np.stack(
        [
            np.abs(intercept - image.intercept) <= decimals.rescale,
            np.abs(slope - image.slope) <= decimals.rescale,
            np.abs(scale - own_scale) <= decimals.scale * np.abs(scale),
        ],
        axis=1,
    )
    both = np.where(same, [image.intercept, image.slope, own_scale], np.stack([intercept, slope, scale], axis=1))
    alike = np.asarray(same.all(axis=1))
    return [None if each else (a, b, c) for each, (a, b, c) in zip(alike.tolist(), both.tolist(), strict=True)]


class _Decimals:
    """How far a number may be from the one that was printed, by the PAR's version."""

    def __init__(self, par: ParRec) -> None:
        old = par.version == "V4"
        self.angle = self.offcentre = self.time = _ROUNDED * (0.1 if old else 0.01)
        self.length = _ROUNDED * (0.01 if old else 0.001)
        self.rescale = _ROUNDED * (1e-3 if old else 1e-5)
        self.scale = _ROUNDED * (1e-3 if old else 1e-5)
        self.duration = 1.0 if old else 0.01


def _error(par: ParRec, why: str) -> ParRecError:
    return ParRecError(f"{printable(par.path)}: {why}")


def _folder(scan: Scan) -> str:
    return printable(os.path.basename(os.path.abspath(scan.folder)))


def _kind_problem(par: ParRec) -> str:
    """What the PAR has beside slices and dynamics; empty for nothing."""
    general, table = par.general, par.columns
    bits = table["image_pixel_size_bits"]
    if (bits != 16).any():
        return f"its images have {bits[bits != 16][0]} bits a pixel, where 16 are wanted"

    def several(key: str) -> bool:
        return key in table and bool((table[key] != table[key][0]).any())

    diffusion = several("diffusion_b_value_number") or several("gradient_orientation_number")
    reasons = {
        "of a multi-echo scan": general.max_echoes > 1 or several("echo_number"),
        "of a scan of several phases": general.max_cardiac_phases > 1 or several("cardiac_phase_number"),
        "of images of several types": several("image_type_mr") or several("scanning_sequence"),
        "of a diffusion scan": general.diffusion or diffusion or bool((table["diffusion_b_factor"] > 0).any()),
        "of an ASL scan": general.label_types > 0 or several("label_type"),
        "of a scan of several mixes": general.max_mixes > 1,
    }
    return next((f"is {reason}" for reason, holds in reasons.items() if holds), "")


def _twice(par: ParRec, lines: Whole) -> str:
    """Names two lines of one image."""
    slices, dynamics = par.columns["slice_number"], par.columns["dynamic_scan_number"]
    later = lines[slices - 1, dynamics - 1]
    first = int(np.flatnonzero(later != np.arange(len(slices)))[0])
    place = f"slice {slices[first]} of dynamic {dynamics[first]}"
    return f"lines {par.lines[first]} and {par.lines[later[first]]} are both {place}"


def _general_differences(par: ParRec, series: Series) -> Iterator[str]:
    """What the general information says of another scan; what either side does not say is not compared."""
    general, decimals = par.general, _Decimals(par)

    def given(name: str) -> bool:
        return name not in par.missing

    patient = [series.patient_name, series.patient_id]  # some releases print the ID
    texts: tuple[tuple[str, str, str, Sequence[str]], ...] = (
        ("patient_name", "patient name", general.patient_name, patient),
        ("examination_name", "examination name", general.examination_name, series.examination_names),
        ("protocol_name", "protocol name", general.protocol_name, [series.protocol_name]),
        ("technique", "technique", general.technique, [series.technique]),
    )
    for key, what, said, wanted in texts:
        if given(key) and any(wanted) and not any(_same_text(said, each) for each in wanted):
            told = "" if key == "patient_name" else f" {printable(said)!r}, in the images {printable(wanted[0])!r}"
            yield f"{what}{told or ' is another'}"
    when = general.examination_date_time
    if given("examination_date_time") and series.began and not any(_same_time(when, each) for each in series.began):
        yield f"examination at {printable(when)}, in the images {_when(series.began[0])}"
    whole = (
        ("acquisition_nr", "acquisition", general.acquisition_nr, series.acquisition),
        ("reconstruction_nr", "reconstruction", general.reconstruction_nr, series.reconstruction),
        ("epi_factor", "EPI factor", general.epi_factor, series.epi_factor),
    )
    for key, what, number, own in whole:
        if given(key) and own and number != own:
            yield f"{what} {number}, in the images {own}"
    repetition, own_repetition = general.repetition_time_ms[0], series.repetition_time_ms
    if given("repetition_time_ms") and own_repetition and abs(repetition - own_repetition) > decimals.time:
        yield f"repetition time {repetition:g} ms, in the images {own_repetition:g} ms"
    duration, own_duration = general.scan_duration_s, series.duration_s
    near = 0.0051 * own_duration + decimals.duration  # three digits are printed
    if given("scan_duration_s") and own_duration and abs(duration - own_duration) > near:
        yield f"scan duration {duration:g} s, in the images {own_duration:g} s"


def _stack_differences(par: ParRec, stack: Mapping[str, tuple[float, float, float]]) -> Iterator[str]:
    """What the general information says of another place."""
    general, tolerance = par.general, _Decimals(par).length
    tests = (
        ("fov_mm", "field of view", general.fov_mm, "fov"),
        ("angulation_deg", "angulation of the middle slice", general.angulation_deg, "angulation"),
        ("off_centre_mm", "offcentre of the middle slice", general.off_centre_mm, "offcentre"),
    )
    for key, what, said, name in tests:
        own = stack.get(name)
        if key in par.missing or own is None:
            continue
        if max(abs(a - b) for a, b in zip(said, own, strict=True)) > tolerance:
            yield f"{what} {_numbers_text(said)}, in the images {_numbers_text(own)}"


def _image_differences(par: ParRec, lines: Whole, scan: Scan) -> Iterator[str]:
    """What the image lines say of another scan, one sentence for each kind of value."""
    table, decimals = par.columns, _Decimals(par)
    images = [scan.images[number, 1] for number in range(1, scan.slices + 1)]
    first = lines[:, :1]
    lengths = decimals.length
    tests: tuple[tuple[str, str, Whole, list[Any], float], ...] = (
        ("slice thickness", "slice_thickness_mm", lines, [image.thickness_mm for image in images], lengths),
        ("slice gap", "slice_gap_mm", lines, [_gap(image) for image in images], lengths),
        ("pixel spacing", "pixel_spacing_mm", lines, [image.pixel_spacing_mm for image in images], lengths),
        ("echo time", "echo_time_ms", lines, [image.kind.echo_time_ms for image in images], decimals.time),
        ("flip angle", "image_flip_angle_deg", lines, [image.flip_angle_deg for image in images], decimals.angle),
        ("angulation", "image_angulation_deg", lines, [image.angulation_deg for image in images], decimals.angle),
        ("rescale intercept", "rescale_intercept", first, [image.intercept for image in images], decimals.rescale),
        ("rescale slope", "rescale_slope", first, [image.slope for image in images], decimals.rescale),
    )
    for what, key, which, own, tolerance in tests:
        if None not in own:
            yield from _different(what, table[key][which], np.array(own, dtype=np.float64), tolerance)
    scales = [image.scale_slope for image in images]
    if None not in scales:
        wanted = np.array(scales, dtype=np.float64)
        relative = table["scale_slope"][first] / np.where(wanted, wanted, 1.0)[:, np.newaxis]
        far = np.flatnonzero(np.abs(relative - 1)[:, 0] > 2 * decimals.scale)
        if far.size:
            at = int(far[0])
            said = table["scale_slope"][first[at, 0]]
            yield f"scale slope {said:g} in slice {at + 1} of dynamic 1, in the images {wanted[at]:g}"
    yield from _offcentre_difference(table["image_offcentre_mm"][lines], images, decimals.offcentre)


def _different(what: str, said: Floats, own: Floats, tolerance: float) -> Iterator[str]:
    """Compare (slices, dynamics) or (slices, dynamics, n) with the values of the slices."""
    away = np.abs(said - own[:, np.newaxis])
    if what == "angulation":
        away = np.minimum(away, np.abs(away - 360.0))
    far = away > tolerance
    if far.any():
        number, dynamic = np.argwhere(far.reshape(*far.shape[:2], -1).any(axis=2))[0]
        words = _numbers_text(said[number, dynamic]), _numbers_text(own[number])
        yield f"{what} {words[0]} in slice {number + 1} of dynamic {dynamic + 1}, in the images {words[1]}"


def _offcentre_difference(said: Floats, images: Sequence[Image], tolerance: float) -> Iterator[str]:
    """Compare the centres of all images, (slices, dynamics, 3) along (ap, fh, rl)."""
    centres = [centre_mm(image) for image in images]
    if None in centres:
        return
    own = np.array(centres, dtype=np.float64)
    best = min(
        (float(np.abs(said[..., order] - own[:, np.newaxis] - shift).max()) for order, shift in _readings(images[0])),
        default=0.0,
    )
    if best > tolerance:
        yield from _different("offcentre", said, own, tolerance)


def _readings(image: Image) -> Iterator[tuple[tuple[int, int, int], Floats]]:
    """The orders of the offcentre's columns and the shifts in the plane that count as the same place."""
    for order, a, b in product(((0, 1, 2), (1, 2, 0)), _HALF_PIXEL, _HALF_PIXEL):
        if (a or b) and (image.orientation is None or image.pixel_spacing_mm is None):
            continue
        shift = np.zeros(3)
        if image.orientation is not None and image.pixel_spacing_mm is not None:
            row, column = np.array(image.orientation[:3]), np.array(image.orientation[3:])
            x, y, z = row * a * image.pixel_spacing_mm[1] + column * b * image.pixel_spacing_mm[0]
            shift = np.array([y, z, x])
        yield order, shift


def centre_mm(image: Image) -> tuple[float, float, float] | None:
    """The centre of an image along (ap, fh, rl).

    From Philips' own elements (2005,1008), (2005,1009), (2005,100A): release 2.5 has the standard position half a
    pixel off. Else from position and orientation (PS3.3 section C.7.6.2.1.1).
    """
    if image.offcentre_mm is not None:
        return image.offcentre_mm
    if image.position_mm is None or image.orientation is None or image.pixel_spacing_mm is None:
        return None
    row, column = image.orientation[:3], image.orientation[3:]
    across = image.pixel_spacing_mm[1] * (image.series.columns - 1) / 2
    down = image.pixel_spacing_mm[0] * (image.series.rows - 1) / 2
    x, y, z = (
        place + along * across + other * down
        for place, along, other in zip(image.position_mm, row, column, strict=True)
    )
    return y, z, x


def _gap(image: Image) -> float | None:
    if image.spacing_mm is None or image.thickness_mm is None:
        return None
    return image.spacing_mm - image.thickness_mm


def _numbers_text(values: Any) -> str:
    return "/".join(f"{value:.7g}" for value in np.atleast_1d(values))


def _same_text(said: str, own: str) -> bool:
    """Whether two names are the same as far as PAR, in ASCII, can hold them; blanks and case do not count."""
    return bool({_bare(said), _plain(said)} & {_bare(own), _plain(own)})


def _bare(text: str) -> str:
    """Without what is no ASCII, and what stands for it."""
    return re.sub(r"[^!-~]|\?", "", text).casefold()


def _plain(text: str) -> str:
    """Letters without their accents."""
    return _bare("".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)))


def _same_time(said: str, own: str) -> bool:
    """Whether two dates and times agree within the second that printing cuts or rounds; true where one is none."""
    first, second = _moment(said), _moment(own)
    return first is None or second is None or abs((first - second).total_seconds()) <= 1


def _moment(text: str) -> datetime | None:
    digits = re.sub(r"\D", "", text)[:14]
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S") if len(digits) == 14 else None
    except ValueError:
        return None


def _when(text: str) -> str:
    found = _moment(text)
    return f"{found:%Y.%m.%d / %H:%M:%S}" if found else "another"
