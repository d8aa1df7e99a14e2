"""Parameter blocks: the names and values of a scan protocol, as raw files and ExamCards hold them.

A block is little endian. Its header of 32 bytes has four pairs of pointer and count, for ints, floats, strings and
records; every pointer counts from its own position. A record of 50 bytes names a parameter and says where its values
are. Seen so in every block of raw files of release 5.7 and of ExamCards of releases 3.2 to 5.7. Only ExamCards have the
words of enumerations, after the strings.

Every count and pointer is checked against the block before anything is taken. Parameters may share values, but not so
that a small block grows large.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from mrdock.errors import MalformedError

Kind = Literal["float", "int", "string", "enum", "unknown"]
Values = tuple[float, ...] | tuple[int, ...] | tuple[str, ...]

HEADER_SIZE: Final = 32
RECORD: Final = struct.Struct("<33sBiIIi")  # name, display flag, type, count, pointer to tokens, pointer to values
CELL: Final = 81  # bytes of one string, its NUL included
KINDS: Final[dict[int, Kind]] = {0: "float", 1: "int", 2: "string", 4: "enum"}

_HEADER: Final = struct.Struct("<iHHiIiIiI")
_POINTS_AT_TOKENS, _POINTS_AT_VALUES = 42, 46
_MOST_PARAMETERS: Final = 20_000  # 1,283 seen
_MOST_TOKENS: Final = 1 << 16  # bytes of one list
_LONGEST: Final = 8 << 20  # bytes of a block; 290,962 seen
_SHARED: Final = 2  # times its own bytes that a block may give; in real ones no value is shared
_MOST_TAKEN: Final = 8 << 20  # bytes of values; each needs ten times as much memory
_UNITS: Final[dict[Kind, str]] = {"float": "f", "int": "i", "enum": "i"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    name: at most 33 characters, such as ``EX_ACQ_flip_angle``; may have control characters in a damaged block.
    flag: the display flag as it stands there; in raw files 1 where the scanner shows the parameter.
    kind: ``unknown`` for a type that no known release has; such a parameter has no values here.
    values: floats are 32-bit numbers, an enumeration's are indices from 0, strings end at their NUL.
    tokens: the words of an enumeration (ExamCards only), else None; an index may be beyond them.
    count: how many values the record announces; more than ``len(values)`` only where ``kind`` is ``unknown``.
    value_at, tokens_at: where values and words begin, in bytes from the start of the block; ``tokens_at`` 0 for none.
    """

    name: str
    flag: int
    kind: Kind
    values: Values
    tokens: tuple[str, ...] | None = None
    count: int = 1
    value_at: int = 0
    tokens_at: int = 0

    @property
    def shown(self) -> bool:
        """Whether the display flag is set."""
        return self.flag == 1

    def token(self, index: int = 0) -> str | None:
        """The word of value ``index``, where the block has one for it."""
        if self.tokens is None or self.kind != "enum" or index >= len(self.values):
            return None
        value = self.values[index]
        return self.tokens[value] if isinstance(value, int) and 0 <= value < len(self.tokens) else None


@dataclass(frozen=True, slots=True)
class ParameterBlock:
    """The parameters of one block in its order; names may repeat in a damaged one."""

    parameters: tuple[Parameter, ...] = field(repr=False)

    def get(self, name: str) -> Parameter | None:
        """The first parameter of this name."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None

    def by_name(self) -> dict[str, Parameter]:
        """All parameters by name, of equal names the first."""
        return {parameter.name: parameter for parameter in reversed(self.parameters)}


class Pool(NamedTuple):
    """A stretch of a block, in bytes from its start."""

    start: int
    end: int


class Layout(NamedTuple):
    """Where a block's pools are."""

    ints: Pool
    floats: Pool
    strings: Pool
    records: Pool


def is_block(data: bytes | memoryview) -> bool:
    """Whether the bytes begin as a parameter block does, with pools that are inside them."""
    try:
        read_layout(data)
    except MalformedError:
        return False
    return True


