"""`dcmexamcard` as its users type it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcmexamcard import command
from mrdock.rawdata.blobs import read_blobs
from mrdock.rawdata.extract import exam_card_of
from tests.builders import (
    ExamCardScan,
    Parameter,
    StudyIdentity,
    enhanced_mr,
    parameter_block,
    part10,
    raw_data,
    raw_series,
)

IDENTITY = StudyIdentity("command")
ROOT = Path(__file__).resolve().parents[2]


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(command, list(map(str, words)), prog_name="dcmexamcard")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(result: Result, code: int = 1) -> str:
    """The one sentence of a command that did nothing."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("dcmexamcard: ")
    return line.removeprefix("dcmexamcard: ")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    path = tmp_path / "XX_0001"
    path.write_bytes(part10(raw_series(IDENTITY)))
    return path


def card(folder: Path, name: str = "XX_0002", identity: StudyIdentity = IDENTITY, **how: object) -> Path:
    path = folder / name
    path.write_bytes(part10(raw_data(identity, **how)))  # type: ignore[arg-type]
    return path


# ---- real files ----


@pytest.mark.real_data
@pytest.mark.parametrize("number", ["1301", "2001", "2201"])
def test_legacy(number: str, real_data: Path, tmp_path: Path) -> None:
    """Byte for byte what the original printed; the path is the one that is given, or another by --shown-path."""
    folder = real_data / "philips_r57" / "rawdata"
    (path,) = folder.glob(f"{number}*.dcm")
    expected = (folder / f"{number}_blobs.txt").read_bytes()
    first, rest = expected.split(b"\r\n", 1)
    shown = first.removeprefix(b"+" * 13).decode()
    assert run("--legacy", "--shown-path", shown, path).stdout_bytes == expected
    plain = b"+" * 13 + os.fsencode(path) + b"\r\n" + rest
    assert run("--legacy", path).stdout_bytes == plain
    assert run("--legacy", path, path).stdout_bytes == plain + plain
    if os.name == "posix":  # where a file may be called so
        shutil.copyfile(path, tmp_path / shown)
        assert run("--legacy", shown).stdout_bytes == expected


@pytest.mark.real_data
def test_the_card_of_an_exam(real_data: Path, tmp_path: Path) -> None:
    (path,) = real_data.glob("philips_r57/rawdata/*ExamCard_Raw.dcm")
    result = run("-o", tmp_path, path)
    place = tmp_path / "20210902_MR61_MPRAGE.ExamCard"
    assert result.exit_code == 0
    assert result.stdout == f'{place}: ExamCard "20210902_MR61_MPRAGE" of {path}, 31 scans, all completed\n'
    assert place.stat().st_size == 2_493_332
    assert place.read_bytes() == exam_card_of(read_blobs(str(path))).xml


@pytest.mark.real_data
def test_a_search_in_a_real_card(real_data: Path) -> None:
    (path,) = real_data.glob("philips_r57/rawdata/*ExamCard_Raw.dcm")
    lines = run("+P", "EX_ACQ_flip_angle", path).stdout.splitlines()
    assert len(run("+P", "EX_ACQ_nucleus", path).stdout.splitlines()) == 62  # every scan has it
    assert lines[:2] == ["01 CoilSurveyScan", "  EX_ACQ_flip_angle                 float        1"]


@pytest.mark.real_data
def test_differences_of_real_scans(real_data: Path) -> None:
    paths = [next(real_data.glob(f"philips_r57/rawdata/{number}*.dcm")) for number in ("2001", "2201")]
    result = run("--diff", *paths)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0] == "PDF_EXAM_PARS"
    assert "  EX_ACQ_flip_angle                 10 -> 90" in lines
    assert "  EX_DIFF_enable                    0 (NO) -> 2 (DTI)" in lines
    assert max(map(len, lines)) < 400
    assert len(run("+L", "--diff", *paths).stdout) > 2 * len(result.stdout)


@pytest.mark.real_data
def test_speed_of_a_real_file(real_data: Path) -> None:
    """The work itself takes a fraction of the half second that a whole process may take."""
    (path,) = real_data.glob("philips_r57/rawdata/1301*.dcm")
    run(path)
    began = time.process_time()
    run(path)
    assert time.process_time() - began < 0.5


