"""A dock, raw peers that say anything to it, and a book of what it has acknowledged, to compare with what it keeps."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.builders.elements import Value
from tests.dock.support import Image, image
from tests.e2e.dock_process import Dock, Place, children, data_set_of, wait_for
from tests.e2e.wire import Recorder, recording
from tests.network import messages
from tests.network.serving import Raw

LISTENERS: Final = ("enhanced", "classic")

SUCCESS, WITHOUT_DATA_SET, UNKNOWN_OPERATION, MISMATCH, BROKEN = 0x0000, 0x0212, 0x0211, 0xA900, 0xC000
UNEXPECTED_PDU, INVALID_PARAMETER = 2, 6

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E

_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (debug: |warning: |error: )?\S.*")


def command_of(item: Image, message: int = 1, **other: Any) -> bytes:
    """The C-STORE command of an image; ``other`` is what it says instead."""
    return messages.command(**{"message": message, "sop_class": item.sop_class, "instance": item.uid, **other})


def request(item: Image, *, context_id: int = 3, message: int = 1, command: bytes | None = None) -> bytes:
    """A whole C-STORE request, one value in each PDU."""
    head = command_of(item, message) if command is None else command
    return said(head, context_id, command=True) + said(item.data, context_id)


def said(data: bytes, context_id: int = 3, *, command: bool = False) -> bytes:
    """A command or data set as P-DATA."""
    return b"".join(messages.p_data(value) for value in messages.values(context_id, data, command=command))


def begun(item: Image, part: int, context_id: int = 3) -> bytes:
    """The command of an image and the first ``part`` bytes of its data set."""
    first = messages.pdv(context_id, item.data[:part], command=False, last=False)
    return said(command_of(item), context_id, command=True) + messages.p_data(first)


def aborted(reason: int) -> list[tuple[int, bytes]]:
    """All that is heard where the dock aborts for this reason (PS3.8 table 9-26)."""
    return [(7, bytes((0, 0, 2, reason)))]


def peak_kb(pid: int) -> int:
    """The most memory that a process has had of its own since `reset_peak`."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0])


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@dataclass
class Scene:
    """A running dock and what it has acknowledged: SOP Instance UID and data set, once each."""

    place: Place
    dock: Dock
    workers: Mapping[int, str]
    acknowledged: set[tuple[str, bytes]] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def image(self, more: Mapping[int, tuple[str, Value]] | None = None, **what: Any) -> Image:
        """A small image that has not been sent yet; ``more`` adds or replaces elements."""
        return image(next(self._numbers), more=more, **what)

    @contextmanager
    def peer(self, listener: str, asked: bytes = b"") -> Iterator[Raw]:
        """A raw peer with an open association."""
        with Raw(self.dock.ports[listener]) as peer:
            peer.associate(asked)
            yield peer

    def note(self, item: Image) -> None:
        """This image was answered with Success."""
        self.acknowledged.add((item.uid, item.data))

    def take(self, peer: Raw, item: Image, **how: Any) -> None:
        """An image that has to be taken."""
        peer.say(request(item, **how))
        assert peer.answer().status == SUCCESS
        self.note(item)

    def refuse(self, peer: Raw, item: Image, status: int, **how: Any) -> None:
        """An image that has to be refused with this status."""
        peer.say(request(item, **how))
        assert peer.answer().status == status, item.data[:64]

    @contextmanager
    def sending(self, listener: str) -> Iterator[Recorder]:
        """A port for a program that sends; what it hears of as stored is noted as it was on the wire."""
        with recording(self.dock.ports[listener]) as recorder:
            yield recorder
        for uid, statuses in recorder.answers.items():
            for data, status in zip(recorder.sent[uid], statuses, strict=False):
                if status == SUCCESS:
                    self.acknowledged.add((uid, data))

    def files(self) -> list[Path]:
        """All files under a final name."""
        return [path for path in self.place.store.glob("[0-9]*_*_*/*") if not path.name.startswith(".")]

    def file_of(self, item: Image) -> Path:
        """The only file of an image."""
        (path,) = (path for path in self.files() if path.name.split(".", 1)[1] == item.uid)
        return path

    def unharmed(self) -> None:
        """After any fault: no process died, both listeners store, and what is kept is what was acknowledged."""
        for listener in LISTENERS:
            with self.peer(listener) as peer:
                self.take(peer, self.image())
                peer.release()
        assert self.dock.process.poll() is None
        assert children(self.dock.pid) == self.workers
        wait_for("no loose ends", lambda: self.place.loose_ends() == [])
        kept = [(path.name.split(".", 1)[1].split("_")[0], data_set_of(path)) for path in self.files()]
        assert len(kept) == len(set(kept)), "one data set twice"
        assert set(kept) == self.acknowledged

    def quarantined(self) -> list[bytes]:
        """The data sets in the quarantine."""
        return [data_set_of(path) for path in (self.place.store / "quarantine").glob("*.dcm")]

    def log_is_clean(self) -> None:
        """Each line of the log is one of the dock's own, of printable characters."""
        for line in self.dock.err.read_bytes().decode().split("\n")[:-1]:
            assert line.isprintable(), line
            assert _LOG_LINE.fullmatch(line) or "running as root" in line, line


@contextmanager
def scene(folder: Path, more: str = "") -> Iterator[Scene]:
    """A dock in ``folder``, with further settings; its studies do not become complete meanwhile."""
    place = Place(folder, quiet=600, more=more)
    with place.dock() as dock:
        yield Scene(place, dock, children(dock.pid))
