"""Which frames belong to an acquisition that was stopped before its end. Nothing here touches a file.

A file's frames form acquisitions: those of one temporal position, else those of one diffusion weighting, else those of
one echo, image type and label. What an acquisition should have is what the others have:

- every kind of image in it (echo, image type, label) all places (stack, position) where the same kind was made in any
  acquisition;
- and all kinds that most of the acquisitions before it have.

A first acquisition with images that no other has (a calibration) makes the others not incomplete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrdock.enhanced.dimensions import Dimension, Dimensions
from mrdock.enhanced.grid import combinations
from mrdock.enhanced.roles import Role


class By(Enum):
    """What makes an acquisition; the value is what it is called."""

    TIME = "dynamic"
    WEIGHTING = "diffusion volume"
    KIND = "volume"
    NOTHING = "file"


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One acquisition: its ``name`` ("dynamic 81"), its ``frames`` from 0, and how many there should be.

    ``slices`` says that all its frames are of one kind, so that each is a slice.
    """

    name: str
    frames: tuple[int, ...]
    expected: int
    slices: bool

    @property
    def partial(self) -> bool:
        """Whether frames are missing."""
        return len(self.frames) < self.expected

    def __str__(self) -> str:
        """``dynamic 81 has 12 of 40 slices``."""
        what = "slices" if self.slices else "images"
        return f"{self.name} has {len(self.frames)} of {self.expected} {what}"


@dataclass(frozen=True)
class Found:
    """All acquisitions of a file in order, and what is to be said of them.

    ``problem`` is a clause that says why nothing can be dropped, although something is missing; else ``partial`` are
    those to drop, and there is at least one complete one.
    """

    by: By
    acquisitions: tuple[Acquisition, ...]
    problem: str = ""

    @property
    def partial(self) -> tuple[Acquisition, ...]:
        """The acquisitions that lack frames."""
        return tuple(each for each in self.acquisitions if each.partial)

    @property
    def dropped(self) -> tuple[int, ...]:
        """The frames to drop, in ascending order, from 0; none where there is a problem."""
        if self.problem:
            return ()
        return tuple(sorted(frame for each in self.partial for frame in each.frames))


class _Cells(NamedTuple):
    """For each frame: its acquisition, its kind and its place, as numbers from 0."""

    acquisition: NDArray[np.int64]
    kind: NDArray[np.int64]
    place: NDArray[np.int64]


def find_partial(
    dimensions: Dimensions, roles: Sequence[Role], times: NDArray[Any] | None, derived: NDArray[np.bool_]
) -> Found:
    """Sort the frames into acquisitions and look which are whole.

    ``times`` (frames,) are temporal positions that the frames say beside their dimensions, None where they say none;
    ``derived`` marks frames that were calculated from others.
    """
    index = dimensions.index
    by, key = _key(index, roles, times)
    if by is By.NOTHING:
        return Found(by, (Acquisition("the file", tuple(range(len(index))), len(index), True),))
    number, names = _numbered(by, key, dimensions, roles)
    rest = [at for at, role in enumerate(roles) if role is not Role.SPACE and not _told_by(index[:, at], number)]
    kinds = np.column_stack([derived, *(index[:, at] for at in rest)])
    places = index[:, [at for at, role in enumerate(roles) if role is Role.SPACE]]
    cells = _Cells(number, _ranks(kinds), _ranks(places))
    acquisitions = _acquisitions(by, cells, names)
    return Found(by, acquisitions, _problem(by, acquisitions))


def _key(index: NDArray[Any], roles: Sequence[Role], times: NDArray[Any] | None) -> tuple[By, NDArray[Any]]:
    """What makes an acquisition, and (frames, n) what tells one from another."""
    if times is not None and _varies(times):
        return By.TIME, times.reshape(-1, 1)
    varying = [at for at in range(index.shape[1]) if _varies(index[:, at])]
    for by, role in ((By.TIME, Role.TIME), (By.WEIGHTING, Role.OTHER), (By.KIND, Role.KIND)):
        columns = [at for at in varying if roles[at] is role]
        if columns:
            return by, index[:, columns if by is not By.TIME else columns[:1]]
    return By.NOTHING, index[:, :0]


