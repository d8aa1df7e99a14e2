"""What differs between the BLOBs of two scans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mrdock.rawdata.blob_rows import BlobRow, blob_rows, values_text
from mrdock.rawdata.blobs import Blob, RawFile
from mrdock.rawdata.contents import interpret

_GAP: Final = 4  # equal values between unequal ones


class Difference(NamedTuple):
    """One row that two files have differently; None where one of them has no such row.

    ``first`` is the place of the first value that differs, 0 where the rows are of different types or sizes.
    """

    blob: str
    name: str
    left: BlobRow | None
    right: BlobRow | None
    first: int = 0


def differences(
    left: RawFile, right: RawFile, left_blobs: Sequence[Blob], right_blobs: Sequence[Blob]
) -> Iterator[Difference]:
    """The differences in the order of the left file; what only the right one has comes last in its BLOB.

    Numbers that are equal are no difference, 0 and -0 among them; a NaN equals a NaN. Of a BLOB that is not read one
    row stands for its bytes.
    """
    there = _by_name(right_blobs)
    for key, blob in _by_name(left_blobs).items():
        yield from _of_blob(key[0], _rows(blob, left), _rows(there.pop(key, None), right))
    for key, blob in there.items():
        yield from _of_blob(key[0], [], _rows(blob, right))


def _by_name(blobs: Sequence[Blob]) -> dict[tuple[str, int], Blob]:
    """BLOBs by name; of equal names the first is compared with the first, and so on."""
    counts: dict[str, int] = {}
    found = {}
    for blob in blobs:
        found[blob.name, counts.setdefault(blob.name, 0)] = blob
        counts[blob.name] += 1
    return found


def _rows(blob: Blob | None, raw: RawFile) -> list[BlobRow]:
    if blob is None:
        return []
    rows = list(blob_rows(interpret(blob), raw.release, raw.tokens))
    if rows or not len(blob.data):
        return rows
    import hashlib

    return [BlobRow("(bytes)", "string", (f"{len(blob.data)} bytes, SHA-256 {hashlib.sha256(blob.data).hexdigest()}",))]


def _of_blob(blob: str, left: Sequence[BlobRow], right: Sequence[BlobRow]) -> Iterator[Difference]:
    there = _numbered(right)
    for key, row in _numbered(left).items():
        other = there.pop(key, None)
        if other is None:
            yield Difference(blob, row.name, row, None)
        elif (row.kind, row.size) != (other.kind, other.size) or len(row.values) != len(other.values):
            yield Difference(blob, row.name, row, other)
        else:
            yield from _of_values(blob, row, other)
    for row in there.values():
        yield Difference(blob, row.name, None, row)


def _numbered(rows: Sequence[BlobRow]) -> dict[tuple[str, int], BlobRow]:
    counts: dict[str, int] = {}
    found = {}
    for row in rows:
        number = counts.get(row.name, 0)
        counts[row.name] = number + 1
        found[row.name, number] = row
    return found


def _of_values(blob: str, left: BlobRow, right: BlobRow) -> Iterator[Difference]:
    """Each stretch of values that differ; a few equal ones inside do not end it."""
    if left.values == right.values:
        return
    unequal = [
        number
        for number, (one, other) in enumerate(zip(left.values, right.values, strict=True))
        if one != other and (one == one or other == other)  # noqa: PLR0124 - NaN
    ]
    first = 0
    for place, number in enumerate(unequal):
        if place + 1 == len(unequal) or unequal[place + 1] > number + 1 + _GAP:
            stretch = slice(unequal[first], number + 1)
            yield Difference(blob, left.name, _part(left, stretch), _part(right, stretch), stretch.start)
            first = place + 1


def _part(row: BlobRow, stretch: slice) -> BlobRow:
    return row._replace(values=row.values[stretch], words=row.words[stretch])


def difference_text(difference: Difference, *, short: bool = True) -> str:
    """``8 -> 90``, after ``[3]`` or ``[3-5]`` where these of many values differ."""
    left, right = (row and values_text(row, short=short) for row in (difference.left, difference.right))
    if left is None:
        return f"only in the second: {right}"
    if right is None:
        return f"only in the first: {left}"
    return f"{_place(difference)}{left} -> {right}"


def _place(difference: Difference) -> str:
    row, other = difference.left, difference.right
    if row is None or other is None or row.size == 1 or row.size != other.size or row.kind != other.kind:
        return ""
    last = difference.first + len(row.values) - 1
    return f"[{difference.first}] " if last == difference.first else f"[{difference.first}-{last}] "
