"""Outputs that appear whole or not at all: written under a hidden name beside, synced, then given their names."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, NamedTuple

from mrdock.errors import PlaceError
from mrdock.files.durable import move_new, sync_names
from mrdock.files.names import printable


def output_stem(path: str) -> str:
    """What the outputs made from a file are called: its name without a final ``.dcm`` (any case), and nothing else cut.

    Names in a store have dots of their own.
    """
    name = os.path.basename(path)
    return name[:-4] if name.lower().endswith(".dcm") and len(name) > 4 else name


def check_free(path: str, *, force: bool) -> None:
    """Raise `PlaceError` where something stands under ``path`` that is not to be replaced: ever, if a directory."""
    if os.path.isdir(path):
        raise PlaceError(f"{printable(path)}: is a directory")
    if not force and os.path.lexists(path):
        raise already_there(path)


def write_file(path: str, data: bytes, *, force: bool = False) -> None:
    """Put ``data`` under ``path``, durably. Raises as `written` does."""
    with written(path, force=force) as stream:
        stream.write(data)


@contextmanager
def written(path: str, *, force: bool = False) -> Iterator[BinaryIO]:
    """A stream for the new content of ``path``, which has it, durably, when the block ends well: never a part of it.

    Raises `PlaceError` where ``path`` exists and ``force`` is not set, OSError (with ``path`` for its name).
    """
    with written_together([path], force=force) as (stream,):
        yield stream


@contextmanager
def written_together(paths: Sequence[str], *, force: bool = False) -> Iterator[tuple[BinaryIO, ...]]:
    """Streams for files of one directory that belong together (PAR and REC): all get their names, or none.

    The last of ``paths`` is the one that leads to the others: it is given its name last, and what stood there is
    taken away first, so that not even a power cut leaves an old one with new others. Raises as `written` does.
    """
    for path in paths:
        check_free(path, force=force)
    outputs = [_Output(path, _beside(path)) for path in paths]
    try:
        with ExitStack() as stack:
            streams = tuple(stack.enter_context(_open(output)) for output in outputs)
            yield streams
            for output, stream in zip(outputs, streams, strict=True):
                with _named(output.path):
                    stream.flush()
                    os.fsync(stream.fileno())
        _put(outputs, force=force)
    finally:
        for output in outputs:
            with suppress(OSError):
                os.unlink(output.part)


class _Output(NamedTuple):
    """A file to be: its name, and the one it is written under."""

    path: str
    part: str


def _beside(path: str) -> str:
    folder, name = os.path.split(os.path.abspath(path))
    short = os.fsdecode(os.fsencode(name)[:180])
    return os.path.join(folder, f".{short}.{os.getpid()}.{threading.get_ident()}.part")


def _open(output: _Output) -> BinaryIO:
    with _named(output.path):
        return open(output.part, "xb")


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Errors with the name that the user gave, not the hidden one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def _put(outputs: Sequence[_Output], *, force: bool) -> None:
    """Give what was written its names; where one fails, take back the others. An interrupt may come after any of it."""
    leader = outputs[-1]
    begun: list[_Output] = []
    try:
        if force and len(outputs) > 1:
            with suppress(FileNotFoundError), _named(leader.path):
                os.unlink(leader.path)
        for output in outputs:
            begun.append(output)
            try:
                _give_name(output, force=force)
            except (OSError, PlaceError):
                begun.pop()
                raise
    except BaseException:
        for output in begun if os.path.lexists(leader.part) else ():  # without it all have their names
            if not os.path.lexists(output.part):
                with suppress(OSError):
                    os.unlink(output.path)
        raise
    for folder in {os.path.dirname(output.part) for output in outputs}:
        sync_names(folder)


def _give_name(output: _Output, *, force: bool) -> None:
    try:
        with _named(output.path):
            (os.replace if force else move_new)(output.part, output.path)
    except FileExistsError:
        raise already_there(output.path) from None


def already_there(path: str) -> PlaceError:
    """The error of an output that is there already."""
    return PlaceError(f"{printable(path)}: exists already; --force replaces it")
