"""Values of parameters as the scanner writes them: on its print-out, and in its text export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Final

from mrdock.dicom.rendering import single_text
from mrdock.files.names import printable
from mrdock.rawdata.labels import enum_label, enum_token, token_label
from mrdock.rawdata.parameters import Parameter

_MOST_RUNS: Final = 64
_LONGEST_WORD: Final = 80

shortest = lru_cache(maxsize=1 << 14)(single_text)
"""The shortest decimal of a 32-bit number; arrays have thousands of equal ones."""


def words(parameter: Parameter, release: str) -> list[str]:
    """The labels of an enumeration's values; a bare number where neither block nor release has words for it."""
    return [_word(parameter, int(value), release) for value in parameter.values]


def _word(parameter: Parameter, index: int, release: str) -> str:
    if parameter.tokens is not None:
        known = 0 <= index < len(parameter.tokens)
        return token_label(parameter.name, parameter.tokens[index][:_LONGEST_WORD]) if known else str(index)
    label = enum_label(parameter.name, index, release)
    return str(index) if label is None else label


def token(parameter: Parameter | None, release: str) -> str:
    """The software's own word for an enumeration's first value, empty where there is none."""
    if parameter is None or parameter.kind != "enum" or not parameter.values:
        return ""
    if parameter.tokens is not None:
        return (parameter.token() or "")[:_LONGEST_WORD]
    return enum_token(parameter.name, int(parameter.values[0]), release) or ""


def printed(parameter: Parameter, release: str, first_only: bool = False) -> str:
    """The value as on the print-out: floats with 7 digits, lists with commas; of a stack's array the first only."""
    return printable(", ".join(_texts(parameter, release, 7, first_only)))


def exported(parameter: Parameter, release: str, first_only: bool = False) -> str:
    """The value as in the text export: floats with 9 digits, words in quotes, runs counted before the value."""
    texts = _texts(parameter, release, 9, first_only)
    if parameter.kind == "enum":
        texts = [text if _is_bare(parameter, text, release) else f'"{text}"' for text in texts]
    elif parameter.kind == "string":
        texts = [f'"{text}"' for text in texts]
    return ", ".join(text if count == 1 else f"({count}) {text}" for text, count in runs(texts))


def complete(parameter: Parameter, release: str) -> str:
    """All values on one line, for those that the scanner does not show: runs counted, a very long list cut short."""
    texts = [shortest(float(value)) for value in parameter.values] if parameter.kind == "float" else None
    found = list(runs(texts if texts is not None else _texts(parameter, release, 9, False)))
    while found and not found[-1][0]:
        found.pop()
    shown = ", ".join(text if count == 1 else f"({count}) {text}" for text, count in found[:_MOST_RUNS])
    rest = len(found) - _MOST_RUNS
    return printable(shown) + (f", and {rest} more" if rest > 0 else "")


def runs(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Equal neighbours and how many they are."""
    for text, group in groupby(texts):
        yield text, sum(1 for _ in group)


def _texts(parameter: Parameter, release: str, digits: int, first_only: bool) -> list[str]:
    values = parameter.values[:1] if first_only else parameter.values
    if parameter.kind == "enum":
        found = words(parameter, release)
        return found[:1] if first_only else found
    if parameter.kind == "float":
        return [_number(float(value), digits) for value in values]
    return [str(value) for value in values]


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return "0" if text == "-0" and digits == 7 else text


def _is_bare(parameter: Parameter, text: str, release: str) -> bool:
    """Whether a text is the number that stands for a word which is not known."""
    if not text.lstrip("-").isdecimal():
        return False
    if parameter.tokens is not None:
        return text not in [token_label(parameter.name, word) for word in parameter.tokens]
    return all(enum_label(parameter.name, int(value), release) != text for value in parameter.values)
