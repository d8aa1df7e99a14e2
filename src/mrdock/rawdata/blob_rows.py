"""Everything that a BLOB says as rows: a name, a type, values. Texts, tables and comparisons are made of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, repeat
from typing import Final, NamedTuple

from mrdock.dicom.rendering import single_text
from mrdock.files.names import printable
from mrdock.rawdata.contents import CoilState, Content, HardwareConfig, Json, Responses
from mrdock.rawdata.labels import enum_label, enum_token
from mrdock.rawdata.parameters import Parameter, ParameterBlock

Value = None | bool | int | float | str
Tokens = Mapping[str, tuple[str, ...]]

NO_TOKENS: Final[Tokens] = {}

SHORT: Final = 100
"""The characters that a shortened list of values has."""


class BlobRow(NamedTuple):
    """One line of a table.

    kind: as in `Parameter`, or ``json``. flag: the display flag of a parameter, None of anything else. words: the token
    of each value of an enumeration, None where it is not known; empty where none is. size: how many values there are.
    """

    name: str
    kind: str
    values: Sequence[Value]
    flag: int | None = None
    words: tuple[str | None, ...] = ()
    size: int = 1


def blob_rows(content: Content, release: str, tokens: Tokens = NO_TOKENS) -> Iterator[BlobRow]:
    """The rows of a BLOB's content; none where there is nothing or nothing that is known.

    Raw files hold no tokens: those in ``tokens`` count, by the parameters' names, then what is known of ``release``
    (``5.7``).
    """
    if isinstance(content, ParameterBlock):
        for parameter in content.parameters:
            yield parameter_row(parameter, release, tokens)
    elif isinstance(content, CoilState):
        yield from _coil_rows(content)
    elif isinstance(content, HardwareConfig):
        yield BlobRow("numbers", "int", content.numbers, size=len(content.numbers))
        yield BlobRow("software", "string", (content.software,))
        if content.more:
            yield BlobRow("more", "int", content.more, size=len(content.more))
    elif isinstance(content, Responses):
        for exchange in content.exchanges:
            yield from _json_rows("/".join(exchange.names), exchange.content)


def parameter_row(parameter: Parameter, release: str, tokens: Tokens = NO_TOKENS) -> BlobRow:
    """The row of one parameter; its own tokens count first."""
    words: tuple[str | None, ...] = ()
    if parameter.kind == "enum":
        known_words = tokens.get(parameter.name) if parameter.tokens is None else parameter.tokens
        if known_words is not None:
            words = tuple(_nth(known_words, int(value)) for value in parameter.values)
        else:
            words = tuple(_word(parameter.name, int(value), release) for value in parameter.values)
    known = words if any(words) else ()
    return BlobRow(parameter.name, parameter.kind, parameter.values, parameter.flag, known, parameter.count)


def _nth(words: Sequence[str], index: int) -> str | None:
    return words[index] if 0 <= index < len(words) else None


@lru_cache(maxsize=1 << 12)
def _word(name: str, index: int, release: str) -> str | None:
    return enum_token(name, index, release) or enum_label(name, index, release)


def _coil_rows(state: CoilState) -> Iterator[BlobRow]:
    yield BlobRow("number", "int", (state.number,))
    for number, socket in enumerate(state.sockets):
        yield BlobRow(f"sockets[{number}].path", "string", (socket.path,))
        for place, coil in enumerate(socket.coils):
            prefix = f"sockets[{number}].coils[{place}]"
            yield BlobRow(f"{prefix}.name", "string", (coil.name,))
            yield BlobRow(f"{prefix}.part_number", "string", (coil.part_number,))
            yield BlobRow(f"{prefix}.serial_number", "string", (coil.serial_number,))
            yield BlobRow(f"{prefix}.flag", "int", (coil.flag,))


def _json_rows(path: str, value: Json) -> Iterator[BlobRow]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _json_rows(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list) and not is_flat(value):
        for number, inner in enumerate(value):
            yield from _json_rows(f"{path}[{number}]", inner)
    elif isinstance(value, list):
        yield BlobRow(path, "json", flat(value), size=len(value))
    else:
        yield BlobRow(path, "json", () if isinstance(value, dict) else (value,), size=0 if value == {} else 1)


def is_flat(values: Sequence[Json]) -> bool:
    """Whether a list has neither lists nor objects in it."""
    return not any(isinstance(value, dict | list) for value in values)


def flat(values: Sequence[Json]) -> list[Value]:
    """A flat list with its type."""
    return [value for value in values if not isinstance(value, dict | list)]


def type_text(row: BlobRow) -> str:
    """``float``, or ``float[20]`` where there are several values."""
    return row.kind if row.size == 1 else f"{row.kind}[{row.size}]"


def values_text(row: BlobRow, *, short: bool = False) -> str:
    """All values in one line, runs of equal ones as ``VALUE x COUNT``; ``short`` cuts a long line.

    Floats have the digits that it takes to make the same 32-bit number, strings stand in quotes, control characters as
    ``\\x1b``, empty ones at the end are left out, enumerations have their tokens where these are known.
    """
    if row.kind == "unknown":
        return f"({row.size} {'value' if row.size == 1 else 'values'} of a type that is not known)"
    values = _without_empty_end(row.values) if row.kind == "string" else row.values
    text_of = _TEXTS.get(row.kind, _json_text)
    parts, length = [], 0
    pairs = zip(values, row.words or repeat(None), strict=False)
    for _, same in groupby(pairs, _repr_of_value if row.kind in ("float", "json") else None):
        (value, word), *others = same
        run = 1 + len(others)
        text = f"{text_of(value)} ({printable(word)})" if word else text_of(value)
        parts.append(text if run == 1 else f"{text} x {run}")
        length += len(parts[-1]) + 2
        if short and length > SHORT:
            return ", ".join(parts)[:SHORT] + "..."
    return ", ".join(parts)


def value_text(kind: str, value: Value) -> str:
    """One value, as `values_text` has it."""
    return _TEXTS.get(kind, _json_text)(value)


def _repr_of_value(pair: tuple[Value, str | None]) -> str:
    """What makes two values neighbours of one run: 0 and -0 are two, NaN is one."""
    return repr(pair[0])


def _without_empty_end(values: Sequence[Value]) -> Sequence[Value]:
    last = len(values)
    while last > 1 and not values[last - 1]:
        last -= 1
    return values[:last]


def _quoted(value: Value) -> str:
    return f'"{printable(str(value))}"'


def _float_text(value: Value) -> str:
    return single_text(value) if isinstance(value, float) else str(value)


def _json_text(value: Value) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value).removesuffix(".0")


_TEXTS: Final[dict[str, Callable[[Value], str]]] = {
    "float": _float_text,
    "int": str,
    "enum": str,
    "string": _quoted,
}
