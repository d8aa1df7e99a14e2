"""Tags as people write and read them: keywords and numbers of the standard (PS3.6), private ones by creator or name.

A creator counts in any case: re-written Philips data spells ``Philips Imaging DD 001`` in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from mrdock.dicom import philips, standard
from mrdock.dicom.scan import Key, Private, Wanted
from mrdock.errors import TagError

_TAG = re.compile(r"\(?\s*([0-9a-f]{4})\s*,?\s*([0-9a-f]{4})\s*\)?|0x([0-9a-f]{4})([0-9a-f]{4})", re.IGNORECASE)
_LOW = r"([0-9a-f]{2})"
_CREATOR = r"""(?:"([^"]+)"|'([^']+)'|([^"',]+?))"""
_PRIVATE = re.compile(rf"\(?\s*([0-9a-f]{{4}})\s*,\s*{_LOW}\s*,\s*{_CREATOR}\s*\)?", re.IGNORECASE)
_DCMTK = re.compile(rf"\(?\s*([0-9a-f]{{4}})\s*,\s*{_CREATOR}\s*,\s*{_LOW}\s*\)?", re.IGNORECASE)
_PART = re.compile(r"""(?:"[^"]*"|'[^']*'|[^:"'])+""")
_IN_BLOCK = re.compile(r"([0-9a-f]{4})xx([0-9a-f]{2})", re.IGNORECASE)  # how pydicom writes an element of any block
_WORD = re.compile(r"[0-9A-Za-z]+")

# What to assume where the standard leaves the choice to other elements.
_OPEN_VRS: Final = {"US or SS": "US", "US or OW": "OW", "OB or OW": "OW", "US or SS or OW": "US"}
_MOST_NAMED: Final = 5
_LONGEST_TEXT: Final = 200


def parse(text: str) -> Key:
    """The element that ``text`` names.

    A keyword of the standard, a name of a private element (``MRScaleSlope``), ``gggg,eeee``, ``(gggg,eeee)``,
    ``ggggeeee``, or private by its creator ``gggg,ee,"creator"``, with or without parentheses and quotes, also in
    the order of DCMTK's dictionary ``(gggg,"creator",ee)``. Upper or lower case does not matter. A name that the
    standard has, too, means the standard's; with a dot before it (``.AcquisitionNumber``) the private one.

    Raises `TagError` with the nearest names for anything else, and for names that several creators use.
    """
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        raise TagError(f"{text[:40]}...: no DICOM field of this name")
    numbered = _TAG.fullmatch(text)
    if numbered:
        return int("".join(part for part in numbered.groups() if part), 16)
    if "," in text:
        return _private(text)
    key = _named(text.lower())
    if key is None:
        raise TagError(_unknown(text))
    return key


def parse_list(text: str) -> list[Key]:
    """The elements of a list separated by colons (``PatientID:EchoTime``), each once, in order; raises as `parse`."""
    found = [parse(part) for part in split_list(text)]
    return list({folded(key): key for key in reversed(found)}.values())[::-1]


def split_list(text: str) -> list[str]:
    """The parts of a list separated by colons; a colon between quotes belongs to a private creator."""
    return [part.strip() for part in _PART.findall(text) if part.strip()]


def name_of(key: Key) -> str:
    """The keyword of the standard, the Philips name, pydicom's private name, else the tag as `number_of` writes it.

    Private Creator and Group Length elements, which have no keywords, get these names. `parse` reads all others back.
    """
    if isinstance(key, tuple):
        return _private_name(key)
    known = standard.elements().get(key)
    if known:
        return known[1]
    if is_private_creator(key):
        return "PrivateCreator"
    if key and not key & 0xFFFF:
        return "GroupLength"
    return _pydicom_standard(key)[1] or number_of(key)


def number_of(key: Key) -> str:
    """The tag in digits: ``(0018,0081)``, or ``2005,0e,"Philips MR Imaging DD 001"``: `parse` reads both."""
    if isinstance(key, tuple):
        group, low, creator = key
        quote = "'" if '"' in creator else '"'
        return f"{group:04x},{low:02x},{quote}{creator}{quote}"
    return f"({key >> 16:04x},{key & 0xFFFF:04x})"


