"""What stands between the network and whoever keeps the images: limits, callers, sinks, handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mrdock.network.association import Context
from mrdock.network.dimse import Command


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener bears. Times in seconds, lengths in bytes."""

    associations: int = 50
    per_peer: int = 10
    longest_pdu: int = 131072
    idle: float = 60.0
    acse: float = 30.0
    whole_pdu: float = 60.0
    object_size: int = 8 << 30


@dataclass(frozen=True, slots=True)
class Caller:
    """An association as handlers see it; ``association`` is a random id."""

    association: str
    listener: str
    calling: str
    called: str
    host: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a store ended: the status to answer and, for failures, a word for the Error Comment (0000,0902)."""

    status: int
    comment: str = ""


class Sink(Protocol):
    """Takes one data set: `write` again and again, then `seal`, `place`, `finish` and `settle`, or `discard` instead.

    Of data sets that came one right behind the other, all are sealed before the first is placed, and all are placed
    before the first is finished, so that what is waited for (a disk) can be waited for together.
    """

    def write(self, fragment: memoryview) -> None:
        """Take a fragment; it is not valid after the call."""

    def seal(self) -> None:
        """The data set is whole."""

    def place(self) -> None:
        """Put it where it is to be kept."""

    def finish(self) -> Outcome:
        """Keep it for good, or say why not; this is answered."""

    def settle(self) -> None:
        """The answer is sent: do what nobody had to wait for."""

    def discard(self) -> None:
        """The data set will not be whole: leave nothing behind."""


class Handler(Protocol):
    """What a storage server does with what it hears. Called from many threads."""

    def opened(self, caller: Caller) -> None:
        """An association was accepted."""

    def store(self, caller: Caller, context: Context, command: Command) -> Sink:
        """A C-STORE begins."""

    def closed(self, caller: Caller, how: str) -> None:
        """An association ended; ``how`` is one word or sentence."""

    def refused(self, host: str, calling: str, why: str) -> None:
        """A connection was refused before it became an association."""
