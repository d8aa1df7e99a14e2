"""A dock without network and processes, for tests: its clock moves when it is told, its journal writes at once.

Images go in as the network hands them over: a caller, a presentation context, a command, fragments.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mrdock.dicom.part10 import FileMeta, decode_file_meta
from mrdock.dock import queries, record, routing
from mrdock.dock import tables as t
from mrdock.dock.clock import Now, boot_id
from mrdock.dock.database import open_index
from mrdock.dock.entries import Entry, RouteRow
from mrdock.dock.index import Index
from mrdock.dock.journal import Arrival, Journal, row_of
from mrdock.dock.keeper import Keeper
from mrdock.dock.queries import InstanceRow, StudyRow
from mrdock.dock.receive import ImageSink, Receiver
from mrdock.dock.setting_values import Free
from mrdock.dock.settings import RouteSettings, Settings, StoreSettings
from mrdock.dock.store import Store, open_store
from mrdock.network.association import Context
from mrdock.network.dimse import STORE_RQ, Command
from mrdock.network.handler import Caller, Outcome, Sink
from tests.builders.elements import Value, encode_element, raw

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"

STUDY = "1.2.3"
START = 1_767_607_200.0
"""When a bench's clock begins: 2026-01-05 10:00 UTC."""

DAY = 86400.0

IS_ROOT = os.geteuid() == 0


# ---- images ----


@dataclass(frozen=True)
class Image:
    """A data set as it travels, and what the command and the presentation context say of it."""

    sop_class: str
    uid: str
    data: bytes
    syntax: str = EXPLICIT


def image(
    number: int = 1,
    *,
    study: str = STUDY,
    series: int = 1,
    path: str | None = None,
    sop_class: str = MR,
    pixels: bytes = b"\1\2",
    more: Mapping[int, tuple[str, Value]] | None = None,
) -> Image:
    """A small image: ``number`` makes its UID, ``path`` follows the route tag, ``more`` adds or replaces elements.

    An element whose value is None is left out.
    """
    uid = f"{study}.{series}.{number}"
    elements: dict[int, tuple[str, Value]] = {
        0x00080016: ("UI", sop_class),
        0x00080018: ("UI", uid),
        0x00080020: ("DA", "20260105"),
        0x00080030: ("TM", "101500.00"),
        0x00080060: ("CS", "MR"),
        0x00081030: ("LO", "head" if path is None else f"#-#{path}"),
        0x00100010: ("PN", "Phantom^Agar"),
        0x00100020: ("LO", "PHANTOM"),
        0x0020000D: ("UI", study),
        0x0020000E: ("UI", f"{study}.{series}"),
        0x00200011: ("IS", str(series)),
        0x00200013: ("IS", str(number)),
        0x7FE00010: ("OW", pixels),
    }
    elements |= more or {}
    said = {tag: value for tag, value in elements.items() if value[1] is not None}
    return Image(sop_class, uid, b"".join(encode_element(raw(tag, *said[tag])) for tag in sorted(said)))


def from_part10(data: bytes) -> Image:
    """The data set of a Part 10 file."""
    meta = decode_file_meta(data)
    return Image(meta.sop_class, meta.sop_instance, data[meta.data_set_at :], meta.transfer_syntax)


def stored_file(path: Path) -> tuple[FileMeta, bytes]:
    """The File Meta Information of a file and the data set behind it."""
    data = path.read_bytes()
    meta = decode_file_meta(data)
    return meta, data[meta.data_set_at :]


# ---- the bench ----


class DirectJournal(Journal):
    """A journal that writes each entry into the index at once, without a file in between."""

    def __init__(self, index: Index, settings: Settings) -> None:
        """Write into ``index``."""
        self.worker = "bench"
        self.deaf = False
        self._index = index
        self._settings = settings

    def put(self, entry: Entry | Arrival) -> None:
        """Write one entry."""
        if self.deaf:  # as a process that dies before it can say anything
            return
        self._index.record([row_of(entry, self._settings.route) if isinstance(entry, Arrival) else entry])

    def close(self) -> None:
        """Nothing waits."""


