"""What the answer to a C-STORE means (PS3.4 table B.2-1, PS3.7 annex C): one table of status codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status says.

    stored: the peer has the image, with or without a warning.
    again: it may store it at another time.
    """

    words: str
    stored: bool = False
    again: bool = False

    @property
    def warns(self) -> bool:
        """Whether it is stored, but not quite as it was sent."""
        return self.stored and bool(self.words)


# first status, last status, meaning; the first line that fits counts
TABLE: Final = (
    (0x0000, 0x0000, Meaning("", stored=True)),
    (0xB000, 0xB000, Meaning("stored, but some elements were changed", stored=True)),
    (0xB006, 0xB006, Meaning("stored, but some elements were dropped", stored=True)),
    (0xB007, 0xB007, Meaning("stored, but it does not fit its SOP class", stored=True)),
    (0xB000, 0xBFFF, Meaning("stored with a warning", stored=True)),
    (0x0105, 0x0107, Meaning("it finds an element wrong")),
    (0x0110, 0x0110, Meaning("it failed to process the image", again=True)),
    (0x0111, 0x0111, Meaning("it has another object with this SOP Instance UID")),
    (0x0112, 0x0112, Meaning("it knows no such object")),
    (0x0117, 0x0117, Meaning("it finds the SOP Instance UID wrong")),
    (0x0118, 0x0119, Meaning("the SOP Instance UID is not of this SOP class")),
    (0x0122, 0x0122, Meaning("it does not take this SOP class")),
    (0x0124, 0x0124, Meaning("it does not allow us to store")),
    (0x0210, 0x0213, Meaning("it does not understand the request")),
    (0xA700, 0xA7FF, Meaning("it has no room or no resources at the moment", again=True)),
    (0xA900, 0xA9FF, Meaning("the data set does not fit its SOP class")),
    (0xC000, 0xCFFF, Meaning("it cannot understand the data set")),
    (0xFE00, 0xFE00, Meaning("it cancelled the transfer", again=True)),
)

_UNKNOWN: Final = Meaning("it failed for a reason that the standard does not know", again=True)


def meaning(status: int) -> Meaning:
    """What ``status`` says. One that stands in no table is a failure that may pass."""
    for first, last, said in TABLE:
        if first <= status <= last:
            return said
    return _UNKNOWN
