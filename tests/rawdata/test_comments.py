"""Comments in ZIP archives: what they say, and that hostile ones say nothing, soon."""

from __future__ import annotations

import io
import struct
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.rawdata.comments import comment_text, text_of_html, text_of_rtf


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in members:
            made.writestr(name, data)
    return buffer.getvalue()


PAGE = """<HTML><HEAD><TITLE>x</TITLE><style>p {color: red}</style></HEAD><body onload="evil()">
<!-- hidden <b> --><P>Axial rsfMRI<BR>(Eyes&nbsp;Open)</P><script>alert("x < y")</script>
<p>Subjects < 70 y &amp; others<img src="file:///c:/x.jpg"> &lt;b&gt;</p></body>"""
TEXT = "Axial rsfMRI\n(Eyes Open)\n\nSubjects < 70 y & others <b>"
RTF = rb"""{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Arial;}}{\colortbl ;\red0\green0\blue0;}
\viewkind4\pard\cf1\b\f0\fs20 T2\b0  \'e0 la \{carte\}\par
\u8211?{\*\generator x}{\pict 0102} end\par }"""


def test_pages() -> None:
    assert text_of_html(PAGE) == TEXT
    for data in (PAGE.encode(), PAGE.encode("utf-16"), b"\xef\xbb\xbf" + PAGE.encode()):
        assert comment_text(archive(("index.htm", data), ("x.rtf", RTF))) == TEXT
    assert comment_text(archive(("index.htm", "Größe".encode("windows-1252")))) == "Größe"


def test_texts_where_the_page_is_empty() -> None:
    assert text_of_rtf(RTF.decode("latin-1")) == "T2 à la {carte}\n\u2013? end"
    made = archive(
        ("a.2rtf", b"{\\rtf1 second}"), ("a.rtf", b"{\\rtf1 first}"), ("index.htm", b""), ("a.jpg", b"\xff\xd8")
    )
    assert comment_text(made) == "first\nsecond"


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"PK",
        b"no archive",
        archive(),
        archive(("index.htm", b"")),
        archive(("../../etc/passwd", b"text")),
        archive(("index.htm", b"x"))[:-10],
        archive(("index.htm", b"text " * 99)).replace(b"\x08\x00", b"\x63\x00"),  # an unknown method
        archive(("index.htm", b"text"), method=zipfile.ZIP_LZMA),  # its dictionary may be of any size
    ],
    ids=lambda made: f"{len(made)} bytes",
)
def test_nothing_to_read(made: bytes) -> None:
    assert comment_text(made) == ""


def test_a_bomb_is_read_only_as_far_as_a_comment_goes() -> None:
    bomb = archive(("index.htm", b"a" * (64 << 20)))
    began = time.process_time()
    assert len(comment_text(bomb)) == 1 << 18
    assert time.process_time() - began < 1


def test_a_directory_of_many_is_not_read() -> None:
    many = archive(*((f"{number}.rtf", b"") for number in range(1001)))
    assert comment_text(many) == ""
    lies = bytearray(archive(("index.htm", b"text")))
    struct.pack_into("<I", lies, lies.rindex(b"PK\5\6") + 12, 1 << 30)
    assert comment_text(bytes(lies)) == ""


@pytest.mark.parametrize("piece", ["<", "<a", "<!--", "<script>", "</p", "&", "&#", "{\\rtf1", "{", "\\'4", "\\u-5?"])
def test_time_grows_with_length_only(piece: str) -> None:
    began = time.process_time()
    text_of_html(piece * (200_000 // len(piece)))
    text_of_rtf(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 2


@given(st.text(max_size=60), st.binary(max_size=60))
def test_anything_is_a_comment(text: str, data: bytes) -> None:
    for found in (
        text_of_html(text),
        text_of_rtf(text),
        comment_text(data),
        comment_text(archive(("index.htm", data))),
    ):
        assert "\0" not in found
        assert found == found.strip()
