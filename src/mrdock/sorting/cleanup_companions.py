"""Exports that are no DICOM: PAR/REC, XML/REC, and NIfTI with its sidecars, as groups of files of one name."""

from __future__ import annotations

import html
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mrdock.errors import MrdockError
from mrdock.parrec.places import is_xmlrec
from mrdock.sorting.cleanup_labels import Number, label, number_of_series
from mrdock.sorting.finding import Entry

PAR_REC: Final = "PAR/REC"
XML_REC: Final = "XML/REC"
NIFTI: Final = "NIfTI"

_PAR, _REC, _XML = ".par", ".rec", ".xml"
_IMAGES: Final = (".nii.gz", ".nii")
_SIDECARS: Final = (".json", ".bval", ".bvec")
OF_NIFTI: Final = (*_IMAGES, *_SIDECARS)
_ENDINGS: Final = (_PAR, _REC, _XML, *OF_NIFTI)
_LONGEST_JSON: Final = 1 << 22
_LONGEST_HEAD: Final = 1 << 16
_ATTRIBUTE: Final = re.compile(rb'<Attribute\b[^>]*\bTag="0x([0-9A-Fa-f]{8})"[^>]*>([^<]{0,1024})</Attribute>')
_DATE: Final = re.compile(r"\s*(\d{4})\D?(\d\d)\D?(\d\d)(?:\D+(\d\d)\D?(\d\d)\D?(\d\d))?", re.ASCII)
_PARTS: Final = re.compile(
    r"(?:_(?:e\d+|ph|real|imaginary|mag|adc|fa|trace|isotropic|t\d+|i\d+|c\d+|a|eq(?:_\d+)?|moco|tilt(?:_\d+)?|roi\d+))+",
    re.IGNORECASE,
)
"""What dcm2niix puts behind a name where it makes several images of a series."""

_LINES: Final = {0: "M", 1: "R", 2: "I", 3: "P"}  # image_type_mr of measured images


@dataclass(slots=True)
class Group:
    """Files of one name that belong together. ``stem`` is that name with its directory; ``files`` by their endings."""

    kind: str
    stem: str
    files: dict[str, Entry] = field(default_factory=dict)
    number: Number | None = None
    description: str = ""
    tail: str = ""
    """What follows the label in the name: ``_e2``, ``_ph``."""

    date: str = ""
    """Of the exam: ``20140214``."""

    time: str = ""
    patient: str = ""
    study_uid: str = ""
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """(path, half a sentence)."""

    @property
    def label(self) -> str:
        """What it is to be called, without its tail."""
        assert self.number is not None
        return label(self.number, self.description)

    @property
    def entries(self) -> list[Entry]:
        """Its files."""
        return list(self.files.values())


@dataclass(slots=True)
class Companions:
    """The groups that can be named, and what is to be said of files that cannot: (path, half a sentence)."""

    groups: list[Group] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


def gather(others: Iterable[Entry], elsewhere: Mapping[str, str], series: Sequence[tuple[Number, str]]) -> Companions:
    """Sort the files that are no DICOM.

    ``elsewhere`` says of files whose partners an interrupted run has renamed already what they are to be called;
    ``series`` are number and description of the series that are here, by which a NIfTI file without a sidecar is known.
    """
    found = Companions()
    for stem, files in _by_stem(others, elsewhere).items():
        images = {ending: entry for ending, entry in files.items() if ending in OF_NIFTI}
        records = {ending: entry for ending, entry in files.items() if ending not in images}
        group = _record(stem, records, found) if records else None
        if any(ending in _IMAGES for ending in images):
            _take_nifti(stem, images, group, series, found)
    return found


def _by_stem(others: Iterable[Entry], elsewhere: Mapping[str, str]) -> dict[str, dict[str, Entry]]:
    """The files by their name without its ending, whose letters may be in any case where that leaves no doubt."""
    alike: dict[str, dict[str, list[tuple[str, Entry]]]] = defaultdict(lambda: defaultdict(list))
    for entry in others:
        folder, name = os.path.split(elsewhere.get(entry.path, entry.path))
        ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending) and len(name) > len(ending)), "")
        if not ending or (ending == _XML and not _is_xml_record(entry.path)):
            continue
        stem = os.path.join(folder, name[: -len(ending)])
        alike[stem.casefold()][ending].append((stem, entry))
    found: dict[str, dict[str, Entry]] = {}
    for by_ending in alike.values():
        several = any(len(files) > 1 for files in by_ending.values())
        first = next(iter(by_ending.values()))[0][0]
        for ending, files in by_ending.items():
            for stem, entry in files:
                found.setdefault(stem if several else first, {}).setdefault(ending, entry)  # not a.par beside a.PAR
    return found


