"""Where images are copied to: is the path one that may be written to, and if not, why and what was perhaps meant."""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mrdock.dock.settings import RouteSettings
from mrdock.files import locations
from mrdock.files.durable import open_directory, opened, rename_new, sync_names

PASSING: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.EBUSY,
        errno.ENOTCONN,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENODEV,
        errno.ENXIO,
        errno.EAGAIN,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EINTR,
    }
)
"""Errors that pass: full, not mounted, not reachable. Others wait for a person."""

_MISLED: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Errors of a path that leads to no directory: another one was perhaps meant."""

_SIMILAR: Final = 0.75
_ESCAPED: Final = re.compile(rb"\\([0-3][0-7]{2})")  # blanks and the like in the kernel's list
_ON_THE_WAY: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class RouteTrouble(Exception):
    """Why a series cannot be copied to where it wants to go; ``passing`` if it may go better later."""

    def __init__(self, reason: str, *, passing: bool = False, suggestion: str = "") -> None:
        """``suggestion`` is an existing directory that may have been meant."""
        super().__init__(reason)
        self.reason = reason
        self.passing = passing
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked destination: links resolved, below ``root``; ``make`` says that the last part is to be created."""

    root: str
    path: str
    make: bool


def check_text(path: str) -> str:
    """A path as the header wrote it, made canonical without looking at the disk. Raises `RouteTrouble`."""
    try:
        return locations.check_text(path)
    except ValueError as error:
        raise RouteTrouble(str(error)) from None


def resolve(path: str, settings: RouteSettings, store: Path) -> Destination:
    """Check a path against the disk and the settings. Raises `RouteTrouble`."""
    path = check_text(path)
    if not settings.roots:
        raise RouteTrouble("copying is off: no directory is allowed in the settings ([route] roots)")
    try:
        _check_there(path, settings)
        real, make = _existing(path, settings)
    except OSError as error:
        meant = nearest(path, settings.roots) if error.errno in _MISLED else ""
        raise trouble_of(error, suggestion=meant) from error
    root = next((root for root in _real_roots(path, settings.roots) if is_below(real, root)), None)
    if root is None:
        reason = "the path is not below one of the allowed directories ([route] roots)"
        raise RouteTrouble(reason, suggestion=_in_similar_root(path, settings.roots))
    if make and real == root:
        raise _missing(root)
    if is_below(real, os.path.realpath(store)):
        raise RouteTrouble("the path leads into the store itself")
    return Destination(root, real, make)


