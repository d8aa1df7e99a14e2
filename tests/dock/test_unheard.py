"""A worker that died may have answered images that its journal does not tell of: the keeper looks for them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrdock.dock import service
from mrdock.dock.clock import Now
from mrdock.dock.index import Index
from mrdock.dock.journal import Journal, JournalReader
from mrdock.dock.keeper import Keeper
from mrdock.dock.settings import Settings
from mrdock.dock.startup import catch_up
from mrdock.dock.store import Store
from mrdock.errors import StoreError
from tests.dock.journals import files, note, texts
from tests.dock.support import START, Bench, image


def leave(store: Store, content: bytes) -> Path:
    """A journal of a dead worker."""
    path = store.root / ".mrdock/journals/1-dead-000000"
    path.write_bytes(content)
    return path


def incomplete(reader: JournalReader) -> bool:
    """Whether reading on shows that something was not told."""
    reader.incomplete = False
    reader.drain(START)
    return reader.incomplete


def test_a_journal_that_was_ended_told_all(store: Store, reader: JournalReader) -> None:
    journal = Journal(store)
    journal.put(note("all"))
    reader.drain(START)
    journal.close()
    reader.drain(START)
    assert files(store) == []
    assert not reader.incomplete


@pytest.mark.parametrize("content", [b"", b"\1\0", b"\xa5" * 100], ids=["no end", "half a frame", "noise"])
def test_a_journal_that_was_not_ended_did_not(store: Store, reader: JournalReader, content: bytes) -> None:
    leave(store, content)
    reader.drain(START)
    assert files(store) == []
    assert reader.incomplete


def test_a_journal_that_cannot_be_read_did_not(store: Store, reader: JournalReader) -> None:
    path = leave(store, b"")
    path.unlink()
    path.symlink_to("elsewhere")
    assert incomplete(reader)
    assert not incomplete(reader), "once is enough"


def test_a_living_worker_s_journal_that_was_overwritten_is_looked_after_twice(
    store: Store, index: Index, reader: JournalReader
) -> None:
    """When it is found so, and when it ends: it may tell of more until then, and is read no further."""
    journal = Journal(store)
    journal.put(note("before"))
    (name,) = files(store)
    with (store.root / ".mrdock/journals" / name).open("ab") as stream:
        stream.write(b"\xa5" * 100)
    journal.put(note("behind"))
    assert incomplete(reader)
    assert not incomplete(reader)
    journal.close()
    assert incomplete(reader)
    assert texts(index) == ["before"]
    assert files(store) == []


@pytest.fixture
def handlers() -> Iterator[None]:
    """The keeper's process sets a signal handler; this one is the tests'."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def unheard(bench: Bench) -> None:
    """An image that was stored and answered, and a worker that died before it told of it."""
    bench.send(image(1))
    bench.journal.deaf = True
    assert bench.send(image(2))[0].status == 0
    assert len(bench.images()) == 1
    leave(bench.store, b"")


@pytest.mark.usefixtures("handlers")
def test_the_keeper_tries_again_until_it_has_looked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is gone at the first try; the index cannot be used until the third."""
    unheard(bench)
    tries = trying(lambda count: count > 2, monkeypatch)
    service._keep(bench.store, bench.settings, prepared=True)
    assert [row.uid for row in bench.images()] == [image(1).uid, image(2).uid]
    assert tries == [1, 2, 3], "and not again when all was found"


def trying(works: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the tries, of which some fail; some rounds after one that worked the keeper is told to stop."""
    tries: list[int] = []
    rounds = iter(range(3))

    def instead(store: Store, index: Index, settings: Settings) -> None:
        tries.append(len(tries) + 1)
        if not works(tries[-1]):
            raise StoreError("the index cannot be used")
        catch_up(store, index, settings)

    class Told(Keeper):
        def complete(self, now: Now) -> None:
            if next(rounds, None) is None:
                os.kill(os.getpid(), signal.SIGTERM)

    for name, value in {
        "catch_up": instead,
        "Keeper": Told,
        "_AFTER_TROUBLE": 0.01,
        "_DRAIN": 0.01,
        "_TICK": 0,
    }.items():
        monkeypatch.setattr(service, name, value)
    return tries


def test_an_image_that_is_told_of_after_it_was_found_is_not_doubled(bench: Bench) -> None:
    """A worker that lives may be between the name of an image and its entry while the keeper looks."""
    unheard(bench)
    catch_up(bench.store, bench.index, bench.settings)
    found = bench.images()
    bench.journal.deaf = False
    assert bench.send(image(2), image(3))[1].status == 0
    catch_up(bench.store, bench.index, bench.settings)
    assert [row.uid for row in found] == [image(number).uid for number in (1, 2)]
    assert [row.uid for row in bench.images()] == [image(number).uid for number in (1, 2, 3)]


def test_a_study_that_is_complete_is_routed_again_with_what_was_found(bench: Bench, research: Path) -> None:
    target = research / "subj1"
    bench.take_in(image(1, path=str(target)))
    assert len(list(target.iterdir())) == 1
    bench.journal.deaf = True
    bench.send(image(2, path=str(target)))
    catch_up(bench.store, bench.index, bench.settings)
    bench.tick(after=61)
    assert len(list(target.iterdir())) == 2
