"""Putting a new version of a file in the place of the old one, which stays beside it.

The new file is written under another name and made durable; then the old one gets its second name, a hard link where
the file system has such; then the new one takes the first name in one step. Whenever that ends, under the file's name
stands a whole file, the old or the new one. Where there are no hard links the old one is renamed first, and stands for
a moment under the name of the backup only.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from mrdock.dicom.scan import Buffer
from mrdock.enhanced.shortacq_edits import Piece, Span, Swap
from mrdock.errors import PlaceError
from mrdock.files.durable import begin_writing_out, move_new, sync_names, write_all
from mrdock.files.names import printable

_BLOCK: Final = 1 << 20
_LARGE: Final = 64 << 10  # from here on pieces are copied one by one
_WRITE_OUT: Final = 16 << 20
_NO_LINK: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL})
_MOST_BACKUPS: Final = 10_000
_BOTH: Final = hasattr(os, "preadv") and hasattr(os, "pwrite")

Identity = tuple[int, int, int, int]
"""Of a file as it was read: device, inode, size, time of the last change (ns)."""


def identity_of(status: os.stat_result) -> Identity:
    """What tells this version of this file from others."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Beside:
    """A new version of a file that is being written: hidden beside it, and gone if it never takes its place."""

    def __init__(self, path: str) -> None:
        """Begin one for ``path``, behind links to it. Raises OSError."""
        self.path = os.path.realpath(path)
        folder, name = os.path.split(self.path)
        self._folder = folder
        _tidy(folder, name)
        self._part = os.path.join(folder, f".{name}.{os.getpid()}.shortacq.part")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(self._part, flags, 0o600)

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        with suppress(FileNotFoundError):
            os.unlink(self._part)

    def write(self, prefix: bytes, pieces: Iterable[Piece], source: int) -> None:
        """Write pieces of the open file ``source`` and what stands between; raises OSError."""
        at = len(prefix)
        small: list[tuple[int, Piece]] = [(0, prefix)]
        large: list[tuple[int, Span]] = []
        for piece in pieces:
            if isinstance(piece, tuple) and piece[1] - piece[0] >= _LARGE:
                large.append((at, piece))
            else:
                small.append((at, piece))
            at += _length(piece)
        if not _BOTH:
            for _, piece in sorted([*small, *large], key=lambda each: each[0]):
                for block in _blocks(piece, source):
                    write_all(self._descriptor, block)
            return
        with _Copying(source, self._descriptor, large):  # while the rest is put together here
            _write_small(self._descriptor, small, source)

    def write_deflated(self, prefix: bytes, pieces: Iterable[Piece], data: Buffer) -> None:
        """Write pieces of an inflated data set, deflated (PS3.5 section A.5)."""
        import zlib

        deflate = zlib.compressobj(wbits=-15)
        written = len(prefix)
        write_all(self._descriptor, prefix)
        for piece in pieces:
            for block in _blocks(piece, data):
                deflated = deflate.compress(block)
                written += len(deflated)
                write_all(self._descriptor, deflated)
        rest = deflate.flush()
        write_all(self._descriptor, rest + b"\0" * ((written + len(rest)) % 2))

    def take_place(self, identity: Identity) -> str:
        """Make it durable, give the old file its name as a backup and this one the old name; return the backup's.

        Raises `PlaceError` where the old one has changed since, OSError.
        """
        self._make_durable()
        if identity_of(os.stat(self.path)) != identity:
            raise PlaceError(f"{printable(self.path)}: changed while it was read; nothing was done")
        backup, moved = self._back_up()
        sync_names(self._folder)
        try:
            if moved:
                move_new(self._part, self.path)
            else:
                os.replace(self._part, self.path)
        except OSError:
            with suppress(OSError):
                if moved:
                    move_new(backup, self.path)
                else:
                    os.unlink(backup)
            raise
        sync_names(self._folder)
        return backup

    def _make_durable(self) -> None:
        """Give it the old one's owner, mode and attributes, and have all of it on disk."""
        import shutil

        status = os.stat(self.path)
        if hasattr(os, "fchown"):
            with suppress(PermissionError):
                os.fchown(self._descriptor, status.st_uid, status.st_gid)
        shutil.copystat(self.path, self._part)
        os.utime(self._part)
        if hasattr(os, "fchmod"):
            os.fchmod(self._descriptor, stat.S_IMODE(status.st_mode))
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1

    def _back_up(self) -> tuple[str, bool]:
        """The backup's name, and whether the old file had to be moved there."""
        for name in _backups(self.path):
            try:
                os.link(self.path, name)
            except FileExistsError:
                if os.path.samefile(name, self.path):  # a run that was killed came as far
                    return name, False
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                with suppress(FileExistsError):
                    move_new(self.path, name)
                    return name, True
            else:
                return name, False
        raise PlaceError(f"{printable(self.path)}: it has {_MOST_BACKUPS} backups already")


