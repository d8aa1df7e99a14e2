"""Raw values as text, numbers and UIDs, good and bad (PS3.5 section 6.2)."""

from __future__ import annotations

import math
import struct
import time
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement, RawDataElement

from mrdock.dicom.scan import Found, Key, Value, Wanted, scan
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header, decode_text, is_uid

from .encoding import ALL, BIG, Syntax, element

TAG = 0x00181030
CHARSETS = Path(pydicom.data.__file__).parent / "charset_files"


def header(vr: str, raw: bytes, *, charset: bytes | None = None, big_endian: bool = False) -> Header:
    values: dict[Key, Value] = {TAG: Value(vr, raw)}
    if charset is not None:
        values[SPECIFIC_CHARACTER_SET] = Value("CS", charset)
    return Header(Found(values, big_endian))


# ---- text ----


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        (None, b"plain", "plain"),
        (b"", b"plain", "plain"),
        (b"ISO_IR 6", b"plain", "plain"),
        (b"ISO_IR 100", "Grüße".encode("latin-1"), "Grüße"),
        (b"ISO_IR 100 ", "Grüße".encode("latin-1"), "Grüße"),
        (b"ISO_IR 192", "Grüße Ελλάδα 日本".encode(), "Grüße Ελλάδα 日本"),
        (b"ISO_IR 101", "Łódź".encode("iso8859-2"), "Łódź"),
        (b"ISO_IR 144", "Фёдор".encode("iso8859-5"), "Фёдор"),
        (b"ISO_IR 126", "Διονυσιος".encode("iso8859-7"), "Διονυσιος"),
        (b"ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (b"GB18030", "王^小东".encode("gb18030"), "王^小东"),
        (b"\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        (b"ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde=\x1b$B;3ED\x1b(J", "ﾔﾏﾀﾞ=山田"),
        (b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong=洪^吉洞"),
        (b"ISO 2022 IR 6\\ISO 2022 IR 100", b"B\x1b-A\xe9b", "Béb"),
    ],
)
def test_text_by_character_set(charset: bytes | None, raw: bytes, text: str) -> None:
    assert header("PN", raw, charset=charset).text(TAG) == text


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(CHARSETS.glob("*.dcm")) if "SQ" not in path.stem],  # names at the top level
    ids=lambda path: path.stem,
)
def test_names_as_pydicom_decodes_them(path: Path) -> None:
    """Its sample files, those of annexes H to K of PS3.5 among them."""
    theirs = pydicom.dcmread(path)
    name, terms = raw_of(theirs, 0x00100010), raw_of(theirs, SPECIFIC_CHARACTER_SET)
    assert decode_text(name, Value("CS", terms)).rstrip("= ") == str(theirs.PatientName).rstrip("= ")


def raw_of(found: pydicom.Dataset, tag: int) -> bytes:
    """A value's bytes; pydicom has decoded the character set already."""
    element: DataElement | RawDataElement = found.get_item(tag)
    if isinstance(element, RawDataElement):
        return element.value or b""
    terms = element.value or ""
    return (terms if isinstance(terms, str) else "\\".join(terms)).encode("ascii")


def test_padding_is_stripped_and_values_stay_together() -> None:
    assert header("LO", b"one\\two ").text(TAG) == "one\\two"
    assert header("UI", b"1.2.3\0").text(TAG) == "1.2.3"
    assert header("LO", b"  both ").text(TAG) == "both"


@pytest.mark.parametrize("raw", [b"", b" ", b"\0\0", b" \0 "])
def test_empty_is_none(raw: bytes) -> None:
    assert header("LO", raw).text(TAG) is None
    assert header("DS", raw).number(TAG) is None
    assert header("UI", raw).uid(TAG) == ""


def test_absent_is_none() -> None:
    nothing = Header(Found({}, False))
    assert TAG not in nothing
    assert (nothing.text(TAG), nothing.number(TAG), nothing.uid(TAG)) == (None, None, "")
    assert TAG in header("LO", b"")