# ---- series ----


def test_text(series: Path) -> None:
    result = run(series)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        str(series),
        '  WIP fMRI, series 201, ExamCard "mrdock demo", Ingenia Elition X, release 5.7.1, 5.7.1.1',
        "",
        "PDF_EXAM_PARS: 27 parameters, 3488 bytes",
        "* EX_single_scan_id                 int          1002",
    ]
    assert run(series, series).stdout == f"{result.stdout}\n{result.stdout}"


def test_one_blob(series: Path) -> None:
    lines = run("--blob", "coilstate", "--blob", "HARDWARE_CONFIG", series).stdout.splitlines()
    assert [line for line in lines if line[:1].isalpha()] == [
        "COILSTATE: 2 sockets, 101 bytes",
        "HARDWARE_CONFIG: numbers of unknown meaning, software version, 57 bytes",
    ]
    assert "has no BLOB 'CPX'; it has PDF_EXAM_PARS, " in refused(run("--blob", "CPX", series))


def test_short_and_long(series: Path) -> None:
    whole = run(series).stdout
    assert run("+L", series).stdout == run("+M", series).stdout == run("--print-all", series).stdout == whole
    assert run("-L", series).stdout == whole  # no list of it is long
    named = run("-M", series).stdout
    assert named == whole  # nor is any of its BLOBs longer than 4 kB
    series.write_bytes(part10(raw_series(IDENTITY, blobs=[("CPX", "", bytes(4097))])))
    assert "CPX: 4097 bytes, not shown" in run("-M", series).stdout
    assert "CPX: 4097 bytes, not known" in run(series).stdout


def test_search(series: Path) -> None:
    assert run("+P", "ProtocolName", "+P", "EX_*_angle", series).stdout.splitlines() == [
        "(0018,1030) LO ProtocolName: WIP fMRI",
        "PDF_EXAM_PARS",
        "* EX_ACQ_flip_angle                 float        70",
    ]
    several = run("--search", "0018,1030", series, series).stdout
    assert several == "\n".join([f"{series}\n(0018,1030) LO ProtocolName: WIP fMRI\n"] * 2)
    nothing = run("+P", "EX_none", series)
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "has nothing of what --search names" in nothing.stderr
    assert run("-q", "+P", "EX_none", series).stderr == ""
    assert "no DICOM field of this name" in refused(run("+P", "nonsense", series), 2)
    (record,) = json.loads(run("--json", "+P", "EX_ACQ_flip_angle", "+P", "PatientID", series).stdout)
    assert record["elements"][0]["name"] == "PatientID"
    assert record["parameters"] == [
        {"in": "PDF_EXAM_PARS", "name": "EX_ACQ_flip_angle", "shown": True, "type": "float", "values": [70.0]}
    ]


def test_json_and_csv(series: Path) -> None:
    (record, other) = json.loads(run("--json", series, series).stdout)
    assert record == other
    assert record["path"] == str(series)
    assert record["blobs"][0]["name"] == "PDF_EXAM_PARS"
    assert json.loads(run("--json", series.parent / "none").stdout) == []
    rows = list(csv.DictReader(io.StringIO(run("--csv", series).stdout)))
    assert rows[0]["name"] == "EX_single_scan_id"
    assert {row["blob"] for row in rows} == {blob["name"] for blob in record["blobs"]}
    assert len(list(csv.DictReader(io.StringIO(run("--csv", series, series).stdout)))) == 2 * len(rows)


