"""The ``info`` file of a series: study, patient, series and scan parameters as plain text, from one of its files.

It says what holds for the whole series, so that it does not depend on which of its files happen to be there; the echo
time and the like are those of one file, which it names. An info file is written once and never replaced.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from mrdock.dicom.reading import read_header
from mrdock.dicom.scan import EXPLICIT_BIG, Found, Key, Value, Wanted
from mrdock.dicom.values import Header
from mrdock.errors import DicomError
from mrdock.files.names import printable

_IMAGING: Final = "Philips Imaging DD 001"
_MR_5: Final = "Philips MR Imaging DD 005"
_WARNING: Final = "This file holds patient data: treat it as you treat the images."
_STUDY_UID: Final = "Study Instance UID"
_SERIES_UID: Final = "Series Instance UID"
_LONGEST: Final = 1 << 16


class _Line(NamedTuple):
    """One line: what it is called, where it stands, and its unit."""

    label: str
    key: Key
    vr: str
    unit: str = ""


_STUDY = (
    _Line("Study ID", 0x00200010, "SH"),
    _Line("Study date", 0x00080020, "DA"),
    _Line("Study time", 0x00080030, "TM"),
    _Line("Study description", 0x00081030, "LO"),
    _Line("Accession number", 0x00080050, "SH"),
    _Line("Referring physician", 0x00080090, "PN"),
    _Line("Performed procedure step", 0x00400254, "LO"),
    _Line(_STUDY_UID, 0x0020000D, "UI"),
)
_PATIENT = (
    _Line("Name", 0x00100010, "PN"),
    _Line("ID", 0x00100020, "LO"),
    _Line("Birth date", 0x00100030, "DA"),
    _Line("Sex", 0x00100040, "CS"),
    _Line("Age", 0x00101010, "AS"),
    _Line("Weight", 0x00101030, "DS", "kg"),
    _Line("Position", 0x00185100, "CS"),
)
_SERIES = (
    _Line("Series number", 0x00200011, "IS"),
    _Line("Series date", 0x00080021, "DA"),
    _Line("Series time", 0x00080031, "TM"),
    _Line("Series description", 0x0008103E, "LO"),
    _Line("Protocol", 0x00181030, "LO"),
    _Line("Modality", 0x00080060, "CS"),
    _Line("Body part", 0x00180015, "CS"),
    _Line(_SERIES_UID, 0x0020000E, "UI"),
    _Line("Manufacturer", 0x00080070, "LO"),
    _Line("Model", 0x00081090, "LO"),
    _Line("Station", 0x00081010, "SH"),
    _Line("Software", 0x00181020, "LO"),
)
_SCAN = (
    _Line("Technique", (0x2001, 0x20, _IMAGING), "LO"),
    _Line("Pulse sequence", 0x00189005, "SH"),
    _Line("Scanning sequence", 0x00180020, "CS"),
    _Line("Sequence variant", 0x00180021, "CS"),
    _Line("Scan options", 0x00180022, "CS"),
    _Line("Acquisition type", 0x00180023, "CS"),
    _Line("Field strength", 0x00180087, "DS", "T"),
    _Line("Imaging frequency", 0x00180084, "DS", "MHz"),
    _Line("Imaged nucleus", 0x00180085, "SH"),
    _Line("Receive coil", 0x00181250, "SH"),
    _Line("Repetition time", 0x00180080, "DS", "ms"),
    _Line("Echo time", 0x00180081, "DS", "ms"),
    _Line("Effective echo time", 0x00189082, "FD", "ms"),
    _Line("Inversion time", 0x00180082, "DS", "ms"),
    _Line("Flip angle", 0x00181314, "DS", "deg"),
    _Line("Echo train length", 0x00180091, "IS"),
    _Line("EPI factor", (0x2001, 0x13, _IMAGING), "SL"),
    _Line("Averages", 0x00180083, "DS"),
    _Line("Pixel bandwidth", 0x00180095, "DS", "Hz/pixel"),
    _Line("Water-fat shift", (0x2001, 0x22, _IMAGING), "FL", "pixel"),
    _Line("Parallel reduction factor", 0x00189069, "FD"),
    _Line("Phase encoding direction", 0x00181312, "CS"),
    _Line("Scan duration", 0x00189073, "FD", "s"),
    _Line("Orientation", (0x2001, 0x0B, _IMAGING), "CS"),
    _Line("Rows", 0x00280010, "US"),
    _Line("Columns", 0x00280011, "US"),
    _Line("Pixel spacing", 0x00280030, "DS", "mm"),
    _Line("Slice thickness", 0x00180050, "DS", "mm"),
    _Line("Spacing between slices", 0x00180088, "DS", "mm"),
    _Line("Slices", (0x2001, 0x18, _IMAGING), "SL"),
    _Line("Echoes", (0x2001, 0x14, _IMAGING), "SL"),
    _Line("Dynamics", 0x00200105, "IS"),
    _Line("Cardiac phases", (0x2001, 0x17, _IMAGING), "SL"),
    _Line("b-values", (0x2005, 0x14, _MR_5), "SL"),
    _Line("Gradient orientations", (0x2005, 0x15, _MR_5), "SL"),
    _Line("Frames", 0x00280008, "IS"),
)
_SECTIONS: Final = (("Study", _STUDY), ("Patient", _PATIENT), ("Series", _SERIES))
_ALL: Final = {line.key: line for _, lines in (*_SECTIONS, ("", _SCAN)) for line in lines}
_WANTED: Final = Wanted((key, line.vr) for key, line in _ALL.items())
_WIDTH: Final = max(len(line.label) for line in _ALL.values())


def describe(path: str, name: str) -> bytes:
    """The info file of the series that the file at ``path`` belongs to; ``name`` is what that file will be called.

    Raises `DicomError` and OSError where the file cannot be read.
    """
    found = read_header(path, _WANTED)
    values = {key: value for key in _ALL if (value := _value(found.header, _ALL[key]))}
    if 0x00280008 in values:  # a multi-frame file: the rest stands in its shared functional groups
        values = {**_shared(path), **values}
    return _text(values, name).encode()


def _text(values: Mapping[Key, str], name: str) -> str:
    lines = [_WARNING]
    for title, rows in (*_SECTIONS, (f"Scan parameters, as in {printable(name)}", _SCAN)):
        shown = [f"  {row.label:<{_WIDTH}}  {values[row.key]}" for row in rows if row.key in values]
        if shown:
            lines += ["", title, *shown]
    return "\n".join(lines) + "\n"


def _value(header: Header, line: _Line) -> str:
    """A value with its unit; empty where there is none."""
    if line.vr in ("FL", "FD"):
        number = header.number(line.key)
        text = "" if number is None else f"{number:.6g}"
    else:
        text = header.text(line.key) or ""
    return _shown(text, line)


def _shown(text: str, line: _Line) -> str:
    text = printable(text.strip())
    if not text.strip("\\ "):
        return ""
    if line.vr == "DA":
        return date(text)
    if line.vr == "TM":
        return clock(text)
    parts = text.split("\\")
    text = " x ".join(map(_short, parts)) if line.vr in ("DS", "IS") else ", ".join(parts)
    return f"{text} {line.unit}".strip()


def _short(number: str) -> str:
    """A decimal number in at most six digits."""
    try:
        value = float(number)
    except ValueError:
        return number.strip()
    return f"{value:.6g}" if "." in number else number.strip()


def date(text: str) -> str:
    """A date as people read it, ``2021-09-02``; as it stands where it is none (PS3.5 section 6.2)."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdecimal() else text


