"""The objects of an ExamCard: a flat list of XML elements that refer to each other by id (SoapFormatter of .NET).

A field holds its value itself or has ``href="#ref-N"``; the element with that id may have any name, for a text that is
used twice stands where it was used first. References may dangle or go in circles in a damaged file: then there is
nothing at their end. Names are those of releases 3.2 to 5.7, whose namespaces differ.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from mrdock.errors import ExamCardError
from mrdock.rawdata.xml_tree import Node

_LONGEST_CHAIN: Final = 8
_LONGEST_TEXT: Final = 2048
_MOST_MEMBERS: Final = 500_000  # of all lists, each as often as it is looked at


class Soap:
    """The objects of one document."""

    def __init__(self, root: Node) -> None:
        """Collect the ids. Raises `ExamCardError` where two elements have the same."""
        self.root = root
        self._ids: dict[str, Node] = {}
        self._left = _MOST_MEMBERS
        todo = [root]
        while todo:
            node = todo.pop()
            todo.extend(node.children)
            if node.id and self._ids.setdefault(node.id, node) is not node:
                raise ExamCardError(f"two of its objects have the id {node.id[:40]}")

    def first(self, name: str) -> Node | None:
        """The first object of that class in the body."""
        body = self.root.child("Body")
        return body.child(name) if body is not None else None

    def field(self, node: Node | None, *path: str) -> Node | None:
        """What a field holds, or a field of that; None where there is nothing."""
        for name in path:
            found = node.child(name) if node is not None else None
            node = self._followed(found) if found is not None else None
        return node

    def text(self, node: Node | None, *path: str) -> str:
        """The text of a field, without blanks around it; empty where there is none. One that is very long is cut."""
        found = self.field(node, *path)
        return found.text[:_LONGEST_TEXT].strip() if found is not None else ""

    def members(self, node: Node | None) -> Iterator[Node]:
        """The members of an ArrayList: as many of its array as it says it has, or all where it says nonsense."""
        array = self.field(node, "_items")
        if array is None:
            return
        size = self.text(node, "_size")
        count = int(size) if size.isdecimal() and len(size) < 10 else len(array.children)
        for item in array.children[:count]:
            self._left -= 1
            if self._left < 0:
                raise ExamCardError("has lists that are shared so often that they have too many members")
            found = self._followed(item)
            if found is not None:
                yield found

    def binary(self, node: Node) -> bytes:
        """The bytes that an element has in base64; raises `ExamCardError` where it is none."""
        try:
            return base64.b64decode("".join(node.text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise ExamCardError("no base64") from None

    def _followed(self, node: Node) -> Node | None:
        for _ in range(_LONGEST_CHAIN):
            if node.null:
                return None
            if not node.href:
                return node
            target = self._ids.get(node.href[1:]) if node.href[0] == "#" else None
            if target is None:
                return None
            node = target
        return None
