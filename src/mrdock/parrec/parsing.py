"""The text of a PAR file as general information and a table; tolerant of what other exporters and releases write.

What was met: labels in other words (`table.GENERAL`), blanks at the ends of lines, line feeds alone, exponents of two
digits or with a capital E, notes in the banner, a definition in other words, no line at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.errors import NotParError, ParRecError
from mrdock.files.names import printable
from mrdock.parrec.general import General
from mrdock.parrec.places import looks_like_par
from mrdock.parrec.table import GENERAL, KEYS, VERSIONS, Column, GeneralField, Kind, Version, columns, width

MAX_IMAGES: Final = 2_000_000
MAX_LINE: Final = 4096
"""Bytes; a scanner's lines have up to 350."""
MAX_COMMENTS: Final = 10_000
"""Lines without an image."""
MAX_NUMBER: Final = 1e30
"""Anything larger is damage; squares of numbers up to here are still numbers."""

_BLOCK: Final = 1 << 18
_BY_LABEL: Final = {"".join(label.split()).casefold(): each for each in GENERAL for label in (each.label, *each.also)}
_EXACT: Final = frozenset(
    (*KEYS, "index_in_rec_file", "image_pixel_size_bits", "recon_resolution", "slice_orientation")
)
_LARGEST: Final = 2**31 - 1

Table = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Parsed:
    """What a PAR file says.

    ``table`` has an array for each key of `table.columns`, ``lines`` the line numbers of the images, from 1.
    ``missing`` are the attributes of ``general`` that the file does not give; ``remarks`` what is odd, in sentences.
    """

    version: Version
    general: General
    table: Table
    lines: NDArray[np.int64]
    missing: tuple[str, ...]
    remarks: tuple[str, ...]


def parse(stream: BinaryIO, path: str) -> Parsed:
    """Read a PAR file; raises `NotParError` and `ParRecError`, which name ``path`` and the line."""
    beginning = stream.read(MAX_LINE)
    if b"<PRIDE" in beginning:
        raise NotParError(f"{printable(path)}: is the header of an XML/REC export; PAR/REC can be read")
    if not looks_like_par(beginning):
        raise NotParError(f"{printable(path)}: is no PAR file")
    parser = _Parser(printable(path))
    for lines in _blocks(beginning, stream, parser):
        if parser.take(lines):
            break
    return parser.result()


def _blocks(beginning: bytes, stream: BinaryIO, parser: _Parser) -> Iterator[list[bytes]]:
    """The lines of a stream, a few thousand at a time."""
    rest = beginning
    while block := stream.read(_BLOCK):
        rest += block
        end = rest.rfind(b"\n") + 1
        if not end:
            end = max(0, rest.rfind(b"\r", 0, -1) + 1)
        if not end and len(rest) > MAX_LINE:
            raise parser.error(parser.number + 1, f"has more than {MAX_LINE} characters")
        yield rest[:end].splitlines()
        rest = rest[end:]
    yield rest.splitlines()


