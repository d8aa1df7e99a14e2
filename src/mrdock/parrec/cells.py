"""From image lines to the cells of an array: which image stands where, along the keys that vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.parrec.table import KEYS

REPETITION: Final = "repetition"
"""Counts, from 1 in the order of the file, images that no key tells apart, as those of a second mix."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """``images`` has an axis for each of ``dims``; its values are images, counted from 0 in the order of the lines.

    ``coords`` has for each key of an axis the values along it, in ascending order. The name of an axis that several
    keys share, since not all their combinations have an image, is made of theirs: ``a/b``.
    """

    images: Ints
    dims: tuple[str, ...]
    coords: dict[str, Ints]


def arrange(table: Mapping[str, NDArray[Any]]) -> Cells:
    """The cells of a table of columns: dimensions in the order of `table.KEYS`, the slices fastest.

    Keys that have one value make no dimension. Where images are missing, the smallest set of keys that is concerned
    becomes one dimension, at the place of the first of them.
    """
    keys = {key: _ranked(table[key]) for key in KEYS if key in table}
    images = len(table[KEYS[0]])
    keys = {key: ranks for key, ranks in keys.items() if ranks.max(initial=0) > 0}
    repetition = _repetition(_joined(list(keys.values()), images))
    if repetition.max(initial=0) > 0:
        keys = {REPETITION: repetition, **keys}
    bound = _bound(keys, images)
    dims: list[str] = []
    places: list[Ints] = []
    coords: dict[str, Ints] = {}
    for key, ranks in keys.items():
        if key in bound[1:]:
            continue
        parts = bound if key in bound else [key]
        place = _joined([keys[part] for part in parts], images) if key in bound else ranks
        dims.append("/".join(parts))
        places.append(place)
        first = np.unique(place, return_index=True)[1]
        for part in parts:
            coords[part] = (table[part] if part != REPETITION else repetition + 1)[first].astype(np.int64)
    found = np.zeros([int(place.max()) + 1 for place in places], dtype=np.int64)
    found[tuple(places)] = np.arange(images) if places else 0
    return Cells(found, tuple(dims), coords)


def _ranked(values: NDArray[Any]) -> Ints:
    """Which of the distinct values, in ascending order from 0, each value is."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _joined(ranks: Sequence[Ints], images: int) -> Ints:
    """The combinations that occur, ranked; the first of ``ranks`` counts most."""
    found: Ints = np.zeros(images, dtype=np.int64)
    for each in ranks:
        found = _ranked(found * (int(each.max(initial=0)) + 1) + each)
    return found


def _repetition(places: Ints) -> Ints:
    """Which image of its place, from 0, each image is."""
    order = np.argsort(places, kind="stable")
    begins = np.flatnonzero(np.diff(places[order], prepend=-1))
    lengths = np.diff(begins, append=len(places))
    found = np.empty(len(places), dtype=np.int64)
    found[order] = np.arange(len(places)) - np.repeat(begins, lengths)
    return found


def _bound(keys: Mapping[str, Ints], images: int) -> list[str]:
    """The smallest set of keys to merge, which is no more than those that are not free; empty for a full grid.

    A key is free where each of its values has every combination of the others that occurs.
    """
    found = []
    for key, ranks in keys.items():
        others = _joined([other for name, other in keys.items() if name != key], images)
        if (int(others.max(initial=0)) + 1) * (int(ranks.max()) + 1) != images:
            found.append(key)
    return found
