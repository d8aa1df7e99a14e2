"""`mrdock reindex`: the files and the studies' records give the same index again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from mrdock.dock import tables
from mrdock.dock.clock import stamp
from tests.builders import StudyIdentity
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Place, wait_for

Row = dict[str, Any]

# What says how far this process has come, not what is in the store: versions count batches, timers start again.
PASSING = {"version", "active_monotonic", "active_boot", "record_bytes", "attempts", "next_try"}


def rows(place: Place) -> dict[str, dict[tuple[Any, ...], Row]]:
    """All tables: rows by primary key; times to the microsecond, as the files hold them."""
    engine = create_engine(f"sqlite:///{place.store}/.mrdock/index.sqlite")
    found = {}
    with engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            keys = [column.name for column in table.primary_key]
            found[table.name] = {
                tuple(row[key] for key in keys): {
                    name: stamp(value) if isinstance(value, float) else value
                    for name, value in row.items()
                    if name not in PASSING
                }
                for row in connection.execute(table.select()).mappings()
            }
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, short_folder: Path, images: MakeImages) -> Place:
    """A store in which much has happened, and no dock."""
    place = Place(tmp_path_factory.mktemp("reindex"), quiet=0.5, roots=[short_folder])
    uid = {name: StudyIdentity(name).study_uid for name in ("routed", "held", "kept", "taken", "asked", "differs")}
    with place.dock() as dock:
        send = clients.ours
        send(dock.enhanced, images(3, seed="routed", comment=f"#-#{short_folder}/routed"))
        send(dock.classic, images(3, seed="held", comment=f"#-#{short_folder}/no/held"))
        send(dock.enhanced, images(3, seed="kept"))
        send(dock.enhanced, images(4, seed="taken", comment=f"#-#{short_folder}/taken"))
        send(dock.enhanced, images(3, seed="asked", comment=f"#-#{short_folder}/no/asked"))
        files = images(2, seed="differs", comment=f"#-#{short_folder}/differs")
        send(dock.enhanced, files)
        files[0].write_bytes(files[0].read_bytes()[:-2] + b"xx")
        send(dock.enhanced, files[:1])
        for name, state in (("routed", "routed"), ("held", "held"), ("kept", "kept"), ("asked", "held")):
            place.wait_for_state(state, study=uid[name])
        taken = place.wait_for_state("routed", study=uid["taken"])
        place.wait_for_state("routed", study=uid["differs"])
        assert place.ask("route", uid["asked"], "--to", f"{short_folder}/asked").returncode == 0
        for path in sorted((place.store / taken["directory"]).glob("MR.*"))[:2]:
            path.unlink()
        send(dock.enhanced, images(5, seed="taken", comment=f"#-#{short_folder}/taken")[4:])
        wait_for("the taken ones to be noticed", lambda: place.studies()[uid["taken"]]["taken"] == 2)
        place.wait_for_state("routed", study=uid["taken"])
    return place


def test_the_same_index_and_the_same_status(place: Place) -> None:
    before, status = rows(place), place.status()
    assert len(before["instances"]) == 20
    done = place.run("reindex")
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 studies with 20 images" in done.stdout
    after = rows(place)
    for table in before:
        if table != "series":  # the test below
            assert after[table] == before[table], table
    assert {**place.status(), "disk": None} == {**status, "disk": None}
    (place.store / ".mrdock" / "index.sqlite").unlink()
    done = place.ask("reindex")
    assert done.returncode == 0, "even where it is gone altogether"
    assert rows(place)["instances"] == before["instances"]


def test_series_keep_their_modality_when_images_of_theirs_were_taken(place: Place) -> None:
    place.ask("reindex")
    assert {row["modality"] for row in rows(place)["series"].values()} == {"MR"}


def test_a_damaged_index_is_made_anew_by_reindex_and_by_the_dock(place: Place) -> None:
    index = place.store / ".mrdock" / "index.sqlite"
    for how in ("reindex", "dock"):
        before = rows(place)["instances"]
        index.write_bytes(b"this is no database " * 500)
        if how == "reindex":
            assert place.ask("reindex").returncode == 0
        else:
            with place.dock() as dock:
                assert "the index was damaged and has been rebuilt from the files" in dock.log()
        assert rows(place)["instances"] == before
        assert list(index.parent.glob("index.sqlite.damaged-*")), "the damaged one is kept for those who mend"


def test_what_did_not_come_through_the_dock_is_left_alone(place: Place) -> None:
    directory = place.store / place.status()["studies"][0]["directory"]
    (directory / "notes.txt").write_text("of a person")
    done = place.ask("reindex")
    assert done.returncode == 0
    assert "1 file did not come through the dock: left alone" in done.stdout
    assert (directory / "notes.txt").read_text() == "of a person"
    (directory / "notes.txt").unlink()


def test_not_while_the_dock_runs(place: Place) -> None:
    with place.dock():
        done = place.ask("reindex")
    assert done.returncode == 1
    assert done.stderr == f"mrdock reindex: {place.store}: another dock is using this store\n"
