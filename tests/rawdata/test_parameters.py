"""Parameter blocks: every value where its pointers say, and nothing taken that is not there."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.errors import MalformedError
from mrdock.rawdata.blobs import read_blobs
from mrdock.rawdata.parameters import CELL, HEADER_SIZE, is_block, read_block, read_layout
from tests.builders import Parameter, parameter_block

WIDTHS = {"float": 4, "int": 4, "enum": 4, "string": CELL}
COUNT_AT = {"structure": 6, "floats": 12, "strings": 20, "parameters": 28}


@pytest.mark.real_data
def test_parameters_of_real_files_cover_every_byte_of_every_pool(real_data: Path) -> None:
    blocks = 0
    for path in sorted(real_data.glob("*/rawdata/*.dcm")):
        for blob in read_blobs(str(path)).blobs:
            if not is_block(blob.data):
                continue
            blocks += 1
            layout = read_layout(blob.data)
            covered: dict[str, list[tuple[int, int]]] = {"floats": [], "ints": [], "strings": []}
            for parameter in read_block(blob.data).parameters:
                pool = {"float": "floats", "string": "strings"}.get(parameter.kind, "ints")
                size = WIDTHS[parameter.kind] * len(parameter.values)
                covered[pool].append((parameter.value_at, parameter.value_at + size))
                assert parameter.tokens is None
                assert parameter.name.isidentifier()
            for pool, (start, end) in zip(covered, (layout.floats, layout.ints, layout.strings), strict=True):
                at = start
                for first, last in sorted(covered[pool]):
                    assert first == at
                    at = last
                assert at == end
            assert layout.strings.end == len(blob.data)
    assert blocks == 32  # 8 of each of the 4 files of series


@pytest.mark.real_data
def test_known_values(real_data: Path) -> None:
    """As the scanner's own text export of these scans has them."""
    wanted: dict[str, dict[str, float | str]] = {
        "1301*": {"EX_ACQ_flip_angle": 9.0, "EX_GEO_stacks_slices": 170, "IF_str_total_scan_time": "05:01.7"},
        "2001*": {"EX_ACQ_flip_angle": 10.0, "EX_ACQ_echoes": 2, "IF_act_rep_time_echo_time": "20 / 2.3 / 4.6"},
    }
    for pattern, values in wanted.items():
        (path,) = real_data.glob(f"philips_r57/rawdata/{pattern}.dcm")
        found = read_block(read_blobs(str(path)).blobs[0].data).by_name()
        for name, value in values.items():
            assert found[name].values[0] == value
            assert found[name].shown


# ---- blocks made here ----

NAMES = st.text("ABCDEFGHIJ_abc123", min_size=1, max_size=32)
FLOATS = st.floats(width=32)
INTS = st.integers(-(2**31), 2**31 - 1)
TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=80)
TOKENS = st.lists(st.text("ABC_1", min_size=1, max_size=6), min_size=1, max_size=5)


@st.composite
def made(draw: st.DrawFn) -> Parameter:
    kind = draw(st.sampled_from(["float", "int", "string", "enum"]))
    values = {"float": FLOATS, "int": INTS, "string": TEXTS, "enum": st.integers(-2, 9)}[kind]
    found = tuple(draw(st.lists(values, min_size=1, max_size=6)))
    tokens = ",".join(draw(TOKENS)) if kind == "enum" else ""
    return Parameter(draw(NAMES), kind, found, draw(st.booleans()), tokens)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.lists(made(), max_size=8), st.booleans())
def test_what_is_written_is_read(found: list[Parameter], tokens: bool) -> None:
    block = read_block(parameter_block(found, tokens=tokens))
    assert len(block.parameters) == len(found)
    for parameter, wanted in zip(block.parameters, found, strict=True):
        assert (parameter.name, parameter.kind, parameter.shown) == (wanted.name, wanted.kind, wanted.shown)
        assert repr(parameter.values) == repr(wanted.values)  # so that NaN equals NaN, and 0 is not -0
        words = tuple(wanted.tokens.split(",")) if wanted.kind == "enum" and tokens else None
        assert parameter.tokens == words
        for number, value in enumerate(parameter.values):
            word = words[value] if words and isinstance(value, int) and 0 <= value < len(words) else None
            assert parameter.token(number) == word
        assert parameter.token(len(wanted.values)) is None


