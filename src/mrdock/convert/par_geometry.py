"""Where the images of a scan lie, as a PAR file says it: angles and offcentres along (ap, fh, rl).

The position of a picture's first pixel (0020,0032) is that of the standard, in the Plane Position group: Philips' own
sequence repeats it half a pixel further out. In classic files of release 2.5 the standard attribute, too, is half a
pixel off; the offcentre of the stack, which is the middle of its first and last slice, tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mrdock.convert import par_codes
from mrdock.convert.par_images import FRAME, Floats, Images, Ints, Place, first_of
from mrdock.convert.par_notes import Notes
from mrdock.convert.par_values import IMAGING, MR, Values
from mrdock.dicom.scan import Key
from mrdock.parrec import geometry

_POSITION: Final[Place] = (0x00209113, 0x00200032)
_ORIENTATION: Final[Place] = (0x00209116, 0x00200037)
_SPACING: Final[tuple[Place, ...]] = ((0x00289110, 0x00280030), (FRAME, 0x00280030))
_STACK_ID: Final[Place] = (0x00209111, 0x00209056)
_SLICE_ORIENTATION: Final[Place] = (FRAME, (0x2001, 0x0B, IMAGING))
_PHASE_AXIS: Final[Place] = (0x00189125, 0x00181312)
_PHASE_FIELD: Final[Place] = (0x00189125, 0x00180094)
_SLICES_OF_STACK: Final[Key] = (0x2001, 0x2D, IMAGING)


def _triple(first: int, second: int, third: int) -> tuple[Key, Key, Key]:
    return (0x2005, first, MR), (0x2005, second, MR), (0x2005, third, MR)


_IMAGE_ANGULATION: Final = _triple(0x00, 0x01, 0x02)  # of classic files, as is the next
_IMAGE_OFFCENTRE: Final = _triple(0x08, 0x09, 0x0A)
_STACK_ANGULATION: Final = _triple(0x71, 0x72, 0x73)
_STACK_FOV: Final = _triple(0x74, 0x75, 0x76)
_STACK_OFFCENTRE: Final = _triple(0x78, 0x79, 0x7A)
_PREPARATION: Final[Key] = (0x2005, 0x7B, MR)
_VIEW_AXIS: Final[Key] = (0x2005, 0x81, MR)

_SAME_MM: Final = 0.01
_SAME_DEG: Final = 0.01
_NO_UNIT: Final = 0.01
_AXES: Final = ("RL", "AP", "FH")  # along x, y and z
_PLANE: Final = {par_codes.TRANSVERSE: (1, 0), par_codes.SAGITTAL: (2, 1), par_codes.CORONAL: (2, 0)}  # down, right

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Every image's place: ``stack`` (images,) is the number of its stack from 0, ``orientation`` a PAR code.

    ``angulation_deg`` and ``offcentre_mm`` (images, 3) are along (ap, fh, rl); ``spacing_mm`` (images, 2) along x and
    y. ``position_mm`` (images, 3) is the middle of the first pixel in LPS, ``row`` and ``column`` are unit vectors of
    the picture: what the source says, for comparing; None where it says none.
    """

    stack: Ints
    orientation: Ints
    angulation_deg: Floats
    offcentre_mm: Floats
    spacing_mm: Floats
    position_mm: Floats | None
    row: Floats | None
    column: Floats | None


@dataclass(frozen=True)
class Midslice:
    """The place of the first stack, for the general lines, along (ap, fh, rl).

    ``preparation`` is the axis of phase encoding, AP, FH, RL or empty.
    """

    angulation_deg: Triple
    offcentre_mm: Triple
    fov_mm: Triple
    preparation: str


def geometry_of(images: Images, slices: Ints, notes: Notes) -> Geometry:
    """The place of every image, whose slice numbers are ``slices``."""
    vectors = images.numbers(_ORIENTATION, 6)
    if vectors is not None and not _are_directions(vectors):
        notes.add(
            "Image Orientation (Patient): some images have no two unit vectors at right angles, so it is not used"
        )
        vectors = None
    position = images.numbers(_POSITION, 3)
    if position is not None and np.isnan(position).any():
        position = None
    row, column = (None, None) if vectors is None else (vectors[:, :3] + 0.0, vectors[:, 3:] + 0.0)
    spacing = first_of(images, _SPACING, 2)
    if spacing is None or np.isnan(spacing).any():
        notes.add("pixel spacing: not in the file, printed as 0")
        spacing = np.zeros((images.count, 2)) if spacing is None else np.nan_to_num(spacing)
    spacing = spacing[:, ::-1]
    stack = stacks_of(images, slices)
    orientation = _orientations(images, stack, row, column, notes)
    angulation = _angulations(images, orientation, row, column, notes)
    centre = _given(images, _IMAGE_OFFCENTRE) if images.classic else None
    if centre is None:
        centre = _centres(images, stack, slices, position, row, column, spacing, notes)
    elif position is not None and row is not None and column is not None:
        position = _corners(images, centre, row, column, spacing)
    return Geometry(stack, orientation, angulation, centre, spacing, position, row, column)


