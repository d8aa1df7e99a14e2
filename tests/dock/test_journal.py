"""What the workers say reaches the index: in order, once, whoever dies, and whatever the files hold after a crash."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from mrdock.dock import journal as module
from mrdock.dock import queries
from mrdock.dock.entries import Closed, Entry, Opened
from mrdock.dock.index import Index
from mrdock.dock.journal import Journal, JournalReader
from mrdock.dock.settings import RouteSettings
from mrdock.dock.store import Store
from mrdock.errors import StoreError
from tests.contracts.rows import image
from tests.dock.journals import files, note, texts
from tests.dock.support import START, STUDY, Bench
from tests.dock.support import image as sent_image

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


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