def test_bytes_that_the_character_set_does_not_know_become_replacement_characters() -> None:
    assert header("LO", b"a\xffb", charset=b"ISO_IR 192").text(TAG) == "a\ufffdb"


@pytest.mark.parametrize(
    "charset", [b"ISO_IR 999", b"nonsense", b"\xff\xfe", b"..\\GB18030", b"\0", b"\\\\\\", b"utf-7"]
)
def test_character_sets_that_are_none_do_no_harm(charset: bytes) -> None:
    text = header("LO", b"a\xe9b", charset=charset).text(TAG)
    assert text is not None
    assert (text[0], text[-1]) == ("a", "b")


@pytest.mark.parametrize(
    "term", ["ISO-IR 101", "ISO IR 101", "ISO_IR_101", "iso_ir 101", "ISO_IR101", "ISO 2022 IR 101", "ISO_2022_IR_101"]
)
def test_misspelled_character_sets(term: str) -> None:
    assert header("LO", "Łódź".encode("iso8859-2"), charset=term.encode()).text(TAG) == "Łódź"


@pytest.mark.parametrize(
    "term", ["ISO_IR 192", "ISO IR 192", "UTF8", "UTF-8", "utf_8", "ISO 2022 IR 192", "ISO_IR UTF8"]
)
def test_utf_8_by_its_names(term: str) -> None:
    assert header("LO", "日本".encode(), charset=term.encode()).text(TAG) == "日本"
    assert header("LO", "日本".encode(), charset=term.encode() + b"\\ISO 2022 IR 87").text(TAG) == "日本"


@pytest.mark.parametrize("number", [6, 13, 58, 87, 100, 101, 109, 110, 126, 127, 138, 144, 148, 149, 159, 166, 203])
def test_every_registered_character_set_has_a_codec(number: int) -> None:
    for form in ("ISO_IR", "ISO 2022 IR"):
        assert header("LO", b"a\x1b(Bb \xe9", charset=f"{form} {number}".encode()).text(TAG)


PYTHON_ONLY = ["unicode_escape", "raw_unicode_escape", "punycode", "idna", "utf_16", "utf-7", "hex", "rot13", "mbcs"]


@pytest.mark.parametrize(
    "codec", [*PYTHON_ONLY, "cp037", "undefined", "ISO_IR 999", "ISO_IR", "ISO 2022 IR", "ISO_IR \xb2"]
)
@pytest.mark.parametrize("form", ["{}", "{}\\ISO 2022 IR 87", "{}\\ISO_IR 192"])
def test_codecs_that_dicom_does_not_define_are_latin_1(codec: str, form: str) -> None:
    charset = form.format(codec).encode("latin-1")
    assert header("LO", b"\\ud800 \xe9 +AGE-", charset=charset).text(TAG) == "\\ud800 é +AGE-"


@pytest.mark.parametrize(
    "charset", [None, b"ISO_IR 100", b"ISO_IR 192", b"GB18030", b"\\ISO 2022 IR 87", b"unicode_escape"]
)
@pytest.mark.parametrize("raw", [b"a\0b", b"a\0b\xe9", b"\xed\xa0\x80", b"a\x1b(B\0", b"\x83\x36\xc7\x38", b"\0\x1b"])
def test_no_text_has_a_zero_or_a_surrogate(charset: bytes | None, raw: bytes) -> None:
    text = decode_text(raw, None if charset is None else Value("CS", charset))
    assert "\0" not in text
    assert text.encode()
    assert "\0" not in (header("LO", raw, charset=charset).text(TAG) or "")


def test_a_zero_inside_becomes_a_replacement_character() -> None:
    assert header("LO", b"a\0b\0").text(TAG) == "a\ufffdb"


