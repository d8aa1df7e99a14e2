"""The journal of a run that moves or copies files: the whole plan before the first file is touched, then what differed.

A journal is a text file of JSON lines in ASCII; names that are no UTF-8 stand in it as Python writes them (surrogate
escapes), so that they come back byte for byte:

    {"mrdock journal": 1, "version": ..., "command": [...], "date": ..., "id": ..., "pid": ..., "host": ..., "steps": n}
    ["directory", path]                                        missing when the plan was made
    ["move" or "copy", source, target, size, mtime in ns, inode, mode, links]      one for each step, numbered from 0
    ["write", target, size, SHA-256]
    ["folder", directory, target, ...]                         an empty directory that is taken away; numbers as above
    {"plan": "whole"}                                          without this line nothing was touched
    ["there", path]                                            a directory that somebody else made meanwhile
    ["done" or "beside" or "same", step, place, mtime in ns]   a copy's place; a place that is not the target; ...
    ["removed", step]                                          the source of a move that was the same
    ["left", step, reason]
    {"done": date}, {"undone": date}, {"recovered": date}

A step of which nothing is said was renamed as planned, or was not reached: the disk tells, for a rename keeps size,
time and inode. Whatever the disk could not tell is in the journal, durably, before it is done.
"""

from __future__ import annotations

import errno
import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from mrdock.errors import JournalError
from mrdock.files.durable import sync_names
from mrdock.files.lock import held_by_us
from mrdock.files.looking import looked_at, missing_directories, only_once
from mrdock.files.names import printable
from mrdock.files.state import JOURNALS, state_directory
from mrdock.files.steps import How, Kind, Outcome, Planned, Step
from mrdock.files.undoing import recover, undo
from mrdock.version import __version__

__all__ = ["Journal", "JournalInfo", "journals_directory", "list_journals", "recover", "undo"]

_FORMAT: Final = 1
_SUFFIX: Final = ".jsonl"
_TAIL: Final = 4096
_WHOLE: Final = {"plan": "whole"}
_quoted: Final = json.encoder.encode_basestring_ascii


def journals_directory() -> str:
    """Where journals are kept: private to the user, for names of files may hold patients' names."""
    return state_directory(JOURNALS)


