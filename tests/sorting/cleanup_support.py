"""A directory like a technologist's, made of synthetic files, and what the tests of dcmcleanup look at."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from pydicom.dataset import FileDataset

from mrdock.sorting.cleanup import execute, plan
from mrdock.sorting.cleanup_plan import CleanupOptions, CleanupPlan, CleanupResult, DirectoryPlan
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, presentation_state, raw_data, raw_series
from tests.builders.par_of_classic import par_of_classic

ANNA = StudyIdentity(seed="anna", patient_name="Anna", patient_id="A", examcard_name="Motor study")
BERTA = StudyIdentity(seed="berta", patient_name="Berta", patient_id="B", study_date="20260212", study_time="093000")
LONG_AGO = 1_600_000_000_000_000_000


class Seen(NamedTuple):
    """What a file or directory is: a digest of its content, which is empty for a directory."""

    content: str
    mode: int
    modified_ns: int


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def snapshot(top: Path) -> dict[str, Seen]:
    """All there is, the directory itself too: names, bytes, modes, times."""
    found = {}
    for path in (top, *top.rglob("*")):
        status = path.lstat()
        content = digest(path.read_bytes()) if stat.S_ISREG(status.st_mode) else ""
        found[str(path.relative_to(top))] = Seen(content, status.st_mode, status.st_mtime_ns)
    return found


def names(top: Path) -> set[str]:
    """The files, but for those in the trash."""
    found = (path.relative_to(top) for path in top.rglob("*") if path.is_file())
    return {str(path) for path in found if path.parts[0] != "trash"}


def in_trash(top: Path) -> set[str]:
    """The files of the only run's trash, without its list."""
    runs = list((top / "trash").iterdir())
    assert len(runs) == 1
    return {str(p.relative_to(runs[0])) for p in runs[0].rglob("*") if p.is_file()} - {"trash.json"}


def put(path: Path, content: FileDataset | bytes | str) -> Path:
    """A file, and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, FileDataset):
        content = part10(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def put_all(folder: Path, files: list[FileDataset], first: int = 1, prefix: str = "IM") -> int:
    """Files as a scanner numbers them; the number of the next one."""
    for number, file in enumerate(files, first):
        put(folder / f"{prefix}_{number:04d}", file)
    return first + len(files)


def nifti(top: Path, stem: str, **said: Any) -> None:
    """A NIfTI file with its sidecars, as dcm2niix leaves them."""
    put(top / f"{stem}.nii.gz", b"\x1f\x8b" + stem.encode())
    put(top / f"{stem}.json", json.dumps({"Manufacturer": "Philips", **said}))
    put(top / f"{stem}.bval", "0 1000\n")


def resting(**more: Any) -> list[FileDataset]:
    """A classic series of Anna's."""
    return classic_fmri(ANNA, **{"slices": 3, "dynamics": 2, "description": "Resting", **more})


def technologist(top: Path) -> None:
    """One exam as a scanner exports it in all its forms, and what gathers beside it in time."""
    number = put_all(top / "DICOM", resting())
    number = put_all(top / "DICOM", resting(series_number=203, dynamics=1), number)
    put(top / "DICOM" / f"PS_{number:04d}", presentation_state(ANNA))
    put(top / "DICOM" / f"XX_{number + 1:04d}", raw_data(ANNA, examcard_name="Motor study"))
    put(top / "DICOM" / f"XX_{number + 2:04d}", raw_series(ANNA, description="Resting"))
    put(top / "Tapping.dcm", enhanced_mr(ANNA, description="Tapping"))
    par_of_classic(resting(series_number=401, description="T1W")).write(top / "Anna_WIP_T1W_4_1")
    nifti(top, "out_Resting_201_e2", SeriesNumber=201, SeriesDescription="Resting")
    put(top / "IM_0001 (copy)", (top / "DICOM/IM_0001").read_bytes())
    put(top / "Thumbs.db", b"thumbs")
    put(top / ".lock", b"")
    put(top / "notes.txt", "remember")
    (top / "empty/below").mkdir(parents=True)
    put(top / "alone.REC", bytes(200))
    age(top)


def age(top: Path) -> None:
    """Everything was touched long ago, each at a time of its own, with modes of their own."""
    paths = sorted(top.rglob("*"), key=lambda path: (-len(path.parts), str(path)))
    for number, path in enumerate([*paths, top]):
        if path.is_dir():
            path.chmod(0o750 if number % 2 else 0o755)
        else:
            path.chmod(0o640 if number % 3 else 0o600)
        os.utime(path, ns=(LONG_AGO, LONG_AGO + number))


def planned(*tops: Path, **more: Any) -> CleanupPlan:
    return plan(CleanupOptions(tuple(map(str, tops)), **{"settle": 0.0, **more}))


def only(found: CleanupPlan) -> DirectoryPlan:
    (directory,) = found.directories
    return directory


def tidied(*tops: Path, **more: Any) -> CleanupResult:
    return execute(planned(*tops, **more))
