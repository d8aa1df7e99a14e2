"""What is sent: DICOM files as they are, and the presentation contexts that they need."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from mrdock.dicom.part10 import FileMeta, decode_file_meta
from mrdock.dicom.scan import first_values
from mrdock.dicom.sop_classes import DEFLATED, TRANSFER_SYNTAXES, VERIFICATION
from mrdock.errors import DicomError, NetworkError
from mrdock.network.negotiation import Proposal

MOST_CONTEXTS: Final = 128
_META: Final = 1 << 16
_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018

Pair = tuple[str, str]
"""SOP class and transfer syntax."""

Read = Callable[[int], bytes]
"""Gives the next bytes, at most so many; none at the end."""


class Body(Protocol):
    """A data set that is sent in place of the file's own bytes."""

    @property
    def length(self) -> int:
        """Its bytes."""

    def opened(self) -> AbstractContextManager[Read]:
        """Read it from its beginning."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A DICOM file to be sent: where it is, and what it is.

    SOP class and instance in ``meta`` are those of the data set where it says them: they are what the peer checks,
    and the meta information of files that were anonymised says the old ones. ``body`` is what goes out where that is
    not the file's data set byte for byte.
    """

    path: Path
    meta: FileMeta
    size: int
    body: Body | None = None

    @property
    def length(self) -> int:
        """Bytes of the data set that goes out."""
        return self.size - self.meta.data_set_at if self.body is None else self.body.length

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Read the data set that goes out. Raises `OSError`."""
        if self.body is not None:
            with self.body.opened() as read:
                yield read
            return
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(self.meta.data_set_at)
            yield stream.read


def image_file(path: Path) -> ImageFile:
    """Read a file's meta information. Raises `DicomError` or `OSError`."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            data = stream.read(_META)
            meta = decode_file_meta(data)
        except DicomError as error:
            raise type(error)(f"{path}: {error}") from None
    said = first_values(data, meta.transfer_syntax, (_SOP_CLASS, _SOP_INSTANCE), start=meta.data_set_at)
    uids = {tag: value.strip(b"\0 ").decode("latin-1") for tag, value in said.items()}
    if meta.transfer_syntax != DEFLATED:
        sop_class, sop_instance = uids.get(_SOP_CLASS), uids.get(_SOP_INSTANCE)
        meta = replace(meta, sop_class=sop_class or meta.sop_class, sop_instance=sop_instance or meta.sop_instance)
    return ImageFile(path, meta, size)


def propose(files: Iterable[ImageFile]) -> list[Proposal]:
    """One presentation context for each SOP class and transfer syntax, and Verification.

    Raises `NetworkError` where that makes more than 128: these files need several associations.
    """
    pairs = dict.fromkeys((item.meta.sop_class, item.meta.transfer_syntax) for item in files)
    if len(pairs) >= MOST_CONTEXTS:
        raise NetworkError(f"{len(pairs)} pairs of SOP class and transfer syntax are too many for one association")
    return proposals_for(pairs)


def proposals_for(pairs: Iterable[Pair]) -> list[Proposal]:
    """A presentation context for each pair of SOP class and transfer syntax, and Verification."""
    proposals = [Proposal(2 * n + 1, sop_class, (syntax,)) for n, (sop_class, syntax) in enumerate(pairs)]
    return [*proposals, Proposal(2 * len(proposals) + 1, VERIFICATION, (TRANSFER_SYNTAXES[1],))]
