"""Raw files as text that a physicist reads: a heading, then each BLOB with all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mrdock.errors import ChoiceError
from mrdock.files.names import printable
from mrdock.rawdata.blob_rows import BlobRow, blob_rows, flat, is_flat, type_text, value_text, values_text
from mrdock.rawdata.blobs import Blob, RawFile
from mrdock.rawdata.contents import (
    Card,
    CoilState,
    Content,
    Exchange,
    HardwareConfig,
    Json,
    Nothing,
    Responses,
    Unknown,
    interpret,
)
from mrdock.rawdata.parameters import ParameterBlock


def chosen(raw: RawFile, names: Sequence[str]) -> list[Blob]:
    """The BLOBs of these names, in any case of letters; all where ``names`` is empty.

    Raises `ChoiceError`, which names the path, where a name is none of the file's.
    """
    if not names:
        return list(raw.blobs)
    there = {blob.name.lower() for blob in raw.blobs}
    for name in names:
        if name.lower() not in there:
            has = ", ".join(dict.fromkeys(blob.name for blob in raw.blobs))
            raise ChoiceError(f"{printable(raw.path)}: has no BLOB {name!r}; it has {has or 'none at all'}")
    wanted = {name.lower() for name in names}
    return [blob for blob in raw.blobs if blob.name.lower() in wanted]


def heading(raw: RawFile) -> str:
    """One line that says what a raw file is of."""
    parts = [raw.protocol_name or raw.series_description or "(no protocol name)"]
    if raw.series_number is not None:
        parts.append(f"series {raw.series_number}")
    if raw.exam_card_name:
        parts.append(f'ExamCard "{raw.exam_card_name}"')
    if raw.model:
        parts.append(raw.model)
    if raw.software:
        parts.append("release " + raw.software.replace("\\", ", "))
    return printable(", ".join(parts))


def text_of_raw(
    raw: RawFile, blobs: Sequence[Blob], *, short: bool = False, longest: int | None = None
) -> Iterator[str]:
    """The lines on these BLOBs; ``short`` cuts long lists, BLOBs of more than ``longest`` bytes are only named."""
    for blob in blobs:
        yield ""
        if longest is not None and len(blob.data) > longest:
            yield f"{_name(blob)}: {_bytes(blob)}, not shown"
            continue
        yield from _blob_lines(blob, raw, short)


def _blob_lines(blob: Blob, raw: RawFile, short: bool) -> Iterator[str]:
    content = interpret(blob)
    yield f"{_name(blob)}: {summary(blob, content)}"
    if blob.problem:
        yield f"  its size is wrong: {blob.problem}"
    if isinstance(content, ParameterBlock | HardwareConfig):
        for row in blob_rows(content, raw.release, raw.tokens):
            yield row_line(row, short=short)
    elif isinstance(content, CoilState):
        yield from _coil_lines(content)
    elif isinstance(content, Responses):
        for exchange in content.exchanges:
            yield from _exchange_lines(exchange, short)


def summary(blob: Blob, content: Content) -> str:
    """What a BLOB has, in a few words."""
    match content:
        case Nothing():
            return "empty"
        case ParameterBlock(parameters):
            what = _counted(len(parameters), "parameter")
        case CoilState(_, sockets):
            what = _counted(len(sockets), "socket")
        case HardwareConfig():
            what = "numbers of unknown meaning, software version"
        case Responses(exchanges):
            what = _counted(len(exchanges), "prescan request")
        case Card():
            what = "the ExamCard"
        case Unknown(why):
            kind = f" of type {printable(blob.type_name)}" if blob.type_name else ""
            reason = f" ({printable(why)})" if why else ""
            return f"{_bytes(blob)}{kind}, not known{reason}; --extract writes them unchanged"
    return f"{what}, {_bytes(blob)}"


def row_line(row: BlobRow, *, short: bool = False) -> str:
    """One parameter: ``*`` where the scanner shows it, name, type, values."""
    mark = "*" if row.flag == 1 else " "
    return f"{mark} {printable(row.name):<33} {type_text(row):<12} {values_text(row, short=short)}".rstrip()


def _name(blob: Blob) -> str:
    return printable(blob.name) or "(a BLOB without a name)"


def _bytes(blob: Blob) -> str:
    return _counted(len(blob.data), "byte")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _coil_lines(state: CoilState) -> Iterator[str]:
    for socket in state.sockets:
        yield f"  {printable(socket.path)}"
        for coil in socket.coils:
            facts = [coil.name or "(no name)"]
            facts += [f"part {coil.part_number}"] if coil.part_number else []
            facts += [f"serial {coil.serial_number}"] if coil.serial_number else []
            yield f"    {printable(', '.join((*facts, f'flag {coil.flag}')))}"


def _exchange_lines(exchange: Exchange, short: bool) -> Iterator[str]:
    yield f"  {printable(', '.join(exchange.names)) or '(without a name)'}"
    content = exchange.content
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _tree(key, value, 2, short)
    else:
        yield from _tree("value", content, 2, short)


def _tree(key: str, value: Json, depth: int, short: bool) -> Iterator[str]:
    """A JSON value below its key: what is flat on one line, objects of one member without a line of their own."""
    indent = "  " * depth
    label = printable(key)
    if isinstance(value, dict) and len(value) == 1:
        ((inner_key, inner),) = value.items()
        yield from _tree(f"{key}.{inner_key}", inner, depth, short)
    elif isinstance(value, dict):
        if is_flat(list(value.values())):
            members = (f"{printable(name)} {_flat_text(inner, short)}" for name, inner in value.items())
            yield f"{indent}{label}: {', '.join(members) or '{}'}"
            return
        yield f"{indent}{label}"
        for name, inner in value.items():
            yield from _tree(name, inner, depth + 1, short)
    elif isinstance(value, list) and not is_flat(value):
        for number, inner in enumerate(value):
            yield from _tree(f"{key}[{number}]", inner, depth, short)
    else:
        yield f"{indent}{label}: {_flat_text(value, short)}"


def _flat_text(value: Json, short: bool) -> str:
    if isinstance(value, list):
        return values_text(BlobRow("", "json", flat(value), size=len(value)), short=short) or "[]"
    return "" if isinstance(value, dict) else value_text("json", value)