def test_extract(series: Path, tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    raw = read_blobs(str(series))
    result = run("--extract", folder, series)
    assert (result.exit_code, result.output) == (0, "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"XX_0001.{blob.name}.bin": bytes(blob.data) for blob in raw.blobs if blob.size
    }
    assert "exists already" in refused(run("--extract", folder, series))
    assert run("--extract", folder, "--force", series).exit_code == 0
    shutil.rmtree(folder)
    both = run("+W", folder, "--blob", "COILSTATE", "-v", series)
    assert "COILSTATE: 2 sockets" in both.stdout
    assert [path.name for path in folder.iterdir()] == ["XX_0001.COILSTATE.bin"]
    assert "XX_0001.COILSTATE.bin: written" in both.stderr


def test_diff(series: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(part10(raw_series(IDENTITY, slices=5)))
    assert run("--diff", series, series).exit_code == 0
    result = run("--diff", series, other)
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        "PDF_EXAM_PARS",
        "  EX_GEO_stacks_slices              [0] 4 -> 5",
    ]
    assert run("--diff", "--blob", "COILSTATE", series, other).exit_code == 0
    (record,) = json.loads(run("--diff", "--json", series, other).stdout)
    assert record == {"blob": "PDF_EXAM_PARS", "name": "EX_GEO_stacks_slices", "first": 0, "left": [4], "right": [5]}
    assert run("--diff", "--csv", series, other).stdout.splitlines()[1] == "PDF_EXAM_PARS,EX_GEO_stacks_slices,0,4,5"
    assert json.loads(run("--diff", "--json", series, series).stdout) == []
    assert "ExamCard_to_HTML --diff" in refused(run("--diff", series, card(tmp_path)))
    assert "none: No such file" in refused(run("--diff", series, tmp_path / "none"))


def test_words_of_a_release_that_is_not_known_come_from_the_card(tmp_path: Path) -> None:
    """A series and the card of its study, given together in either order; the builder's card has token lists."""
    path = tmp_path / "XX_0001"
    path.write_bytes(part10(raw_series(IDENTITY, SoftwareVersions="12.1")))
    bare, known = "  2\n", "  2 (MS)\n"
    line = "* EX_ACQ_scan_mode                  enum       "
    assert line + bare in run("+P", "EX_ACQ_scan_mode", path).stdout
    for words in ((path, card(tmp_path)), (card(tmp_path), path)):
        assert line + known in run("+P", "EX_ACQ_scan_mode", *words).stdout
        assert line + known in run("--force", *words).stdout
    other = card(tmp_path, "other", StudyIdentity("other"))
    assert line + bare in run("+P", "EX_ACQ_scan_mode", path, other).stdout


# ---- studies ----


def test_a_card_goes_beside_its_raw_file(tmp_path: Path) -> None:
    path = card(tmp_path, examcard_name="Brain/3T")
    result = run(path)
    place = tmp_path / "Brain_3T.ExamCard"
    assert result.stdout == f'{place}: ExamCard "Brain/3T" of {path}, 3 scans, all completed\n'
    assert place.read_bytes() == exam_card_of(read_blobs(str(path))).xml
    place.write_bytes(b"mine")
    assert "exists already" in refused(run(path))
    assert place.read_bytes() == b"mine"
    assert run("-q", "--force", path).output == ""
    assert place.read_bytes() != b"mine"


def test_out(tmp_path: Path, series: Path) -> None:
    path = card(tmp_path, examcard_name="")
    assert run("-o", tmp_path / "mine", path).exit_code == 0
    (tmp_path / "folder").mkdir()
    dated = run("-o", tmp_path / "folder", path, series)
    assert "an ExamCard without a name" in dated.stdout
    assert str(series) in dated.stdout
    (made,) = (tmp_path / "folder").iterdir()
    assert made.read_bytes() == (tmp_path / "mine").read_bytes()
    assert made.name[:8].isdigit()
    other = card(tmp_path, "other", StudyIdentity("other"))
    result = run("-o", tmp_path / "file", path, other)
    assert "file: of several exams, --out names a directory that exists" in refused(result)
    assert not (tmp_path / "file").exists()
    before = path.read_bytes(), series.read_bytes()
    for place in (path, series):
        result = run("--force", "-o", place, path, series)
        assert result.exit_code == 1
        assert f"{place}: is one of the FILEs, which stay as they are" in result.stderr
    assert (path.read_bytes(), series.read_bytes()) == before
    assert "No such file or directory" in refused(run("-o", tmp_path / "no" / "where", path))


def test_earlier_states(tmp_path: Path) -> None:
    scans = [ExamCardScan("survey"), ExamCardScan("T1", 2, "1.2.3"), ExamCardScan("T2", 3, "1.2.4")]
    paths = [card(tmp_path, f"XX_{number}", scans=scans[:number]) for number in (1, 3, 2)]
    result = run(*paths)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f'{tmp_path / "mrdock demo.ExamCard"}: ExamCard "mrdock demo" of {paths[1]}, 3 scans, all completed',
        f"{paths[2]}: an earlier state of the exam in {paths[1]}, 2 scans, all completed; not written",
        f"{paths[0]}: an earlier state of the exam in {paths[1]}, 1 scan, all completed; not written",
    ]
    assert len(list(tmp_path.glob("*.ExamCard"))) == 1
    again = run("--force", paths[1], paths[1]).stdout.splitlines()
    assert again[1] == f"{paths[1]}: the same state of the exam in {paths[1]}, 3 scans, all completed; not written"
    records = json.loads(run("--json", "--force", *paths).stdout)
    assert [record["exam_card"]["earlier_state_of"] for record in records] == [None, str(paths[1]), str(paths[1])]
    assert records[0]["exam_card"]["written"] == str(tmp_path / "mrdock demo.ExamCard")
    assert [scan["series_numbers"] for scan in records[0]["exam_card"]["scans"]] == [[], [201], [301]]


