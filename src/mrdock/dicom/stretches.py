"""Stretches of elements that files have in common, each found again by comparing all beginnings of its elements."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from mmap import mmap
from typing import Final, NamedTuple

from mrdock.dicom.scan import Key, Value

_MOST_ALIKE: Final = 16  # stretches that begin with the same element
_MOST_BEGINNINGS: Final = 32
MOST_ELEMENTS: Final = 512
"""A stretch of more is not remembered."""
_MOST_BYTES: Final = 32 << 10
_MOST_TRIED: Final = 3  # of those, compared as a whole

# Files that are all different are read quicker without: then nothing is looked for and made for a while.
_MOST_CREDIT: Final = 96
_PRICE: Final = 4  # what a miss takes; a hit gives 1
_PAUSE: Final = 512  # looks


class Taken(NamedTuple):
    """A wanted value: where it stands behind the beginning of the element or stretch, and the values met so far."""

    offset: int
    length: int
    key: Key
    vr: str
    shared: dict[bytes, Value]


class Stretch(NamedTuple):
    """Elements one behind the other.

    ``before`` and ``after`` are the private tags known where it begins and where it ends. ``ends`` says that the
    element behind it, which is compared too, is beyond the wanted ones.
    """

    size: int
    taken: tuple[Taken, ...]
    before: Mapping[int, Key]
    after: Mapping[int, Key]
    ends: bool


class _Comparison(NamedTuple):
    """The bytes that make a stretch: all beginnings of elements, the last one again because it is compared first."""

    last_at: int
    last: bytes
    parts: struct.Struct
    expected: tuple[bytes, ...]
    stretch: Stretch


class Stretches:
    """The stretches of one layout and of the same wanted elements."""

    def __init__(self) -> None:
        """There are none yet."""
        self._by_beginning: dict[bytes, list[_Comparison]] = {}
        self._credit = _MOST_CREDIT
        self._pause = 0

    def find(self, data: bytes | mmap, pos: int, blocks: Mapping[int, Key]) -> Stretch | None:
        """The stretch that stands at ``pos``, whole, where the private tags ``blocks`` are known."""
        if self._pause:
            self._pause -= 1
            return None
        tried = 0
        for last_at, last, parts, expected, stretch in self._by_beginning.get(data[pos : pos + 8], ()):
            if data[pos + last_at : pos + last_at + 8] != last or pos + parts.size > len(data):
                continue
            if parts.unpack_from(data, pos) == expected and stretch.before == blocks:
                self._credit = min(self._credit + 1, _MOST_CREDIT)
                return stretch
            tried += 1
            if tried == _MOST_TRIED:
                break
        return None

    def may_grow(self) -> bool:
        """Whether another stretch is worth its making now; asked where none was found."""
        if self._pause:
            return False
        self._credit -= _PRICE
        if self._credit < 0:
            self._credit, self._pause = _MOST_CREDIT // 2, _PAUSE
        return not self._pause

    def add(self, data: bytes | mmap, start: int, checks: Sequence[tuple[int, int]], stretch: Stretch) -> None:
        """Remember a stretch that begins at ``start``: so many bytes count, so many do not, and so on."""
        if sum(count for count, _ in checks) > _MOST_BYTES:
            return
        merged: list[tuple[int, int]] = []
        for count, rest in checks:
            before = merged.pop()[0] if merged and not merged[-1][1] else 0
            merged.append((before + count, rest))
        parts = struct.Struct("".join(f"{count}s{rest}x" for count, rest in merged))
        last_at = parts.size - sum(checks[-1])
        last = data[start + last_at : start + last_at + 8]
        if len(self._by_beginning) >= _MOST_BEGINNINGS:
            self._by_beginning.clear()
        alike = self._by_beginning.setdefault(data[start : start + 8], [])
        alike.insert(0, _Comparison(last_at, last, parts, parts.unpack_from(data, start), stretch))
        del alike[_MOST_ALIKE:]