def _is_xml_record(path: str) -> bool:
    try:
        return is_xmlrec(path)
    except OSError:
        return False


# ---- PAR/REC and XML/REC ----


def _record(stem: str, files: dict[str, Entry], found: Companions) -> Group | None:
    """The group of a REC file and what describes it."""
    group = Group(PAR_REC if _PAR in files else XML_REC, stem, files)
    known = _from_par(group, files[_PAR]) if _PAR in files else False
    if _XML in files and not known:
        known = _from_xml(group, files[_XML].path)
        group.kind = XML_REC if known else group.kind
    head = files.get(_PAR) or files.get(_XML)
    if head is None:
        found.remarks += [(entry.path, "a REC file without PAR") for entry in files.values()]
        return None
    if not known:
        found.remarks += group.remarks
        return None
    if _REC not in files:
        group.remarks.append((head.path, f"{'PAR' if _PAR in files else 'XML'} without its REC file"))
    found.groups.append(group)
    return group


def _from_par(group: Group, entry: Entry) -> bool:
    """Take in what a PAR file says; whether it can be read."""
    from mrdock.parrec.reading import read

    try:
        par = read(entry.path)
    except (MrdockError, OSError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{entry.path}: ")
        group.remarks.append((entry.path, f"no PAR file that can be read: {text}"))
        return False
    general = par.general
    group.number = Number(general.acquisition_nr, general.reconstruction_nr)
    group.description = general.protocol_name
    group.patient = general.patient_name.strip()
    _date(group, general.examination_date_time)
    if "acquisition_nr" in par.missing:
        group.number = Number(0)
    if text := _missing_lines(par):
        group.remarks.append((entry.path, text))
    if _REC in group.files and (text := _missing_bytes(par, group.files[_REC].size)):
        group.remarks.append((group.files[_REC].path, text))
    return True


def _missing_bytes(par: Any, size: int) -> str:
    try:
        needed = len(par.lines) * par.layout.size
    except MrdockError:
        return ""
    return f"too short: {size:,} of {needed:,} bytes" if size < needed else ""


def _missing_lines(par: Any) -> str:
    """What lines are missing by the maxima that the file itself says, judged as DICOM images are; empty if none."""
    from mrdock.sorting.wholeness import ImageFacts, judge_series

    general, columns = par.general, par.columns

    def column(key: str, absent: int) -> list[int]:
        values = columns.get(key)
        return [absent] * len(par.lines) if values is None else values.tolist()

    labels = max(general.label_types, 1)
    facts = [
        ImageFacts(
            slices=general.max_slices,
            echoes=general.max_echoes,
            dynamics=general.max_dynamics,
            phases=general.max_cardiac_phases,
            labels=labels,
            b_values=general.max_diffusion_values,
            directions=general.max_gradient_orients,
            slice=slice_number,
            echo=echo,
            dynamic=dynamic,
            phase=phase,
            label=str(label_type) if labels > 1 else "",
            b=b_number,
            g=direction,
            type=_LINES.get(kind, f"type {kind}"),
            sequence=str(sequence),
        )
        for slice_number, echo, dynamic, phase, label_type, b_number, direction, kind, sequence in zip(
            column("slice_number", 0),
            column("echo_number", 1),
            column("dynamic_scan_number", 1),
            column("cardiac_phase_number", 1),
            column("label_type", 1),
            column("diffusion_b_value_number", 1),
            column("gradient_orientation_number", 1),
            column("image_type_mr", 0),
            column("scanning_sequence", 0),
            strict=True,
        )
    ]
    return next((f"looks incomplete: {verdict.text}" for verdict in judge_series(facts) if verdict.whole is False), "")


def _from_xml(group: Group, path: str) -> bool:
    """Take in what an XML/REC header says of its series; each attribute names its DICOM tag."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(_LONGEST_HEAD)
    except OSError:
        return False
    said: dict[int, str] = {}
    for tag, value in _ATTRIBUTE.findall(head):
        said.setdefault(int(tag, 16), html.unescape(value.decode("utf-8", "replace")).strip())
    acquisition, reconstruction = said.get(0x2001107B, ""), said.get(0x2001101D, "1")
    if not (_is_count(acquisition) and _is_count(reconstruction)):
        group.remarks.append((path, "an XML file of an export, which does not say its acquisition number"))
        return False
    group.number = Number(int(acquisition), int(reconstruction))
    group.description = said.get(0x00181030, "")
    group.patient = said.get(0x00100010, "")
    _date(group, f"{said.get(0x00400244, '')} {said.get(0x00400245, '')}")
    return True


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 7


def _date(group: Group, text: str) -> None:
    if found := _DATE.match(text):
        group.date = "".join(found.groups("")[:3])
        group.time = "".join(found.groups("")[3:])


# ---- NIfTI ----


def _take_nifti(
    stem: str,
    files: dict[str, Entry],
    beside: Group | None,
    series: Sequence[tuple[Number, str]],
    found: Companions,
) -> None:
    """A NIfTI file is known by its sidecar, by a PAR or XML file of its name, or by a series' number in its name."""
    sidecars = {ending: entry for ending, entry in files.items() if ending in _SIDECARS}
    images = [ending for ending in files if ending in _IMAGES]
    if os.path.basename(stem).startswith("sub-") or len(images) > 1:  # BIDS; one image in two forms
        return
    group = Group(NIFTI, stem, {images[0]: files[images[0]], **sidecars})
    said = _sidecar(sidecars[".json"].path) if ".json" in sidecars else {}
    if not (_from_sidecar(group, said) or _from_beside(group, beside) or _from_name(group, series)):
        return
    group.tail = _tail(os.path.basename(stem), group)
    found.groups.append(group)


def _sidecar(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            said = json.loads(stream.read(_LONGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _from_sidecar(group: Group, said: Mapping[str, Any]) -> bool:
    series = said.get("SeriesNumber")
    if isinstance(series, bool) or not isinstance(series, int) or not 0 <= series < 10_000_000:
        return False
    words = [said.get(key) for key in ("SeriesDescription", "ProtocolName")]
    group.number = number_of_series(series, philips="philips" in str(said.get("Manufacturer", "")).lower())
    group.description = next((word for word in words if isinstance(word, str) and word.strip()), "")
    uid = said.get("StudyInstanceUID")
    group.study_uid = uid if isinstance(uid, str) else ""
    when = said.get("AcquisitionDateTime")
    if isinstance(when, str) and (found := _DATE.match(when)):
        group.date = "".join(found.groups("")[:3])
    return True


def _from_beside(group: Group, beside: Group | None) -> bool:
    if beside is None:
        return False
    group.number, group.description = beside.number, beside.description
    group.date, group.time, group.patient = beside.date, beside.time, beside.patient
    return True


def _from_name(group: Group, series: Sequence[tuple[Number, str]]) -> bool:
    """``..._EPI_asc_2_1`` or ``..._EPI_asc_201``, or the name that it would get."""
    name = os.path.basename(group.stem).lower()
    for number, description in series:
        wanted = label(number, description).lower()
        text = wanted.partition("_")[2]
        ends = (f"_{number.acquisition}_{number.reconstruction}", f"_{number.series}")
        whole = _PARTS.sub("", name[len(wanted) :]) == "" if name.startswith(wanted) else False
        if whole or (text and text in name and name.endswith(ends)):
            group.number, group.description = number, description
            return True
    return False


def _tail(name: str, group: Group) -> str:
    """What of a name says which image of the series it is."""
    if name.lower().startswith(f"{group.label.lower()}_"):
        return name[len(group.label) :]
    assert group.number is not None
    behind = re.search(rf"_(?:{group.number.series}|{group.number.acquisition})((?:_[A-Za-z][A-Za-z0-9]*)+)$", name)
    if behind:
        return behind[1]
    found = re.search(f"({_PARTS.pattern})$", name, re.IGNORECASE)
    return found[1] if found else ""
