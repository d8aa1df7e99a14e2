"""What one instance says about the series it is part of: the facts that `wholeness` counts.

All are top-level elements, so that a fast header scan finds them. One table says which: the fields of `ImageFacts`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from mrdock.dicom.scan import Key, Private

_IMG, _MR1 = "Philips Imaging DD 001", "Philips MR Imaging DD 001"
_MR5, _MR6 = "Philips MR Imaging DD 005", "Philips MR Imaging DD 006"
_TIMES: Final = 0x00200105  # Number of Temporal Positions: stands in for the private number of dynamics
_IMAGE_TYPE: Final = 0x00080008
_LARGEST: Final = 10_000_000  # "absent" is also written as 2147483647 and 1.7e38
_LONGEST: Final = 80

_MR_IMAGE: Final = "1.2.840.10008.5.1.4.1.1.4"
_FORMS: Final = {
    _MR_IMAGE: "classic",
    f"{_MR_IMAGE}.1": "enhanced",  # Enhanced MR
    f"{_MR_IMAGE}.3": "enhanced",  # Enhanced MR Color
    f"{_MR_IMAGE}.4": "enhanced",  # Legacy Converted Enhanced MR
}
_OTHERS: Final = {
    "1.2.840.10008.5.1.4.1.1.66": "raw data file",
    "1.2.840.10008.5.1.4.1.1.11.1": "presentation state",
    f"{_MR_IMAGE}.2": "spectroscopy file",
    "1.2.840.10008.5.1.4.1.1.7": "screen capture",
}
_PHILIPS_ROOT: Final = "1.3.46.670589."
_REFORMATS: Final = frozenset({"PROJECTION", "REFORMATTED", "RESAMPLED", "MPR", "MIP", "MINIP"})


def _fact(short: str, default: Any, key: Key | None = None, vr: str = "", absent: Any = None) -> Any:
    """A field: its key in JSON, its usual value (left out there), its element, and its value without the element."""
    known = {"short": short, "key": key, "vr": vr, "absent": default if absent is None else absent}
    return field(default=default, metadata=known)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What one instance promises of its series, and where in it the instance stands.

    A promise that is absent is 1 (slices: 0), a coordinate that is absent is 0.
    """

    form: str = _fact("f", "classic")
    what: str = _fact("w", "")  # an "other" file's kind

    slices: int = _fact("S", 0, (0x2001, 0x18, _IMG), "SL")
    echoes: int = _fact("E", 1, (0x2001, 0x14, _IMG), "SL")
    dynamics: int = _fact("D", 1, (0x2001, 0x81, _IMG), "IS", absent=0)
    phases: int = _fact("P", 1, (0x2001, 0x17, _IMG), "SL")
    labels: int = _fact("L", 1, (0x2005, 0x28, _MR5), "SL")
    b_values: int = _fact("B", 1, (0x2005, 0x14, _MR5), "SL")
    directions: int = _fact("G", 1, (0x2005, 0x15, _MR5), "SL")
    acquired: int = _fact("A", 0, 0x00201002, "IS")

    slice: int = _fact("s", 0, (0x2001, 0x0A, _IMG), "IS")
    position: str = _fact("q", "", 0x00200032, "DS")
    echo: int = _fact("e", 1, 0x00180086, "IS", absent=0)
    dynamic: int = _fact("d", 1, 0x00200100, "IS", absent=0)
    phase: int = _fact("p", 1, (0x2001, 0x08, _IMG), "IS", absent=0)
    label: str = _fact("l", "", (0x2005, 0x29, _MR5), "CS")
    b: int = _fact("b", 1, (0x2005, 0x12, _MR5), "IS", absent=0)
    g: int = _fact("g", 1, (0x2005, 0x13, _MR5), "IS", absent=0)
    order: int = _fact("o", 0, (0x2005, 0x96, _MR6), "IS")
    b_value: int = _fact("v", 0, 0x00189087, "FD")  # kept where b is absent
    type: str = _fact("t", "", (0x2005, 0x11, _MR1), "CS")
    sequence: str = _fact("r", "", (0x2005, 0x6E, _MR1), "CS")
    derived: bool = _fact("x", False, _IMAGE_TYPE, "CS")
    instance: int = _fact("i", 0, 0x00200013, "IS")  # kept where a number of images is promised, and for Enhanced

    component: str = _fact("c", "", 0x00089208, "CS")
    frames: int = _fact("n", 0, 0x00280008, "IS")
    concatenation: str = _fact("u", "", 0x00209161, "UI")
    part: int = _fact("k", 0, 0x00209162, "US")
    parts: int = _fact("m", 0, 0x00209163, "US")

    def to_json(self) -> str:
        """As compact JSON: short keys, and only what differs from the usual."""
        said = {short: getattr(self, name) for short, (name, usual) in _SHORT.items() if getattr(self, name) != usual}
        return json.dumps(said, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ImageFacts:
        """Read what `to_json` wrote; keys of another version are passed over."""
        return cls(**{_SHORT[key][0]: value for key, value in json.loads(text or "{}").items() if key in _SHORT})


_SHORT: Final = {f.metadata["short"]: (f.name, f.default) for f in fields(ImageFacts)}
_ELEMENTS: Final = {f.name: f.metadata for f in fields(ImageFacts) if f.metadata["key"] is not None}
WANTED: Final[tuple[tuple[Key, str], ...]] = ((_TIMES, "IS"), *((k["key"], k["vr"]) for k in _ELEMENTS.values()))
"""The elements, each with its VR, for files that do not say it (implicit VR, UN)."""
WANTED_PUBLIC: Final[tuple[int, ...]] = tuple(key for key, _ in WANTED if isinstance(key, int))
WANTED_PRIVATE: Final[tuple[Private, ...]] = tuple(key for key, _ in WANTED if isinstance(key, tuple))
PRIVATE_VRS: Final[Mapping[Private, str]] = {key: vr for key, vr in WANTED if isinstance(key, tuple)}


def facts_from(text: Callable[[Key], str | None], number: Callable[[Key], float | None], sop_class: str) -> ImageFacts:
    """Gather the facts of one instance.

    ``text`` gives an element's value as text, several values separated by backslashes; ``number`` its first value as a
    number; both None where there is none.
    """
    form = _FORMS.get(sop_class, "other")
    if form == "other":
        private = "private file" if sop_class.startswith(_PHILIPS_ROOT) else "other file"
        return ImageFacts(form=form, what=_OTHERS.get(sop_class, private))

    def count(key: Key, absent: int) -> int:
        value = number(key)
        return int(value) if value is not None and math.isfinite(value) and 1 <= value < _LARGEST else absent

    said: dict[str, Any] = {"form": form}
    for name, known in _ELEMENTS.items():
        if isinstance(known["absent"], str):
            said[name] = (text(known["key"]) or "").strip()[:_LONGEST]
        elif name != "derived":
            said[name] = count(known["key"], known["absent"])
    image_type = [word.strip() for word in (text(_IMAGE_TYPE) or "").upper().split("\\")]
    words = set(" ".join(image_type).replace("_", " ").split())
    said["derived"] = image_type[0] == "DERIVED" or not words.isdisjoint(_REFORMATS)
    said["type"] = said["type"] or "\\".join(image_type[3 if len(image_type) > 4 else 2 :])[:_LONGEST]
    said["component"] = "MIXED" if "MIXED" in image_type else said["component"]
    said["dynamics"] = said["dynamics"] or count(_TIMES, 1)
    said["position"] = _rounded(said["position"])
    if said["b"]:
        said["b_value"] = 0
    if form == "classic" and not said["acquired"]:
        said["instance"] = 0
    if form == "enhanced":  # its frames have coordinates, the file has none
        for name in ("echo", "dynamic", "phase", "b", "g"):
            del said[name]
    return ImageFacts(**said)


def _rounded(position: str) -> str:
    """An image position to 0.1 mm: enough to tell slices apart, and short."""
    try:
        return ",".join(f"{float(part):.1f}" for part in position.split("\\"))
    except ValueError:
        return ""
