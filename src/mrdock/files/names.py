"""Names of files and texts from headers, made fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """A name or a header's text for a terminal: control characters and undecodable bytes as ``\\n``, ``\\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
