"""What a series is called: ``02_Resting``, ``02r3_Resting`` by acquisition, reconstruction and description.

Philips: Series Number is 100 times the acquisition plus the reconstruction (release 5.7: 201, 402, 1901), both stand in
(2001,xx7B) and (2001,xx1D) as well, and in PAR files. Of other makers the number of the series is that of the
acquisition.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from mrdock.sorting.cleanup_reading import ACQUISITION, MANUFACTURER, RECONSTRUCTION
from mrdock.sorting.records import ImageRecord
from mrdock.sorting.safe import clash_key, safe

_LARGEST: Final = 10_000_000
_LONGEST: Final = 80  # characters; a series description has up to 64
_RESEARCH: Final = re.compile(r"^\s*WIP\s+(?=\S)")
"""What a scanner puts before the protocol's name of a research scan; the series description is without it."""

_LABEL: Final = re.compile(r"n?[0-9]{2,}(r[0-9]+)?(_.*)?", re.DOTALL)


class Number(NamedTuple):
    """Which acquisition, and which of its reconstructions."""

    acquisition: int
    reconstruction: int = 1

    @property
    def series(self) -> int:
        """Philips' Series Number."""
        return 100 * self.acquisition + self.reconstruction


def number_of_record(record: ImageRecord) -> Number:
    """By what the header says itself, else by its Series Number."""
    acquisition, reconstruction = _whole(record.number(ACQUISITION)), _whole(record.number(RECONSTRUCTION))
    if acquisition is not None and reconstruction is not None:
        return Number(acquisition, reconstruction)
    philips = acquisition is not None or "philips" in record.text(MANUFACTURER).lower()
    return number_of_series(record.series_number or 0, philips=philips)


def number_of_series(series: int, *, philips: bool) -> Number:
    """By the Series Number alone."""
    return Number(*divmod(series, 100)) if philips and series >= 100 else Number(series)


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and 0 <= value < _LARGEST else None


def label_of_record(record: ImageRecord) -> str:
    """What the series of a file is called."""
    return label(number_of_record(record), record.series_description or record.protocol)


@lru_cache(maxsize=1 << 12)
def label(number: Number, description: str) -> str:
    """Number and description as a name for any system."""
    acquisition, reconstruction = number
    digits = f"{acquisition:02d}" if acquisition >= 0 else f"n{-acquisition:02d}"
    if reconstruction != 1:
        digits += f"r{reconstruction}"
    return safe(f"{digits}_{_RESEARCH.sub('', description)}", _LONGEST)


def looks_like_label(name: str) -> bool:
    """Whether a name may be one of ours."""
    return _LABEL.fullmatch(name) is not None


def numbered(base: str, number: int) -> str:
    """``02_Resting``, ``02_Resting_2``, ``02_Resting_3``."""
    return base if number == 1 else f"{base}_{number}"


def number_in(name: str, base: str) -> int:
    """Which of these a name is: 1 for the base itself; 0 where it is none."""
    if clash_key(name) == clash_key(base):
        return 1
    stem, _, end = name.rpartition("_")
    if clash_key(stem) != clash_key(base) or not (end.isascii() and end.isdecimal()) or end[0] == "0" or len(end) > 4:
        return 0
    return int(end) if end != "1" else 0
