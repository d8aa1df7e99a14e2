"""Which files are to be sent: those that are named, those in directories that are named, and what each of them is."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from mrdock.dicom.beginning import META_SOP_CLASS, META_SOP_INSTANCE, MetaTaker
from mrdock.dicom.part10 import FileMeta
from mrdock.dicom.reading import SOP_CLASS, SOP_INSTANCE, open_noatime, read_header
from mrdock.dicom.scan import Wanted, first_values
from mrdock.dicom.sop_classes import DEFLATED, REFUSED_BY_CLASSIC
from mrdock.errors import DicomError, MalformedError, NotDicomError
from mrdock.files.walk import walk
from mrdock.network.choosing import class_name
from mrdock.network.negotiation import is_strict
from mrdock.network.outgoing import ImageFile

_DIRECTORY_OF_FILES: Final = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage
_BLOCK: Final = 8 << 10
_LONGEST_UID: Final = 64
_LONGEST_READ: Final = 256
_NOTHING_MORE: Final = Wanted(())


@dataclass(slots=True)
class Collection:
    """What was found, each in the order of the paths.

    images: what is to be sent.
    left: DICOM that is not wanted now, with the reason.
    others: files in the directories that are no DICOM images, with the reason.
    failures: what was named, or is DICOM, and cannot be sent, with the reason.
    below: how many directories in the directories were not looked into.
    """

    images: list[ImageFile] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    below: int = 0


def collect(
    paths: Iterable[str],
    *,
    recurse: bool = False,
    classic: bool = False,
    seen: Callable[[int], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Collection:
    """The images among files and in directories, whatever their names; each file once.

    A directory stands for the files in it, with ``recurse`` for those below it too; links to directories are not
    followed. ``classic`` leaves Enhanced MR, CT and PET. ``seen`` is told how many files were looked at.
    """
    found = Collection()
    been: set[str] = set()
    for path, named in _files(paths, recurse, found):
        if stopped():
            break
        absolute = os.path.abspath(path)
        if absolute in been:
            continue
        been.add(absolute)
        seen(len(been))
        try:
            image = recognised(path)
        except NotDicomError as error:
            (found.failures if named else found.others).append((path, str(error)))
        except (DicomError, OSError) as error:
            found.failures.append((path, _reason(error)))
        else:
            if classic and image.meta.sop_class in REFUSED_BY_CLASSIC:
                found.left.append((path, f"{class_name(image.meta.sop_class)}; only classic images are sent"))
            else:
                found.images.append(image)
    return found


def _reason(error: DicomError | OSError) -> str:
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def _files(paths: Iterable[str], recurse: bool, found: Collection) -> Iterator[tuple[str, bool]]:
    """Each file, and whether it was named itself."""

    def failed(path: str, error: OSError) -> None:
        found.failures.append((path, _reason(error)))

    for path in paths:
        if not os.path.isdir(path):
            yield path, True
            continue
        for directory in walk(path, failed, recurse=recurse):
            found.below += 0 if recurse else sum(entry.is_directory for entry in directory.entries)
            yield from ((entry.path, False) for entry in directory.entries if entry.is_file)


def recognised(path: str) -> ImageFile:
    """What a file is, with or without preamble and meta group, by its bytes.

    Its transfer syntax is the one that the data set has, where the meta information says another. Raises
    `NotDicomError`, `MalformedError` (the messages do not name the path) or OSError.
    """
    fd = open_noatime(path)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(status.st_mode):
            raise NotDicomError("no DICOM file: not a regular file")
        data = os.read(fd, _BLOCK)
        whole = len(data) >= status.st_size
        try:
            meta = _meta(path, data, whole=whole)
        except MalformedError:
            if whole:
                raise
            with mmap(fd, 0, access=ACCESS_READ) as mapped:
                meta = _meta(path, mapped, whole=True)
    finally:
        os.close(fd)
    _check(meta)
    return ImageFile(Path(path), meta, status.st_size)


def _meta(path: str, data: bytes | mmap, *, whole: bool) -> FileMeta:
    """The UIDs of the data set where it says them: they are what the peer checks."""
    begun = MetaTaker({}, _LONGEST_READ).begin(data, whole=whole)
    if begun.transfer_syntax == DEFLATED:
        header = read_header(path, _NOTHING_MORE)
        return FileMeta(header.sop_class, header.sop_instance, DEFLATED, data_set_at=begun.start)
    said = first_values(data, begun.transfer_syntax, (SOP_CLASS, SOP_INSTANCE), start=begun.start)
    if len(said) < 2 and not whole:
        raise MalformedError("its UIDs are not at the beginning")
    uids = []
    for tag, meta_tag in ((SOP_CLASS, META_SOP_CLASS), (SOP_INSTANCE, META_SOP_INSTANCE)):
        other = begun.meta.get(meta_tag)
        uids.append(_uid(said.get(tag, b"")) or _uid(other.raw if other else b""))
    return FileMeta(uids[0], uids[1], begun.transfer_syntax, data_set_at=begun.start)


def _uid(raw: bytes) -> str:
    return raw.strip(b"\0 ").decode("latin-1")


def _check(meta: FileMeta) -> None:
    """Refuse what no association can carry."""
    if meta.sop_class == _DIRECTORY_OF_FILES:
        raise NotDicomError("a DICOMDIR: a list of files, no image")
    for name, uid in (("SOP Class UID", meta.sop_class), ("transfer syntax", meta.transfer_syntax)):
        if not uid:
            raise MalformedError(f"it has no {name}, and cannot be sent")
        if not is_strict(uid):
            raise MalformedError(f"its {name} {uid!r} is no UID, and cannot be sent")
    if not meta.sop_instance:
        raise MalformedError("it has no SOP Instance UID, and cannot be sent")
    if len(meta.sop_instance) > _LONGEST_UID:
        raise MalformedError("its SOP Instance UID is longer than 64 characters, and cannot be sent")
