"""Whatever lies in a directory: every file is accounted for once, no two go to one place, and it all comes back."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileDataset
from pydicom.uid import UID

from mrdock.sorting.cleanup import execute, undo
from mrdock.sorting.safe import clash_key
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, presentation_state, raw_series
from tests.builders.par_of_classic import par_of_classic
from tests.sorting.cleanup_support import ANNA, BERTA, age, digest, only, planned, put, snapshot

CARLA: Final = StudyIdentity(seed="carla", study_date=ANNA.study_date, study_time=ANNA.study_time)
"""Another patient, who came at the same moment."""


def _contents() -> dict[str, bytes]:
    """What files may hold, by a few words."""
    small: dict[str, Any] = {"rows": 2, "columns": 2}
    found: dict[str, FileDataset] = {}
    for who in (ANNA, BERTA, CARLA):
        for number, text in ((201, "Resting"), (203, "resting"), (202, "a/b:c"), (301, "con."), (0, "")):
            for image in classic_fmri(who, slices=2, dynamics=1, series_number=number, description=text, **small):
                found[f"{who.seed} {number} {image.InstanceNumber}"] = image
        enhanced = enhanced_mr(who, slices=2, dynamics=1, series_number=201, description="Resting", **small)
        found[f"{who.seed} enhanced"] = enhanced
        found[f"{who.seed} ps"] = presentation_state(who)
        found[f"{who.seed} raw"] = raw_series(who, description="Resting", blobs=[])
    for image in classic_fmri(ANNA, slices=2, dynamics=1, description="Resting", SeriesInstanceUID="2.25.1", **small):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.{image.InstanceNumber}7")
        found[f"anna's other 201 {image.InstanceNumber}"] = image
    pair = par_of_classic(classic_fmri(ANNA, slices=2, dynamics=1, description="Resting", **small))
    sidecar = b'{"SeriesNumber": 201, "SeriesDescription": "Resting"}'
    plain = {"par": pair.par(), "rec": pair.rec(), "nothing": b"", "notes": b"notes", "sidecar": sidecar}
    return {**{words: part10(file) for words, file in found.items()}, **plain}


CONTENTS: Final = _contents()
NAMES: Final = (
    *("IM_0001", "IM_0002", "PS_0001", "XX_0001", "0001.dcm", "0001_2.dcm", "02_Resting.dcm", "02_Resting_2.dcm"),
    *("02_resting.DCM", "02_Resting", "x.PAR", "x.REC", "X.par", "02_Resting.PAR", "02_Resting.REC", "y.nii.gz"),
    *("y.json", "y.nii", "02_Resting.txt", "Thumbs.db", "IM_0001.part", "notes.txt", "DICOMDIR", "trash.json"),
)
FOLDERS: Final = (
    *("", "DICOM", "DICOM/S1", "02_Resting", "02_Resting_2", "2026-01-05_101500", "2026-01-05_101500/02_Resting"),
    *("subject", "subject/0201", "02r3_resting"),
)

Lying = dict[tuple[str, str], str]


@st.composite
def directories(draw: st.DrawFn) -> Lying:
    """Files by folder and name."""
    places = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES))
    return draw(st.dictionaries(places, st.sampled_from(sorted(CONTENTS)), max_size=14))


@contextmanager
def laid_out(lying: Lying) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = os.path.join(folder, "state")
        try:
            top = Path(folder) / "data"
            top.mkdir()
            for (where, name), content in lying.items():
                if not (top / where / name).is_dir() and not any(p.is_file() for p in (top / where / name).parents):
                    put(top / where / name, CONTENTS[content])
            age(top)
            yield top
        finally:
            os.environ.pop("XDG_STATE_HOME")
            if before is not None:
                os.environ["XDG_STATE_HOME"] = before


@given(directories())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_file_once_and_back(lying: Lying) -> None:
    with laid_out(lying) as top:
        before = snapshot(top)
        files = {str(top / name) for name in before if (top / name).is_file()}
        ready = planned(top)
        plan = only(ready)
        accounted = Counter(file.source for file in plan.files)
        accounted += Counter([*plan.unknown, *plan.kept, *(file.path for file in plan.left)])
        assert accounted == Counter(files)
        targets = Counter(clash_key(file.target) for file in plan.files)
        targets += Counter(clash_key(made.target) for made in plan.made)
        assert {place: count for place, count in targets.items() if count > 1} == {}
        going = {file.source for file in plan.files if file.source != file.target}
        arrivals = [file.target for file in plan.files if file.source != file.target]
        assert [path for path in [*arrivals, *(made.target for made in plan.made)] if path in files - going] == []

        result = execute(ready)
        for file in plan.files:
            assert digest(Path(file.target).read_bytes()) == before[os.path.relpath(file.source, top)].content
        assert result.beside == ()
        after = snapshot(top)
        again = only(planned(top))
        assert [(f.source, f.target) for f in again.files if f.source != f.target] == []
        assert (again.made, again.folders) == ((), ())
        assert snapshot(top) == after
        if result.journal:
            assert undo(result.journal).left == ()
        assert snapshot(top) == before