def _are_directions(vectors: Floats) -> bool:
    """Whether the vectors of all images, (images, 6), are unit vectors at right angles; NaN is none."""
    row, column = vectors[:, :3], vectors[:, 3:]
    lengths = np.linalg.norm(vectors.reshape(-1, 2, 3), axis=2)
    return bool((np.abs(lengths - 1) < _NO_UNIT).all() and (np.abs((row * column).sum(axis=1)) < _NO_UNIT).all())


def stacks_of(images: Images, slices: Ints | None = None) -> Ints:
    """The number of each image's stack, from 0, in the order of the Stack Sequence.

    Enhanced files name it; in classic files the slice numbers run over all stacks.
    """
    count = len(images.root.stacks)
    named = None if images.classic else images.words(_STACK_ID)
    used = [named.distinct[number] for number in np.unique(named.numbers)] if named is not None else []
    if named is not None and used:
        if all(name.isdecimal() and 1 <= int(name) <= count for name in used):
            return named.mapped({name: int(name) - 1 for name in used}, 0)
        used.sort(key=lambda name: (not name.isdecimal(), len(name), name))
        return named.mapped({name: number for number, name in enumerate(used)}, 0)
    if images.classic and slices is not None:
        return _classic_stacks(images, slices)
    return np.zeros(images.count, np.int64)


def _classic_stacks(images: Images, slices: Ints) -> Ints:
    """By the number of slices of each stack; where the file does not say it, slices of one orientation are one."""
    sizes = [stack.number(_SLICES_OF_STACK) or 0 for stack in images.root.stacks]
    ends = np.cumsum(np.array([*sizes, 0.0]))
    if sizes and all(sizes) and ends[-1] == slices.max():
        return np.minimum(np.searchsorted(ends[:-1], slices), len(sizes) - 1).astype(np.int64)
    vectors = images.numbers(_ORIENTATION, 6)
    if vectors is None:
        return np.zeros(images.count, np.int64)
    _, kinds = np.unique(np.round(vectors, 3), axis=0, return_inverse=True)
    kinds = kinds.reshape(-1)
    first = [int(slices[kinds == kind].min()) for kind in range(int(kinds.max()) + 1)]
    return np.argsort(np.argsort(first, kind="stable"))[kinds].astype(np.int64)


def midslice_of(
    images: Images, geometry_: Geometry, slices: Ints, thickness: Floats, gap: Floats, notes: Notes
) -> Midslice:
    """The place of the first stack that has images: as the file says, unless its slices lie elsewhere."""
    number = int(geometry_.stack.min())
    own = np.flatnonzero(geometry_.stack == number)
    first, last = int(own[slices[own].argmin()]), int(own[slices[own].argmax()])
    middle = (geometry_.offcentre_mm[first] + geometry_.offcentre_mm[last]) / 2
    stack = images.root.stacks[number] if number < len(images.root.stacks) else Values({})
    offcentre = _numbers(stack, _STACK_OFFCENTRE)
    located = geometry_.position_mm is not None
    if offcentre is None:
        notes.add("midslice: no offcentre of the stack in the file; printed is the middle of its slices")
        offcentre = middle
    elif located and np.abs(offcentre - middle).max() > _SAME_MM:
        far = float(np.linalg.norm(offcentre - middle))
        notes.add(f"midslice: the file puts it {far:.2f} mm off the middle of the slices in it, which is printed")
        offcentre = middle
    angulation = _numbers(stack, _STACK_ANGULATION)
    if angulation is None:
        angulation = _without_noise(geometry_.angulation_deg[first])
    fov = _numbers(stack, _STACK_FOV)
    if fov is None:
        fov = _field_of_view(images, geometry_, first, len(np.unique(slices[own])), thickness[first], gap[first])
        notes.add("field of view: not in the file; computed from matrix, pixel spacing and slices")
    preparation = stack.text(_PREPARATION) or _preparation(images, geometry_, first)
    if preparation not in par_codes.DIRECTIONS:
        notes.add(f"preparation direction: {f'{preparation!r} in the file' if preparation else 'not in the file'}")
    if len(np.unique(geometry_.stack)) > 1:
        notes.add("several stacks: the general lines are those of the first, and most readers take one stack only")
    return Midslice(_three(angulation), _three(offcentre), _three(fov), preparation)


def _orientations(images: Images, stack: Ints, row: Floats | None, column: Floats | None, notes: Notes) -> Ints:
    """The slice orientation of each image; 0 is found by the normal."""
    found = np.zeros(images.count, np.int64)
    words = images.words(_SLICE_ORIENTATION)
    if words is not None:
        found = words.mapped(par_codes.ORIENTATIONS, 0)
    for number, values in enumerate(images.root.stacks):
        found[(found == 0) & (stack == number)] = par_codes.VIEW_AXES.get(values.text(_VIEW_AXIS), 0)
    if not found.all():
        if row is None or column is None:
            notes.add("slice orientation: not in the file, printed as transverse")
            return np.where(found == 0, par_codes.TRANSVERSE, found)
        notes.add("slice orientation: not in the file; it is that of the axis nearest to the normal")
        codes = np.array([par_codes.VIEW_AXES[axis] for axis in _AXES])
        nearest = codes[np.abs(np.cross(row, column)).argmax(axis=1)]
        found = np.where(found == 0, nearest, found)
    return found