def test_names_and_strings_end_at_their_nul_and_may_be_no_ascii() -> None:
    data = bytearray(parameter_block([Parameter("EX_name", "string", ("text",))], tokens=False))
    at = data.index(b"text\0")
    for raw, text in ((b"a\0b", "a"), ("\u00b5T".encode(), "\u00b5T"), (b"\xb5T", "\u00b5T"), (b"", "")):
        data[at : at + 6] = raw.ljust(6, b"\0")
        (parameter,) = read_block(bytes(data)).parameters
        assert (parameter.name, parameter.values) == ("EX_name", (text,))
    data[HEADER_SIZE : HEADER_SIZE + 33] = b"N" * 33  # a name without a NUL
    assert read_block(bytes(data)).parameters[0].name == "N" * 33


def test_equal_names() -> None:
    twice = [Parameter("EX_a", "int", (1,)), Parameter("EX_b", "int", (2,)), Parameter("EX_a", "int", (3,))]
    block = read_block(parameter_block(twice, tokens=False))
    assert [parameter.values for parameter in block.parameters] == [(1,), (2,), (3,)]
    assert block.get("EX_a") is block.by_name()["EX_a"] is block.parameters[0]
    assert block.get("EX_c") is None


# ---- broken blocks ----

BLOCK = parameter_block(
    [
        Parameter("EX_int", "int", (1, 2, 3)),
        Parameter("EX_float", "float", (1.5,)),
        Parameter("EX_string", "string", ("a", "b")),
        Parameter("EX_enum", "enum", (1,), tokens="NO,YES"),
    ],
    tokens=True,
)


def changed(at: int, form: str, value: int) -> bytes:
    data = bytearray(BLOCK)
    struct.pack_into(form, data, at, value)
    return bytes(data)


def record(number: int) -> int:
    return HEADER_SIZE + 50 * number


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes are too few"),
        (BLOCK[:31], "31 bytes are too few"),
        (BLOCK[:100], "are not inside its 100"),
        (BLOCK[:-1], "its strings"),
        (changed(6, "<H", 1), "structure type is 1"),
        (changed(28, "<I", 20_001), "20001 parameters"),
        (changed(28, "<I", 0xFFFFFFFF), "4294967295 parameters"),
        (changed(12, "<I", 0xFFFFFFFF), "its floats"),
        (changed(20, "<I", 0xFFFFFFFF), "its strings"),
        (changed(0, "<i", -5), "its ints at -5"),
        (changed(0, "<i", 31), "its ints at 31"),
        (changed(24, "<i", -24), "its records at 0"),
        (changed(record(0) + 38, "<I", 0x40000000), "the 1073741824 values of 'EX_int'"),
        (changed(record(0) + 46, "<i", -(2**31)), "of 'EX_int' at"),
        (changed(record(0) + 46, "<i", 2**31 - 1), "of 'EX_int' at"),
        (changed(record(1) + 38, "<I", 2), "not inside the block's floats"),
        (changed(record(2) + 38, "<I", 3), "not inside the block's strings"),
        (changed(record(3) + 42, "<I", 1), "the words of 'EX_enum'"),
        (changed(record(3) + 42, "<I", 0x7FFFFFFF), "the words of 'EX_enum'"),
        (BLOCK[:-1] + b"!", "the words of 'EX_enum'"),
    ],
)
def test_broken_blocks(data: bytes, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        read_block(data)


def test_what_is_odd_but_no_reason_to_refuse() -> None:
    for at, form, value, values in (
        (record(0) + 34, "<i", 3, ()),  # an obsolete type
        (record(0) + 34, "<i", -7, ()),
        (record(0) + 38, "<I", 0, ()),
    ):
        parameter = read_block(changed(at, form, value)).parameters[0]
        assert (parameter.values, parameter.kind) == (values, "int" if value == 0 else "unknown")
    assert read_block(changed(record(0) + 33, "<B", 110)).parameters[0].flag == 110
    enum = read_block(changed(read_block(BLOCK).parameters[3].value_at, "<i", 99)).parameters[3]
    assert (enum.values, enum.token()) == ((99,), None)


def test_a_small_block_does_not_grow_large() -> None:
    """Parameters that all share one long list of values."""
    data = bytearray(parameter_block([Parameter("EX_a", "int", (7,) * 16384)] * 1, tokens=False))
    many = 2000
    ints = bytes(data[82:])
    header = struct.pack("<iHHiIiIiI", 32 + 50 * many, 16384, 0, 24 + 50 * many, 0, 16 + 50 * many, 0, 8, many)
    records = b"".join(
        b"EX_a".ljust(33, b"\0") + struct.pack("<BiIIi", 1, 1, 16384, 0, 50 * (many - number) - 46)
        for number in range(many)
    )
    with pytest.raises(MalformedError, match="share values so often"):
        read_block(header + records + ints)


def test_a_block_that_is_too_long() -> None:
    with pytest.raises(MalformedError, match="bytes are too many"):
        read_block(bytes(9 << 20))