def read_layout(data: bytes | memoryview) -> Layout:
    """Read the header of a block; raises `MalformedError` where it is none, or cut short."""
    length = len(data)
    if length < HEADER_SIZE:
        raise MalformedError(f"no parameter block: {length} bytes are too few")
    ints, int_count, structure, floats, float_count, strings, string_bytes, records, count = _HEADER.unpack_from(data)
    if structure:
        raise MalformedError(f"no parameter block: its structure type is {structure}, not 0")
    if count > _MOST_PARAMETERS:
        raise MalformedError(f"no parameter block: it announces {count} parameters, more than {_MOST_PARAMETERS}")
    return Layout(
        _pool("ints", ints, int_count * 4, length),
        _pool("floats", floats + 8, float_count * 4, length),
        _pool("strings", strings + 16, string_bytes, length),
        _pool("records", records + 24, count * RECORD.size, length),
    )


def _pool(name: str, start: int, size: int, length: int) -> Pool:
    if size and (start < HEADER_SIZE or start + size > length):
        raise MalformedError(f"no parameter block: its {name} at {start}, {size} bytes, are not inside its {length}")
    return Pool(start, start + size)


def most_taken(length: int) -> int:
    """How many bytes of values a block of some length may give."""
    return min(_SHARED * (length + 1024), _MOST_TAKEN)


def read_block(data: bytes | memoryview) -> ParameterBlock:
    """Read a parameter block: a BLOB whose name begins with ``PDF_``, or ``parameterData`` of an ExamCard.

    Raises `MalformedError` (the message names no path) where it is none, or broken.
    """
    if len(data) > _LONGEST:
        raise MalformedError(f"no parameter block: {len(data)} bytes are too many")
    return ParameterBlock(tuple(_Reader(bytes(data)).parameters()))


class _Reader:
    """Reads one block."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._layout = read_layout(data)
        self._left = most_taken(len(data))
        self._lists: dict[int, tuple[str, ...]] = {}

    def parameters(self) -> list[Parameter]:
        start, end = self._layout.records
        return [
            self._parameter(start + number * RECORD.size, *record)
            for number, record in enumerate(RECORD.iter_unpack(self._data[start:end]))
        ]

    def _parameter(
        self, at: int, raw_name: bytes, flag: int, code: int, count: int, tokens: int, values: int
    ) -> Parameter:
        name = text_of_cell(raw_name)
        kind = KINDS.get(code, "unknown")
        value_at = at + _POINTS_AT_VALUES + values
        if kind == "unknown":
            return Parameter(name, flag, kind, (), None, count, value_at)
        words, tokens_at = None, 0
        if tokens and kind == "enum":
            tokens_at = at + _POINTS_AT_TOKENS + tokens
            words = self._tokens(name, tokens_at)
        found = self._values(name, kind, count, value_at)
        return Parameter(name, flag, kind, found, words, count, value_at, tokens_at)

    def _values(self, name: str, kind: Kind, count: int, at: int) -> Values:
        if kind == "string":
            pool, size = self._layout.strings, CELL
        else:
            pool, size = (self._layout.floats if kind == "float" else self._layout.ints), 4
        if not count:
            return ()
        if not (pool.start <= at and at + count * size <= pool.end):
            raise MalformedError(f"the {count} values of {name!r} at {at} are not inside the block's {kind}s")
        self._take(count * size)
        if kind == "string":
            return tuple(text_of_cell(self._data[cell : cell + CELL]) for cell in range(at, at + count * CELL, CELL))
        return struct.unpack_from(f"<{count}{_UNITS[kind]}", self._data, at)

    def _tokens(self, name: str, at: int) -> tuple[str, ...]:
        known = self._lists.get(at)
        if known is not None:
            return known
        start, end = self._layout.strings
        last = self._data.find(b"\0", at, min(end, at + _MOST_TOKENS)) if start <= at < end else -1
        if last < 0:
            raise MalformedError(f"the words of {name!r} at {at} are not inside the block's strings")
        self._take(last - at)
        words = self._lists[at] = tuple(_text(self._data[at:last]).split(","))
        return words

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise MalformedError("its parameters share values so often that they would not fit into memory")


def text_of_cell(cell: bytes) -> str:
    """A name or string up to its NUL; what follows is left over from what the scanner's memory held before."""
    return _text(cell.partition(b"\0")[0])


def _text(raw: bytes) -> str:
    """ASCII in all known blocks; other bytes as UTF-8 or else Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
