"""Deflated data sets (PS3.5 section A.5), inflated within limits."""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import Final

from mrdock.dicom.scan import Buffer
from mrdock.errors import MalformedError

_LONGEST_INFLATED: Final = 64 << 20
_DEFLATED_STEP: Final = 1 << 16


def inflate(data: Buffer, start: int) -> bytearray:
    """A deflated data set (PS3.5 section A.5), inflated; raises `MalformedError` where it is broken or too large.

    It is inflated twice, the first time only to see how large it is: a bomb takes no memory.
    """
    inflated = bytearray(sum(map(len, inflated_steps(data, start))))
    at = 0
    for step in inflated_steps(data, start):
        inflated[at : at + len(step)] = step
        at += len(step)
    return inflated


def inflated_steps(data: Buffer, start: int, longest: int = 1 << 20) -> Generator[bytes, None, None]:
    """The same in steps of at most ``longest`` bytes, each inflated when it is asked for."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    with memoryview(data)[start:] as deflated:
        for at in range(0, len(deflated), _DEFLATED_STEP):
            rest = bytes(deflated[at : at + _DEFLATED_STEP])  # no view: an error would keep it, and the file mapped
            full = True
            while rest or full:  # with a full step there may be more, although nothing is left to read
                try:
                    step = engine.decompress(rest, longest)
                except zlib.error as error:
                    raise MalformedError(f"the deflated data set is broken: {error}") from None
                rest, full = engine.unconsumed_tail, len(step) == longest
                size += len(step)
                if size > _LONGEST_INFLATED:
                    raise MalformedError(f"the deflated data set inflates to more than {_LONGEST_INFLATED >> 20} MiB")
                yield step
                if engine.eof:
                    return
    raise MalformedError("the deflated data set is cut short")
