"""XML from a scanner as a tree, within limits: no document type, so no entities; depth, elements and size counted.

Knows names without their prefixes: in ExamCards the namespace of one class differs between releases.
"""

from __future__ import annotations

from typing import Final, NoReturn
from xml.parsers import expat

from mrdock.errors import ExamCardError

MOST_BYTES: Final = 64 << 20
"""Larger documents are refused; the largest ExamCard seen has 4 MB."""

_MOST_ELEMENTS: Final = 200_000  # 12,060 seen
_DEEPEST: Final = 64  # 5 seen
_LONGEST_TAG: Final = 1 << 18
_PIECE: Final = 1 << 16
_JUNK_BEHIND: Final = "junk after document element"


class Node:
    """One element: its name, the attributes id, href and null, its text, and the elements in it."""

    __slots__ = ("_first", "children", "href", "id", "name", "null", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        """An element without content."""
        self.name = _local(name)
        self.id = self.href = ""
        self.null = False
        for key, value in attributes.items():
            match _local(key):
                case "id":
                    self.id = value
                case "href":
                    self.href = value
                case "null":
                    self.null = value in ("1", "true")
        self.text = ""
        self.children: list[Node] = []
        self._first: dict[str, Node] | None = None

    def child(self, name: str) -> Node | None:
        """The first element of that name in this one; the tree must not change afterwards."""
        if self._first is None:
            self._first = {child.name: child for child in reversed(self.children)}
        return self._first.get(name)


def read_xml(data: bytes) -> Node:
    """Read a document; what stands behind its end is left alone: NULs, and what a longer file had there before.

    Raises `ExamCardError`, without a path, where it is no XML, has a document type, or goes beyond the limits.
    """
    data = data.rstrip(b"\0")
    if len(data) > MOST_BYTES:
        raise ExamCardError(f"{len(data) >> 20} MiB of XML are more than {MOST_BYTES >> 20}")
    reader = _Reader(_encoding(data))
    reader.feed(data)
    if reader.root is None:
        raise ExamCardError("is empty")
    return reader.root


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _encoding(data: bytes) -> str | None:
    """What an undeclared document that is not UTF-8 is read as: the code page of the scanners' Windows."""
    if data[:5] == b"<?xml" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return None


class _Reader:
    """Collects what expat finds."""

    def __init__(self, encoding: str | None) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._text: list[list[str]] = []
        self._count = 0
        parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._parser = parser

    def feed(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), _PIECE):
                self._parser.Parse(data[start : start + _PIECE])
                if start + _PIECE - self._parser.CurrentByteIndex > _LONGEST_TAG + _PIECE:
                    raise ExamCardError("has an XML tag that is longer than any card's")
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            ended = self.root is not None and not self._open
            if (ended and expat.ErrorString(error.code) == _JUNK_BEHIND) or (ended and error.code == _INVALID_TOKEN):
                return
            what = expat.ErrorString(error.code)
            raise ExamCardError(f"no XML that can be read: {what} in line {error.lineno}") from None
        except (ValueError, LookupError, UnicodeError):
            raise ExamCardError("no XML that can be read: its encoding is not known") from None

    def _doctype(self, *_: object) -> NoReturn:
        raise ExamCardError("has a document type declaration, which no ExamCard has")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS:
            raise ExamCardError(f"has more than {_MOST_ELEMENTS} XML elements")
        if len(self._open) >= _DEEPEST:
            raise ExamCardError(f"has XML elements more than {_DEEPEST} deep")
        node = Node(name, attributes)
        if self._open:
            self._open[-1].children.append(node)
        elif self.root is None:
            self.root = node
        self._open.append(node)
        self._text.append([])

    def _end(self, _: str) -> None:
        node = self._open.pop()
        text = "".join(self._text.pop())
        node.text = text if not node.children else text.strip()

    def _characters(self, text: str) -> None:
        if self._text:
            self._text[-1].append(text)


_INVALID_TOKEN: Final = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]