class _Copying:
    """Copies large pieces in a thread, which has ended when the block ends; what failed there is raised then."""

    def __init__(self, source: int, target: int, spans: Iterable[tuple[int, Span]]) -> None:
        self._words = source, target, spans
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop.set()
        try:
            self._thread.join()
        except BaseException:  # an interrupt: the files are closed next
            self._stop.set()
            self._thread.join()
            raise
        if self._error is not None and kind is None:
            raise self._error

    def _run(self) -> None:
        try:
            _copy(*self._words, self._stop)
        except BaseException as error:  # noqa: BLE001  # raised where it is joined
            self._error = error


def _length(piece: Piece) -> int:
    if isinstance(piece, bytes):
        return len(piece)
    return piece.end - piece.start if isinstance(piece, Swap) else piece[1] - piece[0]


def _blocks(piece: Piece, source: int | Buffer) -> Iterator[bytes]:
    """The bytes of a piece, in blocks that do not grow with the file."""
    if isinstance(piece, bytes):
        yield piece
    elif isinstance(piece, Swap):
        yield piece.applied(_read(source, piece.start, piece.end))
    else:
        for at in range(piece[0], piece[1], _BLOCK):
            yield _read(source, at, min(at + _BLOCK, piece[1]))


def _write_small(target: int, pieces: Iterable[tuple[int, Piece]], source: int) -> None:
    """Write pieces where they belong, those that follow each other together."""
    start, collected = 0, bytearray()
    for at, piece in pieces:
        if at != start + len(collected) or len(collected) >= _BLOCK:
            _write_out(target, start, collected)
            start, collected = at, bytearray()
        for block in _blocks(piece, source):
            collected += block
    _write_out(target, start, collected)


def _write_at(target: int, at: int, data: bytes | bytearray | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        count = os.pwrite(target, view, at)
        view, at = view[count:], at + count


def _write_out(target: int, start: int, data: bytearray) -> None:
    """Write what was collected, and have it on its way to the disk."""
    _write_at(target, start, data)
    if len(data) >= _BLOCK:
        begin_writing_out(target, start, len(data))


def _copy(source: int, target: int, spans: Iterable[tuple[int, Span]], stop: threading.Event) -> None:
    """Copy large pieces where they belong until told to stop, and have them written out meanwhile.

    By reading and writing: what is copied hardly ever begins at a page of both files, and then the kernel's own copying
    is slower.
    """
    buffer = memoryview(bytearray(_BLOCK))
    unwritten = 0
    for to, (start, end) in spans:
        at, shift = start, to - start
        while at < end and not stop.is_set():
            most = _BLOCK - (at + shift) % _BLOCK  # to the target's next whole block
            count = os.preadv(source, [buffer[: min(most, end - at)]], at)
            if not count:
                raise _shorter()
            _write_at(target, at + shift, buffer[:count])
            at += count
            unwritten += count
            if unwritten >= _WRITE_OUT:
                begin_writing_out(target, at + shift - unwritten, unwritten)
                unwritten = 0


def _read(source: int | Buffer, start: int, end: int) -> bytes:
    """Bytes of an open file or a buffer."""
    if not isinstance(source, int):
        return bytes(source[start:end])
    found = bytearray()
    while len(found) < end - start:
        if hasattr(os, "pread"):
            block = os.pread(source, end - start - len(found), start + len(found))
        else:
            os.lseek(source, start + len(found), os.SEEK_SET)
            block = os.read(source, end - start - len(found))
        if not block:
            raise _shorter()
        found += block
    return bytes(found)


def _shorter() -> OSError:
    return OSError(errno.EIO, "the file became shorter while it was read")


def _backups(path: str) -> Iterable[str]:
    yield f"{path}.bak"
    for number in range(1, _MOST_BACKUPS):
        yield f"{path}.bak.{number}"


def _tidy(folder: str, name: str) -> None:
    """Remove what runs left here that were killed while they wrote."""
    if os.name != "posix":
        return
    begin, end = f".{name}.", ".shortacq.part"
    for found in os.listdir(folder):
        process = found.removeprefix(begin).removesuffix(end)
        if found == f"{begin}{process}{end}" and process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):
                os.unlink(os.path.join(folder, found))


def _runs(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