@dataclass
class _Parser:
    path: str
    number: int = 0  # lines that were taken
    width: int = 0
    version: Version | None = None
    values: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    blocks: list[NDArray[np.float64]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    comments: int = 0
    suspect: bool = False
    ended: bool = False

    def error(self, number: int, text: str) -> ParRecError:
        return ParRecError(f"{self.path}: line {number} {text}")

    def take(self, lines: list[bytes]) -> bool:
        """Take some lines; true at the last line of the file's text."""
        rows: list[list[bytes]] = []
        first = len(self.lines)
        for line in lines:
            self.number += 1
            if len(line) > MAX_LINE:
                raise self.error(self.number, f"has more than {MAX_LINE} characters")
            row = line.split()
            if row and row[0][:1].isdigit():
                if len(row) != self.width:
                    self._begin(len(row))
                rows.append(row)
                self.lines.append(self.number)
                self.suspect |= b"_" in line
            elif row and self._other(line):
                break
        if rows:
            self._images(rows, first)
        return self.ended

    def _begin(self, count: int) -> None:
        """The first image line, or one that has another length than the first."""
        if self.width:
            raise self.error(self.number, f"has {count} values, where the lines before have {self.width}")
        said = self.version
        if said is None or count != width(said):
            self.version = next((each for each in VERSIONS if width(each) == count), None)
            if self.version is None:
                expected = f"{said} has {width(said)}" if said else "PAR has " + _listed([width(v) for v in VERSIONS])
                raise self.error(self.number, f"has {count} values; an image line of {expected}")
            self.remarks.append(f"is read as {self.version}, from its {count} columns; it says {said or 'no version'}")
        self.width = count

    def _other(self, line: bytes) -> bool:
        """Take a line without an image; true where the text ends."""
        self.comments += 1
        if self.comments > MAX_COMMENTS:
            raise self.error(self.number, f"is the {MAX_COMMENTS + 1}th without an image")
        text = _decoded(line).strip()
        if text.startswith("."):
            self._general(text[1:])
        elif not text.startswith("#"):
            raise self.error(self.number, "is no comment, no general information and no image")
        elif "END OF DATA DESCRIPTION" in text:
            self.ended = True
        elif "image export tool" in text and not self.width:
            self._version(text.split()[-1])
        return self.ended

    def _version(self, word: str) -> None:
        found = next((each for each in VERSIONS if each == word.upper()), None)
        if found is None:
            known = _listed(VERSIONS)
            raise ParRecError(f"{self.path}: is a PAR file of version {printable(word)}; {known} can be read")
        self.version = found

    def _general(self, text: str) -> None:
        label, colon, value = (part.strip() for part in text.partition(":"))
        known = _BY_LABEL.get("".join(label.split()).casefold())
        if not colon or known is None:
            self.remarks.append(f"line {self.number} has a label that is not known: {printable(label[:80])}")
            return
        if not value:
            return
        try:
            self.values[known.name] = _value(known, value)
        except ValueError:
            raise self.error(self.number, f"has no {_wanted(known)}: {printable(value[:80])}") from None

    def _images(self, rows: list[list[bytes]], first: int) -> None:
        """Take the values of image lines that all have the right length."""
        if len(self.lines) > MAX_IMAGES:
            raise self.error(self.number, f"is beyond {MAX_IMAGES} images")
        try:
            number = _number if self.suspect else float
            values = np.array(list(map(number, chain.from_iterable(rows))))
        except ValueError:
            values = np.array([self._row(row, self.lines[first + at]) for at, row in enumerate(rows)])
        values = values.reshape(-1, self.width)
        usable = (np.abs(values) <= MAX_NUMBER).all(axis=1)
        if not usable.all():
            raise self.error(self.lines[first + int(usable.argmin())], "has a value that is no number, or too large")
        self.blocks.append(values)

    def _row(self, row: list[bytes], number: int) -> list[float]:
        """The values of one line; words stand where only the definition calls for them, and become -1."""
        found = []
        assert self.version is not None
        kinds = [column.kind for column in columns(self.version) for _ in column.form]
        for at, (word, kind) in enumerate(zip(row, kinds, strict=True)):
            try:
                found.append(_number(word))
            except ValueError:
                if kind != "string":
                    said = printable(_decoded(word[:40]))
                    raise self.error(number, f"has no number in column {at + 1}: {said}") from None
                found.append(-1.0)
        return found

    def result(self) -> Parsed:
        """All that was read; raises where there are no images."""
        if not self.blocks or self.version is None:
            raise ParRecError(f"{self.path}: has no image lines")
        if not self.ended:
            self.remarks.append("lacks the line at the end of PAR files; it may be cut")
        values = np.concatenate(self.blocks)
        table: Table = {}
        at = 0
        for column in columns(self.version):
            table[column.key] = self._column(column, values[:, at : at + column.size])
            at += column.size
        missing = tuple(each.name for each in GENERAL if each.name not in self.values)
        return Parsed(
            self.version,
            General(**self.values),
            table,
            np.array(self.lines, dtype=np.int64),
            missing,
            tuple(self.remarks),
        )

    def _column(self, column: Column, values: NDArray[np.float64]) -> NDArray[Any]:
        found = np.ascontiguousarray(values if column.size > 1 else values[:, 0])
        if not column.whole:
            return found
        whole = np.rint(found)
        wrong = np.abs(found) > _LARGEST
        if column.key in _EXACT:
            wrong |= whole != found
        if wrong.any():
            at = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
            raise self.error(self.lines[at], f"has no integer for {column.name}")
        table: NDArray[Any] = whole.astype(np.int64)
        return table


def _number(word: bytes) -> float:
    """A number as PAR has them; Python's underscores are none."""
    if b"_" in word:
        raise ValueError
    return float(word)


def _value(known: GeneralField, text: str) -> Any:
    if known.kind is Kind.TEXT:
        return text
    values = [_number(word.encode("utf-8")) for word in text.split()]
    if (known.size and len(values) != known.size) or not (np.abs(values) <= MAX_NUMBER).all():
        raise ValueError
    if known.kind is Kind.INTEGER:
        if any(each != round(each) or abs(each) > _LARGEST for each in values):
            raise ValueError
        values = [round(each) for each in values]
    return values[0] if known.size == 1 else tuple(values)


def _wanted(known: GeneralField) -> str:
    if known.size == 1:
        return "number" if known.kind is Kind.FLOAT else "integer"
    return f"{known.size} numbers" if known.size else "numbers"


def _decoded(line: bytes) -> str:
    """A line as text: names in old files are in Latin-1."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _listed(items: Any) -> str:
    words = [str(each) for each in items]
    return f"{', '.join(words[:-1])} and {words[-1]}"
