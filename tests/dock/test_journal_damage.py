"""What a crash or a full disk leaves in a journal stops neither the dock nor what stands behind it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from mrdock.dock import journal as module
from mrdock.dock import queries
from mrdock.dock.entries import Closed, Entry, Noted, Opened
from mrdock.dock.headers import read_header
from mrdock.dock.index import Index
from mrdock.dock.journal import Arrival, Journal, JournalReader
from mrdock.dock.record import Receipt
from mrdock.dock.settings import RouteSettings
from mrdock.dock.store import Store
from tests.builders import bulk_classic
from tests.contracts.rows import image
from tests.dock.journals import files, note, texts
from tests.dock.support import EXPLICIT, START, STUDY, Bench, from_part10
from tests.dock.support import image as sent_image


def leave(store: Store, content: bytes) -> None:
    """A journal of a dead worker."""
    (store.root / ".mrdock/journals/1-dead-000000").write_bytes(content)


def frames(store: Store, *entries: Entry) -> bytes:
    """Entries as a worker writes them."""
    journal = Journal(store)
    for entry in entries:
        journal.put(entry)
    (name,) = files(store)
    path = store.root / ".mrdock/journals" / name
    content = path.read_bytes()
    journal.close()
    path.unlink()
    return content


@pytest.mark.parametrize("cut", [1, 3, 5, 20])
def test_a_last_entry_that_was_cut_short_is_passed_over(
    store: Store, index: Index, reader: JournalReader, cut: int
) -> None:
    leave(store, frames(store, note("whole"), note("cut"))[:-cut])
    assert reader.drain(START) == 1
    assert texts(index) == ["whole"]
    assert files(store) == []


@pytest.mark.parametrize(
    "rest",
    [
        bytes(4096),
        struct.pack("<I", 100) + bytes(100),
        struct.pack("<I", 100) + b"\xff" * 100,
        struct.pack("<I", 0xFFFFFFFF) + b"x" * 50,
        struct.pack("<I", 20) + b"cmrdock.nowhere\nX\n\x81.",
        struct.pack("<I", 4) + b"N.\0\0",
        b"\xa5" * 4096,
    ],
    ids=["zeros", "zeros in a frame", "noise in a frame", "a huge length", "another version", "no entry", "noise"],
)
def test_what_is_no_entry_ends_the_journal_and_keeps_no_dock_from_starting(
    store: Store, index: Index, reader: JournalReader, rest: bytes
) -> None:
    """The files are not fsynced: after a power cut they may hold anything. What they do not tell, the store does."""
    leave(store, frames(store, note("whole")) + rest)
    reader.drain(START)
    assert texts(index) == ["whole"]
    assert files(store) == []


def test_a_full_disk_keeps_entries_until_there_is_room(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(store)
    journal.put(note("1"))
    real: Callable[..., int] = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) > 8:
            return real(descriptor, data[:8])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        journal.put(note("2"))
        assert reader.drain(START) == 1
        journal.put(note("3"))
        assert reader.drain(START) == 0
    journal.put(note("4"))
    assert reader.drain(START) == 3
    assert texts(index) == ["1", "2", "3", "4"]
    journal.close()


def test_a_journal_that_cannot_be_written_for_long_takes_no_endless_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_MOST_WAITING", 10)
    journal = Journal(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        for number in range(50):
            journal.put(note(str(number)))
        assert len(journal._waiting) == 10
    journal.close()


def test_a_journal_is_its_owner_s_alone(store: Store) -> None:
    """Headers' free texts are in it on their way to the index."""
    journal = Journal(store)
    (name,) = files(store)
    assert (store.root / ".mrdock/journals" / name).stat().st_mode & 0o7777 == 0o600
    journal.close()


# ---- what cannot be written, and files that cannot be made ----


def test_one_entry_that_cannot_be_written_keeps_nothing_behind_it(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 4)
    journal = Journal(store)
    for number in range(1, 10):
        journal.put(replace(image(number), size=1 << 70 if number == 3 else 1000))
    assert reader.drain(START) == 8
    assert queries.counts(index)[STUDY].images == 8
    (said,) = texts(index)
    assert said.startswith("an entry (Received) cannot be written")
    assert reader.drain(START) == 0
    journal.close()


def test_one_entry_that_cannot_be_read_keeps_nothing_behind_it(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames_of_another_version = [b"{}", b"5", b'{"entry": "Nobody"}', b'{"entry": "Noted", "at": "now"}', b"[" * 99999]
    arrival = json.loads(module.encode(image_arrival()))
    others: tuple[object, ...] = (None, [5], {}, 1 << 70, "\ud800")
    for key in arrival:
        for value in others:
            frames_of_another_version.append(json.dumps({**arrival, key: value}).encode())
    content = frames(store, note("before"))
    content += b"".join(map(module._frame, frames_of_another_version))
    leave(store, content + frames(store, note("behind")))
    reader.drain(START)
    assert [text for text in texts(index) if "an entry " not in text] == ["before", "behind"]
    assert files(store) == []


def image_arrival() -> Arrival:
    """A stored image as its worker says it."""
    header = read_header(sent_image(1).data, EXPLICIT, RouteSettings())
    return Arrival(header.found, "directory", "name", EXPLICIT, 5, Receipt(START, "a1"), False, 1.0)


def test_every_entry_is_read_as_it_was_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Entry | Arrival] = []
    monkeypatch.setattr(bench.journal, "put", said.append)
    bench.send(sent_image(1, path="/data/\u00e9"), sent_image(1), from_part10(next(bulk_classic(1))))
    assert {type(entry) for entry in said} == {Opened, Arrival, Closed, Noted}
    assert [module.decode(module.encode(entry)) for entry in [*said, image()]] == [*said, image()]


def test_a_file_that_cannot_be_begun_leaves_the_one_before_in_use(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(module, "_ROTATE", 10)
    journal = Journal(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        for number in range(3):
            journal.put(note(str(number)))
    assert len(files(store)) == 1
    assert reader.drain(START) == 3
    journal.put(note("3"))
    assert reader.drain(START) == 1
    assert len(files(store)) == 1
    journal.close()
    reader.drain(START)
    assert files(store) == []


def test_half_a_frame_that_cannot_be_cut_off_has_nothing_written_behind_it(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(store)
    journal.put(Opened("a1", "enhanced", "S1", "MRDOCK", "192.0.2.10", START, journal.worker))
    real: Callable[..., int] = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) > 8:
            return real(descriptor, data[:8])
        raise OSError(5, "Input/output error")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        patch.setattr(os, "ftruncate", fail)
        journal.put(note("1"))
    journal.put(note("2"))
    reader.drain(START)
    assert texts(index) == ["1", "2"]
    assert queries.open_associations(index) == {"enhanced": 1}  # its worker lives: it has another file
    assert len(files(store)) == 1
    journal.close()


def test_what_is_no_journal_is_left_alone(store: Store, index: Index, reader: JournalReader) -> None:
    place = store.root / ".mrdock/journals"
    (place / "notes.txt").write_text("mine")
    (place / "1-dead-000000").mkdir()
    os.mkfifo(place / "2-dead-000000")
    (place / "3-dead-000000").symlink_to(place / "notes.txt")
    assert reader.drain(START) == 0
    assert {"notes.txt", "1-dead-000000", "3-dead-000000"} <= set(files(store))
