"""The wanted elements of a file's header, read fast and stopping early.

One block is read, and more only where the wanted elements stand further behind; nothing after the last wanted tag is
looked at, and no pixel data. What is read equals what pydicom reads (``dcmread(..., force=True, specific_tags=...)``)
or is refused, with these differences, all on purpose:

- A file without preamble is DICOM only where it begins with likely elements of group 0002 or 0008.
- A file that is cut before the last wanted element, or that ends in the middle of an element, is refused; pydicom warns
  or says nothing. So is one that has no data set at all. What is behind the last wanted element may be cut or broken,
  in a deflated file, too.
- Of an element that stands there twice the first counts (DCMTK), with pydicom the last. Elements out of order behind a
  greater tag than the last wanted one are not seen.
- A value longer than ``Wanted.longest`` is cut there. Sequences and values of undefined length are not brought, nor the
  command set (group 0000) that a file may have.
- A private element is found in any block that has its creator, spelled in any case.
- An unknown VR of two capitals has a 32-bit length (PS3.5 section 7.1.2), one of other characters 16 bits (DCMTK).
- A sequence of VR UN is little endian in a big endian data set, too (PS3.5 section 6.2.2), where pydicom fails.
- An item delimiter among the elements is passed over (DCMTK), where pydicom stops without a word. Other items, values
  of undefined length that do not end, broken nested sequences of undefined length, VRs with an undefined length that
  cannot have one, sequences nested more than 64 deep, and implicit VR in big endian are refused.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import islice
from mmap import ACCESS_READ, mmap
from typing import Final, TypeVar

from mrdock.dicom.beginning import META_SOP_CLASS, META_SOP_INSTANCE, Beginning, MetaTaker, as_it_looks
from mrdock.dicom.deflated import inflated_steps
from mrdock.dicom.scan import Found, Key, Value, Wanted, layout_of
from mrdock.dicom.sop_classes import DEFLATED, EXPLICIT_LITTLE
from mrdock.dicom.taking import Taker
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header
from mrdock.errors import DicomError, MalformedError, NotDicomError

StrPath = str | os.PathLike[str]
P = TypeVar("P", bound=StrPath)

SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018

_ALWAYS: Final[dict[Key, str]] = {SPECIFIC_CHARACTER_SET: "CS", SOP_CLASS: "UI", SOP_INSTANCE: "UI"}
_FIRST_BLOCK: Final = 8 << 10  # what scanners write before the last tag that most people want
_LONGEST_BLOCK: Final = 64 << 10
_FIRST_INFLATED: Final = 64 << 10
_CHUNK: Final = 16  # files that a thread reads before it hands them over
_QUIETLY: Final = getattr(os, "O_NOATIME", 0)
_READ: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0)


class FileHeader:
    """The wanted elements of one file.

    found: the wanted elements that are there as bytes; beside them always Specific Character Set, SOP Class UID and SOP
        Instance UID of the data set.
    transfer_syntax: the UID that the meta group says, or where it says none that the bytes look like.
    size: the bytes of the whole file.
    """

    __slots__ = ("_header", "_meta", "found", "size", "transfer_syntax")

    def __init__(self, found: Found, meta: dict[Key, Value], transfer_syntax: str, size: int) -> None:
        """``meta`` has the UIDs of group 0002, for a data set that does not have them."""
        self.found = found
        self.transfer_syntax = transfer_syntax
        self.size = size
        self._meta = meta
        self._header: Header | None = None

    @property
    def header(self) -> Header:
        """The elements as text and numbers, decoded when somebody asks."""
        header = self._header
        if header is None:
            header = self._header = Header(self.found)
        return header

    @property
    def sop_class(self) -> str:
        """SOP Class UID of the data set, or of the meta group; empty where neither has it."""
        return self._uid(SOP_CLASS, META_SOP_CLASS)

    @property
    def sop_instance(self) -> str:
        """SOP Instance UID of the data set, or of the meta group; empty where neither has it."""
        return self._uid(SOP_INSTANCE, META_SOP_INSTANCE)

    def _uid(self, key: Key, meta_key: Key) -> str:
        for value in (self.found.values.get(key), self._meta.get(meta_key)):
            text = value.raw.strip(b" \0").decode("latin-1") if value else ""
            if text:
                return text
        return ""


Outcome = FileHeader | DicomError | OSError


def open_noatime(path: StrPath) -> int:
    """Open a file for reading and return its descriptor; its access time stays where the system allows that.

    Never waits for the other end of a pipe. Raises OSError.
    """
    if _QUIETLY:
        try:
            return os.open(path, _READ | _QUIETLY)
        except PermissionError:  # only the owner may
            pass
    return os.open(path, _READ)


def read_header(path: StrPath, wanted: Wanted) -> FileHeader:
    """The wanted elements of the top level, and of group 0002, of one file.

    Raises `NotDicomError`, `MalformedError` and OSError; the messages of the first two do not name the path.
    """
    return _reader(wanted).read(path)


def read_many(paths: Iterable[P], wanted: Wanted, jobs: int = 1) -> Iterator[tuple[P, Outcome]]:
    """The headers of many files, each with its path, in the order of ``paths``; an error stands in a header's place.

    ``paths`` may be long: it is asked for little more than is read. ``jobs`` files are read at once, by threads: that
    pays where a file takes long to open, as over a network. From memory or a quick disk one at a time is quickest; to
    bring headers from another process would take longer than to read them.
    """
    if jobs > 1:
        yield from _read_at_once(iter(paths), wanted, jobs)
        return
    outcome = _reader(wanted).outcome
    for path in paths:
        yield path, outcome(path)


def _read_at_once(paths: Iterator[P], wanted: Wanted, jobs: int) -> Iterator[tuple[P, Outcome]]:
    from concurrent.futures import Future, ThreadPoolExecutor

    idle = [_Reader(wanted) for _ in range(jobs)]

    def read(chunk: Sequence[P]) -> list[Outcome]:
        reader = idle.pop()
        try:
            return [reader.outcome(path) for path in chunk]
        finally:
            idle.append(reader)

    under_way: deque[tuple[list[P], Future[list[Outcome]]]] = deque()
    with ThreadPoolExecutor(jobs) as threads:
        try:
            while True:
                while len(under_way) < 2 * jobs and (chunk := list(islice(paths, _CHUNK))):
                    under_way.append((chunk, threads.submit(read, chunk)))
                if not under_way:
                    return
                chunk, future = under_way.popleft()
                yield from zip(chunk, future.result(), strict=True)
        finally:
            for _, future in under_way:
                future.cancel()


class _Reader:
    """Reads the wanted elements of one file after the other, and remembers what their element headers mean."""

    def __init__(self, wanted: Wanted) -> None:
        """Nothing is remembered yet."""
        self._vrs = _ALWAYS | {key: vr for key, vr in wanted.vrs.items() if _group(key) not in (0, 2)}
        self._longest = wanted.longest
        last = max(key[0] << 16 | 0xFF00 | key[1] if isinstance(key, tuple) else key for key in self._vrs)
        self._ends = last.__lt__
        self._meta_wanted = [key for key in wanted.vrs if _group(key) == 2]
        self._meta = MetaTaker(wanted.vrs, wanted.longest)
        self._takers: dict[str, Taker] = {}
        self._block = _FIRST_BLOCK

    def read(self, path: StrPath) -> FileHeader:
        """The header of one file."""
        fd = open_noatime(path)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                if stat.S_ISDIR(status.st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
                raise NotDicomError("no DICOM file: not a regular file")
            data = os.read(fd, self._block)
            size = status.st_size
            if len(data) >= size:
                return self._whole(data, size)
            header = self._part(data, size)
            if header is None:
                self._block = min(2 * self._block, _LONGEST_BLOCK)
                with mmap(fd, 0, access=ACCESS_READ) as mapped:
                    header = self._whole(mapped, size)
            return header
        finally:
            os.close(fd)

    def outcome(self, path: StrPath) -> Outcome:
        """The header of one file, or what is wrong with it."""
        try:
            return self.read(path)
        except (DicomError, OSError) as error:
            return error

    def _part(self, data: bytes, size: int) -> FileHeader | None:
        """The header where the beginning of the file has all that is wanted of it."""
        try:
            beginning = self._meta.begin(data, whole=False)
            if beginning.transfer_syntax == DEFLATED:
                return None
            values: dict[Key, Value] = {}
            taker = self._taker(beginning.transfer_syntax)
            if taker.take(data, beginning.start, values, whole=False) + 8 > len(data):
                return None
        except MalformedError:  # it may only look so
            return None
        return self._header(beginning, beginning.transfer_syntax, values, size)

    def _whole(self, data: bytes | mmap, size: int) -> FileHeader:
        beginning = self._meta.begin(data)
        syntax = beginning.transfer_syntax
        if syntax == DEFLATED:
            syntax, values = self._take_inflated(data, beginning.start)
        else:
            values = {}
            _check_end(data, self._taker(syntax).take(data, beginning.start, values))
        return self._header(beginning, syntax, values, size)

    def _take_inflated(self, data: bytes | mmap, start: int) -> tuple[str, dict[Key, Value]]:
        """Inflate no more than needed; try again with four times as much where that was too little."""
        inflated, enough = bytearray(), _FIRST_INFLATED
        with closing(inflated_steps(data, start, _FIRST_INFLATED)) as steps:
            while True:
                broken = _fill(inflated, enough, steps)
                whole = broken is None and len(inflated) < enough
                values: dict[Key, Value] = {}
                part = bytes(inflated)
                syntax = as_it_looks(EXPLICIT_LITTLE, part[:6])
                try:
                    end = self._taker(syntax).take(part, 0, values, whole=whole)
                except MalformedError:
                    if whole:
                        raise
                    end = len(part)
                if whole:
                    _check_end(part, end)
                if whole or end + 8 <= len(part):
                    return syntax, values
                if broken is not None:
                    raise broken
                enough *= 4

    def _taker(self, syntax: str) -> Taker:
        taker = self._takers.get(syntax)
        if taker is None:
            layout = layout_of(syntax)
            for other in self._takers.values():
                if other.layout is layout:
                    taker = other
            if taker is None:
                taker = Taker(layout, self._vrs, self._longest, self._ends)
            self._takers[syntax] = taker
        return taker

    def _header(self, beginning: Beginning, syntax: str, values: dict[Key, Value], size: int) -> FileHeader:
        big_endian = layout_of(syntax).big_endian
        for key in self._meta_wanted:
            value = beginning.meta.get(key)
            if value is not None:  # group 0002 is little endian in every file
                values[key] = Value(value.vr, value.raw[::-1]) if big_endian and value.vr == "UL" else value
        return FileHeader(Found(values, big_endian), beginning.meta, beginning.said or beginning.transfer_syntax, size)


_reader = lru_cache(maxsize=8)(_Reader)


def _group(key: Key) -> int:
    return key[0] if isinstance(key, tuple) else key >> 16


def _fill(inflated: bytearray, enough: int, steps: Iterator[bytes]) -> MalformedError | None:
    """Inflate until that is enough; return what is wrong where it cannot go on."""
    try:
        while len(inflated) < enough:
            step = next(steps, None)
            if step is None:
                break
            inflated += step
    except MalformedError as error:
        return error
    return None


def _check_end(data: bytes | mmap, end: int) -> None:
    """Refuse a data set that ended, before a tag behind the wanted ones came, in the middle of an element."""
    if end > len(data):
        raise MalformedError(f"the data set is cut short: at least {end - len(data)} bytes are missing")
    if end + 8 > len(data) and any(data[end:]):  # zeros may follow
        raise MalformedError("the data set ends in the middle of an element")
