"""Links to send_dicom that are named like a destination: what they are called is where they send to."""

from __future__ import annotations

import os
import shutil

from mrdock.errors import PlaceError, SettingsError

PROGRAM = "send_dicom"


def linked_name(program: str) -> str | None:
    """The destination that ``program`` (``sys.argv[0]``) is named like; None where it is the command itself."""
    name = os.path.basename(program)
    if not os.path.islink(program) or name.startswith(PROGRAM):
        return None
    return name


def make_link(name: str, directory: str, program: str) -> str:
    """Make a link called ``name`` in ``directory``; returns its path. Nothing is overwritten.

    Raises `PlaceError`, and `SettingsError` for a name that cannot be one of a link.
    """
    if name in ("", ".", "..") or name.startswith((PROGRAM, "-")) or any(char in name for char in ("/", "\\", "\0")):
        raise SettingsError(f"{name!r} cannot be the name of a link to {PROGRAM}")
    path = os.path.join(directory, name)
    try:
        os.symlink(_itself(program), path)
    except FileExistsError:
        raise PlaceError(f"{path}: is there already") from None
    except (OSError, NotImplementedError) as error:
        raise PlaceError(f"{path}: no link could be made: {getattr(error, 'strerror', None) or error}") from None
    return path


def _itself(program: str) -> str:
    """The command's own path, also where it was called by one of its links."""
    path = os.path.abspath(program)
    while os.path.islink(path) and not os.path.basename(path).startswith(PROGRAM):
        path = os.path.abspath(os.path.join(os.path.dirname(path), os.readlink(path)))
    if os.path.basename(path).startswith(PROGRAM) and os.path.exists(path):
        return path
    found = shutil.which(PROGRAM)
    if found is None:
        raise PlaceError(f"{PROGRAM} is not on the PATH, so that no link to it can be made")
    return os.path.abspath(found)
