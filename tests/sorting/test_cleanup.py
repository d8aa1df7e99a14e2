"""dcmcleanup as a library: a technologist's directory before and after, again, and back."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from pydicom.uid import UID

from mrdock.errors import BusyError, PlaceError, SettingsError, StoppedError
from mrdock.files.copying import CHANGED
from mrdock.files.durable import move_new
from mrdock.files.journal import list_journals
from mrdock.files.lock import only_one
from mrdock.sorting.cleanup import execute, plan, purge, undo
from mrdock.sorting.cleanup_plan import CleanupOptions
from tests.builders import classic_fmri, enhanced_mr, presentation_state, raw_data
from tests.builders.par_of_classic import par_of_classic
from tests.sorting.cleanup_support import (
    ANNA,
    BERTA,
    age,
    in_trash,
    names,
    nifti,
    only,
    planned,
    put,
    put_all,
    resting,
    snapshot,
    technologist,
    tidied,
)

SLICES = {f"02_Resting/{place:04d}_{dynamic:04d}.dcm" for place in (1, 2, 3) for dynamic in (1, 2)}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# ---- the whole ----


def test_before_and_after(top: Path) -> None:
    technologist(top)
    result = tidied(top)
    assert names(top) == {
        *SLICES,
        *(f"02r3_Resting/{place:04d}.dcm" for place in (1, 2, 3)),
        "03_Tapping.dcm",
        *("04_T1W.PAR", "04_T1W.REC"),
        *("02_Resting_e2.nii.gz", "02_Resting_e2.json", "02_Resting_e2.bval"),
        *("Motor study.ExamCard", "Motor study.html", "02_Resting.txt"),
        *("extras/PS_0010", "extras/XX_0011", "extras/XX_0012"),
        *("notes.txt", "alone.REC"),
    }
    assert in_trash(top) == {"DICOM/IM_0001", "Thumbs.db", ".lock"}
    assert sorted(path.name for path in top.iterdir() if path.is_dir()) == [
        "02_Resting",
        "02r3_Resting",
        "extras",
        "trash",
    ]
    assert (result.named, result.extras, result.trashed, result.folders, result.made) == (15, 3, 3, 3, 3)
    assert result.left == ()
    directory = only(planned(top))
    assert [os.path.basename(path) for path in directory.unknown] == ["notes.txt"]
    assert [(os.path.basename(remark.path), remark.text) for remark in directory.remarks] == [
        ("alone.REC", "a REC file without PAR")
    ]


def test_nothing_has_changed_but_names(top: Path) -> None:
    technologist(top)
    before = {seen for name, seen in snapshot(top).items() if seen.content}
    tidied(top)
    after = {seen for name, seen in snapshot(top).items() if seen.content}
    assert before <= after


def test_a_second_run_changes_nothing(top: Path) -> None:
    technologist(top)
    tidied(top)
    before = snapshot(top)
    again = tidied(top)
    assert snapshot(top) == before
    assert again.journal == ""
    assert again.in_place == 15


def test_undo_restores_all_exactly(top: Path) -> None:
    technologist(top)
    before = snapshot(top)
    result = tidied(top)
    back = undo(result.journal)
    assert back.left == ()
    assert snapshot(top) == before
    assert undo(result.journal).files == ()
    assert names(top) == {name for name, seen in before.items() if (top / name).is_file()}
    assert tidied(top).named == result.named, "and it can be done again"


def test_undo_keeps_what_has_come_and_changed_since(top: Path) -> None:
    technologist(top)
    result = tidied(top)
    put(top / "02_Resting/mine.txt", "mine")
    (top / "03_Tapping.dcm").write_bytes(b"edited")
    back = undo(result.journal)
    assert [os.path.basename(file.path) for file in back.left] == ["03_Tapping.dcm"]
    assert (top / "03_Tapping.dcm").read_bytes() == b"edited"
    assert (top / "02_Resting/mine.txt").read_text() == "mine"
    assert (top / "DICOM/IM_0002").exists()


def test_several_directories_one_journal(top: Path) -> None:
    technologist(top / "one")
    technologist(top / "two")
    before = snapshot(top)
    result = tidied(top / "one", top / "two", top / "one")
    assert names(top / "one") == names(top / "two")
    assert len(list_journals()) == 1
    undo(result.journal)
    after = snapshot(top)
    assert {name: after[name] for name in after if name != "."} == {
        name: before[name] for name in before if name != "."
    }


# ---- names ----


def test_names_do_not_depend_on_when_files_come(top: Path) -> None:
    images = resting()
    put_all(top, images[:4])
    tidied(top)
    put_all(top, images[4:], 5)
    tidied(top)
    assert names(top) == SLICES


def test_two_series_of_one_name_stay_apart_and_keep_their_names(top: Path) -> None:
    second = classic_fmri(
        ANNA, slices=2, dynamics=1, description="Resting", SeriesInstanceUID="2.25.7", SeriesTime="235959"
    )
    for number, image in enumerate(second):
        image.SOPInstanceUID = UID(f"2.25.8{number}")
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    put_all(top, second, 50)
    tidied(top)
    assert names(top) == {"02_Resting/0001.dcm", "02_Resting/0002.dcm"}
    put_all(top, resting())
    tidied(top)
    first = {"02_Resting/0001.dcm", "02_Resting/0002.dcm"}
    assert names(top) == first | {name.replace("Resting/", "Resting_2/") for name in SLICES}


def test_what_stands_under_a_name_is_not_touched(top: Path) -> None:
    put(top / "03_Tapping.dcm", "no DICOM at all")
    put(top / "02_Resting/notes", "a directory of somebody's")
    put_all(top / "DICOM", [*resting(), enhanced_mr(ANNA, description="Tapping")])
    result = tidied(top)
    assert names(top) == {
        *(name.replace("Resting/", "Resting_2/") for name in SLICES),
        *("03_Tapping.dcm", "03_Tapping_2.dcm", "02_Resting/notes"),
    }
    assert (top / "03_Tapping.dcm").read_text() == "no DICOM at all"
    assert [os.path.basename(file.path) for file in result.left] == ["03_Tapping.dcm"]
    before = snapshot(top)
    tidied(top)
    assert snapshot(top) == before


def test_a_broken_file_within_a_series_keeps_its_name(top: Path) -> None:
    put_all(top, resting())
    tidied(top)
    broken = (top / "02_Resting/0002_0001.dcm").read_bytes()
    (top / "02_Resting/0002_0001.dcm").write_bytes(broken[:500])
    put(top / "IM_0009", broken)
    tidied(top)
    assert names(top) == SLICES | {"02_Resting/0002_0001_2.dcm"}
    assert (top / "02_Resting/0002_0001_2.dcm").read_bytes() == broken
    assert tidied(top).named == 0


def test_swapped_names_are_put_right(top: Path) -> None:
    put(top / "03_Tapping.dcm", enhanced_mr(ANNA, series_number=401, description="Moving"))
    put(top / "04_Moving.dcm", enhanced_mr(ANNA, description="Tapping"))
    content = {path.name: path.read_bytes() for path in top.iterdir()}
    tidied(top)
    assert (top / "03_Tapping.dcm").read_bytes() == content["04_Moving.dcm"]
    assert (top / "04_Moving.dcm").read_bytes() == content["03_Tapping.dcm"]


# ---- exams ----


def test_several_exams_have_a_directory_each(top: Path) -> None:
    number = put_all(top, resting())
    put_all(top, classic_fmri(BERTA, slices=2, dynamics=1, description="Resting"), number)
    par_of_classic(classic_fmri(BERTA, slices=2, dynamics=1, series_number=301, description="T1W")).write(top / "b")
    tidied(top)
    assert names(top) == {
        *(f"2026-01-05_101500/{name}" for name in SLICES),
        *(f"2026-02-12_093000/02_Resting/{place:04d}.dcm" for place in (1, 2)),
        *("2026-02-12_093000/03_T1W.PAR", "2026-02-12_093000/03_T1W.REC"),
    }
    before = snapshot(top)
    tidied(top)
    assert snapshot(top) == before


def test_an_exam_that_was_tidied_here_stays_when_another_comes(top: Path) -> None:
    put_all(top, resting())
    tidied(top)
    put_all(top, classic_fmri(BERTA, slices=2, dynamics=1, description="Rest"))
    tidied(top)
    assert names(top) == SLICES | {f"2026-02-12_093000/02_Rest/{place:04d}.dcm" for place in (1, 2)}
    put(top / "IM_0077", classic_fmri(BERTA, slices=1, dynamics=1, series_number=501, description="Late")[0])
    tidied(top)
    assert names(top) == {
        *SLICES,
        *(f"2026-02-12_093000/02_Rest/{place:04d}.dcm" for place in (1, 2)),
        "2026-02-12_093000/05_Late/0001.dcm",
    }


def test_exams_in_directories_of_their_own_are_tidied_there(top: Path) -> None:
    put_all(top / "subject1/DICOM/S1", resting())
    put_all(top / "subject2/0201", classic_fmri(BERTA, slices=2, dynamics=1, description="Rest"))
    tidied(top)
    assert names(top) == {
        *(f"subject1/{name}" for name in SLICES),
        *(f"subject2/02_Rest/{place:04d}.dcm" for place in (1, 2)),
    }


def test_extras_of_another_exam_displace_nobody(top: Path) -> None:
    put_all(top, resting())
    put(top / "PS_0100", presentation_state(BERTA))
    tidied(top)
    assert names(top) == SLICES | {"2026-02-12_093000/extras/PS_0100"}


# ---- other exports ----


def test_pairs_in_any_case_and_incomplete_ones(top: Path) -> None:
    par_of_classic(resting(description="Low")).write(top / "x", ".par", ".rec")
    pair = par_of_classic(resting(series_number=302, description="Cut"))
    pair.write(top / "y")
    (top / "y.REC").write_bytes((top / "y.REC").read_bytes()[:-10])
    (top / "z.PAR").write_bytes(par_of_classic(resting(series_number=501, description="Lost")).par())
    few = par_of_classic(resting(series_number=601, description="Few", slices=4))
    del few.images[3]
    few.write(top / "few")
    directory = only(planned(top))
    assert {item.name for item in directory.items} == {"02_Low", "03r2_Cut", "05_Lost", "06_Few"}
    texts = {os.path.basename(remark.path): remark.text for remark in directory.remarks}
    assert texts.keys() == {"03r2_Cut.REC", "05_Lost.PAR", "06_Few.PAR"}
    assert texts["03r2_Cut.REC"].startswith("too short: ")
    assert texts["05_Lost.PAR"] == "PAR without its REC file"
    assert texts["06_Few.PAR"].startswith("looks incomplete: 7 of 8 images")
    tidied(top)
    assert {"02_Low.par", "02_Low.rec", "03r2_Cut.PAR", "03r2_Cut.REC", "05_Lost.PAR"} <= names(top)


XML = """<?xml version="1.0"?>
<PRIDE_V5><Series_Info>
<Attribute Name="Protocol Name" Tag="0x00181030" Level="MRSeries" Type="String">WIP T1 &lt;3D&gt;</Attribute>
<Attribute Name="Aquisition Number" Tag="0x2001107B" Level="MRSeries" Type="Int32">7</Attribute>
<Attribute Name="Reconstruction Number" Tag="0x2001101D" Level="MRSeries" Type="Int32">2</Attribute>
<Attribute Name="Examination Date" Tag="0x00400244" Level="Examination" Type="Date">2026.01.05</Attribute>
<Attribute Name="Examination Time" Tag="0x00400245" Level="Examination" Type="Time">10:15:00</Attribute>
</Series_Info><Image_Array/></PRIDE_V5>
"""


def test_xml_rec_and_nifti_are_named_alike(top: Path) -> None:
    put(top / "a.XML", XML)
    put(top / "a.REC", bytes(10))
    nifti(top, "a")  # by what lies beside it
    nifti(top, "x_Resting_201_ph", SeriesNumber=201, SeriesDescription="Resting")
    nifti(top, "x_Resting_201", SeriesNumber=201, SeriesDescription="Resting")
    put(top / "Anna_Resting_2_1.nii", b"by number and words")
    put(top / "result.nii.gz", b"somebody's")
    put(top / "page.xml", "<html/>")
    put_all(top, resting())
    tidied(top)
    assert names(top) - SLICES == {
        *("07r2_T1_3D.XML", "07r2_T1_3D.REC"),
        *(f"07r2_T1_3D{ending}" for ending in (".nii.gz", ".json", ".bval")),
        *(f"02_Resting_ph{ending}" for ending in (".nii.gz", ".json", ".bval")),
        *(f"02_Resting{ending}" for ending in (".nii.gz", ".json", ".bval")),
        *("02_Resting.nii", "result.nii.gz", "page.xml"),
    }
    before = snapshot(top)
    tidied(top)
    assert snapshot(top) == before


def test_a_data_set_of_somebody_is_left_alone(top: Path) -> None:
    put(top / "bids/dataset_description.json", "{}")
    nifti(top / "bids/sub-01", "sub-01_T1w", SeriesNumber=201, SeriesDescription="T1w")
    put(top / "code/.git/config", "")
    put_all(top / "code", resting())
    put(top / "study/.mrdock-study", "{}")
    put_all(top / "study", resting())
    before = snapshot(top)
    tidied(top)
    assert snapshot(top) == before
    with pytest.raises(PlaceError, match="in the store of a dock"):
        planned(top / "study")


# ---- extras, trash, what is made ----


def test_sent_again_is_worthless(top: Path) -> None:
    technologist(top)
    tidied(top)
    shutil.rmtree(top / "trash")
    before = names(top)
    technologist(top)
    tidied(top)
    assert names(top) == before
    assert len(in_trash(top)) == 15 + 3 + 3


def test_worthless_pairs_go_as_pairs(top: Path) -> None:
    pair = par_of_classic(resting(description="Low"))
    pair.write(top / "one")
    pair.write(top / "two")
    put(top / "three.PAR", (top / "one.PAR").read_bytes())
    put(top / "four.REC", (top / "one.REC").read_bytes())
    other = par_of_classic(resting(series_number=301, description="High"))
    other.images = pair.images
    other.write(top / "same pixels")
    tidied(top)
    assert names(top) == {"02_Low.PAR", "02_Low.REC", "03_High.PAR", "03_High.REC"}
    assert in_trash(top) == {"two.PAR", "two.REC", "three.PAR", "four.REC"}


def test_an_unfinished_transfer_is_worthless_only_beside_the_whole(top: Path) -> None:
    images = resting()
    put_all(top, images)
    put(top / "IM_0001.part", (top / "IM_0001").read_bytes()[:400])
    put(top / "IM_0099.part", (top / "IM_0002").read_bytes()[:400])
    put(top / "whole.tmp", enhanced_mr(ANNA, description="Tapping"))
    put(top / "x.tmp", "x")
    put(top / "poetry.lock", "somebody's work\n" * 100)
    result = tidied(top)
    assert names(top) == SLICES | {"03_Tapping.dcm", "IM_0099.part", "poetry.lock"}
    assert in_trash(top) == {"IM_0001.part", "x.tmp"}
    assert [os.path.basename(file.path) for file in result.left] == ["IM_0099.part"]


def test_dicomdirs_and_names_that_meet_in_the_extras(top: Path) -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file("DICOMDIR")
    assert isinstance(path, str)
    put(top / "DICOMDIR", Path(path).read_bytes())
    put(top / "PS_0001", presentation_state(ANNA))
    put(top / "DICOM/PS_0001", presentation_state(ANNA, series_number=301))
    put_all(top / "DICOM", resting())
    tidied(top)
    assert names(top) == SLICES | {"extras/DICOMDIR", "extras/PS_0001", "extras/PS_0001_2"}


def test_the_fullest_exam_card_counts(top: Path) -> None:
    from tests.builders.examcard import ExamCardScan

    scans = [ExamCardScan("Survey", 1), ExamCardScan("Rest", 2)]
    put(top / "XX_0001", raw_data(ANNA, examcard_name="Card", scans=scans[:1]))
    full = raw_data(ANNA, examcard_name="Card", scans=scans, SOPInstanceUID="2.25.99")
    full.file_meta.MediaStorageSOPInstanceUID = UID("2.25.99")
    put(top / "XX_0002", full)
    directory = only(planned(top))
    assert [(os.path.basename(m.target), os.path.basename(m.source)) for m in directory.made] == [
        ("Card.ExamCard", "XX_0002"),
        ("Card.html", "XX_0002"),
    ]
    assert [remark.text for remark in directory.remarks] == ["an earlier state of the ExamCard in XX_0002"]
    tidied(top)
    page = (top / "Card.html").read_text(encoding="utf-8")
    assert "Survey" in page
    assert "Rest" in page


def test_a_broken_blob_stops_nothing(top: Path) -> None:
    put_all(top, resting())
    card = raw_data(ANNA)
    card[0x20051132].value[0][0x20051144].value = b"<no><card>"
    put(top / "XX_0001", card)
    result = tidied(top)
    assert names(top) == SLICES | {"extras/XX_0001"}
    assert result.left == ()


def test_an_exam_card_that_lies_there_gets_its_page(top: Path) -> None:
    from tests.builders.examcard import ExamCardScan, soap

    put(top / "Motor.ExamCard", soap("Motor", [ExamCardScan("Rest", 2)]))
    tidied(top)
    assert names(top) == {"Motor.ExamCard", "Motor.html"}
    assert only(planned(top)).unknown == ()
    assert tidied(top).made == 0


# ---- purge ----


def test_purge_deletes_only_what_runs_have_put_there(top: Path) -> None:
    technologist(top)
    result = tidied(top)
    (run,) = (top / "trash").iterdir()
    put(run / "mine", "mine")
    put(top / "trash/other/mine", "mine")
    (run / "Thumbs.db").write_bytes(b"changed")
    kept = names(top)
    ((_, would),) = purge(CleanupOptions((str(top),)), pretend=True)
    assert (run / ".lock").exists()
    ((_, purged),) = purge(CleanupOptions((str(top),)))
    assert (purged.files, purged.size) == (would.files, would.size) == (2, 0 + len(resting_bytes()))
    assert {os.path.basename(remark.path) for remark in purged.kept} == {"mine", "Thumbs.db"}
    assert names(top) == kept
    assert {str(p.relative_to(top / "trash")) for p in (top / "trash").rglob("*") if p.is_file()} == {
        *(f"{run.name}/{name}" for name in ("mine", "Thumbs.db", "trash.json")),
        "other/mine",
    }
    back = undo(result.journal)
    assert {os.path.basename(file.path) for file in back.left} == {".lock", "IM_0001", "Thumbs.db"}


def resting_bytes() -> bytes:
    from tests.builders import part10

    return part10(resting()[0])


def test_purge_leaves_nothing_of_a_run_behind(top: Path) -> None:
    technologist(top)
    tidied(top)
    ((_, purged),) = purge(CleanupOptions((str(top),)))
    assert (purged.files, purged.runs, purged.kept) == (3, 1, ())
    assert not (top / "trash").exists()
    ((_, purged),) = purge(CleanupOptions((str(top),)))
    assert purged.files == 0


def test_purge_after_a_run_without_its_list_asks_the_journal(top: Path) -> None:
    technologist(top)
    tidied(top)
    (run,) = (top / "trash").iterdir()
    (run / "trash.json").unlink()
    put(run / "mine", "mine")
    ((_, purged),) = purge(CleanupOptions((str(top),)))
    assert purged.files == 3
    assert [os.path.basename(remark.path) for remark in purged.kept] == ["mine"]


def test_a_forged_list_reaches_nothing_outside(top: Path) -> None:
    put(top / "precious", "precious")
    status = (top / "precious").stat()
    entry = {"path": "../../precious", "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
    put(top / "trash/20260101-000000/trash.json", json.dumps({"mrdock trash": 1, "files": [entry]}))
    purge(CleanupOptions((str(top),)))
    assert (top / "precious").read_text() == "precious"


# ---- safety ----


def test_one_run_at_a_time(top: Path) -> None:
    technologist(top)
    ready = planned(top)
    with only_one(str(top)):
        with pytest.raises(BusyError):
            planned(top)
        with pytest.raises(BusyError):
            execute(ready)
        with pytest.raises(BusyError):
            purge(CleanupOptions((str(top),)))


def test_what_changes_after_the_plan_stays(top: Path) -> None:
    technologist(top)
    ready = planned(top)
    (top / "Tapping.dcm").write_bytes(b"somebody is at work")
    put(top / "DICOM/IM_0500", resting()[0])
    put(top / "04_T1W.REC", "has come first")
    result = execute(ready)
    assert [(os.path.basename(file.path), file.reason) for file in result.left] == [("Tapping.dcm", CHANGED)]
    assert (top / "DICOM/IM_0500").exists()
    assert (top / "04_T1W.REC").read_text() == "has come first"
    assert [os.path.basename(place) for _, place in result.beside] == ["04_T1W.REC_2"]


def test_stopped_and_gone_on_with(top: Path) -> None:
    technologist(top)
    before = snapshot(top)
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls > 6

    result = execute(planned(top), cancelled=stop)
    assert result.stopped
    rest = tidied(top)
    assert not rest.stopped
    assert names(top) >= SLICES
    undo(rest.journal)
    undo(result.journal)
    after = snapshot(top)
    assert {name: seen.content for name, seen in after.items()} == {name: seen.content for name, seen in before.items()}
    with pytest.raises(StoppedError):
        plan(CleanupOptions((str(top),), settle=0.0), cancelled=lambda: True)


def test_a_pair_that_a_crash_has_parted_finds_together(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    par_of_classic(resting(description="Low")).write(top / "x")

    def dies(source: str, target: str) -> None:
        if source.endswith(".REC"):
            raise KeyboardInterrupt
        move_new(source, target)

    with monkeypatch.context() as patched:
        patched.setattr("mrdock.files.executor.move_new", dies)
        with pytest.raises(KeyboardInterrupt):
            tidied(top)
    assert names(top) == {"02_Low.PAR", "x.REC"}
    tidied(top)
    assert names(top) == {"02_Low.PAR", "02_Low.REC"}


def test_files_that_are_still_written_stay(top: Path) -> None:
    put_all(top, resting())
    age(top)
    path = put(top / "Tapping.dcm", enhanced_mr(ANNA, description="Tapping"))
    (top / "just made").mkdir()

    def grows(word: str, done: int, total: int) -> None:
        if word == "waiting":
            with path.open("ab") as stream:
                stream.write(b"more")
            put(top / "just made/x", "x")

    found = plan(CleanupOptions((str(top),), settle=0.5), progress=grows)
    result = execute(found)
    assert [(os.path.basename(file.path), file.reason) for file in result.left] == [("Tapping.dcm", "still grows")]
    assert (top / "just made/x").exists()


def test_places_that_cannot_be_used(top: Path) -> None:
    put(top / "file", "x")
    for path, text in ((top / "none", "there is no such directory"), (top / "file", "is no directory")):
        with pytest.raises(PlaceError, match=text):
            planned(path)
    (top / "below").mkdir()
    with pytest.raises(SettingsError, match="lies within"):
        planned(top, top / "below")


def test_links_are_neither_followed_nor_touched(top: Path, tmp_path: Path) -> None:
    put_all(tmp_path / "elsewhere", resting())
    (top / "link").symlink_to(tmp_path / "elsewhere")
    (top / "IM_0001").symlink_to(tmp_path / "elsewhere/IM_0001")
    directory = only(planned(top))
    assert directory.items == ()
    assert [os.path.basename(remark.path) for remark in directory.remarks] == ["IM_0001", "link"]
    assert tidied(top).journal == ""


def test_images_that_no_header_tells_apart_keep_their_numbers(top: Path) -> None:
    (image,) = resting(slices=1, dynamics=1)
    for number in range(12):
        image.PatientComments = f"copy {number}"
        put(top / f"IM_{number:04d}", image)
    tidied(top)
    assert names(top) == {"02_Resting/0001.dcm", *(f"02_Resting/0001_{number}.dcm" for number in range(2, 13))}
    before = snapshot(top)
    tidied(top)
    assert snapshot(top) == before


def test_without_room_for_what_is_made_nothing_is_done(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    technologist(top)
    before = snapshot(top)
    usage = shutil.disk_usage(top)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(
        PlaceError, match=r"no room on the disk: .* are needed, 1\.0 kB are free; nothing has been done"
    ):
        tidied(top)
    assert snapshot(top) == before
    assert list_journals() == []