def vr_of(key: Key, *, signed: bool = False) -> str:
    """The VR by the dictionaries, of several the one to assume; ``UN`` where none knows the element.

    ``signed`` is what Pixel Representation (0028,0103) says where the standard leaves US or SS to it.
    """
    if isinstance(key, tuple):
        return _private_vr(key)
    known = standard.elements().get(key)
    if known:
        return _chosen(known[0], signed)
    if is_private_creator(key):
        return "LO"
    if not key & 0xFFFF:
        return "UL"
    return _chosen(_pydicom_standard(key)[0], signed)


def folded(key: Key) -> Key:
    """The key with its creator in capitals: two keys that fold alike are the same element."""
    return (key[0], key[1], key[2].upper()) if isinstance(key, tuple) else key


def is_private(key: Key) -> bool:
    """Whether the element is private: by its creator, or of an odd group (PS3.5 section 7.8)."""
    return isinstance(key, tuple) or bool(key & 0x10000)


def is_private_creator(key: Key) -> bool:
    """Whether the element names the creator of a private block (PS3.5 section 7.8.1)."""
    return not isinstance(key, tuple) and bool(key & 0x10000) and 0x10 <= key & 0xFFFF <= 0xFF


def wanted(keys: Iterable[Key], longest: int = 1 << 16) -> Wanted:
    """What a scan needs to bring these elements; of a longer value it brings the first ``longest`` bytes."""
    return Wanted(((key, vr_of(key)) for key in keys), longest)


def _private(text: str) -> Private:
    """A private element written by its creator."""
    found = _PRIVATE.fullmatch(text)
    if found:
        group, low, *quoted = found.groups()
    else:
        found = _DCMTK.fullmatch(text)
        if not found:
            raise TagError(f'{text}: no tag; write gggg,eeee or, for a private one, gggg,ee,"creator"')
        group, *quoted, low = found.groups()
    creator = next(part for part in quoted if part).strip()
    if not creator or not int(group, 16) & 1:
        why = "its group is even" if creator else "its creator is blank"
        raise TagError(f"{text}: no private tag: {why}")
    return int(group, 16), int(low, 16), creator


def _named(name: str) -> Key | None:
    """The element of a name in lower case; the dictionaries that cost an import come last."""
    if not name.startswith("."):
        tag = standard.tags().get(name)
        if tag is not None:
            return tag
    private = _philips_names().get(name.lstrip("."))
    if private is not None:
        return private
    if not name.startswith("."):
        tag = _keywords().get(name)
        if tag is not None:
            return tag
    others = _so_named(name.lstrip("."))
    if len(others) > 1:
        some = ", ".join(number_of(key) for key in others[:_MOST_NAMED])
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        raise TagError(f"{name.lstrip('.')}: several private elements have this name: write one of {some}{more}")
    return others[0] if others else None


@cache
def _philips_names() -> dict[str, Private]:
    return {name.lower(): key for key, element in philips.elements().items() for name in element.names}


@cache
def _philips_elements() -> dict[Key, philips.PrivateElement]:
    return {folded(key): element for key, element in philips.elements().items()}


def _pydicom_standard(tag: int) -> tuple[str, str]:
    """VR and keyword of an element of the standard, ``UN`` and empty where it has no such."""
    if is_private(tag):
        return "UN", ""
    from pydicom._dicom_dict import DicomDictionary

    entry = DicomDictionary.get(tag)
    if entry:
        return entry[0], entry[4]
    repeated = (known for mask, masked, *known in _repeaters().get(tag >> 24, ()) if tag & mask == masked)
    vr, keyword = next(repeated, ("UN", ""))
    return vr, keyword


@cache
def _repeaters() -> dict[int, list[tuple[int, int, str, str]]]:
    """Mask, masked tag, VR and keyword of elements in repeating groups (PS3.5 section 7.6), by their first byte.

    pydicom's own look-up takes a hundred times as long for a tag that it does not know.
    """
    from pydicom._dicom_dict import RepeatersDictionary

    found: dict[int, list[tuple[int, int, str, str]]] = {}
    for pattern, (vr, _, _, _, keyword) in RepeatersDictionary.items():
        mask = int("".join("0" if digit == "x" else "f" for digit in pattern), 16)
        masked = int(pattern.replace("x", "0"), 16)
        found.setdefault(masked >> 24, []).append((mask, masked, vr, keyword))
    return found


