"""ExamCards out of raw files: the card as the scanner exports it, its name, and how far its exam had come.

The ExamCardBlob is XML in a larger buffer: a wrapper that says of each scan what became of it, and the card itself
(SOAP) in base64, which stands in a larger buffer, too (release 5.7). A study may have several such files, sent while
the exam went on: each has the scans so far.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mrdock.errors import ExamCardError, UnsuitableError
from mrdock.files.names import printable
from mrdock.files.writing import output_stem
from mrdock.rawdata.blobs import EXAM_CARD_BLOB, Blob, RawFile
from mrdock.rawdata.xml_tree import MOST_BYTES, Node, read_xml

ENDING: Final = ".ExamCard"

_LONGEST_NAME: Final = 100  # characters, and twice as many bytes
_UNFIT: Final = re.compile(r'[/\\:*?"<>|]')
_DEVICE: Final = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]", re.IGNORECASE)
_ENVELOPE_END: Final = re.compile(rb"</(?:[A-Za-z0-9_.-]{1,64}:)?Envelope\s*>(?:\r?\n)?")
_BLANKS: Final = str.maketrans("", "", " \t\r\n")
_LONGEST_FIELD: Final = 1 << 12


@dataclass(frozen=True, slots=True)
class ScanState:
    """What the wrapper says of one scan.

    ``state`` is ``Completed``, ``New`` or another word. ``acquisition`` and ``reconstructions`` make series numbers
    (100 times the first plus one of the others); -1 and nothing where the scan made no series. ``ended`` is the end of
    the acquisition in UTC (ISO 8601), empty before.
    """

    name: str
    state: str
    acquisition: int
    reconstructions: tuple[int, ...]
    series_uids: tuple[str, ...]
    ended: str

    @property
    def done(self) -> bool:
        """Whether the scan is completed."""
        return self.state == "Completed"


@dataclass(frozen=True, slots=True)
class ExamCardFile:
    """The ExamCard of a study's raw file.

    name: as the scanner has it; may be empty. file_name: made safe for any system, with its ending; never empty.
    xml: the card as the scanner exports it. scans: all of the wrapper, in order.
    """

    raw: RawFile
    name: str
    file_name: str
    xml: bytes = field(repr=False)
    scans: tuple[ScanState, ...] = field(repr=False)

    @property
    def done(self) -> int:
        """How many scans are completed."""
        return sum(scan.done for scan in self.scans)


def tokens_of(card: ExamCardFile) -> dict[str, tuple[str, ...]]:
    """The words of enumerations that a card has, by the parameters' names; raises `ExamCardError`.

    Two scans that have one differently leave it out.
    """
    from mrdock.rawdata.examcard import card_of_file

    found: dict[str, tuple[str, ...]] = {}
    unsure = set()
    for scan in card_of_file(card).scans:
        for parameter in scan.parameters:
            if parameter.tokens is not None and found.setdefault(parameter.name, parameter.tokens) != parameter.tokens:
                unsure.add(parameter.name)
    return {name: tokens for name, tokens in found.items() if name not in unsure}


class Exam(NamedTuple):
    """The files of one exam: the fullest, and earlier states of it, the fuller ones first."""

    fullest: ExamCardFile
    earlier: tuple[ExamCardFile, ...]


def exam_card_of(raw: RawFile) -> ExamCardFile:
    """Take the ExamCard out of a study's raw file.

    Raises `UnsuitableError` where it has none, `ExamCardError` where it cannot be read; both name the path.
    """
    blob = next((blob for blob in raw.blobs if blob.name == EXAM_CARD_BLOB), None)
    if blob is None:
        raise UnsuitableError(f"{printable(raw.path)}: raw data of a series, which has no ExamCard")
    try:
        return _exam_card(raw, blob)
    except ExamCardError as error:
        raise ExamCardError(f"{printable(raw.path)}: {error}") from None


def by_exam(cards: Sequence[ExamCardFile]) -> list[Exam]:
    """Group files by their exams, in the order in which each exam comes first.

    A file is an earlier state of another of the same study where all its completed scans are completed in that one,
    too, and the cards' names are the same, or such scans are there at all.
    """
    order = sorted(range(len(cards)), key=lambda number: (_fullness(cards[number]), -number), reverse=True)
    exams: list[list[int]] = []
    for number in order:
        for exam in exams:
            if _is_earlier(cards[number], cards[exam[0]]):
                exam.append(number)
                break
        else:
            exams.append([number])
    return [Exam(cards[exam[0]], tuple(cards[number] for number in exam[1:])) for exam in sorted(exams, key=min)]


def fullest(cards: Sequence[ExamCardFile]) -> ExamCardFile:
    """The file with the most completed scans, of equal ones the latest. ``cards`` must not be empty."""
    return max(cards, key=_fullness)


def safe_name(name: str) -> str:
    """A name that people typed as a file name on any system; empty where nothing is left.

    Separators, what Windows does not take and control characters become ``_``; no dot or blank at the ends.
    """
    text = _UNFIT.sub("_", unicodedata.normalize("NFC", name))
    text = "".join("_" if c == "\ufffd" or unicodedata.category(c) in _NOT_SHOWN else c for c in text)
    text = " ".join(text.split()).strip(". ")[:_LONGEST_NAME]
    while len(text.encode()) > 2 * _LONGEST_NAME:
        text = text[:-1]
    text = text.rstrip(". ")
    if not text.strip("_"):
        return ""
    return f"_{text}" if _DEVICE.fullmatch(text.partition(".")[0].strip()) else text


_NOT_SHOWN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _exam_card(raw: RawFile, blob: Blob) -> ExamCardFile:
    if len(blob.data) > MOST_BYTES:
        raise ExamCardError(f"its ExamCard has {len(blob.data) >> 20} MiB, more than {MOST_BYTES >> 20}")
    document = bytes(blob.data).partition(b"\0")[0]
    root = read_xml(document)
    if root.name not in ("ExamCard", "Envelope"):
        raise ExamCardError(f"its ExamCard is none: the XML begins with {root.name[:40]!r}")
    wrapped = root.name == "ExamCard"
    xml = _whole(_decoded(root) if wrapped else document)
    scans = tuple(_scan(node) for node in root.children if node.name == "ScanSet") if wrapped else ()
    name = (_text(root, "Name") if wrapped else "") or raw.exam_card_name
    return ExamCardFile(raw, name, (safe_name(name) or _unnamed(raw)) + ENDING, xml, scans)


def dated_name(raw: RawFile) -> str:
    """Study date and time as a part of file names, ``20210902_121816``; empty where the file has none."""
    date, time = (re.sub(r"[^0-9]", "", text.partition(".")[0]) for text in (raw.study_date, raw.study_time))
    return "_".join(part for part in (date[:8], time[:6]) if part)


def _unnamed(raw: RawFile) -> str:
    return dated_name(raw) or safe_name(output_stem(raw.path)) or "unnamed"


def _decoded(root: Node) -> bytes:
    node = root.child("ExamCardBlob")
    if node is None:
        raise ExamCardError("its ExamCard is not in the wrapper")
    try:
        data = binascii.a2b_base64(node.text.translate(_BLANKS), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise ExamCardError(f"its ExamCard is no base64 that can be read: {str(error)[:80]}") from None
    return data.partition(b"\0")[0]


def _whole(xml: bytes) -> bytes:
    """The card to its end; behind it there may be the rest of a longer one."""
    end = _ENVELOPE_END.search(xml)
    if end is None:
        raise ExamCardError("its ExamCard is no SOAP document, or cut short")
    return xml[: end.end()]


def _scan(node: Node) -> ScanState:
    single = node.child("SingleScan") or node
    numbers = [_number(child.text) for child in single.children if child.name.startswith("ReconstructionNumber")]
    uids = dict.fromkeys(child.text.strip() for child in single.children if child.name == "SeriesUids")
    return ScanState(
        name=_text(single, "Name"),
        state=_text(single, "State"),
        acquisition=_number(_text(single, "AcquisitionNumber")),
        reconstructions=tuple(number for number in numbers if number >= 0),
        series_uids=tuple(uid[:64] for uid in uids if uid),
        ended=_text(node, "AcquisitionEndTime"),
    )


def _text(node: Node, name: str) -> str:
    child = node.child(name)
    return child.text[:_LONGEST_FIELD].strip() if child else ""


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def _fullness(card: ExamCardFile) -> tuple[int, int, str, str]:
    ended = max((scan.ended for scan in card.scans), default="")
    return card.done, len(card.scans), ended, card.raw.created


def _is_earlier(one: ExamCardFile, full: ExamCardFile) -> bool:
    if not one.raw.study_uid or one.raw.study_uid != full.raw.study_uid:
        return False
    done = Counter((scan.name, scan.acquisition, scan.ended) for scan in one.scans if scan.done)
    there = Counter((scan.name, scan.acquisition, scan.ended) for scan in full.scans if scan.done)
    return done <= there and (bool(done) or one.name == full.name)
