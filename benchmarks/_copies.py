"""Copies of images under other UIDs, so that the same files can be sent again as new ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from pydicom import dcmread

from mrdock.network.outgoing import ImageFile, image_file
from tests.builders import StudyIdentity, bulk_classic

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def copies(files: Iterable[Path], folder: Path, number: int) -> list[ImageFile]:
    """The files as another study's: study, series and instance UIDs are replaced, nothing else."""
    folder.mkdir(parents=True)
    found = []
    for count, path in enumerate(files):
        content = path.read_bytes()
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_UIDS))
        for keyword in _UIDS:
            uid = str(getattr(header, keyword))
            content = content.replace(uid.encode(), _other(uid, number).encode())
        target = folder / f"{count:06}.dcm"
        target.write_bytes(content)
        found.append(image_file(target))
    return found


def _other(uid: str, number: int) -> str:
    """A UID of the same length that this one and ``number`` always give."""
    digits = str(int.from_bytes(sha256(f"{uid} {number}".encode()).digest()))
    return f"2.25.{digits}"[: len(uid)]


def small_images(count: int, study: int, folder: Path) -> Iterator[ImageFile]:
    """So many tiny images of one study."""
    folder.mkdir(parents=True)
    for number, content in enumerate(bulk_classic(count, StudyIdentity(f"bench{study}"), rows=4, columns=4)):
        path = folder / f"{number:06}.dcm"
        path.write_bytes(content)
        yield image_file(path)
