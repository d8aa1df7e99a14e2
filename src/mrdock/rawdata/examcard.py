"""ExamCards: the scans of an exam in order, with the parameters of each, from what the scanner exports or raw files.

A card is SOAP XML (``*.ExamCard``). A study's raw file holds one in its ExamCardBlob, with what became of each scan; a
series' raw file is a card of one scan here, made of its PDF_EXAM_PARS. Fields are found by the path that leads to
them, which is that of releases 3.2 to 5.7; release 3.2 has two steps of another name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from mrdock.errors import ExamCardError, MalformedError, UnsuitableError
from mrdock.files.names import printable
from mrdock.rawdata.comments import comment_text
from mrdock.rawdata.parameters import Parameter, read_block
from mrdock.rawdata.soap import Soap
from mrdock.rawdata.xml_tree import MOST_BYTES, Node, read_xml

if TYPE_CHECKING:
    from mrdock.rawdata.extract import ExamCardFile

_MOST_SCANS: Final = 2000  # 31 seen
_MOST_PARAMETERS: Final = 150_000  # of all scans together; 8,000 seen
_MOST_VALUES: Final = 2_000_000
_MOST_COMMENTS: Final = 8 << 20  # characters of all scans together
_EXAM_PARS: Final = "PDF_EXAM_PARS"
_WRAPPED: Final = "http://tempuri.org/"


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a card.

    number: its place in the card, from 1. name: not unique.
    kind: ``prescan`` for what prepares others and makes no images (coil survey, SENSE reference, B0 map).
    duration: as the scanner shows it (``05:01.7``); seconds: the same as a number; None where it is not known.
    parameters: in the order of the card. shown_by_flag: whether their display flags say what the scanner shows, as in
        raw files; in ExamCards they do so only for those of the info page.
    release: the software version, ``5.7.1.1``; may be empty.
    summary: the scanner's own line on the method. comment: what somebody wrote on the scan.
    instrument: the number, from 1, of the entry in the card that this scan belongs to; some have several scans.
    state, acquisition, series_uids: what became of it; only a study's raw file knows.
    problem: why there are no parameters, where there are none.
    """

    number: int
    name: str
    kind: Literal["scan", "prescan"] = "scan"
    duration: str = ""
    seconds: float | None = None
    parameters: tuple[Parameter, ...] = field(default=(), repr=False)
    shown_by_flag: bool = False
    release: str = ""
    summary: str = ""
    comment: str = ""
    geometry: str = ""
    instrument: int = 0
    pause: bool = False
    contrast: bool = False
    state: str = ""
    acquisition: int | None = None
    series_uids: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ExamCard:
    """A card. ``facts`` are what it says of itself, as pairs of words and text; texts are empty where it is silent."""

    name: str
    release: str
    scans: tuple[Scan, ...]
    facts: tuple[tuple[str, str], ...] = ()
    comment: str = ""
    path: str = ""

    @property
    def seconds(self) -> float:
        """The sum of the scans' durations, as on the scanner's print-out."""
        return sum(scan.seconds or 0.0 for scan in self.scans)

    @property
    def title(self) -> str:
        """The card's name, or that of its file."""
        return self.name or os.path.basename(self.path) or "ExamCard"

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, a sentence for each scan."""
        return tuple(f"scan {scan.number} ({scan.name}): {scan.problem}" for scan in self.scans if scan.problem)


def read_examcard(source: str | os.PathLike[str] | bytes) -> ExamCard:
    """Read an ExamCard: a path of ``*.ExamCard`` or of a raw file, or the bytes of the XML.

    A scan whose parameters are damaged is in the card without them, and says so in ``problem``.

    Raises `ExamCardError` where it is none, is damaged or goes beyond the limits, `DicomError` where the file is DICOM,
    but no raw data, or damaged (all name the path), and OSError.
    """
    if isinstance(source, bytes):
        return card_of_xml(source)
    path = os.fspath(source)
    with open(path, "rb") as stream:
        beginning = stream.read(4096)
        if _is_xml(beginning):
            size = os.fstat(stream.fileno()).st_size
            if size > MOST_BYTES:
                raise ExamCardError(f"{printable(path)}: {size >> 20} MiB are more than an ExamCard may have")
            data = beginning + stream.read(MOST_BYTES)
        else:
            data = b""
    if not data:
        return _of_raw_file(path)
    try:
        return replace(card_of_xml(data), path=path)
    except ExamCardError as error:
        raise ExamCardError(f"{printable(path)}: {error}") from None


def card_of_xml(data: bytes) -> ExamCard:
    """Read the SOAP of an ExamCard; raises `ExamCardError`, without a path."""
    soap = Soap(read_xml(data))
    card = soap.first("ExamCard")
    if card is None:
        what = "the wrapper of a card" if _WRAPPED.encode() in data[:1000] else "XML of something else"
        raise ExamCardError(f"no ExamCard, but {what}: it has no object of that class")
    release = soap.text(card, "version", "swVersion") or soap.text(card, "version", "modelVersion")
    comments = _Comments(soap)
    return ExamCard(
        name=soap.text(card, "name"),
        release=release,
        scans=tuple(_Scans(soap, release, comments).read(card)),
        facts=_facts(soap, card),
        comment=comments.text(soap.field(card, "description")),
    )


def card_of_file(found: ExamCardFile) -> ExamCard:
    """Read the card of a study's raw file, with what became of its scans; raises `ExamCardError` (names the path)."""
    try:
        card = card_of_xml(found.xml)
    except ExamCardError as error:
        raise ExamCardError(f"{printable(found.raw.path)}: {error}") from None
    scans = card.scans
    if len(found.scans) == len(scans):  # in all known files they go together, in one order
        scans = tuple(
            replace(
                scan,
                state=state.state,
                acquisition=state.acquisition if state.acquisition > 0 else None,
                series_uids=state.series_uids,
            )
            for scan, state in zip(scans, found.scans, strict=True)
        )
    return replace(card, name=card.name or found.name, scans=scans, path=found.raw.path)