def test_two_exams_of_one_name(tmp_path: Path) -> None:
    paths = [card(tmp_path, name, StudyIdentity(name)) for name in ("a", "b")]
    assert run(*paths).exit_code == 0
    assert len(list(tmp_path.glob("mrdock demo*.ExamCard"))) == 2


def test_results_of_other_forms_stay_clean(tmp_path: Path) -> None:
    path = card(tmp_path)
    for form in ("--legacy", "--csv"):
        result = run(form, "--force", path)
        assert result.stdout in ("", "path,series_number,blob,name,shown,type,size,values,tokens\n")
        assert 'ExamCard "mrdock demo"' in result.stderr
        assert run(form, "--force", "-q", path).stderr == ""


def test_parts_of_a_card_write_no_card(tmp_path: Path) -> None:
    path = card(tmp_path)
    assert "ExamCardBlob: the ExamCard, " in run("--blob", "ExamCardBlob", path).stdout
    assert run("+P", "ProtocolName", path).stdout == "(0018,1030) LO ProtocolName: ExamCard\n"
    run("--extract", tmp_path / "out", path)
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["XX_0002.ExamCardBlob.bin"]
    assert not list(tmp_path.glob("*.ExamCard"))


# ---- what goes wrong ----


def test_the_others_are_done(series: Path, tmp_path: Path) -> None:
    image = tmp_path / "IM_0001"
    image.write_bytes(part10(enhanced_mr(IDENTITY, slices=1, dynamics=1, rows=2, columns=2)))
    cut = tmp_path / "cut"
    cut.write_bytes(series.read_bytes()[:-3000])
    result = run(image, tmp_path / "none", tmp_path, cut, series)
    assert result.exit_code == 1
    assert result.stdout == run(series).stdout
    quiet = run("-q", image, series)
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (1, result.stdout, "")
    lines = [line.removeprefix("dcmexamcard: ") for line in result.stderr.splitlines()]
    assert lines[0] == f"{image}: no Philips raw data: it has no BLOBs"
    assert lines[1] == f"{tmp_path / 'none'}: No such file or directory"
    assert lines[2] == f"{tmp_path}: Is a directory"
    assert lines[3].startswith(f"{cut}: ")
    assert len(lines) == 4


def hostile_blocks() -> dict[str, bytes]:
    """Small BLOBs that announce much."""
    good = bytearray(parameter_block([Parameter("EX_a", "int", (1, 2, 3))], tokens=False))
    many, huge, far = bytearray(good), bytearray(good), bytearray(good)
    struct.pack_into("<I", many, 28, 0xFFFFFFFF)
    struct.pack_into("<I", huge, 32 + 38, 0xFFFFFFFF)
    struct.pack_into("<i", far, 32 + 46, -(2**31))
    return {"many": bytes(many), "huge": bytes(huge), "far": bytes(far), "zeros": bytes(31), "ones": b"\xff" * 999}


