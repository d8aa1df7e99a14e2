"""Where images are copied to: is the path one that may be written to, and if not, why and what was perhaps meant."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mrdock.dock.settings import RouteSettings
from mrdock.files.durable import open_directory

PASSING: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
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


def canonical(path: str) -> str:
    """A path without empty parts and a slash at its end, so that two ways to write one path are one."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/" + "/".join(parts) if path.startswith("/") and parts else path


def check_text(path: str) -> str:
    """A path as the header wrote it, made canonical without looking at the disk. Raises `RouteTrouble`."""
    if not path.startswith("/"):
        raise RouteTrouble("the path is not absolute" if path else "no path follows the route tag")
    if any(char < " " or char in "\x7f\ufffd" for char in path):
        raise RouteTrouble("the path holds characters that no path should")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise RouteTrouble("the path leads upwards (..)")
    if not parts or len(os.fsencode(path)) > 4095 or any(len(os.fsencode(part)) > 255 for part in parts):
        raise RouteTrouble("the path is too long" if parts else "the path names no directory")
    return canonical(path)


def resolve(path: str, settings: RouteSettings, store: Path) -> Destination:
    """Check a path against the disk and the settings. Raises `RouteTrouble`."""
    path = check_text(path)
    if not settings.roots:
        raise RouteTrouble("copying is off: no directory is allowed in the settings ([route] roots)")
    for mount in settings.mount_points:
        if is_below(path, str(mount)) and not os.path.ismount(mount):
            raise RouteTrouble(f"{mount} is not mounted", passing=True)
    try:
        real, make = _existing(path, settings)
    except OSError as error:
        raise trouble_of(error) from error
    roots = [os.path.realpath(root) for root in settings.roots]
    root = next((root for root in roots if is_below(real, root)), None)
    if root is None:
        raise RouteTrouble("the path is not below one of the allowed directories ([route] roots)")
    if is_below(real, os.path.realpath(store)):
        raise RouteTrouble("the path leads into the store itself")
    return Destination(root, real, make)


def is_below(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies below it; both canonical."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _existing(path: str, settings: RouteSettings) -> tuple[str, bool]:
    """The path with its links resolved, and whether its last part is still to be made."""
    if os.path.lexists(path):
        if not os.path.isdir(path):
            os.stat(path)  # a broken link or an unreachable directory says so itself
            raise RouteTrouble("the path is not a directory", suggestion=os.path.dirname(path))
        return os.path.realpath(path), False
    parent = os.path.dirname(path)
    if os.path.isdir(parent):
        return os.path.join(os.path.realpath(parent), os.path.basename(path)), True
    for root in settings.roots:
        if is_below(path, str(root)) and not os.path.isdir(root):
            raise RouteTrouble(f"{root} is not there; is it mounted?", passing=True)
    raise RouteTrouble("neither the path nor its parent exists", suggestion=nearest(path, settings.roots))


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
            close = difflib.get_close_matches(part, names, 1, cutoff=0.75)
            if not close:
                break
            part = close[0]  # noqa: PLW2901 - the name that was meant
        here = os.path.join(here, part)
    return here if any(is_below(here, str(root)) for root in roots) else ""


def trouble_of(error: OSError) -> RouteTrouble:
    """An error of the file system as routing trouble."""
    reason = error.strerror or str(error)
    return RouteTrouble(f"{reason[:1].lower()}{reason[1:]}", passing=error.errno in PASSING)


def open_destination(destination: Destination, settings: RouteSettings) -> int:
    """A descriptor of the destination, made if need be, reached from its root without following any link.

    Raises `RouteTrouble`.
    """
    parts = [part for part in destination.path[len(destination.root) :].split("/") if part]
    here = -1
    try:
        here = open_directory(destination.root)
        for number, part in enumerate(parts):
            if destination.make and number == len(parts) - 1:
                _make(part, here, settings)
            below = open_directory(part, directory=here)
            os.close(here)
            here = below
        _check_writable(here)
    except BaseException as error:
        if here >= 0:
            os.close(here)
        if isinstance(error, OSError):
            raise trouble_of(error) from error
        raise
    return here


def _check_writable(directory: int) -> None:
    if not os.access(f"/proc/self/fd/{directory}", os.W_OK | os.X_OK):
        raise RouteTrouble("the directory cannot be written to by the dock's user")


def _make(name: str, directory: int, settings: RouteSettings) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=directory)
    except FileExistsError:
        return
    try:
        made = open_directory(name, directory=directory)
        try:
            inherit_group(made, directory)
            os.fchmod(made, settings.directory_mode)
            os.fsync(made)
        finally:
            os.close(made)
    except BaseException:
        with suppress(OSError):
            os.rmdir(name, dir_fd=directory)
        raise
    os.fsync(directory)


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
