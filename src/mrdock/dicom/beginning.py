"""Where a file's data set begins and how it is laid out, with or without preamble and meta group (PS3.10 section 7).

What the meta group says of the layout is believed only where the first element agrees, as pydicom does: explicit VR
shows two capitals behind the tag. Without preamble, only a file that begins with a likely element of group 0002 or 0008
is taken for DICOM.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from mmap import mmap
from typing import Final, NamedTuple

from mrdock.dicom.scan import (
    EXPLICIT_BIG,
    EXPLICIT_LE,
    IMPLICIT_LE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    UNDEFINED,
    Key,
    Value,
    layout_of,
)
from mrdock.dicom.sop_classes import DEFLATED, EXPLICIT_LITTLE
from mrdock.dicom.taking import Taker
from mrdock.errors import MalformedError, NotDicomError

META_SOP_CLASS: Final = 0x00020002
META_SOP_INSTANCE: Final = 0x00020003
META_TRANSFER_SYNTAX: Final = 0x00020010
_ALWAYS: Final[dict[Key, str]] = {META_SOP_CLASS: "UI", META_SOP_INSTANCE: "UI", META_TRANSFER_SYNTAX: "UI"}
_NOT_DICOM: Final = "no DICOM file: the prefix DICM is missing"
_LIKELY: Final = 3  # elements that a file without preamble is judged by
_CAPITALS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Beginning(NamedTuple):
    """What stands before a data set.

    start: where the data set begins; a deflated one has to be inflated from here.
    transfer_syntax: as the bytes are: `scan` and `Taker` read the data set by it once it is inflated.
    said: what the meta group says, empty where it does not.
    meta: the elements of group 0002 that were wanted, and the UIDs of SOP class, SOP instance and transfer syntax.
    """

    start: int
    transfer_syntax: str
    said: str
    meta: dict[Key, Value]


class MetaTaker:
    """Finds where data sets begin; ``wanted`` may name elements of group 0002, each with its VR."""

    def __init__(self, wanted: Mapping[Key, str], longest: int) -> None:
        """Nothing is remembered yet."""
        self._wanted = _ALWAYS | {key: vr for key, vr in wanted.items() if isinstance(key, int) and key >> 16 == 2}
        self._longest = longest
        self._takers: dict[bool, Taker] = {}

    def begin(self, data: bytes | mmap, *, whole: bool = True) -> Beginning:
        """What stands before the data set of the file ``data``.

        ``whole=False`` says that the file goes on. Raises `NotDicomError`, and `MalformedError` where the meta group is
        broken or ends with the data.
        """
        prefix = data[128:132] == b"DICM"
        at = 132 if prefix else 0
        if not prefix and not _may_be_bare(data[:8]):
            raise NotDicomError(_NOT_DICOM)
        meta: dict[Key, Value] = {}
        if data[at : at + 2] == b"\2\0":
            at = self._taker(data[at + 4 : at + 6]).take(data, at, meta, whole=whole)
        elif not prefix and not _is_bare(data):
            if whole:
                raise NotDicomError(_NOT_DICOM)
            raise MalformedError("the data set ends in the middle of an element")
        if data[at : at + 2] == b"\0\0":  # a command set, which some files have: always implicit (PS3.7 section 6.3)
            at = _COMMAND.take(data, at, {}, whole=whole)
        if at + 8 > len(data):
            raise MalformedError("the file ends before its data set begins")
        said = meta[META_TRANSFER_SYNTAX].raw.strip(b" \0").decode("latin-1") if META_TRANSFER_SYNTAX in meta else ""
        return Beginning(at, said if said == DEFLATED else as_it_looks(said, data[at : at + 6]), said, meta)

    def _taker(self, vr: bytes) -> Taker:
        explicit = _CAPITALS.issuperset(vr)
        taker = self._takers.get(explicit)
        if taker is None:
            layout = EXPLICIT_LE if explicit else IMPLICIT_LE
            taker = self._takers[explicit] = Taker(layout, self._wanted, self._longest, lambda tag: tag >> 16 != 2)
        return taker


def as_it_looks(said: str, head: bytes) -> str:
    """The transfer syntax of a data set that begins with ``head`` (6 bytes): the one that is said where that can be.

    Raises `MalformedError` where it can be none that is known: implicit VR in big endian.
    """
    explicit = _CAPITALS.issuperset(head[4:])
    if explicit == (said != IMPLICIT_LITTLE) and said:
        return said
    if len(head) < 6:
        return said or IMPLICIT_LITTLE
    if said == EXPLICIT_BIG:
        raise MalformedError("the data set is said to be explicit VR big endian but has implicit VRs")
    if not said and head[4:] in _VRS:
        return EXPLICIT_BIG if head[0] < head[1] else EXPLICIT_LITTLE
    return EXPLICIT_LITTLE if explicit and said else IMPLICIT_LITTLE


def _may_be_bare(head: bytes) -> bool:
    """Whether a file without preamble can begin so: with group 0002 in little, or 0008 in either byte order."""
    if head[:2] == b"\2\0":
        return head[3:4] in (b"\0", b"\1") and head[4:6] in _VRS
    return head[:2] == b"\x08\0" or (head[:2] == b"\0\x08" and head[4:6] in _VRS)


def _is_bare(data: bytes | mmap) -> bool:
    """Whether a file without preamble and meta group begins with rising elements of known VRs that are all there."""
    layout = layout_of(as_it_looks("", data[:6]))
    pos, before = 0, -1
    for number in range(_LIKELY):
        head = data[pos : pos + 12]
        if len(head) < 8:
            return pos == len(data) and number > 1
        group, element = struct.unpack_from(">HH" if layout.big_endian else "<HH", head)
        length = layout.length.unpack_from(head, 4)[0]
        size = 8
        if layout.explicit:
            vr = head[4:6]
            if vr not in _VRS:
                return False
            if vr in SHORT_VRS:
                length = int.from_bytes(head[6:8], "big" if layout.big_endian else "little")
            elif len(head) == 12:
                size, length = 12, layout.length.unpack_from(head, 8)[0]
        if not before < group << 16 | element < 0x7FE00000:
            return False
        if length == UNDEFINED:
            return True
        before, pos = group << 16 | element, pos + size + length
    return pos <= len(data)


_VRS: Final = SHORT_VRS | LONG_VRS
_COMMAND: Final = Taker(IMPLICIT_LE, {}, 0, lambda tag: tag >> 16 != 0)
