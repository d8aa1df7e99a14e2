"""The values of a column as arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.frame_columns import STREAMS
from mrdock.dicom.frame_rows import Part
from mrdock.dicom.rendering import value_text
from mrdock.errors import MalformedError

MOST_CELLS: Final = 1 << 24
"""An array of more numbers is refused: 16 in each of a million frames."""

_TYPES: Final = {
    "US": "u2",
    "SS": "i2",
    "UL": "u4",
    "SL": "i4",
    "UV": "u8",
    "SV": "i8",
    "FL": "f4",
    "FD": "f8",
    "AT": "u4",
    "DS": "f8",
    "IS": "i8",
}
_DECIMALS: Final = re.compile(rb"[0-9+\-.eE \\]*")

Counts = NDArray[np.int64]


def arrays(frames: int, parts: Sequence[Part]) -> tuple[NDArray[Any], Counts]:
    """Values and their counts in each frame; see `Column.values`. Raises `MalformedError`."""
    if all(part.entry.vr in _TYPES for part in parts):
        return _numbers(frames, parts)
    return _objects(frames, parts)


def _objects(frames: int, parts: Sequence[Part]) -> tuple[NDArray[Any], Counts]:
    values = np.full(frames, None, dtype=object)
    counts = np.zeros(frames, dtype=np.int64)
    for part in parts:
        known: dict[bytes, tuple[object, int]] = {}
        for raw in part.raws:
            if raw not in known:
                known[raw] = _object(part, raw)
        numbers = np.asarray(part.frames, dtype=np.int64)
        found = np.empty(len(part.raws), dtype=object)
        found[:] = [known[raw][0] for raw in part.raws]
        values[numbers] = found
        counts[numbers] = [known[raw][1] for raw in part.raws]
    return values, counts


def _object(part: Part, raw: bytes) -> tuple[object, int]:
    """A value that is no number, and how many it is."""
    vr = part.entry.vr
    if vr in STREAMS:
        return raw, int(bool(raw))
    text = value_text(vr, raw, part.entry.charset, part.entry.big_endian)
    if vr in ("LT", "ST", "UT", "UR"):
        return text, int(bool(text))
    return text, text.count("\\") + 1 if text else 0


def _numbers(frames: int, parts: Sequence[Part]) -> tuple[NDArray[Any], Counts]:
    counts = np.zeros(frames, dtype=np.int64)
    found: list[tuple[NDArray[np.int64], NDArray[Any], Counts]] = []
    for part in parts:
        flat, own = _flat(part)
        numbers = np.asarray(part.frames, dtype=np.int64)
        counts[numbers] = own
        found.append((numbers, flat, own))
    width = max(1, int(counts.max(initial=0)))
    kind = np.result_type(*(flat.dtype for _, flat, _ in found))
    if len(found) == 1 and len(found[0][2]) == 1 and len(found[0][0]) == frames and len(found[0][1]):
        row = found[0][1].astype(kind)
        return np.broadcast_to(row if width > 1 else row[0], (frames, width) if width > 1 else (frames,)), counts
    if frames * width > MOST_CELLS:
        raise MalformedError(f"{width} values in one of {frames} frames are too many for a table")
    values = np.full((frames, width), np.nan if kind.kind == "f" else 0, dtype=kind)
    for numbers, flat, own in found:
        if len(own) == 1:
            values[numbers, : len(flat)] = flat
        else:
            filled = np.arange(width) < own[:, np.newaxis]
            block = values[numbers]
            block[filled] = flat
            values[numbers] = block
    return (values if width > 1 else values[:, 0]), counts


def _flat(part: Part) -> tuple[NDArray[Any], Counts]:
    """The numbers of a part one after the other, and how many each value has."""
    vr = part.entry.vr
    if vr in ("DS", "IS"):
        return _decimals(part, int if vr == "IS" else float)
    kind = np.dtype(_TYPES[vr]).newbyteorder(">" if part.entry.big_endian else "<")
    sizes = np.fromiter(map(len, part.raws), np.int64, len(part.raws))
    wrong = np.flatnonzero(sizes % kind.itemsize)
    if len(wrong):
        at = int(wrong[0])
        raise MalformedError(f"frame {part.frames[at] + 1}: {sizes[at]} bytes are no numbers of VR {vr}")
    if vr == "AT":
        halves = np.frombuffer(b"".join(part.raws), kind.str.replace("4", "2")).reshape(-1, 2).astype(np.uint32)
        return halves[:, 0] << 16 | halves[:, 1], sizes // 4
    flat = np.frombuffer(b"".join(part.raws), kind)
    return flat.astype(kind.newbyteorder("=")), sizes // kind.itemsize


def _decimals(part: Part, of: type[int] | type[float]) -> tuple[NDArray[Any], Counts]:
    stripped = [raw.strip(b" \0") for raw in part.raws]
    counts = np.fromiter((raw.count(b"\\") + 1 if raw else 0 for raw in stripped), np.int64, len(stripped))
    kind = np.int64 if of is int else np.float64
    joined = b"\\".join(raw for raw in stripped if raw)
    if not joined:
        return np.empty(0, kind), counts
    if _DECIMALS.fullmatch(joined):
        with suppress(ValueError, OverflowError):
            return np.fromiter(map(of, joined.split(b"\\")), kind), counts
    careful = (number for at in range(len(stripped)) for number in _careful(part, at, of))
    return np.fromiter(careful, kind), counts


def _careful(part: Part, at: int, of: type[int] | type[float]) -> list[int | float]:
    """The numbers of one value, with a complaint that names the frame."""
    raw = part.raws[at].strip(b" \0")
    numbers = []
    for word in raw.split(b"\\") if raw else ():
        number = _number(word, of)
        if number is None:
            said = word[:32].decode("latin-1")
            raise MalformedError(f"frame {part.frames[at] + 1}: {said!r} is no number of VR {part.entry.vr}")
        numbers.append(number)
    return numbers


def _number(word: bytes, of: type[int] | type[float]) -> int | float | None:
    """Integers may be written as 12.0; a decimal may be empty among others, which is NaN; None for what is none."""
    if not _DECIMALS.fullmatch(word):
        return None
    if of is float and not word.strip():
        return math.nan
    with suppress(ValueError):
        return of(word) if of is float else _bounded(int(word))
    with suppress(ValueError, OverflowError):
        number = float(word)
        return _bounded(int(number)) if number.is_integer() else None
    return None


def _bounded(number: int) -> int | None:
    return number if -(1 << 63) <= number < 1 << 63 else None