@pytest.mark.parametrize("kind", hostile_blocks())
def test_hostile_blobs_are_one_sentence(kind: str, series: Path) -> None:
    data = hostile_blocks()[kind]
    coils = struct.pack("<II", 1, 2**32 - 1)
    blobs = [("PDF_EXAM_PARS", "IEEE_PDF", data), ("COILSTATE", "", coils), ("HARDWARE_CONFIG", "", b"\1" * 57)]
    series.write_bytes(part10(raw_series(IDENTITY, blobs=blobs)))
    began = time.process_time()
    result = run(series)
    assert time.process_time() - began < 1
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"dcmexamcard: {series}: BLOB PDF_EXAM_PARS: ")
    assert "COILSTATE: 8 bytes, not known (no coil list: it announces 4294967295 sockets)" in result.stdout
    assert len(result.stdout) < 2000
    quiet = run("-q", series)
    assert (quiet.exit_code, quiet.stderr) == (1, "")
    for form in ("--json", "--csv", "--legacy"):
        assert len(run(form, series).stdout_bytes) < 2000
    assert run("--extract", series.parent / "out", series).exit_code == 0


def test_a_hostile_card_is_one_sentence(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><ExamCard>&b;</ExamCard>'
    path = tmp_path / "bomb"
    path.write_bytes(part10(raw_series(IDENTITY, blobs=[("ExamCardBlob", "", bomb)])))
    assert refused(run(path)) == f"{path}: has a document type declaration, which no ExamCard has"
    assert not list(tmp_path.glob("*.ExamCard"))


def test_a_wrong_size_is_said(series: Path) -> None:
    series.write_bytes(series.read_bytes().replace(b"SL\4\0\x9b\1\0\0", b"SL\4\0\xff\xff\xff\xff"))
    result = run(series)
    assert result.exit_code == 0
    assert "the size of BLOB PDF_USED_PRESCAN_RESPONSES is wrong: -1 bytes announced, 412 there" in result.stderr
    assert run("-q", series).stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--json", "--csv", "x"],
        ["--legacy", "--json", "x"],
        ["--legacy", "+P", "EX_a", "x"],
        ["--legacy", "--blob", "RC", "x"],
        ["--shown-path", "p", "x"],
        ["--legacy", "--shown-path", "p", "x", "y"],
        ["--extract", "a", "+W", "b", "x"],
        ["--diff", "x"],
        ["--diff", "x", "y", "z"],
        ["--diff", "-o", "place", "x", "y"],
        ["--diff", "+W", "place", "x", "y"],
        ["+X", "x"],
        ["--no-such-option"],
        ["+P"],
    ],
)
def test_wrong_usage(words: list[str]) -> None:
    assert refused(run(*words), 2).endswith("see dcmexamcard --help")


def test_a_file_in_the_way(series: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert str(tmp_path / "file") in refused(run("--extract", tmp_path / "file", series))


def test_verbose(series: Path, tmp_path: Path) -> None:
    said = run("-v", series, card(tmp_path)).stderr
    assert f"{series}: raw data of a series, SOP class 1.2.840.10008.5.1.4.1.1.66; bytes of each BLOB: PDF_EXAM" in said
    assert "XX_0002: an ExamCard, SOP class" in said


def test_as_a_program(series: Path) -> None:
    """Its start loads nothing heavy; its text is the same."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    code = "from mrdock.commands.dcmexamcard import command; command(prog_name='dcmexamcard')"
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys; {code.split(';', maxsplit=1)[0]}; print([m for m in sys.modules])"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for heavy in ("numpy", "pydicom", "rich", "mrdock.rawdata.blobs", "mrdock.dicom.tags"):
        assert f"'{heavy}'" not in loaded
    done = subprocess.run(
        [sys.executable, "-c", code, str(series)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == run(series).stdout


def test_legacy_on_a_terminal(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mrdock.commands import examcard_printing

    block = parameter_block([Parameter("EX_s", "string", ("\x1b[2J", "b"))], tokens=False)
    series.write_bytes(part10(raw_series(IDENTITY, blobs=[("PDF_EXAM_PARS", "", block)])))
    raw = read_blobs(str(series))
    printer = examcard_printing.printer_of("legacy", several=False, short=False, longest=None)
    piped = printer.raw(raw, raw.blobs)
    assert isinstance(piped, bytes)
    assert b"\x1b[2J" in piped
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = printer.raw(raw, raw.blobs)
    assert isinstance(shown, str)
    assert "\\x1b[2J" in shown
    assert all(line.isprintable() for line in shown.splitlines())
