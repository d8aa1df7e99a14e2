"""What a conversion could not carry over, or did not find: for people, one line each."""

from __future__ import annotations

from mrdock.files.names import printable


class Notes:
    """Lines, each once, in the order in which they came."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def add(self, line: str) -> None:
        """Remember a line; it begins with what it is about."""
        self._lines.setdefault(printable(line))

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines."""
        return tuple(self._lines)
