"""Files that are still being written: those touched a moment ago, and those that end before their data do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Literal

from mrdock.dicom.reading import FileHeader, open_noatime
from mrdock.dicom.scan import EXPLICIT_BIG, IMPLICIT_LITTLE, Wanted, scan
from mrdock.dicom.sop_classes import DEFLATED
from mrdock.errors import CutShortError, DicomError, StoppedError
from mrdock.sorting.finding import Entry

ROWS: Final = 0x00280010
COLUMNS: Final = 0x00280011
SAMPLES: Final = 0x00280002
BITS: Final = 0x00280100
FRAMES: Final = 0x00280008
PIXEL_WANTED: Final = ((ROWS, "US"), (COLUMNS, "US"), (BITS, "US"), (SAMPLES, "US"), (FRAMES, "IS"))
"""What `cut_short` needs of a header."""

_PIXEL_KEYS: Final = tuple(key for key, _ in PIXEL_WANTED)
_NEEDED: Final = 3  # of these; the others count as 1 where they are absent

_NOTHING: Final = Wanted(())
_STEP: Final = 0.1
_DELIMITER: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"


def fresh(entries: Sequence[Entry], now_ns: int, seconds: float) -> list[Entry]:
    """The files that were touched less than ``seconds`` before ``now_ns``, or after it."""
    since = now_ns - int(seconds * 1e9)
    return [entry for entry in entries if entry.changed > since]


def wait(
    until_ns: int,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Sleep until the clock says ``until_ns``. Raises `StoppedError` when ``cancelled`` says so."""
    begin = time.time_ns()
    whole = max(0, until_ns - begin)
    while (left := until_ns - time.time_ns()) > 0 and left <= whole:  # a clock set back ends the wait
        if cancelled and cancelled():
            raise StoppedError("stopped while waiting for files to settle")
        if progress:
            progress("waiting", (whole - left) // 10**9, -(-whole // 10**9))
        time.sleep(min(_STEP, left / 1e9))


def unsettled(entries: Sequence[Entry]) -> dict[str, str]:
    """Which of these files are not as they were found, each with the reason."""
    found: dict[str, str] = {}
    for entry in entries:
        try:
            status = os.stat(entry.path)
        except OSError as error:
            found[entry.path] = error.strerror or str(error)
            continue
        if status.st_size != entry.size:
            found[entry.path] = "still grows" if status.st_size > entry.size else "is being written"
        elif status.st_mtime_ns != entry.changed:
            found[entry.path] = "is being written"
    return found


def cut_short(path: str, file: FileHeader) -> str:
    """Why a file does not hold all that its header declares, empty where it does. Raises OSError.

    Of nearly all whole files the last bytes of the pixel data stand at the end of the file: then its element begins
    just where the size of the image says, and no more is looked at. The others are walked to their end.
    """
    fd = open_noatime(path)
    try:
        if _ends_with_pixels(fd, file):
            return ""
    finally:
        os.close(fd)
    return _walked(path, file.transfer_syntax == DEFLATED)


def _ends_with_pixels(fd: int, file: FileHeader) -> bool:
    """Whether the end of the file is that of its pixel data, native or encapsulated (PS3.5 section A.4)."""
    syntax, values = file.transfer_syntax, file.found.values
    raw = tuple([value.raw if (value := values.get(key)) else b"" for key in _PIXEL_KEYS])
    length, head = _native(syntax, raw)
    if length:
        found = _read_at(fd, file.size - length - len(head), len(head))
        if found == head or (head[4:6] == b"OW" and found == head.replace(b"OW", b"OB", 1)):
            return True
    return _is_encapsulated(syntax) and _read_at(fd, file.size - len(_DELIMITER), len(_DELIMITER)) == _DELIMITER


def _read_at(fd: int, at: int, count: int) -> bytes:
    if at < 0:
        return b""
    os.lseek(fd, at, os.SEEK_SET)  # Windows has no pread
    return os.read(fd, count)


@lru_cache(maxsize=64)
def _native(syntax: str, raw: tuple[bytes, ...]) -> tuple[int, bytes]:
    """The bytes of a native image by the raw `PIXEL_WANTED`, and how its element begins; 0 where that is not known."""
    if syntax == DEFLATED or _is_encapsulated(syntax):
        return 0, b""
    order: Literal["big", "little"] = "big" if syntax == EXPLICIT_BIG else "little"
    total = 1
    for (_, vr), value in zip(PIXEL_WANTED, raw, strict=True):
        text = value.strip(b" \0").decode("ascii", "replace")
        if vr == "US" and len(value) >= 2:
            total *= int.from_bytes(value[:2], order)
        elif text.isdecimal() and len(text) < 10:
            total *= int(text)
        elif value:
            return 0, b""
    if not all(raw[:_NEEDED]) or not total or total >= 1 << 34:
        return 0, b""
    length = total // 8 + total // 8 % 2
    mark = (0x7FE0).to_bytes(2, order) + (0x0010).to_bytes(2, order)
    form = b"" if syntax == IMPLICIT_LITTLE else b"OW\0\0"
    return length, mark + form + length.to_bytes(4, order)


def _is_encapsulated(transfer_syntax: str) -> bool:
    return transfer_syntax.startswith("1.2.840.10008.1.2.4.") or transfer_syntax == "1.2.840.10008.1.2.5"


def _walked(path: str, deflated: bool) -> str:
    """Walk a file to its end. What is odd in other ways is no matter here: its header could be read."""
    from mrdock.dicom.opening import open_data_set

    try:
        with open_data_set(path) as opened:
            scan(opened.data, opened.transfer_syntax, _NOTHING, start=opened.start)
    except DicomError as error:
        if deflated or isinstance(error, CutShortError):
            return f"is incomplete: {error}"
    return ""