def is_below(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies below it; both canonical."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _real_roots(path: str, roots: Sequence[Path]) -> Iterator[str]:
    """The allowed directories with their links resolved, first those that ``path`` as it is written lies below.

    One by one: looking at another one, on a disk that hangs, would hang this path too.
    """
    for root in sorted(roots, key=lambda root: not is_below(path, str(root))):
        yield os.path.realpath(root)


def mounted() -> frozenset[str]:
    """Where file systems are mounted, by the kernel's list: looking at one that hangs would hang."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), line.split()[4])) for line in lines
    )


def _check_there(path: str, settings: RouteSettings) -> None:
    """Raise trouble that passes where a mount point or root above ``path`` is missing. Raises `OSError` too."""
    there = mounted()
    for mount in settings.mount_points:
        above = is_below(path, str(mount)) or (str(mount) not in there and _links_lead_below(path, mount))
        if above and not os.path.ismount(os.path.realpath(mount)):
            raise RouteTrouble(f"{mount} is not mounted", passing=True)
    for root in settings.roots:
        if is_below(path, str(root)):
            _check_root(root)


def _check_linked_roots(path: str, settings: RouteSettings) -> None:
    """A path leads nowhere: raise trouble that passes where links lead it to a root that is missing."""
    there = mounted()
    for root in settings.roots:
        if str(root) not in there and _links_lead_below(path, root):
            _check_root(root)


def _links_lead_below(path: str, directory: Path) -> bool:
    return is_below(os.path.realpath(path), os.path.realpath(directory))


def _check_root(root: Path) -> None:
    try:
        os.stat(root)
    except FileNotFoundError:
        raise _missing(str(root)) from None


def _missing(root: str) -> RouteTrouble:
    return RouteTrouble(f"{root} is not there; is it mounted?", passing=True)


def _existing(path: str, settings: RouteSettings) -> tuple[str, bool]:
    """The path with its links resolved, and whether its last part is still to be made. Raises `OSError` too."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if _is_link(path):
            _check_linked_roots(path, settings)
            raise
    else:
        if not stat.S_ISDIR(status.st_mode):
            raise RouteTrouble("the path is not a directory", suggestion=nearest(path, settings.roots))
        return os.path.realpath(path, strict=True), False
    parent, name = os.path.split(path)
    try:
        return os.path.join(os.path.realpath(parent, strict=True), name), True
    except FileNotFoundError:
        _check_linked_roots(path, settings)
        meant = nearest(path, settings.roots)
        raise RouteTrouble("neither the path nor its parent exists", suggestion=meant) from None


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def nearest(path: str, roots: Sequence[Path]) -> str:
    """The existing directory that comes nearest to ``path``: as far down as it exists, names that are nearly right too.

    Empty where that lies outside of the allowed directories.
    """
    here = "/"
    for part in path.strip("/").split("/"):
        names: list[str] = []
        if not os.path.isdir(os.path.join(here, part)):
            with suppress(OSError), os.scandir(here) as entries:
                names = [entry.name for entry in entries if entry.is_dir()]
            close = difflib.get_close_matches(part, names, 1, cutoff=_SIMILAR)
            if not close:
                break
            part = close[0]  # noqa: PLW2901 - the name that was meant
        here = os.path.join(here, part)
    real = os.path.realpath(here)
    return here if any(is_below(real, root) for root in _real_roots(here, roots)) else ""


def _in_similar_root(path: str, roots: Sequence[Path]) -> str:
    """What `nearest` finds where the path's beginning is read as the root that is written nearly like it."""
    parts = path.split("/")
    for root in roots:
        wanted = str(root).split("/")
        head, rest = parts[: len(wanted)], parts[len(wanted) :]
        if len(head) == len(wanted) and all(
            difflib.get_close_matches(said, [meant], 1, cutoff=_SIMILAR)
            for said, meant in zip(head, wanted, strict=True)
        ):
            return nearest("/".join([*wanted, *rest]), [root])
    return ""


def trouble_of(error: OSError, *, meanwhile: bool = False, suggestion: str = "") -> RouteTrouble:
    """An error of the file system as routing trouble.

    ``meanwhile``: the destination was in order a moment ago; if it is gone now, that is looked at anew later.
    """
    reason = error.strerror or str(error)
    passing = error.errno in PASSING or (meanwhile and error.errno == errno.ENOENT)
    return RouteTrouble(f"{reason[:1].lower()}{reason[1:]}", passing=passing, suggestion=suggestion)


def open_destination(destination: Destination, settings: RouteSettings, owner: str = "") -> int:
    """A descriptor of the destination, made if need be, reached from its root without following any link.

    ``owner`` is what is copied: a name for the unfinished directory that no other job uses. Raises `RouteTrouble`.
    """
    parts = [part for part in destination.path[len(destination.root) :].split("/") if part]
    here = -1
    try:
        here = os.open(destination.root, _ON_THE_WAY)
        for number, part in enumerate(parts):
            if destination.make and number == len(parts) - 1:
                _make(part, here, settings, owner)
            sync_names(".", directory=here)  # another job may have made it, and be killed before its own sync
            below = os.open(part, _ON_THE_WAY, dir_fd=here)
            os.close(here)
            here = below
        _check_writable(here)
        return _readable(here)
    except OSError as error:
        raise trouble_of(error, meanwhile=True) from error
    finally:
        if here >= 0:
            os.close(here)


def _check_writable(directory: int) -> None:
    read_only = os.fstatvfs(directory).f_flag & os.ST_RDONLY
    if read_only:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(f"/proc/self/fd/{directory}", os.W_OK | os.X_OK):
        raise RouteTrouble("the directory cannot be written to by the dock's user")


def _readable(directory: int) -> int:
    """A descriptor that can be synced of a directory that was only passed so far."""
    try:
        return open_directory(".", directory=directory)
    except PermissionError:
        raise RouteTrouble("the directory cannot be read by the dock's user (needed to make copies durable)") from None


def _make(name: str, directory: int, settings: RouteSettings, owner: str) -> None:
    """Make a directory, which has its mode and group from the moment it has its name."""
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=directory, follow_symlinks=False)
        return
    above = _readable(directory)
    beside = f".{hashlib.sha256(os.fsencode(f'{owner}/{name}')).hexdigest()[:16]}.part"
    try:
        _mkdir_anew(beside, above)
        try:
            with opened(beside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, directory=above) as made:
                inherit_group(made, above)
                os.fchmod(made, settings.directory_mode)
                os.fsync(made)
            _rename_directory(beside, name, above)
        except BaseException:
            with suppress(OSError):
                os.rmdir(beside, dir_fd=above)
            raise
        try:
            os.fsync(above)
        except OSError:  # to the next try it would be there, and nobody would sync its name
            with suppress(OSError):
                os.rmdir(name, dir_fd=above)
            raise
    finally:
        os.close(above)


def _mkdir_anew(name: str, directory: int) -> None:
    """Make a directory in the place of one that a crash left."""
    try:
        os.mkdir(name, 0o700, dir_fd=directory)
    except FileExistsError:
        os.rmdir(name, dir_fd=directory)
        os.mkdir(name, 0o700, dir_fd=directory)


def _rename_directory(source: str, target: str, directory: int) -> None:
    """Give the new directory its name, unless another one has got it meanwhile."""
    try:
        rename_new(source, target, source_dir=directory, target_dir=directory)
    except FileExistsError:
        os.rmdir(source, dir_fd=directory)
    except NotADirectoryError:  # no exclusive rename of directories here (NFS); this replaces an empty one at most
        os.rename(source, target, src_dir_fd=directory, dst_dir_fd=directory)


def inherit_group(descriptor: int, directory: int) -> None:
    """Give a new file or directory the group of the directory it stands in.

    Raises `RouteTrouble` where the dock's user may not: the people it is for could not read it.
    """
    group = os.fstat(directory).st_gid
    if os.fstat(descriptor).st_gid != group:
        try:
            os.fchown(descriptor, -1, group)
        except PermissionError:
            raise RouteTrouble(f"the dock's user is not in the group ({group}) of the directory") from None
