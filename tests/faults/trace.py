"""What strace wrote, read back; and the order of durable writes, checked on it by a model of a disk that loses power.

The model knows what is certain to survive: bytes that an fsync of their file covered, and names that an fsync of their
directory covered. An fsync covers what had ended when it began, whichever thread did it. Lines are the clock: where
calls overlap strace writes two lines, one where the call begins and one where it ends.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.wire import AFFECTED_SOP_INSTANCE, STATUS, Messages

TRACED: Final = (
    "write,pwrite64,writev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,"
    "mkdir,mkdirat,sendto,sendmsg"
)
STRACE: Final = ("-f", "-y", "-s", "8192", "-e", "signal=KILL", "-e", f"trace={TRACED}")

_LINE: Final = re.compile(r"(\d+) +(.*)")
_RESUMED: Final = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_CALL: Final = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(?: .*|<.*)?", re.DOTALL)
_DESCRIPTOR: Final = re.compile(r"(AT_FDCWD|\d+)<(.*)>")
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(rb'\\([0-7]{1,3}|[abfnrtv"\\])')
_PLAIN: Final = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11, b'"': 34, b"\\": 92}
_NEVER: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Call:
    """One system call: the lines on which it began and ended, its words as strace writes them, and its result."""

    pid: int
    start: int
    end: int
    name: str
    words: tuple[str, ...]
    result: int

    def path(self, directory: int, name: int) -> str:
        """The path that two words say: an open directory and a name in it."""
        return os.path.normpath(os.path.join(place(self.words[directory]), text(self.words[name])))


def parse(lines: Iterable[str]) -> list[Call]:
    """The calls of a trace by their ends; of those that a kill cut off (the result is then -1) too."""
    begun: dict[int, tuple[int, str]] = {}
    calls = []
    for number, line in enumerate(lines):
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None or match[2].startswith(("+++", "---")):
            continue
        pid, said = int(match[1]), match[2]
        resumed = _RESUMED.fullmatch(said)
        start = number
        if said.endswith("<unfinished ...>"):
            begun[pid] = number, said.removesuffix("<unfinished ...>")
            continue
        if resumed is not None:
            if pid not in begun:
                continue
            start, head = begun.pop(pid)
            said = head + resumed[2]
        calls.append(_call(pid, start, number, said))
    calls += [_call(pid, start, _NEVER, f"{said.rstrip(' )')}) = ?") for pid, (start, said) in begun.items()]
    return [call for call in calls if call is not None]


def _call(pid: int, start: int, end: int, said: str) -> Call | None:
    match = _CALL.fullmatch(said)
    if match is None:
        return None
    return Call(pid, start, end, match[1], tuple(_words(match[2])), -1 if match[3] == "?" else int(match[3]))


def _words(said: str) -> list[str]:
    """Split at the commas that stand in no string, no bracket and no path."""
    words, depth, quoted, skip, begin = [], 0, False, False, 0
    for at, char in enumerate(said):
        if skip:
            skip = False
        elif quoted:
            skip, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "{[<(":
            depth += 1
        elif char in "}]>)":
            depth -= 1
        elif char == "," and not depth:
            words.append(said[begin:at].strip())
            begin = at + 1
    return [*words, said[begin:].strip()]


def data(word: str) -> bytes:
    """The bytes that strace shows in a word, those of all strings where it holds several."""
    shown = "".join(_STRING.findall(word)).encode("latin-1")
    return _ESCAPE.sub(lambda found: bytes([_PLAIN[found[1]] if found[1] in _PLAIN else int(found[1], 8)]), shown)


def text(word: str) -> str:
    """A path as strace writes it."""
    return os.fsdecode(data(word))


def place(word: str) -> str:
    """Where a descriptor leads."""
    match = _DESCRIPTOR.fullmatch(word)
    assert match is not None, word
    return match[2]


# ---- a disk ----


@dataclass(slots=True)
class Disk:
    """What of the calls so far would survive."""

    written: dict[str, int] = field(default_factory=dict)
    synced: dict[str, int] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)

    def happened(self, call: Call) -> None:
        """A call has ended."""
        if call.result < 0:
            return
        match call.name:
            case "write" | "pwrite64" | "writev" | "ftruncate":
                self.written[place(call.words[0])] = call.end
            case "fsync" | "fdatasync":
                path = place(call.words[0])
                self.synced[path] = max(call.start, self.synced.get(path, -1))
            case "mkdir" | "mkdirat":
                self.named[made(call)] = call.end
            case "unlink" | "unlinkat" | "rmdir":
                self._forget(gone(call))
            case "rename" | "renameat" | "renameat2" | "link" | "linkat":
                self._renamed(*ends(call), call)

    def _forget(self, path: str) -> None:
        for known in (self.written, self.synced, self.named):
            known.pop(path, None)

    def _renamed(self, source: str, target: str, call: Call) -> None:
        self._forget(target)
        for known in (self.written, self.synced, self.named):
            for path in [path for path in known if path == source or path.startswith(source + "/")]:
                known[target + path[len(source) :]] = (
                    known[path] if call.name in ("link", "linkat") else known.pop(path)
                )
        self.named[target] = call.end

    def holds_bytes(self, path: str) -> bool:
        """Whether an fsync that succeeded began after the last write; files that nobody wrote to are as they were."""
        return path not in self.written or self.synced.get(path, -1) > self.written[path]

    def holds_name(self, path: str) -> bool:
        """Whether the directory was synced since the name was made; at all, for a name of before the trace."""
        return self.synced.get(os.path.dirname(path), -1) > self.named.get(path, -1)

    def missing(self, path: str, root: str) -> list[str]:
        """Why a file would be lost: its bytes, its name, or that of a directory above it, up to ``root`` in any case
        and beyond where the trace has seen it made."""
        found = [] if self.holds_bytes(path) else [f"the bytes of {path}"]
        while path != "/":
            if (path.startswith(root + "/") or path in self.named) and not self.holds_name(path):
                found.append(f"the name {path}")
            path = os.path.dirname(path)
        return found


def made(call: Call) -> str:
    """The path that a mkdir makes."""
    return os.path.normpath(text(call.words[0])) if call.name == "mkdir" else call.path(0, 1)


def ends(call: Call) -> tuple[str, str]:
    """Source and target of a rename or link."""
    if call.name in ("rename", "link"):
        return os.path.normpath(text(call.words[0])), os.path.normpath(text(call.words[1]))
    return call.path(0, 1), call.path(2, 3)


def gone(call: Call) -> str:
    """The path that an unlink removes."""
    return call.path(0, 1) if call.name == "unlinkat" else os.path.normpath(text(call.words[0]))


def replay(calls: Sequence[Call], look: Callable[[Disk, Call], None]) -> None:
    """Show each call to ``look`` when it begins, with the disk as all that had ended before has left it."""
    disk = Disk()
    moments = [(call.start, 1, call) for call in calls] + [(call.end, 0, call) for call in calls if call.end < _NEVER]
    for _, begins, call in sorted(moments, key=lambda moment: (moment[0], not moment[1])):
        if begins:
            look(disk, call)
        else:
            disk.happened(call)


# ---- receiving ----


@dataclass(slots=True)
class Found:
    """What a trace shows: what was done, by name, and what was done too early."""

    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


RENAMES: Final = ("rename", "renameat", "renameat2", "link", "linkat")
WRITES: Final = ("write", "pwrite64", "writev", "ftruncate")
UNLINKS: Final = ("unlink", "unlinkat", "rmdir")


def check_receiving(
    calls: Sequence[Call], root: str | Path, copies: Mapping[str, Sequence[int]] = {}, there: Iterable[Path] = ()
) -> Found:
    """Is everything durable when Success is sent for it? ``done`` counts the answers by SOP Instance UID.

    ``copies`` says how many files of an instance there must be at its first, second, ... Success (else one); ``there``
    names the images of before the trace.
    """
    root, found = str(root), Found()
    images: defaultdict[str, set[str]] = defaultdict(set)
    for path in there:
        images[_instance(str(path))].add(str(path))
    streams: defaultdict[tuple[int, str], Messages] = defaultdict(Messages)

    def answered(disk: Disk, uid: str, line: int) -> None:
        count = found.done[uid]
        found.done[uid] += 1
        wanted = copies[uid][count] if uid in copies else 1
        lost = {path: disk.missing(path, root) for path in images[uid]}
        if sum(not why for why in lost.values()) < wanted:
            why = "; ".join(what for some in lost.values() for what in some) or "no file"
            found.faults.append(f"line {line}: Success for {uid}, but a power cut takes {why}")

    def look(disk: Disk, call: Call) -> None:
        if call.name in ("sendto", "sendmsg"):
            for command, _ in streams[call.pid, call.words[0]].feed(data(call.words[1])):
                if AFFECTED_SOP_INSTANCE in command and command.get(STATUS) == b"\0\0":
                    answered(disk, command[AFFECTED_SOP_INSTANCE].rstrip(b"\0 ").decode(), call.start)
        elif call.name in RENAMES:
            source, target = ends(call)
            if _is_image(target, root) and call.result >= 0:
                images[_instance(target)].add(target)
                if not disk.holds_bytes(source) or source not in disk.written:
                    found.faults.append(f"line {call.start}: {target} gets its name before its bytes are durable")
        elif call.name in WRITES and _is_image(place(call.words[0]), root):
            found.faults.append(f"line {call.start}: {place(call.words[0])} is written to under its final name")
        elif call.name in UNLINKS and call.result >= 0 and _is_image(gone(call), root):
            found.faults.append(f"line {call.start}: {gone(call)} is deleted")

    replay(calls, look)
    return found


def _is_image(path: str, root: str) -> bool:
    folder, name = os.path.split(path)
    return os.path.dirname(folder) == root and folder[len(root) + 1].isdigit() and not name.startswith(".")


def _instance(path: str) -> str:
    return os.path.basename(path).split(".", 1)[1].split("_")[0]


# ---- routing, and removal afterwards ----


def check_routing(calls: Sequence[Call], root: str | Path, targets: Iterable[str | Path]) -> Found:
    """Is every copy durable when the dock writes down that it is there? ``done`` counts by path what it wrote down.

    Written down it is in the study's record, which names it, and in the index: there the thread that copied must not
    write before its copies are durable.
    """
    root, folders, found = str(root), [str(target) for target in targets], Found()
    copied: defaultdict[int, set[str]] = defaultdict(set)
    index = f"{root}/.mrdock/index.sqlite-wal"

    def lost(disk: Disk, path: str) -> list[str]:
        return disk.missing(path, os.path.dirname(os.path.dirname(path)))

    def written(disk: Disk, call: Call, path: str) -> None:
        if path == index:
            early = [why for copy in copied.pop(call.pid, ()) for why in lost(disk, copy)]
            found.faults.extend(
                f"line {call.start}: the index is written, but a power cut takes {why}" for why in early
            )
        elif os.path.dirname(path) in folders and not path.endswith(".part"):
            found.faults.append(f"line {call.start}: {path} is written to under its final name")
        elif os.path.basename(path) == ".mrdock-study":
            for name in routed_names(data(call.words[1])):
                paths = [f"{folder}/{name}" for folder in folders if f"{folder}/{name}" in disk.named]
                found.done.update(paths)
                why = [what for copy in paths for what in lost(disk, copy)] if paths else [f"{name}: never copied"]
                found.faults.extend(f"line {call.start}: {name} is said to be routed, but {what}" for what in why)

    def look(disk: Disk, call: Call) -> None:
        if call.name in RENAMES:
            source, target = ends(call)
            if os.path.dirname(target) in folders and call.result >= 0:
                copied[call.pid].add(target)
                if not disk.holds_bytes(source) or source not in disk.written:
                    found.faults.append(f"line {call.start}: {target} gets its name before its bytes are durable")
        elif call.name in WRITES and call.name != "ftruncate":
            written(disk, call, place(call.words[0]))

    replay(calls, look)
    return found


def routed_names(line: bytes) -> list[str]:
    """The images that a line of a study's record says to be routed."""
    names: list[str] = []
    for one in line.splitlines():
        event = json.loads(one) if one.startswith(b"{") else {}
        names += event["names"] if event.get("event") == "routed" else []
    return names


