"""What is in a BLOB: parameters, coils, the scanner's version, prescans; the rest stays as it is.

Only layouts that real files show are read (release 5.7); what does not follow them to its last byte counts as unknown.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from mrdock.errors import MalformedError
from mrdock.rawdata.blobs import EXAM_CARD_BLOB, Blob
from mrdock.rawdata.parameters import Parameter, ParameterBlock, read_block

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_MOST_SOCKETS: Final = 1000  # 4 seen
_MOST_COILS: Final = 1000
_LONGEST_STRING: Final = 1000  # 58 seen
_CONFIG_NUMBERS: Final = 11
_MOST_MORE: Final = 64
_LONGEST_VERSION: Final = 64
_LONGEST: Final = 4 << 20  # bytes; 12,190 seen
_DEEPEST: Final = 50
_BETWEEN: Final = "#:#"
_PAIR: Final = "RequestResponsePair<"


class Coil(NamedTuple):
    """One coil in its socket; ``flag`` is 0 for the body coil that is built in, 1 for others."""

    name: str
    part_number: str
    serial_number: str
    flag: int


class Socket(NamedTuple):
    """One socket that coils are connected to, and them."""

    path: str
    coils: tuple[Coil, ...]


@dataclass(frozen=True, slots=True)
class CoilState:
    """The BLOB ``COILSTATE``; its first number is perhaps a version."""

    number: int
    sockets: tuple[Socket, ...]


@dataclass(frozen=True, slots=True)
class HardwareConfig:
    """The BLOB ``HARDWARE_CONFIG``: numbers whose meaning nobody knows, the software version, more such numbers."""

    numbers: tuple[int, ...]
    software: str
    more: tuple[int, ...]


class Exchange(NamedTuple):
    """What one prescan was asked and what it answered; ``names`` are the types of the two."""

    names: tuple[str, ...]
    content: Json


@dataclass(frozen=True, slots=True)
class Responses:
    """The BLOB ``PDF_USED_PRESCAN_RESPONSES``."""

    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A BLOB that is not read: ``why`` it is not, where its name promises that it could be."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """An empty BLOB."""


@dataclass(frozen=True, slots=True)
class Card:
    """An ExamCard, which `extract` reads."""


Content = ParameterBlock | CoilState | HardwareConfig | Responses | Unknown | Nothing | Card


def interpret(blob: Blob) -> Content:
    """Read a BLOB by its name; one of another name may be a parameter block, or is unknown."""
    if not len(blob.data):
        return Nothing()
    if blob.name == EXAM_CARD_BLOB:
        return Card()
    read = _READERS.get(blob.name)
    if read and len(blob.data) > _LONGEST:
        return Unknown(f"{len(blob.data)} bytes are too many")
    known = read is not None or blob.name.startswith("PDF_")
    try:
        content = read(bytes(blob.data)) if read else read_block(blob.data)
    except MalformedError as error:
        return Unknown(str(error) if known else "")
    return content if known or _is_certain(content) else Unknown()


def broken(blobs: Iterable[Blob]) -> Iterator[tuple[str, str]]:
    """Name and reason of each BLOB that should have parameters, and has none that can be read.

    Of the other BLOBs nobody knows what they are in all releases.
    """
    for blob in blobs:
        if blob.name.startswith("PDF_") and blob.name.endswith("_PARS"):
            content = interpret(blob)
            if isinstance(content, Unknown):
                yield blob.name, content.why


def _is_certain(content: Content) -> bool:
    """Whether what could be read as a parameter block is one; binary data that begin with zeros could be, too."""
    return isinstance(content, ParameterBlock) and bool(content.parameters) and all(map(_is_likely, content.parameters))


def _is_likely(parameter: Parameter) -> bool:
    return parameter.kind != "unknown" and parameter.name.isidentifier()


def read_coil_state(data: bytes) -> CoilState:
    """Sockets and coils; raises `MalformedError` where that is not all and exactly what is there."""
    reader = _Reader(data, "coil list")
    number = reader.number()
    sockets = []
    for _ in range(reader.count("sockets", _MOST_SOCKETS)):
        path = reader.string()
        coils = [
            Coil(reader.string(), reader.string(), reader.string(), reader.byte())
            for _ in range(reader.count("coils", _MOST_COILS))
        ]
        sockets.append(Socket(path, tuple(coils)))
    reader.end()
    return CoilState(number, tuple(sockets))


def read_hardware_config(data: bytes) -> HardwareConfig:
    """Eleven numbers, the version and what numbers follow; raises `MalformedError` where it is something else."""
    reader = _Reader(data, "list of numbers with a version")
    numbers = tuple(reader.number() for _ in range(_CONFIG_NUMBERS))
    software = reader.string(_LONGEST_VERSION)
    more: list[int] = []
    while reader.left and len(more) < _MOST_MORE:
        more.append(reader.number())
    reader.end()
    return HardwareConfig(numbers, software, tuple(more))


def read_responses(data: bytes) -> Responses:
    """JSON objects with one key each, ``#:#`` behind each; raises `MalformedError` where that is not so."""
    text = data.rstrip(b"\0 \r\n").decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    exchanges: list[Exchange] = []
    at = 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, _skip_blanks(text, at))
        except (ValueError, RecursionError) as error:
            why = "is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise MalformedError(f"no JSON that can be read: {why}") from None
        exchanges += _exchanges(value)
        at = _skip_blanks(text, at)
        if text.startswith(_BETWEEN, at):
            at = _skip_blanks(text, at + len(_BETWEEN))
        elif at < len(text):
            raise MalformedError(f"no JSON that can be read: {text[at : at + 10]!r} stands between its objects")
    return Responses(tuple(exchanges))


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _exchanges(value: Json) -> list[Exchange]:
    _check(value, 0)
    if not isinstance(value, dict):
        return [Exchange((), value)]
    found = []
    for key, content in value.items():
        names = key.removeprefix(_PAIR).removesuffix(">").split(",") if key.startswith(_PAIR) else [key]
        found.append(Exchange(tuple(names), content))
    return found


def _check(value: Json, depth: int) -> None:
    if depth > _DEEPEST:
        raise MalformedError(f"no JSON that can be read: nested more than {_DEEPEST} deep")
    if isinstance(value, dict) and any(len(key) > _LONGEST_STRING for key in value):
        raise MalformedError(f"no JSON that can be read: a name of more than {_LONGEST_STRING} characters")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, depth + 1)


class _Reader:
    """Takes numbers and strings one after the other; ``what`` they make is for the errors."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise MalformedError(f"no {self._what}: it ends after {len(self._data)} bytes")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self) -> int:
        return int(struct.unpack("<I", self._take(4))[0])

    def byte(self) -> int:
        return self._take(1)[0]

    def count(self, what: str, most: int) -> int:
        count = self.number()
        if count > most:
            raise MalformedError(f"no {self._what}: it announces {count} {what}")
        return count

    def string(self, longest: int = _LONGEST_STRING) -> str:
        length = self.number()
        if length > longest:
            raise MalformedError(f"no {self._what}: it announces a text of {length} bytes")
        return self._take(length).rstrip(b"\0").decode("utf-8", "replace")

    def end(self) -> None:
        if self.left:
            raise MalformedError(f"no {self._what}: {self.left} bytes are left over")


_READERS: Final[dict[str, Callable[[bytes], Content]]] = {
    "COILSTATE": read_coil_state,
    "HARDWARE_CONFIG": read_hardware_config,
    "PDF_USED_PRESCAN_RESPONSES": read_responses,
}