def clock(text: str) -> str:
    """A time as people read it, ``12:18:16``, without fractions; as it stands where it is none."""
    digits = text.split(".", maxsplit=1)[0]
    if len(digits) not in (4, 6) or not digits.isdecimal():
        return text
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _shared(path: str) -> dict[Key, str]:
    """What the shared functional groups say; where one element stands there twice, the first."""
    from mrdock.dicom.opening import open_data_set

    values: dict[Key, Value] = {}
    try:
        with open_data_set(path) as opened:
            for element in opened.walk():
                if element.depth and element.key in _ALL and element.key not in values and element.raw:
                    values[element.key] = Value(element.vr, element.raw[:_LONGEST])
            header = Header(Found(values, opened.transfer_syntax == EXPLICIT_BIG))
    except DicomError:
        return {}
    return {key: text for key in values if (text := _value(header, _ALL[key]))}


def uids_in(path: str) -> tuple[str, str]:
    """The Study and Series Instance UID that an info file names, empty where it names none. Raises OSError."""
    found = {_STUDY_UID: "", _SERIES_UID: ""}
    with open(path, "rb") as stream:
        text = stream.read(_LONGEST).decode("utf-8", "replace")
    for line in text.splitlines():
        label, _, value = line.strip().partition("  ")
        if label in found:
            found[label] = value.strip()
    return found[_STUDY_UID], found[_SERIES_UID]


def is_there(target: str) -> bool:
    """Whether something has the name of an info file already: it is never replaced."""
    return os.path.lexists(target)