def _is_xml(beginning: bytes) -> bool:
    start = beginning.lstrip(b"\xef\xbb\xbf\xff\xfe\r\n\t \0")
    return start[:1] == b"<" and beginning[128:132] != b"DICM"


class _Comments:
    """Reads comments, each archive once: many scans share one, and damaged cards share one between thousands."""

    def __init__(self, soap: Soap) -> None:
        self._soap = soap
        self._texts: dict[Node, str] = {}
        self._left = _MOST_COMMENTS

    def text(self, description: Node | None) -> str:
        """A comment, or nothing where it cannot be read: it may be anything that somebody pasted."""
        for name in ("dataBuffer", "htmlDataBuffer"):
            buffer = self._soap.field(description, name)
            if buffer is None:
                continue
            if buffer not in self._texts:
                self._texts[buffer] = self._read(buffer)
            text = self._texts[buffer]
            self._left -= len(text)
            if text and self._left >= 0:
                return text
        return ""

    def _read(self, buffer: Node) -> str:
        try:
            return comment_text(self._soap.binary(buffer))
        except ExamCardError:
            return ""


_FACTS: Final = (
    ("Patient orientation", "patientOrientation"),
    ("Anatomic region", "anatomicRegion"),
    ("Anatomy", "anatomy"),
    ("Laterality", "laterality"),
    ("System", "mainSystemType"),
    ("Heart rate (bpm)", "heartRate"),
    ("Patient weight (kg)", "patientWeight"),
    ("Paediatric", "paediatric"),
)
_PREFIX: Final = re.compile(r"^(PatientPos|AWASW_MST|DockingMode|(SRT|SNM3)\.T-[0-9A-F]+)[_.]")


def _facts(soap: Soap, card: Node) -> tuple[tuple[str, str], ...]:
    """What the card says of patient and system, without the prefixes of the scanner's software."""
    found = ((words, _PREFIX.sub("", soap.text(card, name))) for words, name in _FACTS)
    return tuple((words, text) for words, text in found if text and text not in ("false", "unpaired"))