@pytest.mark.parametrize("piece", [b"x", b"\xff", b"\x1b", b"\x1b$B", b"\x1b$)C\xfb\xf3^", b"-\xe9", b"\x81\x30"])
@pytest.mark.parametrize(
    "charset", [b"ISO_IR 192", b"punycode", b"\\ISO 2022 IR 149", b"GB18030", b"ISO_IR 6\\" * 6000]
)
def test_long_text_is_cut_and_costs_little(piece: bytes, charset: bytes) -> None:
    before = time.process_time()
    text = header("UT", piece * (65536 // len(piece)), charset=charset).text(TAG)
    assert time.process_time() - before < 1
    assert text is not None
    assert len(text) <= 16 << 10


def test_the_longest_of_the_long_texts_is_decoded_whole() -> None:
    raw = "é".encode("latin-1") * 10_237 + b"end"
    assert (header("LT", raw, charset=b"ISO_IR 100").text(TAG) or "").endswith("end")


TERMS = st.sampled_from(
    b"|ISO_IR 6|ISO_IR 100|ISO_IR 166|ISO_IR 192|GB18030|GBK|ISO 2022 IR 6|ISO 2022 IR 13|ISO 2022 IR 58"
    b"|ISO 2022 IR 87|ISO 2022 IR 149|ISO 2022 IR 159|x\0y|\xe9".split(b"|")
)
ESCAPES = st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b(J", b"\x1b-A", b"\x1b$(D", b"\x1b)I", b"\x1b"])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.binary(max_size=8) | ESCAPES, max_size=6).map(b"".join), st.lists(TERMS, max_size=4).map(b"\\".join))
def test_any_bytes_in_any_character_set_are_some_text(raw: bytes, charset: bytes) -> None:
    text = header("PN", raw, charset=charset).text(TAG)
    assert text is None or (text.encode() and text == text.strip(" ") and "\0" not in text)


# ---- numbers ----

BINARY = {
    "US": ("H", 65535),
    "SS": ("h", -32768),
    "UL": ("I", 4294967295),
    "SL": ("i", -2147483648),
    "FL": ("f", -0.5),
    "FD": ("d", 3.141592653589793),
    "UV": ("Q", 18446744073709551615),
    "SV": ("q", -9223372036854775808),
}


@pytest.mark.parametrize("vr", sorted(BINARY))
@pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
def test_binary_numbers_in_either_byte_order(syntax: Syntax, vr: str) -> None:
    code, value = BINARY[vr]
    raw = struct.pack(syntax.order + code, value)
    found = Header(scan(element(syntax, TAG, vr, raw), syntax.uid, Wanted([(TAG, vr)])))
    assert found.number(TAG) == value
    assert found.text(TAG) == str(value)


@pytest.mark.parametrize("vr", sorted(BINARY))
def test_of_several_binary_numbers_the_first(vr: str) -> None:
    code, value = BINARY[vr]
    assert header(vr, struct.pack(f">2{code}", value, 1), big_endian=True).number(TAG) == value


@pytest.mark.parametrize("vr", sorted(BINARY))
def test_a_binary_number_with_too_few_bytes_is_none(vr: str) -> None:
    code, _ = BINARY[vr]
    for length in range(struct.calcsize(code)):
        found = header(vr, b"\1" * length)
        assert (found.number(TAG), found.text(TAG)) == (None, None)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"12", 12),
        (b" 12 ", 12),
        (b"12\0", 12),
        (b"-3", -3),
        (b"+7", 7),
        (b"007", 7),
        (b"1.5", 1.5),
        (b"1.500000e+01", 15),
        (b"2.0", 2),
        (b"3\\4\\5", 3),
        (b"12.25\\x", 12.25),
        (b"-.5", -0.5),
    ],
)
def test_numbers_as_text(raw: bytes, number: float) -> None:
    found = header("DS", raw).number(TAG)
    assert found == number
    assert isinstance(found, int) is isinstance(number, int)


@pytest.mark.parametrize("raw", [b"abc", b"\\1", b"1,5", b"0x10", b"--1", b"1 2", b"\xb2", "٣".encode(), b"e5", b"."])
def test_text_that_is_no_number_is_none(raw: bytes) -> None:
    assert header("IS", raw).number(TAG) is None


