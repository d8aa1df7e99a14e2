"""Parameter blocks of raw files and ExamCards."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.errors import MalformedError
from mrdock.rawdata.blob_rows import parameter_row, values_text
from mrdock.rawdata.parameters import Parameter, read_block
from tests.builders import ExamCardScan, parameter_block
from tests.builders.examcard import parameters

WIDTHS = {"float": 4, "int": 4, "enum": 4, "string": 81}


def check(data: bytes) -> None:
    """A block or a documented error; each value is in the block where it says, and values do not grow out of it."""
    try:
        block = read_block(data)
    except MalformedError:
        return
    taken = 0
    for parameter in block.parameters:
        assert len(parameter.name) <= 33
        assert "\0" not in parameter.name
        if parameter.kind == "unknown":
            assert not parameter.values
            continue
        assert len(parameter.values) == parameter.count
        taken += WIDTHS[parameter.kind] * parameter.count
        if parameter.values:
            _check_first(parameter, data)
        assert values_text(parameter_row(parameter, "5.7"), short=True).isprintable()
        if parameter.tokens is not None:
            assert parameter.kind == "enum"
            assert len(parameter.tokens) <= len(data)
    assert taken <= 4 * (len(data) + 1024)


def _check_first(parameter: Parameter, data: bytes) -> None:
    """The first value once more, read from the file."""
    at, first = parameter.value_at, parameter.values[0]
    assert at >= 32
    if isinstance(first, str):
        assert len(first) <= 81
        assert first[:1].encode() in (data[at : at + 1], b"") or not data[at : at + 1].isascii()
    else:
        code = "<f" if parameter.kind == "float" else "<i"
        (again,) = struct.unpack_from(code, data, at)
        assert again == first or (first != first and again != again)


def seeds(_: Traffic) -> Iterable[bytes]:
    """Blocks with and without token lists; an empty one."""
    found = parameters(ExamCardScan("fuzz"))
    yield parameter_block(found, tokens=True)
    yield parameter_block(found, tokens=False)
    yield parameter_block([], tokens=False)
    yield parameter_block(found[:3], tokens=True)
    yield parameter_block(found[7:8], tokens=False)


TARGET = Target(
    check,
    seeds,
    words=(struct.pack("<I", 16384), struct.pack("<i", -32), struct.pack("<I", 0xFFFFFFFF), b"EX_", b"NO,YES"),
    longest=8 << 10,
)
