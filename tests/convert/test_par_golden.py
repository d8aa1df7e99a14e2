"""`dcm2par` against scanners: classic images whose attributes are what a scanner's PAR says give that PAR again.

The rules hold the other way round for the one scan whose DICOM and PAR are both public. The files are those in
nibabel's wheel, releases 2.6 to 5.3.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.par_support import NIBABEL, PHANTOM, converted, series_of

IN_ORDER = [
    "phantom_EPI_asc_CLEAR_2_1",
    "DTI",
    "NA",
    "T1",
    "T2_",
    "fieldmap",
    "Phantom_EPI_3mm_cor_20APtrans_15RLrot_SENSE_15_1",
    "Phantom_EPI_3mm_sag_15AP_SENSE_13_1",
    "Phantom_EPI_3mm_tra_15FH_SENSE_9_1",
]


def without_name(par: Path) -> list[bytes]:
    """The lines, ends included, but for the name of the data set."""
    return [line for line in par.read_bytes().splitlines(keepends=True) if not line.startswith(b"# Dataset name")]


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_scanners_par_comes_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    par = NIBABEL / f"{name}.PAR"
    rec = par.with_suffix(".REC")
    folder = series_of(par, rec if rec.exists() else None, tmp_path / "series")
    found = converted(folder, tmp_path / name)
    assert without_name(Path(found.par)) == without_name(par)
    assert Path(found.par).read_bytes().splitlines()[5] == f"# Dataset name: {name}".encode()


def test_its_rec_too(tmp_path: Path) -> None:
    folder = series_of(PHANTOM, PHANTOM.with_suffix(".REC"), tmp_path / "series")
    found = converted(folder, tmp_path / "scan", check=True)
    assert Path(found.rec).read_bytes() == PHANTOM.with_suffix(".REC").read_bytes()
    assert not found.found
    assert not found.notes
