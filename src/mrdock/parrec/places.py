"""Where PAR/REC files lie: pairs of one name in any case of letters, and what other files of the export look like."""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from mrdock.errors import PlaceError
from mrdock.files.names import printable

ENDINGS: Final = (".par", ".rec")

_BEGINNING: Final = 4096
_SIGNS: Final = (b"image export tool", b"=== DATA DESCRIPTION FILE", b"=== GENERAL INFORMATION")
_NO_ELEMENT: Final = re.compile(rb"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_ROOT: Final = re.compile(rb"<(?![?!])([A-Za-z_][\w.:-]{0,99})[\s/>]")


class Pair(NamedTuple):
    """A PAR and a REC file of one name; None for one that is not there."""

    par: str | None
    rec: str | None


def is_par(path: str) -> bool:
    """Whether a file begins as PAR files of any version do; reads 4 kB. Raises OSError."""
    return looks_like_par(_beginning(path))


def looks_like_par(beginning: bytes) -> bool:
    """Whether the first 4,096 bytes of a file are those of a PAR file, of any version."""
    return any(sign in beginning for sign in _SIGNS) and b"\0" not in beginning


def is_xmlrec(path: str) -> bool:
    """Whether a file is the header of an XML/REC export (PRIDE); reads 4 kB. Raises OSError."""
    root = xml_root(path)
    return root is not None and root.upper().startswith("PRIDE")


def xml_root(path: str) -> str | None:
    """The name of the outermost element of an XML file, as ``PRIDE_V5``; None for other files. Raises OSError."""
    return root_of(_beginning(path))


def root_of(beginning: bytes) -> str | None:
    """The name of the outermost element of an XML text, if its beginning holds it."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"<"):
        return None
    found = _ROOT.search(_NO_ELEMENT.sub(b"", text))
    return found[1].decode("ascii") if found else None


def _beginning(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(_BEGINNING)


def pair_of(path: str) -> Pair:
    """The PAR and REC files that belong to ``path``: one of them, or their name without an ending.

    Names may be in any case of letters; the spelling of ``path`` goes first. Raises `PlaceError` where several files
    could be meant, and OSError where the directory cannot be read.
    """
    folder, name = os.path.split(path)
    stem, ending = os.path.splitext(name)
    if ending.lower() not in ENDINGS:
        stem, ending = name, ""
    try:
        names = sorted(os.listdir(folder or os.curdir))
    except FileNotFoundError:
        return Pair(None, None)
    par, rec = (_one_of(names, stem, each, folder, prefer=name) for each in ENDINGS)
    return Pair(par, rec)


def _one_of(names: list[str], stem: str, ending: str, folder: str, *, prefer: str) -> str | None:
    """The file of that name and ending; same letters go before letters of another case."""
    wanted = (stem + ending).lower()
    found = [each for each in names if each.lower() == wanted and os.path.isfile(os.path.join(folder, each))]
    exact = [each for each in found if each.startswith(stem)]
    if exact:
        found = exact
    if prefer in found:
        found = [prefer]
    if len(found) > 1:  # a.PAR and a.par: the REC that is written like the PAR
        like = os.path.splitext(prefer)[1]
        found = [each for each in found if os.path.splitext(each)[1].isupper() == like.isupper()] if like else found
    if len(found) > 1:
        several = " and ".join(printable(each) for each in found)
        raise PlaceError(f"{printable(os.path.join(folder, stem))}: {several} could be meant")
    return os.path.join(folder, found[0]) if found else None