class _Scans:
    """Follows the path to the scans of a card, and counts what it takes."""

    def __init__(self, soap: Soap, release: str, comments: _Comments) -> None:
        self._soap = soap
        self._release = release
        self._parameters = _MOST_PARAMETERS
        self._values = _MOST_VALUES
        self._comments = comments
        self._blocks: dict[Node, tuple[tuple[Parameter, ...], str]] = {}

    def read(self, card: Node) -> Iterator[Scan]:
        for number, (instrument, step) in enumerate(self._steps(card), 1):
            if number > _MOST_SCANS:
                raise ExamCardError(f"has more than {_MOST_SCANS} scans")
            yield self._scan(number, instrument, step)

    def _steps(self, card: Node) -> Iterator[tuple[int, Node]]:
        soap = self._soap
        entries = soap.members(soap.field(card, "instrumentList", "list"))
        for instrument, entry in enumerate(entries, 1):
            if instrument > _MOST_SCANS:
                raise ExamCardError(f"has more than {_MOST_SCANS} entries")
            scan_set = soap.field(entry, "scanSet") or soap.field(entry, "scanStep", "currentScanSet")
            for step in soap.members(soap.field(scan_set, "executionSteps", "list")):
                yield instrument, step

    def _scan(self, number: int, instrument: int, step: Node) -> Scan:
        soap = self._soap
        single = soap.field(step, "singleScan")
        procedure = soap.field(single, "scanProcedure")
        parameters, problem = self._block(procedure)
        summary = soap.text(procedure, "methodDescription")
        comment = self._comments.text(soap.field(single, "detail"))
        found = Scan(
            number=number,
            name=soap.text(procedure, "name") or soap.text(single, "name"),
            kind="prescan" if soap.text(single, "isPreScan") == "true" else "scan",
            parameters=parameters,
            release=self._release,
            summary=" ".join(summary.split()),
            comment="" if comment.split() == summary.split() or _is_method(comment) else comment,
            geometry=soap.text(single, "geometryName"),
            instrument=instrument,
            pause=soap.text(single, "scanProperties", "pause") == "true",
            contrast=soap.text(step, "contrast") == "true",
            problem=problem,
        )
        return with_duration(found, soap.text(step, "stepDuration"))

    def _block(self, procedure: Node | None) -> tuple[tuple[Parameter, ...], str]:
        """The parameters of a scan, or why there are none; each block is read once."""
        data = self._soap.field(procedure, "parameterData")
        if data is None:
            return (), "it has no parameters"
        if data not in self._blocks:
            self._blocks[data] = self._read(data)
        parameters, problem = self._blocks[data]
        self._parameters -= len(parameters)
        self._values -= sum(len(parameter.values) for parameter in parameters)
        if self._parameters < 0 or self._values < 0:
            raise ExamCardError("has more parameters than any card, shared between its scans")
        return parameters, problem

    def _read(self, node: Node) -> tuple[tuple[Parameter, ...], str]:
        try:
            data = self._soap.binary(node)
            return (read_block(data).parameters, "") if data else ((), "it has no parameters")
        except (ExamCardError, MalformedError) as error:
            return (), f"its parameters cannot be read: {error}"


def _is_method(comment: str) -> bool:
    """Whether a comment is but the method's line that the scanner puts there: orientation, sequence, TR, TE, angle."""
    return bool(re.fullmatch(r"(TRA|SAG|COR|UND)?\s*[A-Z0-9a-z_*-]+(\s+[0-9.]+){2,4}\s*", comment))


def with_duration(scan: Scan, step_seconds: str = "") -> Scan:
    """The scan with its duration: that of the info page, or the step's, which is 0 before it was run."""
    found = next((one for one in scan.parameters if one.name == "IF_str_total_scan_time" and one.values), None)
    text = str(found.values[0]).strip() if found is not None else ""
    seconds = seconds_of(text)
    if seconds is not None:
        return replace(scan, duration=text, seconds=seconds)
    number = re.fullmatch(r"\d{1,7}(\.\d{1,20})?", step_seconds)
    if number and float(step_seconds) > 0:
        return replace(scan, duration=clock(float(step_seconds)), seconds=float(step_seconds))
    return scan


def seconds_of(clock_text: str) -> float | None:
    """Seconds of ``mm:ss.s`` or ``h:mm:ss.s``; None where it is neither."""
    if not re.fullmatch(r"(\d{1,4}:){1,2}\d{1,2}(\.\d{1,3})?", clock_text):
        return None
    seconds = 0.0
    for part in clock_text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def clock(seconds: float) -> str:
    """Seconds as the scanner shows durations: ``25:06.7``, ``1:25:06.7``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:" if hours else "") + f"{minutes:02}:{rest // 10:02}.{rest % 10}"


def _of_raw_file(path: str) -> ExamCard:
    from mrdock.rawdata.blobs import read_blobs
    from mrdock.rawdata.extract import exam_card_of

    raw = read_blobs(path)
    if raw.kind == "study":
        return card_of_file(exam_card_of(raw))
    block = next((blob for blob in raw.blobs if blob.name == _EXAM_PARS and len(blob.data)), None)
    if block is None:
        raise UnsuitableError(f"{printable(path)}: raw data without {_EXAM_PARS}, the parameters of its scan")
    try:
        parameters = read_block(block.data).parameters
    except MalformedError as error:
        raise MalformedError(f"{printable(path)}: {_EXAM_PARS}: {error}") from None
    number = raw.series_number
    scan = Scan(
        number=1,
        name=raw.protocol_name or raw.series_description,
        parameters=parameters,
        shown_by_flag=True,
        release=raw.release,
        acquisition=number // 100 if number is not None and number > 0 else None,
        series_uids=(raw.series_uid,) if raw.series_uid else (),
    )
    return ExamCard(scan.name, raw.release, (with_duration(scan),), path=path)