def _angulations(images: Images, orientation: Ints, row: Floats | None, column: Floats | None, notes: Notes) -> Floats:
    """The angles of each image: those of a classic file where they say the same as its vectors."""
    given = _given(images, _IMAGE_ANGULATION) if images.classic else None
    if row is None or column is None:
        if given is None:
            notes.add("image angulation: the file does not say how all images are turned, printed as 0")
        return np.zeros((images.count, 3)) if given is None else given
    computed = geometry.angulation_of(orientation, row, column)
    if given is not None and (np.abs(given - computed) < _SAME_DEG).all():
        return given
    if given is not None:
        notes.add("image angulation: Philips' angles differ from Image Orientation (Patient), which is printed")
    return computed


def _centres(
    images: Images,
    stack: Ints,
    slices: Ints,
    position: Floats | None,
    row: Floats | None,
    column: Floats | None,
    spacing: Floats,
    notes: Notes,
) -> Floats:
    """The middle of each picture along (ap, fh, rl)."""
    if position is None or row is None or column is None:
        notes.add("image offcentre: the file does not say where all images lie, printed as 0")
        return np.zeros((images.count, 3))
    right = row * spacing[:, :1] / 2
    down = column * spacing[:, 1:] / 2
    inner = geometry.from_lps(position + right * (images.columns - 1) + down * (images.rows - 1))
    number = int(stack.min())
    said = _numbers(images.root.stacks[number], _STACK_OFFCENTRE) if number < len(images.root.stacks) else None
    if said is None:
        return inner
    outer = geometry.from_lps(position + right * images.columns + down * images.rows)
    own = np.flatnonzero(stack == number)
    ends = own[[slices[own].argmin(), slices[own].argmax()]]
    off = [np.abs(centres[ends].mean(axis=0) - said).max() for centres in (inner, outer)]
    if off[0] > _SAME_MM >= off[1]:
        notes.add("image offcentre: the positions are those of the pixels' outer corners, as the stack's shows")
        return outer
    return inner


def _corners(images: Images, centre: Floats, row: Floats, column: Floats, spacing: Floats) -> Floats:
    """The middle of the first pixel of pictures whose middle is known: old files give another place."""
    right = row * spacing[:, :1] / 2
    down = column * spacing[:, 1:] / 2
    return geometry.to_lps(centre) - right * (images.columns - 1) - down * (images.rows - 1)


def _field_of_view(
    images: Images, geometry_: Geometry, image: int, slices: int, thickness: float, gap: float
) -> Floats:
    """Along (ap, fh, rl): in the plane the pixels, of which a part is acquired along the phase axis."""
    right, down = images.columns * geometry_.spacing_mm[image, 0], images.rows * geometry_.spacing_mm[image, 1]
    part = images.numbers(_PHASE_FIELD)
    phase = images.words(_PHASE_AXIS)
    if part is not None and phase is not None and 0 < part[image] <= 100:
        if phase.of(image) == "ROW":
            right *= part[image] / 100
        elif phase.of(image).startswith("COL"):
            down *= part[image] / 100
    through = slices * thickness + (slices - 1) * gap
    along = np.full(3, through)
    at_down, at_right = _PLANE[int(geometry_.orientation[image])]
    along[at_down], along[at_right] = down, right
    return geometry.from_lps(along)


def _preparation(images: Images, geometry_: Geometry, image: int) -> str:
    """The patient axis of the phase encoding, from its direction in the picture."""
    phase = images.words(_PHASE_AXIS)
    if phase is None or not phase.of(image):
        return ""
    at_down, at_right = _PLANE[int(geometry_.orientation[image])]
    return _AXES[at_right if phase.of(image) == "ROW" else at_down]


def _given(images: Images, keys: tuple[Key, Key, Key]) -> Floats | None:
    """Three numbers of every image."""
    found = [images.numbers((FRAME, key)) for key in keys]
    present = [each for each in found if each is not None and not np.isnan(each).any()]
    return np.column_stack(present) if len(present) == len(keys) else None


def _numbers(values: Values, keys: tuple[Key, Key, Key]) -> Floats | None:
    found = [values.number(key) for key in keys]
    present = [each for each in found if each is not None]
    return np.array(present) if len(present) == len(keys) else None


def _without_noise(angles: Floats) -> Floats:
    """Angles that would be printed as a negative zero are none."""
    return np.where(np.abs(angles) < 0.0005, 0.0, angles)


def _three(values: Floats) -> Triple:
    first, second, third = values.tolist()
    return first, second, third
