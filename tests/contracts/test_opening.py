"""Indexes that are opened again, by readers who may not write, by other stores and versions, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mrdock.dock import queries
from mrdock.dock.database import drop_tables, open_index
from mrdock.dock.index import Index
from mrdock.errors import MrdockError, StaleIndexError, StoreError
from tests.contracts.conftest import Place
from tests.contracts.rows import image
from tests.dock.support import STUDY


def test_an_index_is_found_again(index: Index, place: Place) -> None:
    index.record([image(1)])
    index.close()
    again = place.open()
    assert queries.counts(again)[STUDY].images == 1
    again.close()


def test_an_index_of_another_layout_is_refused(index: Index, place: Place) -> None:
    index.set_fact("layout", "99")
    with pytest.raises(StaleIndexError, match=r"layout 99, this mrdock knows 2: run mrdock reindex"):
        place.open()


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_tables_of_another_layout_are_dropped_and_made_anew(index: Index, place: Place) -> None:
    index.record([image(1)])
    index.set_fact("layout", "1")
    index.set_fact("store", "one")
    index.close()
    with pytest.raises(StoreError, match="the index belongs to another store"):
        drop_tables(place.url, store_id="two")
    drop_tables(place.url, store_id="one")
    drop_tables(place.url, store_id="one")
    again = open_index(place.path, place.url, store_id="two")
    assert queries.all_studies(again) == []
    again.close()


# ---- one store an index ----


def test_an_index_serves_one_store(place: Place) -> None:
    open_index(place.path, place.url, store_id="one").close()
    open_index(place.path, place.url, store_id="one").close()
    with pytest.raises(StoreError, match="the index belongs to another store") as refused:
        open_index(place.path, place.url, store_id="two")
    assert not isinstance(refused.value, StaleIndexError)
    again = open_index(place.path, place.url, store_id="one")
    assert again.fact("store") == "one"
    again.close()


# ---- reading only ----


@pytest.mark.parametrize("while_a_dock_runs", [True, False])
def test_a_reader_sees_what_is_there_and_changes_nothing(place: Place, while_a_dock_runs: bool) -> None:
    writer = open_index(place.path, place.url, store_id="one")
    writer.record([image(1)])
    if not while_a_dock_runs:
        writer.close()
    reader = open_index(place.path, place.url, store_id="one", write=False)
    assert queries.counts(reader)[STUDY].images == 1
    if while_a_dock_runs:
        writer.record([image(2)])
        assert queries.counts(reader)[STUDY].images == 2
    reader.close()
    writer.close()


def test_a_reader_makes_no_index(place: Place) -> None:
    with pytest.raises(MrdockError):
        open_index(place.path, place.url, write=False)
    assert not place.path.exists()


@pytest.mark.parametrize("while_a_dock_runs", [True, False])
def test_everybody_who_may_read_the_file_can_look(
    open_place: Path, as_nobody: Callable[[Callable[[], str]], str], while_a_dock_runs: bool
) -> None:
    path = open_place / "index.sqlite"
    writer = open_index(path)
    writer.record([image(1)])
    if not while_a_dock_runs:
        writer.close()
    for file in open_place.iterdir():
        file.chmod(0o644)

    def look() -> str:
        reader = open_index(path, write=False)
        found = queries.counts(reader)[STUDY].images
        reader.close()
        return str(found)

    assert as_nobody(look) == "1"
    writer.close()


def test_a_path_may_hold_what_a_url_may_not(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?c#d" / "index.sqlite"
    path.parent.mkdir()
    writer = open_index(path)
    writer.record([image(1)])
    reader = open_index(path, write=False)
    assert queries.counts(reader)[STUDY].images == 1
    reader.close()
    writer.close()
    assert [file.name for file in path.parent.iterdir()] == ["index.sqlite"]


# ---- what cannot be opened ----


def test_a_file_that_is_no_database_is_known_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(StaleIndexError):
        open_index(path)
    assert path.stat().st_size == 8192


def test_a_damaged_page_is_found_where_pages_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    made = open_index(path, check=True)
    made.record([image(number) for number in range(100)])
    made.close()
    open_index(path, check=True).close()
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size - 4096)
        stream.write(b"\xa5" * 4096)
    with pytest.raises(StaleIndexError):
        open_index(path, check=True)


def test_a_place_that_cannot_be_written_is_not_taken_for_damage(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the index cannot be used") as refused:
        open_index(tmp_path / "no such directory" / "index.sqlite")
    assert not isinstance(refused.value, StaleIndexError)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:////tmp/x.db", "has to be a PostgreSQL one"),
        ("mysql://host/db", "has to be a PostgreSQL one"),
        ("no url at all", "cannot be used"),
        ("postgresql+nosuchdriver://host/db", "cannot be used"),
    ],
)
def test_another_url_than_a_postgresql_one_is_refused(tmp_path: Path, url: str, why: str) -> None:
    with pytest.raises(StoreError, match=why):
        open_index(tmp_path / "index.sqlite", url)


def test_a_server_that_does_not_answer_is_one_sentence_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'mrdock[postgres]')")
    url = f"postgres://mrdock:secret@/db?host={tmp_path}"
    with pytest.raises(StoreError, match="the index cannot be used") as refused:
        open_index(tmp_path / "index.sqlite", url)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)
