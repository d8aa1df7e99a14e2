"""How each file goes out: as it is, with a field copied, converted, or not at all, with the reason."""

from __future__ import annotations

from collections.abc import Iterable

from mrdock.dicom.sop_classes import DEFLATED, REFUSED_BY_CLASSIC, STORAGE_CLASSES, UNCOMPRESSED
from mrdock.errors import UnacceptedError
from mrdock.network.bodies import NAMES, Copied, converted, with_copied
from mrdock.network.outgoing import ImageFile, Pair


def alternatives(transfer_syntax: str) -> Iterable[str]:
    """The transfer syntaxes that files of one can be converted to without loss, the best first."""
    return UNCOMPRESSED if transfer_syntax in NAMES else ()


class Chooser:
    """Makes of a file what the peer takes: `sending.Prepare`."""

    def __init__(self, copied: Copied | None = None) -> None:
        """``copied`` is done in each file that is sent."""
        self._copied = copied

    def __call__(self, item: ImageFile, accepted: frozenset[Pair]) -> tuple[ImageFile, str]:
        """The image as it goes out, and what was changed. Raises `UnacceptedError`, `DicomError` or OSError."""
        own = item.meta.transfer_syntax
        as_it_is = (item.meta.sop_class, own) in accepted
        if as_it_is and self._copied is None:
            return item, ""
        if as_it_is and self._copied is not None and own != DEFLATED:
            return with_copied(item, self._copied)
        for other in alternatives(own):
            if (item.meta.sop_class, other) in accepted:
                return converted(item, other, self._copied)
        if as_it_is:
            raise UnacceptedError("the peer takes it only deflated, and then no field of it can be changed on the way")
        raise UnacceptedError(refusal(item, accepted))


def refusal(item: ImageFile, accepted: Iterable[Pair]) -> str:
    """Why the peer takes a file in no way."""
    sop_class = item.meta.sop_class
    name = class_name(sop_class)
    if all(taken != sop_class for taken, _ in accepted):
        hint = "; it takes them only as classic images" if sop_class in REFUSED_BY_CLASSIC else ""
        return f"the peer does not take {name}{hint}"
    return f"the peer takes {name}, but not in {syntax_name(item.meta.transfer_syntax)}"


def class_name(uid: str) -> str:
    """A SOP class as people call it."""
    known = STORAGE_CLASSES.get(uid)
    return known.name if known else f"SOP class {uid}"


def syntax_name(uid: str) -> str:
    """A transfer syntax as people call it."""
    if uid in NAMES:
        return NAMES[uid]
    from pydicom.uid import UID

    return str(UID(uid).name) if UID(uid).is_transfer_syntax else f"transfer syntax {uid}"
