"""The record beside a study's images: what happened to it, one JSON object a line, never changed, only added to.

Images say themselves when and from whom they came (`Receipt`, in their File Meta Information); the record keeps what
images cannot say: whose directory this is, where series were routed, what a person asked for, which images were
taken. Index and store can be brought together from both at any time.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from mrdock.dicom.values import is_uid
from mrdock.dock.clock import parse_stamp, stamp
from mrdock.files.durable import append_line, opened

NAME: Final = ".mrdock-study"
_LONGEST: Final = 1 << 28
_ASSOCIATION: Final = re.compile(r"[0-9A-Za-z]{1,32}")

PRIVATE_CREATOR: Final = "2.25.227587837886440796627773595773635089360"
"""Whose Private Information (0002,0102) in an image's File Meta Information is: the dock's receipt."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """When an image came, and by which association."""

    received: float
    association: str

    def encode(self) -> bytes:
        """As the bytes of Private Information."""
        return f"received={stamp(self.received)} association={self.association}".encode("ascii")

    @classmethod
    def decode(cls, raw: bytes) -> Receipt | None:
        """Read what `encode` wrote; None where it is something else."""
        try:
            pairs = dict(word.split("=", 1) for word in raw.rstrip(b"\0").decode("ascii").split())
            receipt = cls(parse_stamp(pairs["received"]), pairs["association"])
        except (ValueError, KeyError, OverflowError):
            return None
        return receipt if _ASSOCIATION.fullmatch(receipt.association) else None


def first_line(study_uid: str) -> bytes:
    """The line that begins a record: whose directory it is."""
    return json.dumps({"event": "study", "study": study_uid}).encode() + b"\n"


def append(directory: int, event: str, wall: float, **facts: Any) -> None:
    """Add one event durably; ``directory`` is a descriptor of the study's directory."""
    with suppress(FileNotFoundError), opened(NAME, os.O_RDONLY | os.O_NOFOLLOW, directory=directory):
        pass  # a link in its place is an error, as it is for those who read
    append_line(NAME, json.dumps({"event": event, "at": stamp(wall), **facts}).encode(), directory=directory)


def read(directory: int, start: int = 0) -> tuple[list[Mapping[str, Any]], int]:
    """The events from byte ``start`` on, and where they end. A line that a crash cut short is passed over."""
    with opened(NAME, os.O_RDONLY | os.O_NOFOLLOW, directory=directory) as descriptor:
        if start > os.fstat(descriptor).st_size:  # it was lost, and begun anew
            start = 0
        os.lseek(descriptor, start, os.SEEK_SET)
        data = b""
        while len(data) < _LONGEST and (block := os.read(descriptor, 1 << 20)):
            data += block
    end = data.rfind(b"\n") + 1
    events: list[Mapping[str, Any]] = []
    for line in data[:end].splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "event" in value:
            events.append(value)
    return events, start + end


def study_of(directory: int) -> str | None:
    """The Study Instance UID whose directory this is, or None where it is no study's.

    Raises `OSError` where that cannot be read.
    """
    try:
        with opened(NAME, os.O_RDONLY | os.O_NOFOLLOW, directory=directory) as descriptor:
            line = os.read(descriptor, 4096).split(b"\n")[0]
        uid = json.loads(line)["study"]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return uid if isinstance(uid, str) and is_study(uid) else None


def is_study(uid: str) -> bool:
    """Whether this can be a study: a UID, or empty where objects belong to none."""
    return not uid or is_uid(uid)
