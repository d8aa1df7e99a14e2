"""The words that the scanner shows for parameters and for the members of their enumerations.

Two tables lie beside this module. ``parameters.tsv``: section, status and label of each parameter, and its spelling in
the scanner's text export where that has other blanks (where it was never seen there, those of its neighbours).
``enums.tsv``: the tokens of each enumeration with the releases whose list has them, and the labels that follow no rule.
Both were made from text exports, a print-out and ExamCards of the releases 3.2 to 5.7, aligned with the parameters of
the same scans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Final, Literal, NamedTuple

Status = Literal["shown", "guess", "hidden", "mark"]

SECTIONS: Final = ("GEOMETRY", "CONTRAST", "MOTION", "DYN/ANG", "POST/PROC", "OFFC/ANG", "INFO PAGE")
"""The sections of the scanner's print-out, in the order of the parameters."""

RELEASES: Final = ("3.2", "5.1", "5.3", "5.7")
"""The releases whose token lists are known."""


class Label(NamedTuple):
    """What is known of a parameter.

    ``status``: ``shown`` was seen on exports or print-outs; ``hidden`` was in such scans, and not on the paper;
    ``guess`` was never in one, its text is made of the parameter's name; ``mark`` begins a section. ``export``: the
    spelling of the text export where that is not the text itself. Both may have fields in braces, for directions (m, p,
    s) and echoes.
    """

    section: str
    status: Status
    text: str
    export: str


class Token(NamedTuple):
    """One member of an enumeration: its name in the scanner's software, empty where only its label was seen."""

    name: str
    label: str


def known_release(software: str) -> str | None:
    """The release whose token lists hold for a software version (``5.7.1.1``), None where they are not known."""
    match = re.match(r"\s*R?(\d+)\.(\d+)(?![\d])", software)
    release = f"{int(match[1])}.{int(match[2])}" if match else ""
    return release if release in RELEASES else None


def parameter_label(name: str) -> Label | None:
    """What is known of a parameter, None where it is new."""
    return _parameters().get(name)


def enum_token(parameter: str, index: int, release: str) -> str | None:
    """The token of an enumeration's member in a release (``5.7.1.1``), None where that is not known."""
    found = _member(parameter, index, release)
    return found.name or None if found else None


def enum_label(parameter: str, index: int, release: str) -> str | None:
    """The word that the scanner shows for an enumeration's member in a release, None where that is not known."""
    found = _member(parameter, index, release)
    return found.label if found else None


def token_label(parameter: str, token: str) -> str:
    """The word that the scanner shows for a token; an ExamCard has the tokens with it, whatever its release."""
    return _exceptions().get((parameter, token)) or _word(token)


def _member(parameter: str, index: int, release: str) -> Token | None:
    known = known_release(release)
    return _tokens(known).get((parameter, index)) if known else None


def _lines(table: str) -> Iterator[list[str]]:
    text = resources.files(__package__ or "mrdock.rawdata").joinpath(table).read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        yield line.split("\t")


@cache
def _parameters() -> dict[str, Label]:
    found = {}
    for name, section, status, *texts in _lines("parameters.tsv"):
        text, export = (*texts, "", "")[:2]
        found[name] = Label(section, _status(status), text, export)
    return found


def _status(word: str) -> Status:
    assert word in ("shown", "guess", "hidden", "mark"), word
    return word  # type: ignore[return-value]


@cache
def _enums() -> list[tuple[str, int, str, str, frozenset[str]]]:
    """Parameter, index, token, label (empty: by rule), releases (none given: 5.7, of whose exports it is)."""
    found = []
    for parameter, index, token, *rest in _lines("enums.tsv"):
        label, releases = (*rest, "", "")[:2]
        found.append((parameter, int(index), token, label, frozenset((releases or "5.7").split(","))))
    return found


@cache
def _tokens(release: str) -> dict[tuple[str, int], Token]:
    return {
        (parameter, index): Token(token, label or _word(token))
        for parameter, index, token, label, releases in _enums()
        if release in releases
    }


@cache
def _exceptions() -> dict[tuple[str, str], str]:
    return {(parameter, token): label for parameter, _, token, label, _ in _enums() if label and token}


_WORDS: Final = {"USER_DEF": "user defined", "USER_DEFINED": "user defined", "USERDEF": "user defined", "NONE": "no"}

_CAPITALS: Final = (
    " AP APT AS B0 B1 BLAST CE CLEAR CSF CSPAMM DIXON DTI DWI ECG EPI FFE FFT FH FID FSR GRASE HF HOS IBS IR LR MAVRIC "
    "MIP MPR MS MSDE PA PC PEAR PPU PROSET QIR R2 RL SE SEMAC SENC SENSE SFQIR SPAIR SPAMM SPIR STAR SV TFE TSE TSI "
    "VCG "
)
"""Words of MR that are written in capitals; those with a digit (H1, T2, 3D) are, too."""


def _word(token: str) -> str:
    """The scanner's rule, which holds for 216 of 252 labels that were seen: small letters, blanks for ``_``."""
    if token in _WORDS:
        return _WORDS[token]
    return " ".join(word if _stays(word) else word.lower() for word in token.replace("_", " ").split(" "))


def _stays(word: str) -> bool:
    return len(word) == 1 or f" {word} " in _CAPITALS or bool(re.fullmatch(r"[A-Z]{1,2}\d{1,3}|\d[A-Z]{1,2}", word))