class Journal:
    """The journal of one run, open to be written (`create`, `reopen`) or only read (`read`)."""

    def __init__(self, path: str, header: dict[str, Any], planned: list[Planned], directories: list[str]) -> None:
        """Use `create` or `read`."""
        self.path = path
        self.header = header
        self.planned = planned
        self.directories = directories
        """Missing when the plan was made, those above first."""
        self.outcomes: dict[int, Outcome] = {}
        self.foreign: set[str] = set()
        """Of these directories those that somebody else made."""
        self.whole = True
        """The plan is complete; where it is not, nothing was touched."""
        self.finished = False
        self.undone = False
        self._lines: list[str] = []
        self._descriptor = -1
        self._held = ExitStack()

    @property
    def identity(self) -> str:
        """What the names of the run's unfinished files hold."""
        return str(self.header["id"])

    @property
    def command(self) -> list[str]:
        """The command line."""
        return [str(word) for word in self.header["command"]]

    # ---- making one ----

    @classmethod
    def create(cls, directory: str | None, command: Sequence[str], steps: Iterable[Step]) -> Journal:
        """Write down the whole plan, durably, in ``directory`` (None: `journals_directory`).

        ``command`` is the command line, its first word the command's name. What the sources are now is noted as well.
        The journal is ours until it is closed. Raises `JournalError` where it cannot be written (then nothing may be
        touched), and `ValueError` for a path that is not absolute.
        """
        directory = journals_directory() if directory is None else directory
        now = datetime.now().astimezone()
        planned = [looked_at(number, step) for number, step in enumerate(steps)]
        only_once(planned)
        missing = missing_directories(planned)
        header = {
            "mrdock journal": _FORMAT,
            "version": __version__,
            "command": list(command),
            "date": now.isoformat(timespec="seconds"),
            "id": os.urandom(6).hex(),
            "pid": os.getpid(),
            "host": platform.node(),
            "steps": len(planned),
        }
        name = os.path.basename(command[0]) if command else "mrdock"
        stem = os.path.join(directory, f"{now:%Y%m%d-%H%M%S}-{name}-{os.getpid()}")
        try:
            path, descriptor = _create(stem)
        except OSError as error:
            raise _unwritable(stem + _SUFFIX, error) from error
        journal = cls(path, header, planned, missing)
        journal._descriptor = descriptor
        try:
            journal._held.enter_context(held_by_us(path))
            journal._write(header)
            for made in missing:
                journal._write(["directory", made])
            journal._lines += map(_plan_line, planned)
            journal._write(_WHOLE)
            journal.sync()
            sync_names(directory)
        except BaseException as error:
            journal.close()
            with suppress(OSError):
                os.unlink(path)
            if isinstance(error, OSError):
                raise _unwritable(path, error) from error
            raise
        return journal

    def reopen(self) -> None:
        """Make a journal that was read ours to write. Raises `BusyError` where its run goes on, and `JournalError`."""
        self._held.enter_context(held_by_us(self.path))
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
            size = os.fstat(self._descriptor).st_size
            os.lseek(self._descriptor, max(0, size - 1), os.SEEK_SET)
            if os.read(self._descriptor, 1) != b"\n":
                self._lines.append("")  # a line that a crash cut short spoils no other
        except OSError as error:
            self.close()
            raise _unwritable(self.path, error) from error

    # ---- writing ----

    def note(self, number: int, outcome: Outcome) -> None:
        """Note how a step ends; it is durable after `sync`."""
        self.outcomes[number] = outcome
        if outcome.how is How.LEFT:
            self._write([outcome.how, number, outcome.reason])
        else:
            self._lines.append(f'["{outcome.how}", {number}, {_quoted(outcome.place)}, {outcome.modified_ns}]')

    def note_removed(self, number: int) -> None:
        """Note that the source of a step whose bytes were at the target already is gone."""
        self.outcomes[number] = replace(self.outcomes[number], removed=True)
        self._write(["removed", number])

    def note_foreign(self, directory: str) -> None:
        """Note that somebody else has made a directory that was missing."""
        self.foreign.add(directory)
        self._write(["there", directory])

    def finish(self) -> None:
        """Note that the run has come to its end. Raises `OSError`."""
        self.finished = True
        self._write_end("done")

    def finish_undo(self) -> None:
        """Note that all is put back. Raises `OSError`."""
        self.undone = True
        self._write_end("undone")

    def finish_recovery(self) -> None:
        """Note that what a killed run left lying about is tidied up. Raises `OSError`."""
        self._write_end("recovered")

    def _write_end(self, word: str) -> None:
        self._write({word: datetime.now().astimezone().isoformat(timespec="seconds")})
        self.sync()

    def sync(self) -> None:
        """Make durable what was noted. Raises `OSError`."""
        if self._lines:
            data = memoryview("".join(f"{line}\n" for line in self._lines).encode("ascii"))
            self._lines.clear()
            while len(data):
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the journal."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._held.close()

    def __enter__(self) -> Journal:
        """Close it at the end of a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _write(self, line: object) -> None:
        self._lines.append(json.dumps(line))

    # ---- reading ----

    @classmethod
    def read(cls, path: str) -> Journal:
        """Read a journal, whatever moment its run was ended at. Raises `JournalError`."""
        try:
            with open(path, "rb") as stream:
                lines = stream.read().split(b"\n")
        except OSError as error:
            raise JournalError(f"{printable(path)}: {error.strerror or error}") from error
        header = _header(path, lines[0])
        journal = cls(path, header, [], [])
        rest = iter(enumerate(lines[1:], 2))
        journal.whole = journal._read_plan(rest)
        for _, line in rest:
            journal._read_outcome(_parsed(line))
        return journal

    def _read_plan(self, lines: Iterator[tuple[int, bytes]]) -> bool:
        """Take the lines of the plan; whether it is complete."""
        for number, line in lines:
            entry = _parsed(line)
            if entry == _WHOLE:
                if len(self.planned) != self.header["steps"]:
                    raise JournalError(f"{printable(self.path)}: {self.header['steps']} steps are announced, not there")
                return True
            if entry is None:
                return False  # the run was ended while it wrote
            try:
                if entry[0] == "directory":
                    self.directories.append(_absolute(entry[1]))
                else:
                    self.planned.append(_planned(len(self.planned), entry))
            except (ValueError, TypeError, KeyError, IndexError, OverflowError):
                raise JournalError(f"{printable(self.path)}: line {number} is none of a journal's plan") from None
        return False

    def _read_outcome(self, entry: Any) -> None:
        """Take a line of what happened; one that a crash cut short says nothing, and nothing was done by it."""
        match entry:
            case {"done": str()}:
                self.finished = True
            case {"undone": str()}:
                self.undone = True
            case ["there", str(path)]:
                self.foreign.add(path)
            case ["removed", int(number)] if number in self.outcomes:
                self.outcomes[number] = replace(self.outcomes[number], removed=True)
            case ["left", int(number), str(reason)]:
                self.outcomes[number] = Outcome(How.LEFT, reason=reason)
            case ["done" | "beside" | "same" as how, int(number), str(place), int(modified)] if _is_path(place):
                self.outcomes[number] = Outcome(How(how), place, modified)


# ---- the lines ----


def _plan_line(item: Planned) -> str:
    """One of very many: `json.dumps` would take three times as long."""
    step = item.step
    if step.kind is Kind.WRITE:
        return f'["{step.kind}", {_quoted(step.target)}, {len(step.data)}, "{item.digest}"]'
    numbers = f"{item.size}, {item.modified_ns}, {item.inode}, {item.mode}, {item.links}"
    return f'["{step.kind}", {_quoted(step.source)}, {_quoted(step.target)}, {numbers}]'


def _planned(number: int, entry: list[Any]) -> Planned:
    kind = Kind(entry[0])
    if kind is Kind.WRITE:
        _, target, size, digest = entry
        return Planned(number, Step(kind, "", _absolute(target)), int(size), digest=str(digest))
    _, source, target, *numbers = entry
    size, modified_ns, inode, mode, links = map(int, numbers)
    return Planned(number, Step(kind, _absolute(source), _absolute(target)), size, modified_ns, inode, mode, links)


def _absolute(path: Any) -> str:
    if not isinstance(path, str) or not _is_path(path):
        raise ValueError(path)
    return path


def _is_path(text: str) -> bool:
    """Whether a text can be an absolute path here."""
    try:
        os.fsencode(text)
    except UnicodeError:
        return False
    return os.path.isabs(text) and "\0" not in text


def _header(path: str, line: bytes) -> dict[str, Any]:
    header = _parsed(line)
    if not isinstance(header, dict) or "mrdock journal" not in header:
        raise JournalError(f"{printable(path)}: not a journal of mrdock")
    if header["mrdock journal"] != _FORMAT:
        raise JournalError(f"{printable(path)}: a journal of another version of mrdock ({header.get('version')})")
    match header:
        case {"command": list(), "date": str(), "id": str(identity), "steps": int()} if identity.isalnum():
            return header
    raise JournalError(f"{printable(path)}: not a journal of mrdock")


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _create(stem: str) -> tuple[str, int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    for number in range(1, 1000):
        path = f"{stem}{_SUFFIX}" if number == 1 else f"{stem}_{number}{_SUFFIX}"
        with suppress(FileExistsError):
            return path, os.open(path, flags, 0o600)
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), stem)


def _unwritable(path: str, error: OSError) -> JournalError:
    return JournalError(f"{printable(path)}: the journal cannot be written: {error.strerror or error}")


# ---- the list ----


@dataclass(frozen=True, slots=True)
class JournalInfo:
    """One journal of the list: when, what, how many steps, and how it ended."""

    path: str
    date: datetime
    command: tuple[str, ...]
    steps: int
    finished: bool
    """The run came to its end; otherwise it goes on, or was killed."""

    undone: bool
    ended: bool
    """Nothing of it lies about: it is finished, undone or tidied up after."""


def list_journals(directory: str | None = None) -> list[JournalInfo]:
    """The journals of ``directory`` (None: `journals_directory`), newest first; what is no journal is passed over."""
    directory = journals_directory() if directory is None else directory
    found = []
    for name in os.listdir(directory):
        if name.endswith(_SUFFIX):
            with suppress(JournalError, OSError, ValueError):
                found.append(_info(os.path.join(directory, name)))
    return sorted(found, key=lambda info: (info.date, info.path), reverse=True)


def _info(path: str) -> JournalInfo:
    with open(path, "rb") as stream:
        header = _header(path, stream.readline(1 << 20))
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
        ends = [entry for line in stream.read().split(b"\n") if isinstance(entry := _parsed(line), dict)]
    return JournalInfo(
        path,
        datetime.fromisoformat(header["date"]),
        tuple(map(str, header["command"])),
        header["steps"],
        any("done" in entry for entry in ends),
        any("undone" in entry for entry in ends),
        any(entry.keys() & {"done", "undone", "recovered"} for entry in ends),
    )