@cache
def _keywords() -> dict[str, int]:
    """All keywords of the standard in lower case; of a repeating group (50xx, 60xx) its first."""
    from pydicom.datadict import keyword_dict

    found = {keyword.lower(): tag for some in _repeaters().values() for _, tag, _, keyword in some}
    found.update((keyword.lower(), int(tag)) for keyword, tag in keyword_dict.items())
    found.pop("", None)
    return found


@cache
def _private_names() -> dict[str, list[Private]]:
    """pydicom's private elements by name in lower case."""
    found: dict[str, list[Private]] = {}
    for key, name in _pydicom_private():
        known = found.setdefault(name.lower(), [])
        if folded(key) not in map(folded, known):
            known.append(key)
    return found


def _so_named(name: str) -> list[Private]:
    """The private elements that pydicom calls so, of Philips where it has any."""
    found = _private_names().get(name, [])
    return [key for key in found if key[2].upper().startswith("PHILIPS")] or found


def _pydicom_private() -> Iterator[tuple[Private, str]]:
    from pydicom._private_dict import private_dictionaries

    for creator, entries in private_dictionaries.items():
        for mask, (_, _, said, _) in entries.items():
            name = _joined(said)
            place = _IN_BLOCK.fullmatch(mask)
            if name and place:
                yield (int(place[1], 16), int(place[2], 16), creator), name


def _joined(words: str) -> str:
    """A name in words as one name in CamelCase; empty for none that could stand for an element."""
    name = "".join(word[0].upper() + word[1:] for word in _WORD.findall(words))
    return "" if name == "Unknown" or not name[:1].isalpha() else name


def _private_name(key: Private) -> str:
    known = _philips_elements().get(folded(key))
    if known and known.names:
        return known.names[0]
    name = _joined(_pydicom_entry(key)[1])
    taken = name.lower() in _keywords() or name.lower() in _philips_names()
    if not name or taken or [folded(other) for other in _so_named(name.lower())] != [folded(key)]:
        return number_of(key)
    return name


def _private_vr(key: Private) -> str:
    known = _philips_elements().get(folded(key))
    return known.vr if known else _pydicom_entry(key)[0]


@cache
def _pydicom_creators() -> dict[str, list[str]]:
    """The creators of pydicom's dictionary by their capitals."""
    from pydicom._private_dict import private_dictionaries

    found: dict[str, list[str]] = {}
    for creator in private_dictionaries:
        found.setdefault(creator.upper(), []).append(creator)
    return found


def _pydicom_entry(key: Private) -> tuple[str, str]:
    """VR and name in words of a private element, ``UN`` and an empty name where pydicom does not know it."""
    from pydicom.datadict import get_private_entry

    group, low, said = key
    for creator in _pydicom_creators().get(said.upper(), ()):
        try:
            vr, _, name, _ = get_private_entry(group << 16 | 0x1000 | low, creator)
        except KeyError:
            continue
        return _chosen(vr, signed=False), name
    return "UN", ""


def _chosen(vr: str, signed: bool) -> str:
    return "SS" if signed and vr.startswith("US or SS") else _OPEN_VRS.get(vr, vr)


def _unknown(text: str) -> str:
    """The complaint about a name that nothing has, with names that look alike."""
    from difflib import get_close_matches

    if not text:
        return "a tag is expected, but nothing is there"
    spelled = {name.lower(): name for name in _all_names()}
    near = get_close_matches(text.lstrip(".").lower(), spelled, n=3, cutoff=0.75)
    hint = f"; did you mean {' or '.join(spelled[name] for name in near)}?" if near else ""
    return f"{text}: no DICOM field of this name{hint}"


def _all_names() -> Iterator[str]:
    from pydicom.datadict import keyword_dict

    yield from (name for element in philips.elements().values() for name in element.names)
    yield from filter(None, keyword_dict)