def _numbered(
    by: By, key: NDArray[Any], dimensions: Dimensions, roles: Sequence[Role]
) -> tuple[NDArray[np.int64], list[str]]:
    """Each frame's acquisition from 0, the last column counting most, and their names."""
    number = _ranks(key)
    _, first = np.unique(number, return_index=True)
    if by is By.TIME:
        return number, [f"{by.value} {key[frame, 0]}" for frame in first]
    role = Role.OTHER if by is By.WEIGHTING else Role.KIND
    said = [
        each
        for at, each in enumerate(dimensions.dimensions)
        if roles[at] is role and len({str(value) for value in each.values.tolist()}) > 1
    ]
    return number, [f"{by.value} {at + 1} ({_described(said, int(frame))})" for at, frame in enumerate(first)]


def _described(dimensions: Sequence[Dimension], frame: int) -> str:
    """The values of the dimensions that vary, as ``b 1300, 0.1 0.2 0.3``."""
    words = []
    for each in dimensions:
        value = each.labels([frame])[0] or "none"
        if each.values.ndim == 2 and not np.isnan(each.values[frame]).any():
            value = " ".join(f"{part:.3g}" for part in each.values[frame])
        words.append(" ".join(filter(None, (_SHORT.get(each.name, ""), value, each.unit))))
    return ", ".join(words) or "all the same"


_SHORT = {
    "effective_echo_time": "echo",
    "diffusion_b_value": "b",
    "diffusion_gradient_orientation": "direction",
}


def _told_by(column: NDArray[Any], number: NDArray[np.int64]) -> bool:
    """Whether a column has one value in each acquisition, so that it says nothing more."""
    return int(_ranks(np.column_stack([number, column])).max()) == int(number.max())


def _varies(column: NDArray[Any]) -> bool:
    return bool(np.any(column != column[0]))


def _ranks(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Which of the distinct rows each row is, from 0 in ascending order; the last column counts most."""
    return combinations(list(rows.T), len(rows))[0]


def _acquisitions(by: By, cells: _Cells, names: Sequence[str]) -> tuple[Acquisition, ...]:
    """What each acquisition has, and what it should have."""
    number, kind, place = cells
    cell = _ranks(np.column_stack([place, kind]))
    kind_of_cell = np.zeros(int(cell.max()) + 1, np.int64)
    kind_of_cell[cell] = kind
    found, counts = np.unique(number * len(kind_of_cell) + cell, return_counts=True)
    most = np.zeros(len(kind_of_cell), np.int64)  # of each cell, in any acquisition
    np.maximum.at(most, found % len(kind_of_cell), counts)
    images = np.bincount(kind_of_cell, weights=most).astype(np.int64)  # of each kind
    kinds: list[set[int]] = [set() for _ in names]
    for own in set((number * len(images) + kind).tolist()):
        kinds[own // len(images)].add(own % len(images))
    order = np.argsort(number, kind="stable")
    frames = np.split(order, np.searchsorted(number[order], np.arange(1, len(names))))
    fixed = [frozenset(each) for each in kinds]
    acquisitions = []
    for at, (name, usual) in enumerate(zip(names, _usual(by, fixed), strict=True)):
        wanted = usual if fixed[at] < usual else fixed[at]
        expected = int(sum(images[each] for each in wanted))
        acquisitions.append(Acquisition(name, tuple(frames[at].tolist()), expected, len(wanted) == 1))
    return tuple(acquisitions)


def _usual(by: By, kinds: Sequence[frozenset[int]]) -> Iterator[frozenset[int]]:
    """For each acquisition the kinds that most of the others have: in time of those before it, the latest of equals."""
    counts = Counter(kinds)
    if by is not By.TIME:
        yield from repeat(max(counts, key=lambda each: (counts[each], len(each))), len(kinds))
        return
    counts.clear()
    usual: frozenset[int] = frozenset()
    for own in kinds:
        yield usual
        counts[own] += 1
        if counts[own] >= counts[usual]:
            usual = own


def _problem(by: By, acquisitions: Sequence[Acquisition]) -> str:
    """Why what is missing was not left out by a scan that was stopped."""
    partial = [number for number, each in enumerate(acquisitions) if each.partial]
    whole = len(acquisitions) - len(partial)
    if not partial:
        return ""
    first = acquisitions[partial[0]]
    if by is By.TIME and len(acquisitions) - partial[0] != len(partial):
        return f"{first}, and it is not the last"
    if by is By.WEIGHTING and len(partial) > 1:
        return f"{first}, and so {_others(len(partial) - 1)}: this is no scan that was stopped in its last volume"
    if len(partial) > whole:
        return f"{first}, and only {whole} of {len(acquisitions)} {by.value}s {'is' if whole == 1 else 'are'} whole"
    return ""


def _others(count: int) -> str:
    return "is another" if count == 1 else f"are {count} others"