@dataclass
class BenchClock:
    """Stands for the module `time` where images are received; moves a millisecond a look, and where it is told."""

    wall: float = START
    since_boot: float = 1000.0

    def time(self) -> float:
        """The wall clock."""
        self.pass_(0.001)
        return self.wall

    def monotonic(self) -> float:
        """The monotonic clock."""
        return self.since_boot

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.since_boot += seconds


@dataclass
class Bench:
    """A store in a directory, with all that works on it; ``index_path`` puts the index elsewhere."""

    base: Path
    clock: BenchClock
    settings: Settings
    index_path: Path | None = None
    store: Store = field(init=False)
    index: Index = field(init=False)
    journal: DirectJournal = field(init=False)
    receiver: Receiver = field(init=False)
    keeper: Keeper = field(init=False)
    _associations: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        """Open everything."""
        self.open()

    def open(self) -> None:
        """Begin as a process does."""
        self.store = open_store(self.settings.root, self.settings.store.minimum_free, create=True)
        self.index = open_index(self.index_path or self.store.index_path, self.settings.index.url)
        self.journal = DirectJournal(self.index, self.settings)
        self.receiver = Receiver(self.store, self.settings, self.journal)
        self.keeper = Keeper(self.store, self.index, self.settings)

    def open_store_only(self) -> None:
        """Begin with the store; who calls this opens the index."""
        self.store = open_store(self.settings.root, self.settings.store.minimum_free, create=False)

    def close(self) -> None:
        """End as a process does."""
        self.index.close()
        self.store.close()

    def change(self, **route: Any) -> None:
        """Other routing settings from now on."""
        self.settings = replace(self.settings, route=replace(self.settings.route, **route))
        self.receiver.settings = self.keeper.settings = self.settings

    # ---- time ----

    @property
    def now(self) -> Now:
        """This moment."""
        return Now(self.clock.wall, self.clock.since_boot, boot_id())

    def tick(self, after: float = 0.0) -> None:
        """Let time pass, then do what is due."""
        self.clock.pass_(after)
        self.keeper.tick(self.now)

    # ---- receiving ----

    @contextmanager
    def association(self, calling: str = "SCANNER1", listener: str = "enhanced") -> Iterator[Association]:
        """An open association."""
        caller = Caller(f"a{next(self._associations)}", listener, calling, "MRDOCK", "192.0.2.10")
        self.receiver.opened(caller)
        try:
            yield Association(self.receiver, caller)
        finally:
            self.receiver.closed(caller, "released")

    def send(self, *images: Image) -> list[Outcome]:
        """Send images through an association of their own."""
        with self.association() as association:
            return [association.send(each) for each in images]

    def take_in(self, *images: Image) -> None:
        """Send images that have to be taken, and let their study become complete and be routed."""
        assert [outcome.status for outcome in self.send(*images)] == [0] * len(images)
        self.tick(after=61)

    # ---- looking ----

    def study(self, uid: str = STUDY) -> StudyRow:
        """A study's row."""
        row = queries.study(self.index, uid)
        assert row is not None
        return row

    def directory(self, uid: str = STUDY) -> Path:
        """A study's directory."""
        return self.store.root / self.study(uid).directory

    def names(self, uid: str = STUDY) -> list[str]:
        """The names of a study's files."""
        return names_in(self.directory(uid))

    def images(self, uid: str = STUDY) -> list[InstanceRow]:
        """A study's images."""
        return queries.instances_of(self.index, uid)

    def routes(self, uid: str = STUDY) -> list[RouteRow]:
        """Where a study's series go."""
        return queries.routes_of(self.index, uid)

    def events(self, kind: str | None = None) -> list[str]:
        """What was noted, oldest first."""
        found = reversed(queries.last_events(self.index, 1000))
        return [event.text for event in found if kind in (None, event.kind)]

    def ask(self, path: str | None = None, uid: str = STUDY) -> None:
        """What a person says with ``mrdock route``."""
        routing.ask(self.index, self.store, self.study(uid), path, self.now)

    def leftovers(self) -> list[str]:
        """What lies in the store's working directories."""
        return sorted(os.listdir(self.store.incoming) + os.listdir(self.store.trash))


