"""What the pair of files made from a scan is called."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from mrdock.dicom import tags
from mrdock.dicom.reading import read_header
from mrdock.dicom.scan import Key
from mrdock.errors import ChoiceError, DicomError, UnsuitableError
from mrdock.files.names import printable
from mrdock.files.writing import output_stem

PATIENT_NAME: Final = 0x00100010

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_STEM: Final = "stem"


def default_stem(path: str) -> str:
    """The name without an ending: that of the file without a final ``.dcm``, or of the directory."""
    return output_stem(os.path.abspath(path) if os.path.isdir(path) else path)


def folder_of(path: str) -> str:
    """Where the pair goes by default: beside the file, or beside the directory."""
    return os.path.dirname(os.path.abspath(path)) if os.path.isdir(path) else os.path.dirname(path)


@dataclass(frozen=True)
class Pattern:
    """A name with fields in braces: tags as `tags.parse` takes them, or ``{stem}`` for the default name.

    ``parts`` are texts and keys in turn, None stands for the default name.
    """

    parts: tuple[str | Key | None, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ChoiceError` where it can be no name, `TagError` for a field that nothing is called."""
        if "/" in text or "\\" in text or not text.strip():
            raise ChoiceError(f"--name {printable(text)!r}: a name is expected, without directories")
        parts: list[str | Key | None] = []
        at = 0
        for field in _FIELD.finditer(text):
            parts.append(text[at : field.start()])
            parts.append(None if field[1] == _STEM else tags.parse(field[1]))
            at = field.end()
        parts.append(text[at:])
        if any(isinstance(part, str) and ("{" in part or "}" in part) for part in parts[::2]):
            raise ChoiceError(f"--name {printable(text)!r}: braces come in pairs")
        return cls(tuple(parts))

    @property
    def keys(self) -> list[Key]:
        """The tags in it."""
        return [part for part in self.parts[1::2] if part is not None]  # type: ignore[misc]

    def name(self, path: str, clean: Callable[[str], str]) -> str:
        """The name for a file, or for the first image in a directory; ``clean`` makes a value fit for a file name.

        Raises `DicomError`, which names the file, or OSError.
        """
        header = self._header(path)
        words = [self.parts[0]]
        for field, text in zip(self.parts[1::2], self.parts[2::2], strict=True):
            words += [default_stem(path) if field is None else clean(header.get(field, "")), text]
        name = "".join(map(str, words))
        if not name.strip(" ."):
            raise UnsuitableError(f"{printable(path)}: its header has nothing of what --name asks for")
        return name

    def _header(self, path: str) -> dict[str | Key, str]:
        keys = self.keys
        if not keys:
            return {}
        wanted = tags.wanted(keys)
        paths = [path]
        if os.path.isdir(path):
            with os.scandir(path) as entries:
                paths = sorted(entry.path for entry in entries if entry.is_file() and not entry.name.startswith("."))
        reason: DicomError | None = None
        for each in paths:
            try:
                header = read_header(each, wanted).header
            except DicomError as error:
                reason = reason or error
                continue
            return {key: header.text(key) or "" for key in keys}
        what = str(reason) if reason and paths == [path] else "a directory without classic MR images"
        raise type(reason or UnsuitableError(""))(f"{printable(path)}: {what}")
