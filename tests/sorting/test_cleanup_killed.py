"""dcmcleanup killed before any of its calls that change the disk: nothing is lost, and it goes on or goes back."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from mrdock.files.journal import list_journals, recover
from mrdock.sorting.cleanup import purge, undo
from mrdock.sorting.cleanup_plan import CleanupOptions
from tests.builders.par_of_classic import par_of_classic
from tests.builders.philips import classic_fmri
from tests.files.moving import dies_at
from tests.sorting.cleanup_support import ANNA, Seen, age, names, nifti, put, put_all, snapshot, tidied

STEP = 2
"""Every so many calls; all of them with MRDOCK_ALL_STEPS=1."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def lay_out(top: Path) -> dict[str, Seen]:
    """Something of everything, names that are to be swapped among it."""
    shutil.rmtree(top, ignore_errors=True)
    images = classic_fmri(ANNA, slices=2, dynamics=2, rows=2, columns=2, description="Resting")
    put_all(top / "DICOM/S1", images[:2])
    put(top / "02_Resting/0001_0001.dcm", images[3])
    put(top / "02_Resting/0002_0002.dcm", images[2])
    par_of_classic(classic_fmri(ANNA, slices=2, dynamics=1, series_number=401, description="T1W")).write(top / "x")
    nifti(top, "out_T1W_401", SeriesNumber=401, SeriesDescription="T1W")
    put(top / "copy", (top / "DICOM/S1/IM_0001").read_bytes())
    put(top / "a.tmp", "a")
    age(top)
    return snapshot(top)


def contents(found: dict[str, Seen]) -> Counter[str]:
    return Counter(seen.content for seen in found.values() if seen.content)


def test_killed_before_any_call(tmp_path: Path) -> None:
    top = tmp_path / "data"
    lay_out(top)
    tidied(top)
    wanted = names(top)
    step = 1 if os.environ.get("MRDOCK_ALL_STEPS") == "1" else STEP
    for info in list_journals():
        os.unlink(info.path)
    number, back = 0, False
    before = lay_out(top)
    while dies_at(number, lambda: tidied(top)):
        assert not contents(before) - contents(snapshot(top)), number
        if back:
            for info in list_journals():
                assert undo(info.path).left == (), number
            recover()
            assert snapshot(top).keys() == before.keys(), number
            found = {name: seen for name, seen in snapshot(top).items() if seen.content}
            assert found == {name: seen for name, seen in before.items() if seen.content}, number
        else:
            tidied(top)
            assert names(top) == wanted, number
            assert not contents(before) - contents(snapshot(top)), number
            ((_, purged),) = purge(CleanupOptions((str(top),)))
            assert (purged.files, purged.kept) == (2, ()), number
            assert names(top) == wanted
        for info in list_journals():
            os.unlink(info.path)
        before = lay_out(top)
        back = not back
        number += step
    assert number > 40