def check_removal(calls: Sequence[Call], root: str | Path, copies: Mapping[str, Sequence[str | Path]]) -> Found:
    """Does a study leave the store as a whole, and durably, before a file of it is deleted, and are its copies safe by
    then? ``copies`` names those by the study's directory; ``done`` counts the files deleted by directory."""
    root, found = str(root), Found()
    trashed: dict[str, tuple[str, int]] = {}

    def look(disk: Disk, call: Call) -> None:
        if call.name in RENAMES:
            source, target = ends(call)
            folder, name = os.path.split(source)
            if folder == root and os.path.dirname(target) == f"{root}/.mrdock/trash":
                trashed[target] = name, call.end
                for copy in map(str, copies[name]):
                    lost = disk.missing(copy, os.path.dirname(os.path.dirname(copy)))
                    found.faults.extend(f"line {call.start}: {name} goes, but a power cut takes {why}" for why in lost)
        elif call.name in UNLINKS and call.result >= 0:
            path = gone(call)
            if _is_image(path, root):
                found.faults.append(f"line {call.start}: {path} is deleted in its place")
            elif os.path.dirname(path) in trashed:
                name, when = trashed[os.path.dirname(path)]
                found.done[name] += 1
                if disk.synced.get(root, -1) < when:
                    found.faults.append(f"line {call.start}: {path} is deleted before {name} has left durably")

    replay(calls, look)
    return found