@pytest.mark.parametrize("raw", [b"nan", b"inf", b"-inf", b"infinity", b"1e999", b"9" * 5000, b"1_000"])
def test_what_python_takes_for_a_number_and_dicom_does_not_is_none(raw: bytes) -> None:
    """VR DS and IS know digits, sign, point and exponent only; no number may come out that int() cannot take."""
    assert header("DS", raw).number(TAG) is None


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([*sorted(BINARY), "DS", "IS", "LO", "UN", "OB"]), st.binary(max_size=20), st.booleans())
def test_any_bytes_as_numbers_text_and_uid(vr: str, raw: bytes, big_endian: bool) -> None:
    found = header(vr, raw, big_endian=big_endian)
    number = found.number(TAG)
    assert number is None or isinstance(number, int | float)
    text = found.text(TAG)
    assert text is None or text
    assert len(found.uid(TAG)) <= len(raw)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("code", ["f", "d"])
def test_binary_not_a_numbers_and_infinities_are_none(code: str, value: float) -> None:
    found = header({"f": "FL", "d": "FD"}[code], struct.pack(f"<{code}", value))
    assert (found.number(TAG), found.text(TAG)) == (None, None)


def test_a_number_of_64_bytes_is_read_and_a_longer_one_is_none() -> None:
    """None, not the number that its first bytes say."""
    assert header("DS", b"1." + b"0" * 62).number(TAG) == 1
    assert header("DS", b"1." + b"0" * 63).number(TAG) is None
    assert header("DS", b"1." + b"0" * 62 + b"\\2" * 1000).number(TAG) == 1
    assert header("IS", b" " * 65000 + b"1").number(TAG) is None
    assert header("DS", b"1" * 65000).number(TAG) is None


# ---- UIDs ----


def test_a_uid_loses_its_padding_and_nothing_else() -> None:
    assert header("UI", b"  1.2.3\0").uid(TAG) == "1.2.3"
    assert header("UI", b" 1.2. ").uid(TAG) == "1.2."
    assert header("UI", b"1.2.840.10008.1.2\0").uid(TAG) == "1.2.840.10008.1.2"
    assert header("UI", b"1.2 ").uid(TAG) == "1.2"
    assert header("UI", b"../../x").uid(TAG) == "../../x"
    assert header("UI", b"1.2.3\0/../x").uid(TAG) == "1.2.3\0/../x"
    assert header("UI", b"\xff\x1b").uid(TAG) == "\xff\x1b"


@pytest.mark.parametrize(
    "text", ["1", "1.2", "0.0", "1.2.840.10008.5.1.4.1.1.4", "1.02.3", "9" * 64, "1..2", "1.2.", ".1", "..1"]
)
def test_uids(text: str) -> None:
    assert is_uid(text)


NO_UIDS = [
    ".",
    "..",
    "...",
    "." * 64,
    "." * 63 + "12",
    "1.2a",
    "-1.2",
    "1,2",
    "../1",
    "/1",
    "1/2",
    "a",
    "²",
    "1.2.\u0663",
    "\u0661",
]


@pytest.mark.parametrize("text", [*NO_UIDS, "", "1.2\n", "\n1.2", "1.2 ", "1.2\0", "9" * 65])
def test_what_is_no_uid(text: str) -> None:
    assert not is_uid(text)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=70))
def test_a_uid_is_a_safe_file_name(text: str) -> None:
    if is_uid(text):
        assert set(text) <= set("0123456789.")
        assert set(text) != {"."}
        assert 1 <= len(text) <= 64


def test_a_header_of_a_scan() -> None:
    data = (
        element(BIG, SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192")
        + element(BIG, TAG, "LO", "größer ".encode())
        + element(BIG, 0x00280010, "US", b"\1\2")
    )
    found = Header(scan(data, BIG.uid, Wanted([(SPECIFIC_CHARACTER_SET, "CS"), (TAG, "LO"), (0x00280010, "US")])))
    assert (found.text(TAG), found.number(0x00280010)) == ("größer", 258)
