"""Readers of single settings: they return the value, or raise `ValueError` with what is expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)?", re.IGNORECASE)
_MOST = 1 << 60
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_TITLE = re.compile(r"[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?")


@dataclass(frozen=True, slots=True)
class Free:
    """The space that stays free: a share of the file system or a number of bytes."""

    share: float = 0.0
    size: int = 0

    def bytes_of(self, total: int) -> int:
        """The limit in bytes on a file system of ``total`` bytes."""
        return max(self.size, int(total * self.share))

    def __str__(self) -> str:
        return f"{self.share:.4%}".rstrip("0%").rstrip(".") + "%" if self.share else f"{self.size} bytes"


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value.strip()


def any_text(value: object) -> str:
    """A text, empty too."""
    if not isinstance(value, str):
        raise ValueError("a text")
    return value.strip()


def path_or_nothing(value: object) -> Path | None:
    """An absolute path; an empty text for none."""
    return None if value == "" else path(value)


def title(value: object) -> str:
    """An AE title (PS3.5 section 6.2)."""
    if not isinstance(value, str) or not _TITLE.fullmatch(value):
        raise ValueError("an AE title: 1 to 16 printable characters, no backslash")
    return value


def yes_or_no(value: object) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def whole(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers in a range."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return read


def number(above: float, most: float = 1e9) -> Callable[[object], float]:
    """A reader of numbers above a bound."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= most:
            raise ValueError(f"a number above {above:g}, {most:g} at most")
        return float(value)

    return read


def size(value: object) -> int:
    """A number of bytes, with or without a unit."""
    number = -1.0
    if isinstance(value, int) and not isinstance(value, bool) and value <= _MOST:
        number = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        number = float(match[1]) * _UNITS[(match[2] or "B").lower()]
    if not 0 <= number <= _MOST:
        raise ValueError('a size such as "8 GiB" or a number of bytes')
    return int(number)


def free(value: object) -> Free:
    """A share of the disk or a size."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())):
        share = float(match[1]) / 100
        if share < 1:
            return Free(share=share)
    try:
        return Free(size=size(value))
    except ValueError:
        raise ValueError('a share such as "5%" or a size such as "20 GB"') from None


def path(value: object) -> Path:
    """An absolute path; ~ is the home directory."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("a path")
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError("a path in the home of somebody who exists") from None
    if not path.is_absolute():
        raise ValueError("an absolute path")
    return path


def paths(value: object) -> tuple[Path, ...]:
    """A list of absolute paths."""
    if not isinstance(value, list):
        raise ValueError("a list of absolute paths")
    return tuple(path(item) for item in value)


def mode(value: object) -> int:
    """File permissions in octal."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-7]{3,4}", value):
        raise ValueError('a mode in octal such as "0660"')
    return int(value, 8)


def one_of(*choices: str) -> Callable[[object], str]:
    """A reader of one of several words."""

    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(" or ".join(f'"{choice}"' for choice in choices))
        return str(value)

    return read
