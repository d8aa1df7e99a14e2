"""An index that is damaged while the dock runs: it is made anew from the files, without a restart of the dock."""

from __future__ import annotations

import os

from tests.e2e.clients import ours
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Place, wait_for


def test_an_index_damaged_while_the_dock_runs_is_made_anew(place: Place, images: MakeImages) -> None:
    with place.dock() as dock:
        ours(dock.enhanced, images(20, seed="before"))
        wait_for("the first study", lambda: len(place.studies()) == 1)
        for name in ("index.sqlite", "index.sqlite-wal"):
            path = place.store / ".mrdock" / name
            with path.open("r+b") as index:
                index.seek(100)
                index.write(os.urandom(max(path.stat().st_size - 100, 0)))
        ours(dock.enhanced, images(30, seed="after"))

        def known() -> bool:
            done = place.ask("status", "--json")
            return done.returncode == 0 and sorted(s["images"] for s in place.studies().values()) == [20, 30]

        wait_for("both studies in the index", known)
        assert "the index was damaged and has been rebuilt" in dock.log()
    assert len(place.images()) == 50
