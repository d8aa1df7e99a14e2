"""What the workers say reaches the index: in order, once, whoever dies, and whatever the files hold after a crash."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.dock import journal as module
from mrdock.dock import queries
from mrdock.dock.entries import Closed, Entry, Noted, Opened
from mrdock.dock.index import Index, open_index
from mrdock.dock.journal import Arrival, Journal, JournalReader
from mrdock.dock.setting_values import Free
from mrdock.dock.settings import RouteSettings
from mrdock.dock.store import Store, open_store
from mrdock.errors import StoreError
from tests.builders import bulk_classic
from tests.contracts.rows import image
from tests.dock.support import START, STUDY, Bench, from_part10
from tests.dock.support import image as sent_image

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = open_store(tmp_path / "store", Free(), create=True)
    yield made
    made.close()


@pytest.fixture
def index(store: Store) -> Iterator[Index]:
    """Its index."""
    made = open_index(store.index_path)
    yield made
    made.close()


@pytest.fixture
def reader(store: Store, index: Index) -> JournalReader:
    """The reading end."""
    return JournalReader(store, index, RouteSettings())


def files(store: Store) -> list[str]:
    """The journals there are."""
    return sorted(os.listdir(store.journals))


def texts(index: Index) -> list[str]:
    """What was noted, oldest first."""
    return [event.text for event in reversed(queries.last_events(index, 1000))]


def note(text: str, at: float = START) -> Noted:
    """An event."""
    return Noted(at, "refused", None, text)


def test_entries_reach_the_index_in_their_order(store: Store, index: Index, reader: JournalReader) -> None:
    journal = Journal(store)
    entries: list[Entry] = [Opened("a1", "enhanced", "S1", "MRDOCK", "192.0.2.10", START, journal.worker)]
    entries += [image(1), image(2), note("odd"), image(3)]
    for entry in entries:
        journal.put(entry)
    assert reader.drain(START) == 5
    assert [row.uid for row in queries.instances_of(index, STUDY)] == [f"{STUDY}.1.{n}" for n in (1, 2, 3)]
    assert texts(index) == ["odd"]
    assert queries.is_fed(index, STUDY)
    assert reader.drain(START) == 0
    journal.put(Closed("a1", START + 9, "released", 3, 0))
    assert reader.drain(START) == 1
    assert not queries.is_fed(index, STUDY)
    journal.close()
    reader.drain(START)
    assert files(store) == []


def test_an_arrival_becomes_the_row_of_its_image(bench: Bench) -> None:
    bench.send(sent_image(1, path="/data/x"))
    direct = bench.images()
    (bench.directory() / f"MR.{STUDY}.1.1").unlink()
    bench.index.forget_study(STUDY)
    journal = Journal(bench.store)
    bench.receiver.journal = journal
    bench.clock.wall = direct[0].received - 0.002
    bench.send(sent_image(1, path="/data/x"))
    assert queries.study(bench.index, STUDY) is None
    JournalReader(bench.store, bench.index, bench.settings.route).drain(bench.clock.wall)
    (row,) = bench.images()
    assert (row.name, row.path, row.facts, row.size) == (
        direct[0].name, direct[0].path, direct[0].facts, direct[0].size,
    )  # fmt: skip
    assert row.association == "a2"
    journal.close()


def test_many_entries_in_several_files_and_batches(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROTATE", 1500)
    monkeypatch.setattr(module, "_BATCH", 7)
    monkeypatch.setattr(module, "_BLOCK", 100)
    journal = Journal(store)
    for number in range(100):
        journal.put(note(f"{number:03}", START + number))
    assert len(files(store)) > 3
    assert reader.drain(START) == 100
    assert texts(index) == [f"{number:03}" for number in range(100)]
    assert len(files(store)) == 1
    journal.close()
    assert reader.drain(START) == 0
    assert files(store) == []
    with index.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM facts WHERE name LIKE 'journal%'").all() == []


def test_several_workers_at_once(store: Store, index: Index, reader: JournalReader) -> None:
    journals = [Journal(store) for _ in range(3)]
    assert len({journal.worker for journal in journals}) == 3
    for number in range(10):
        for journal in journals:
            journal.put(image(number * 3 + journals.index(journal)))
    assert reader.drain(START) == 30
    assert queries.counts(index)[STUDY].images == 30
    for journal in journals:
        journal.close()


# ---- somebody dies ----


def test_a_reader_that_died_goes_on_where_it_was(store: Store, index: Index, reader: JournalReader) -> None:
    journal = Journal(store)
    journal.put(note("1"))
    reader.drain(START)
    journal.put(note("2"))
    again = JournalReader(store, index, RouteSettings())
    assert again.drain(START) == 1
    assert texts(index) == ["1", "2"]
    journal.close()


def test_a_reader_that_died_in_its_transaction_reads_that_again(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(store)
    for number in range(3):
        journal.put(note(str(number)))

    def fail(*_: object) -> None:
        raise StoreError("the index cannot be used: it is gone")

    with monkeypatch.context() as patch:
        patch.setattr(index, "record", fail)
        with pytest.raises(StoreError):
            reader.drain(START)
    assert reader.drain(START) == 3
    assert texts(index) == ["0", "1", "2"]
    journal.close()


_WORKER = """
import os, signal, sys
from pathlib import Path
from mrdock.dock.entries import Noted, Opened
from mrdock.dock.journal import Journal
from mrdock.dock.setting_values import Free
from mrdock.dock.store import open_store
journal = Journal(open_store(Path(sys.argv[1]), Free(), create=False))
journal.put(Opened("a1", "enhanced", "S1", "MRDOCK", "192.0.2.10", 1.0, journal.worker))
journal.put(Noted(1.0, "refused", None, "before"))
print(journal.worker, flush=True)
sys.stdin.readline()
journal.put(Noted(2.0, "refused", None, "last words"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_that_was_killed_is_heard_to_its_end_and_its_associations_are_over(
    store: Store, index: Index, reader: JournalReader
) -> None:
    command = [sys.executable, "-c", _WORKER, str(store.root)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdin is not None
        worker.stdout.readline()
        assert reader.drain(START) == 2
        assert queries.open_associations(index) == {"enhanced": 1}
        worker.stdin.close()
        assert worker.wait(20) == -signal.SIGKILL
    assert reader.drain(START) == 1
    assert texts(index) == ["before", "last words"]
    assert queries.open_associations(index) == {}
    assert files(store) == []


def test_a_worker_that_ended_well_closes_no_association_of_its_own_accord(
    store: Store, index: Index, reader: JournalReader
) -> None:
    journal = Journal(store)
    journal.put(Opened("a1", "enhanced", "S1", "MRDOCK", "192.0.2.10", START, journal.worker))
    journal.put(Closed("a1", START + 1, "released", 1, 0))
    journal.close()
    reader.drain(START + 99)
    with index.read() as connection:
        assert connection.exec_driver_sql("SELECT ended, how FROM associations").one() == (START + 1, "released")


@pytest.mark.parametrize("rotates", [False, True])
def test_a_journal_that_is_just_being_made_is_not_taken_for_a_dead_one_s(
    store: Store, index: Index, reader: JournalReader, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    """The reader looks between the making of the file and its lock: what is written then must not be lost."""
    real: Callable[[int, int], None] = fcntl.flock

    def look_then_lock(descriptor: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            monkeypatch.setattr(fcntl, "flock", real)
            reader.drain(START)
        real(descriptor, how)

    if rotates:
        monkeypatch.setattr(module, "_ROTATE", 10)
        journal = Journal(store)
        monkeypatch.setattr(fcntl, "flock", look_then_lock)
        journal.put(note("the last of its file"))
    else:
        monkeypatch.setattr(fcntl, "flock", look_then_lock)
        journal = Journal(store)
    journal.put(note("said"))
    reader.drain(START)
    assert "said" in texts(index)
    journal.close()


# ---- what a power cut leaves ----


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
    content = frames(store, note("before"))
    content += b"".join(map(module._frame, frames_of_another_version))
    leave(store, content + frames(store, note("behind")))
    reader.drain(START)
    assert [text for text in texts(index) if "cannot be read" not in text] == ["before", "behind"]
    assert files(store) == []


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