@dataclass
class Association:
    """An association as its images see it."""

    receiver: Receiver
    caller: Caller

    def begin(self, each: Image, context: str | None = None) -> ImageSink:
        """Begin to send an image; ``context`` is the abstract syntax it is sent under, if not its own."""
        command = Command(STORE_RQ, 1, sop_class=each.sop_class, sop_instance=each.uid, has_data_set=True)
        return self.receiver.store(
            self.caller, Context(1, each.sop_class if context is None else context, each.syntax), command
        )

    def send(self, each: Image, piece: int = 16384) -> Outcome:
        """Send an image in fragments of ``piece`` bytes."""
        sink = self.begin(each)
        for fragment in fragments(each.data, piece):
            sink.write(fragment)
        return ended(sink)


def ended(sink: Sink) -> Outcome:
    """What a server does with a data set that is whole; the answer."""
    sink.seal()
    sink.place()
    outcome = sink.finish()
    sink.settle()
    return outcome


def fragments(data: bytes, piece: int = 16384) -> Iterator[memoryview]:
    """The data in pieces; each is worthless once the next is asked for, as a receive buffer's are."""
    buffer = bytearray(piece)
    for start in range(0, len(data), piece):
        part = data[start : start + piece]
        buffer[: len(part)] = part
        yield memoryview(buffer)[: len(part)]


def names_in(directory: Path) -> list[str]:
    """The names in a directory, those that begin with a dot left out."""
    return sorted(name for name in os.listdir(directory) if not name.startswith("."))


def record_of(directory: Path) -> list[dict[str, Any]]:
    """The lines of a study's record."""
    return [json.loads(line) for line in (directory / record.NAME).read_text().splitlines()]


def bench_settings(base: Path, **route: Any) -> Settings:
    """Settings of a bench: the store in ``base``/store, copying allowed below ``base``/research."""
    return Settings(
        store=StoreSettings(root=base / "store", minimum_free=Free()),
        route=RouteSettings(**{"roots": (base / "research",), **route}),
    )


# ---- the whole index, to compare ----

INTERNAL = {
    "studies": {"record_bytes", "version", "active_monotonic", "active_boot", "next_try", "attempts", "copying"}
    | {"announced"}
}
"""Columns that serve the running dock alone: a rebuilt index need not have the same."""


def dump(index: Index, tables: Iterable[str] = ("studies", "series", "instances", "routes")) -> dict[str, list[Any]]:
    """The rows of the index, times rounded to the millisecond, so that two can be compared."""
    found: dict[str, list[Any]] = {}
    with index.read() as connection:
        for name in tables:
            table = t.metadata.tables[name]
            columns = [column for column in table.c if column.name not in INTERNAL.get(name, ())]
            order = list(table.primary_key.columns)
            rows = connection.execute(table.select().with_only_columns(*columns).order_by(*order)).mappings()
            found[name] = [{key: _rounded(value) for key, value in row.items()} for row in rows]
    return found


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def days(bench: Bench, count: float, step: float = DAY / 2) -> None:
    """Let days pass, with a look at what is due each half one."""
    for _ in range(round(count * DAY / step)):
        bench.tick(after=step)


def there(bench: Bench) -> list[str]:
    """The studies that the index and the store have."""
    found = sorted(row.uid for row in queries.all_studies(bench.index))
    assert len(found) == len(list(bench.store.study_names()))
    return found
