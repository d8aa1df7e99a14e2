"""Comments of ExamCards as plain text. They are untrusted HTML or RTF in a ZIP: nothing is extracted, nothing is run.

A comment (``HtmlItemDescription``) has ``index.htm`` in UTF-16 or 8 bits, often empty, or a plain line of text; pages
that came with the scanner have their texts in members called ``*.rtf``, ``*.1rtf`` and so on (release 5.7).
"""

from __future__ import annotations

import html
import io
import re
import struct
import zipfile
import zlib
from typing import Final

_LONGEST_TEXT: Final = 1 << 18
_LONGEST_ARCHIVE: Final = 64 << 20
_MOST_MEMBERS: Final = 1000
_MOST_TEXTS: Final = 8
_END = struct.Struct("<4s4H2IH")  # PKWARE's end of central directory record
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def comment_text(archive: bytes) -> str:
    """The text of a comment, paragraphs on lines of their own; empty where there is none that can be read."""
    if not _is_small_archive(archive):
        return ""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            pages, texts = _members(opened)
            found = [_text(opened, member) for member in pages]
            if not any(found):
                found = [_text(opened, member) for member in texts]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        return ""
    return "\n".join(dict.fromkeys(text for text in found if text))[:_LONGEST_TEXT]


def _is_small_archive(archive: bytes) -> bool:
    """Whether the directory is small enough to be read; the 64-bit form of it has no place in a comment."""
    at = archive.rfind(b"PK\5\6")
    if at < 0 or len(archive) > _LONGEST_ARCHIVE or len(archive) - at < _END.size or b"PK\6\7" in archive[at - 20 : at]:
        return False
    _, _, _, _, members, size, _, _ = _END.unpack_from(archive, at)
    return int(members) <= _MOST_MEMBERS and int(size) <= _MOST_MEMBERS << 9


def _members(archive: zipfile.ZipFile) -> tuple[list[zipfile.ZipInfo], list[zipfile.ZipInfo]]:
    """The page, and the texts that stand in for it where it is empty, in the order of such pages."""
    found = [member for member in archive.infolist() if member.compress_type in _METHODS and not member.flag_bits & 1]
    pages = [member for member in found if member.filename.lower().endswith((".htm", ".html"))]
    texts = [member for member in found if re.search(r"\.\d?rtf$", member.filename.lower())]
    texts.sort(key=lambda member: member.filename[-4:].lower().replace(".rtf", "0rtf"))
    return pages[:1], texts[:_MOST_TEXTS]


def _text(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    with archive.open(member) as stream:
        raw = stream.read(_LONGEST_TEXT)
    text = _decoded(raw)
    return text_of_rtf(text) if text.lstrip().startswith("{\\rtf") else text_of_html(text)


def _decoded(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("windows-1252", errors="replace")


_BLOCKS: Final = frozenset(["p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol"])
_BEGINS_A_TAG: Final = re.compile(r"[A-Za-z/!?]")
_UNSEEN: Final = frozenset(["script", "style", "title", "head"])


def text_of_html(page: str) -> str:
    """The text that a page shows: tags, scripts and comments left out, in time that grows with its length only."""
    pieces: list[str] = []
    unseen = ""
    for number, part in enumerate(_without_comments(page).split("<")):
        tag, closed, text = part.partition(">") if number else ("", "", part)
        if number and not _BEGINS_A_TAG.match(part):
            pieces.append("" if unseen else html.unescape("<" + part))
            continue
        if number and not closed:
            continue
        name = re.match(r"/?[A-Za-z0-9]*", tag)
        word = name.group().lower() if name else ""
        if unseen:
            if word == f"/{unseen}":
                unseen = ""
            else:
                continue
        elif word in _UNSEEN:
            unseen = word
            continue
        pieces.append(("\n" if word.lstrip("/") in _BLOCKS else "") + html.unescape(text).replace("\r", ""))
    return _tidied("".join(pieces))


def _without_comments(page: str) -> str:
    pieces = page.split("<!--")
    return pieces[0] + "".join(piece.partition("-->")[2] for piece in pieces[1:])


_RTF: Final = re.compile(r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)", re.DOTALL)
_DESTINATIONS: Final = frozenset(
    ["fonttbl", "colortbl", "stylesheet", "info", "pict", "header", "footer", "object", "generator"]
)
_SIGNS: Final = {"par": "\n", "line": "\n", "tab": "\t", "bullet": "\u2022", "emdash": "\u2014", "endash": "\u2013"}


def text_of_rtf(rtf: str) -> str:
    """The text of an RTF document, without its fonts, colours and pictures."""
    pieces: list[str] = []
    depth, unseen = 0, 0  # unseen: the depth of the group that is left out
    for match in _RTF.finditer(rtf):
        word, number, octet, sign, brace, text = match.groups()
        if brace:
            depth += 1 if brace == "{" else -1
            unseen = unseen if unseen and depth >= unseen else 0
        elif unseen:
            continue
        elif word in _DESTINATIONS or sign == "*":
            unseen = depth or 1
        elif word:
            pieces.append(_character(number) if word == "u" and number else _SIGNS.get(word, ""))
        elif octet:
            pieces.append(bytes.fromhex(octet).decode("windows-1252", errors="replace"))
        else:
            pieces.append(sign if sign is not None and sign in "\\{}" else text or "")
    return _tidied("".join(pieces))


def _character(number: str) -> str:
    code = int(number) & 0xFFFF
    return "" if 0xD800 <= code < 0xE000 else chr(code)


def _tidied(text: str) -> str:
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).replace("\0", "").strip()
