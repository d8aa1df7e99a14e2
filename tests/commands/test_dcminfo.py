"""`dcminfo` as its users type it: values, tables, differences, fields."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from mrdock.dicom.tags import folded, parse
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.commands.conftest import Run
from tests.conftest import NeedTool
from tests.sorting.dumping import dump, meaning

PROGRAM = [sys.executable, "-c", "from mrdock.commands.dcminfo import command; command(prog_name='dcminfo')"]
LINE = re.compile(r"^(\((?:\w{4}),(?:\w{4})\))  (\S+)(?: \[.+?\])? +(.*)$")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Two slices in two dynamics, and a text among them."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number, image in enumerate(classic_fmri(StudyIdentity(patient_id="P17"), slices=2, dynamics=2), 1):
        (folder / f"im{number}").write_bytes(part10(image))
    (folder / "notes.txt").write_bytes(b"text")
    return folder


@pytest.fixture
def enhanced(tmp_path: Path) -> Path:
    (tmp_path / "enhanced.dcm").write_bytes(part10(enhanced_mr(StudyIdentity(), slices=3, dynamics=2)))
    return tmp_path / "enhanced.dcm"


def values(text: str) -> dict[str, str]:
    """The values of a listing by name."""
    return {match[2]: match[3] for line in text.splitlines() if (match := LINE.match(line))}


def table(text: str) -> dict[str, dict[str, str]]:
    """The rows of all tables below "Different:", by file and title."""
    found: dict[str, dict[str, str]] = {}
    for block in text.partition("\nDifferent:\n")[2].split("\n\n"):
        title, *rows = block.splitlines()
        starts = [match.start() for match in re.finditer(r"(?<=  )\S", title)]
        for row in rows:
            cells = [row[a:b].strip() for a, b in zip([0, *starts], [*starts, None], strict=True)]
            found.setdefault(cells[0], {}).update(zip(title.split()[1:], cells[1:], strict=True))
    return found


# ---- one file ----


@pytest.mark.real_data
@pytest.mark.peer
def test_one_slice_of_each_series_shows_what_dcmdump_shows(dcminfo: Run, real_data: Path, need_tool: NeedTool) -> None:
    for name in ("1901", "2001", "2101", "2201"):
        path = sorted((real_data / "philips_r57" / "classic" / name).iterdir())[0]
        expected = {e.key: e for e in reversed(dump(need_tool("dcmdump"), path)) if not e.depth}
        result = dcminfo(path)
        assert result.exit_code == 0
        shown = values(result.stdout)
        assert len(shown) > 55
        for keyword, value in shown.items():
            element = expected[folded(parse(keyword))]
            text = "" if value == "(empty)" else value
            assert meaning(element.vr, text) == meaning(element.vr, element.value), keyword


def test_what_a_physicist_wants_first_comes_first(dcminfo: Run, series: Path) -> None:
    result = dcminfo(series / "im1")
    assert result.stdout.startswith(f"{series}/im1: MR Image Storage\n")
    names = list(values(result.stdout))
    assert names[:2] == ["PatientName", "PatientID"]
    assert names.index("ProtocolName") < names.index("RepetitionTime") < names.index("SoftwareVersions")
    assert "RepetitionTime [ms]" in result.stdout


def test_tags_are_added_or_replace_the_list(dcminfo: Run, series: Path) -> None:
    added = values(dcminfo("-t", "WindowCenter:0028,1051", series / "im1").stdout)
    assert {"WindowCenter", "WindowWidth", "PatientID"} <= set(added)
    alone = values(dcminfo("-t", "WindowWidth:0020,0013", "-x", series / "im1").stdout)
    assert list(alone) == ["WindowWidth", "InstanceNumber"]


def test_a_tag_that_was_asked_for_and_is_not_there_says_so(dcminfo: Run, series: Path) -> None:
    assert values(dcminfo("-x", "-t", "GantryID:PatientID", series / "im1").stdout) == {
        "GantryID": "-",
        "PatientID": "P17",
    }


def test_all_tags_by_a_star_and_a_group(dcminfo: Run, series: Path) -> None:
    everything = values(dcminfo("-x", "-t", "*", series / "im1").stdout)
    group = values(dcminfo("-x", "-t", "0018,*", series / "im1").stdout)
    assert len(everything) > len(group) > 20
    assert group.items() <= everything.items()
    assert "TransferSyntaxUID" in everything


def test_all_occurrences(dcminfo: Run, series: Path) -> None:
    words = ("-x", "-t", "InstanceNumber", series / "im2")
    assert values(dcminfo(*words).stdout) == {"InstanceNumber": "2"}
    assert values(dcminfo("-s", *words).stdout) == {
        "InstanceNumber": "2",
        "ReferencedPerformedProcedureStepSequence.InstanceNumber": "0",
    }


def test_values_over_frames_show_as_varying(dcminfo: Run, enhanced: Path) -> None:
    shown = values(dcminfo(enhanced).stdout)
    assert shown["NumberOfFrames"] == "6"
    assert shown["TemporalPositionIndex"] == "varying (2 values, 1 .. 2)"
    assert shown["ImagePositionPatient"].startswith("varying (3 values, ")
    assert not shown["SliceThickness"].startswith("varying")


def test_names_and_values_cannot_play_tricks_with_the_terminal(dcminfo: Run, tmp_path: Path) -> None:
    (image,) = classic_fmri(StudyIdentity(), slices=1, dynamics=1)
    image.PatientComments = "one\ntwo \x1b[31mred"
    path = tmp_path / "a\nb\x1b.dcm"
    path.write_bytes(part10(image))
    for words in ((), ("--full",), ("--diff",)):
        result = dcminfo(*words, "-t", "PatientComments", path, *([path] if words else []))
        assert "\x1b" not in result.output
        if not words:
            assert r"one\ntwo \x1b[31mred" in result.stdout
            assert r"a\nb\x1b.dcm" in result.stdout


# ---- several files ----


def test_several_files_show_first_what_is_the_same_then_a_row_a_file(dcminfo: Run, series: Path) -> None:
    result = dcminfo(*(series / f"im{i}" for i in (1, 2, 3, 4)))
    same, _, different = result.stdout.partition("\nDifferent:\n")
    assert result.stdout.startswith(f"4 files in {series}: MR Image Storage\n\nThe same in all:\n")
    assert "PatientID" in same
    assert "InstanceNumber" not in same
    assert "PatientID" not in different
    rows = table(result.stdout)
    assert list(rows) == ["im1", "im2", "im3", "im4"]
    assert [row["InstanceNumber"] for row in rows.values()] == ["1", "2", "3", "4"]
    assert [row["TemporalPositionIdentifier"] for row in rows.values()] == ["1", "2", "1", "2"]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200, 400])
def test_the_table_is_no_wider_than_asked(dcminfo: Run, series: Path, enhanced: Path, width: int) -> None:
    result = dcminfo("-w", str(width), "-t", "SOPInstanceUID", series / "im1", series / "im2", enhanced)
    lines = result.stdout.partition("\nDifferent:\n")[2].splitlines()
    assert max(map(len, lines)) <= width
    titles = {word for line in lines if line.lstrip().startswith("File ") for word in line.split()}
    if width >= 80:
        assert {"InstanceNumber", "SOPInstanceUID", "NumberOfFrames", "ImagePositionPatient"} <= titles


def test_full_lists_each_file(dcminfo: Run, series: Path) -> None:
    both = dcminfo("-f", series / "im1", series / "im2").stdout
    assert both == dcminfo(series / "im1").stdout + "\n" + dcminfo(series / "im2").stdout


def test_files_that_say_the_same_with_another_vr_do_not_differ(dcminfo: Run, tmp_path: Path) -> None:
    (image,) = classic_fmri(StudyIdentity(), slices=1, dynamics=1)
    (tmp_path / "a").write_bytes(part10(image))
    image["PatientID"].VR = "SH"
    (tmp_path / "b").write_bytes(part10(image))
    result = dcminfo("-x", "-t", "PatientID:PatientName", tmp_path / "a", tmp_path / "b")
    assert list(values(result.stdout)) == ["PatientID", "PatientName"]
    assert "Different" not in result.stdout


def test_a_directory_is_all_files_in_and_below_it(dcminfo: Run, series: Path) -> None:
    (series / "below").mkdir()
    (series / ".hidden").write_bytes(b"text")
    (series / "link").symlink_to(series / "below")
    shutil.copy(series / "im1", series / "below" / "im9")
    result = dcminfo(series)
    assert result.exit_code == 0, "what only lies in a directory and is no DICOM does not count"
    assert list(table(result.stdout)) == ["im1", "im2", "im3", "im4", "below/im9"]
    assert result.stderr == "dcminfo: 1 file that is no DICOM was passed over (-v names them)\n"
    assert "notes.txt: no DICOM" in dcminfo("-v", series).stderr


@pytest.mark.parametrize("words", [(), ("--json",), ("--diff",), ("-r", "PatientID"), ("-q", "-r", "PatientID")])
def test_a_directory_without_dicom(dcminfo: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_bytes(b"text")
    result = dcminfo(*words, tmp_path / "none")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "dcminfo: no DICOM files in what was named\n"


def test_files_that_cannot_be_read_are_named_and_the_others_done(dcminfo: Run, series: Path) -> None:
    (series / "cut").write_bytes((series / "im1").read_bytes()[:700])
    result = dcminfo(series / "im1", series / "notes.txt", series / "missing", series / "cut", series / "im2")
    assert result.exit_code == 1
    assert list(table(result.stdout)) == ["im1", "cut", "im2"], "what stands before the break is shown"
    lines = result.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == [str(series / name) for name in ("notes.txt", "missing", "cut")]
    assert "no DICOM" in lines[0]
    assert "No such file" in lines[1]


def test_the_same_by_several_processes(dcminfo: Run, series: Path) -> None:
    assert dcminfo("-j", "2", series).stdout == dcminfo(series).stdout


# ---- for programs ----


def test_csv_has_a_row_a_file(dcminfo: Run, series: Path, enhanced: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(dcminfo("--csv", series / "im1", series / "im4", enhanced).stdout)))
    assert [row["file"] for row in rows] == [str(series / "im1"), str(series / "im4"), str(enhanced)]
    assert [row["InstanceNumber"] for row in rows] == ["1", "4", "1"]
    assert [row["NumberOfFrames"] for row in rows] == ["", "", "6"]
    assert rows[2]["TemporalPositionIndex"] == "varying (2 values, 1 .. 2)"


def test_json_has_numbers_as_numbers(dcminfo: Run, series: Path, enhanced: Path) -> None:
    found = json.loads(dcminfo("--json", series / "im1", enhanced).stdout)
    one, other = found["files"]
    assert one["file"] == str(series / "im1")
    assert one["transfer_syntax"] == "1.2.840.10008.1.2.1"
    assert one["values"]["InstanceNumber"] == 1
    assert one["values"]["PatientID"] == "P17"
    assert len(one["values"]["ImagePositionPatient"]) == 3
    assert all(isinstance(number, int | float) for number in one["values"]["ImagePositionPatient"])
    assert other["values"]["TemporalPositionIndex"] == {"varying": 2, "values": [1, 2]}
    assert "NumberOfFrames" in found["different"]
    assert "Modality" in found["same"]
    assert "NumberOfFrames" not in one["values"]


# ---- the user's own list ----


def test_dcminforc_replaces_list_and_width(dcminfo: Run, home: Path, series: Path) -> None:
    (home / ".dcminforc").write_text("# mine\nTags InstanceNumber WindowCenter\nTags SOPInstanceUID\nMaxWidth 50\n")
    assert list(values(dcminfo(series / "im1").stdout)) == ["InstanceNumber", "WindowCenter", "SOPInstanceUID"]
    assert "PatientID" in values(dcminfo("-t", "PatientID", series / "im1").stdout)
    assert list(values(dcminfo("-x", "-t", "PatientID", series / "im1").stdout)) == ["PatientID"]
    lines = dcminfo(series).stdout.partition("\nDifferent:\n")[2].splitlines()
    assert max(map(len, lines)) <= 50
    wide = dcminfo("-w", "150", series).stdout.partition("\nDifferent:\n")[2].splitlines()
    assert max(map(len, wide)) > 50


def test_a_dcminforc_that_cannot_be_used(dcminfo: Run, home: Path, series: Path) -> None:
    (home / ".dcminforc").write_text("Tags PatientID\nMaxWidth wide\n")
    result = dcminfo(series / "im1")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"dcminfo: {home}/.dcminforc, line 2: MaxWidth is one whole number from 40 to 100000"
    ]


# ---- differences ----


def test_diff_of_files_that_differ_in_uids_dates_and_times_only(dcminfo: Run, tmp_path: Path) -> None:
    (image,) = classic_fmri(StudyIdentity(), slices=1, dynamics=1)
    (tmp_path / "a").write_bytes(part10(image))
    image.SOPInstanceUID = image.SeriesInstanceUID = "1.2.3"
    image.SeriesDate = image.AcquisitionDate = "20330101"
    image.SeriesTime = "111111.5"
    image.RepetitionTime = f"{float(image.RepetitionTime):.3f}"
    image.PixelData = bytes(len(image.PixelData))
    (tmp_path / "b").write_bytes(part10(image))
    result = dcminfo("--diff", tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 0, result.stdout
    assert "0 of" in result.stdout
    image.EchoTime = "31"
    (tmp_path / "b").write_bytes(part10(image))
    result = dcminfo("--diff", tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 3
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("(")] == ["EchoTime"]
    assert dcminfo("--diff", "-q", tmp_path / "a", tmp_path / "b").output == ""
    assert dcminfo("--diff", "--ignore", "EchoTime", tmp_path / "a", tmp_path / "b").exit_code == 0
    assert dcminfo("--diff", "-x", "-t", "RepetitionTime", tmp_path / "a", tmp_path / "b").exit_code == 0
    assert dcminfo("--diff", "-x", "-t", "0018,*", tmp_path / "a", tmp_path / "b").exit_code == 3


def test_diff_looks_into_sequences_and_frames(dcminfo: Run, enhanced: Path, tmp_path: Path) -> None:
    image = enhanced_mr(StudyIdentity(), slices=3, dynamics=2)
    frame = image.PerFrameFunctionalGroupsSequence[4]
    frame.PixelMeasuresSequence[0].SliceThickness = "7.5"
    (tmp_path / "other").write_bytes(part10(image))
    result = dcminfo("--diff", enhanced, tmp_path / "other")
    assert result.exit_code == 3
    (name,) = (line.split()[1] for line in result.stdout.splitlines() if line.startswith("("))
    assert name == "PixelMeasuresSequence.SliceThickness"
    assert "varying (2 values" in result.stdout


def test_diff_names_who_has_which_value(dcminfo: Run, series: Path) -> None:
    result = dcminfo("--diff", "-x", "-t", "TemporalPositionIdentifier:PatientID", series)
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        f"In {series}:",
        "(0020,0100)  TemporalPositionIdentifier",
        "    1  im1, im3",
        "    2  im2, im4",
        "",
        "4 files: 1 of 2 elements differ (UIDs, dates, times and pixels not counted)",
    ]
    found = json.loads(dcminfo("--diff", "--json", "-x", "-t", "InstanceNumber", series).stdout)
    assert found["compared"] == 2, "that of the image, and that in a sequence"
    assert [each["value"] for each in found["differences"][0]["values"]] == [1, 2, 3, 4]
    rows = list(csv.reader(io.StringIO(dcminfo("--diff", "--csv", "-x", "-t", "InstanceNumber", series).stdout)))
    assert rows[1] == ["(0020,0013)", "InstanceNumber", "1", "2", "3", "4"]


@pytest.mark.real_data
def test_diff_of_two_slices_and_of_two_series(dcminfo: Run, real_data: Path) -> None:
    classic = real_data / "philips_r57" / "classic"
    one, other = (classic / "2101" / f"2101_000{i}.dcm" for i in (1, 2))

    def names(result: Result) -> set[str]:
        return {line.split()[1] for line in result.stdout.splitlines() if line.startswith("(")}

    slices = dcminfo("--diff", one, other)
    assert slices.exit_code == 3
    assert names(slices) >= {"InstanceNumber", "TemporalPositionIdentifier", "TriggerTime"}
    assert not names(slices) & {"RepetitionTime", "EchoTime", "FlipAngle", "SOPInstanceUID", "AcquisitionTime"}
    both = dcminfo("--diff", one, sorted((classic / "2201").iterdir())[0])
    assert both.exit_code == 3
    assert names(both) >= {"RepetitionTime", "EchoTime", "FlipAngle", "SeriesNumber", "Rows"}
    assert dcminfo("--diff", one, one).exit_code == 0
    protocol = "RepetitionTime:EchoTime:FlipAngle:PixelSpacing:Rows:Columns:SliceThickness:PixelBandwidth"
    assert dcminfo("--diff", "-x", "-t", protocol, classic / "2101").exit_code == 0


# ---- all fields ----


def test_all_names_and_all_fields(dcminfo: Run, series: Path) -> None:
    by_tag = dcminfo("-l", series / "im1").stdout.splitlines()
    by_name = dcminfo("-l", "-k", series / "im1").stdout.splitlines()
    assert sorted(by_tag) == sorted(by_name)
    assert by_tag != by_name
    assert any(line.startswith("0018,0081") and line.endswith("EchoTime") for line in by_tag)
    fields = dcminfo("-a", series / "im1").stdout
    assert re.search(r"^0020,0013 .*InstanceNumber +1$", fields, re.MULTILINE)
    assert re.search(r"^2001,1018 .*\.NumberOfSlicesMR +2$", fields, re.MULTILINE)
    found = json.loads(dcminfo("-a", "--json", series / "im1").stdout)
    assert {"depth": 0, "tag": "0020,0013", "name": "InstanceNumber", "vr": "IS", "value": "1"} in found
    assert any(field["depth"] > 0 for field in found)
    rows = list(csv.DictReader(io.StringIO(dcminfo("-l", "--csv", series / "im1").stdout)))
    assert "EchoTime" in {row["name"] for row in rows}


@pytest.mark.parametrize("switch", ["-l", "-a"])
def test_fields_of_what_is_no_dicom(dcminfo: Run, series: Path, switch: str) -> None:
    for path in (series / "notes.txt", series / "missing", series):
        for form in ((), ("--json",), ("--csv",)):
            result = dcminfo(switch, *form, path)
            assert result.exit_code == 1
            (line,) = result.stderr.splitlines()
            assert line.startswith("dcminfo: ")
            assert str(path) in line


# ---- usage ----


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-x", "f"),
        ("-c", "f"),
        ("-k", "f"),
        ("--ignore", "PatientID", "f"),
        ("-t", "EchoTiem", "f"),
        ("-t", "", "f"),
        ("-t", ":", "f"),
        ("-w", "20", "f"),
        ("-l", "-a", "f"),
        ("-l", "f", "g"),
        ("-r", "PatientID", "--diff", "f"),
        ("-r", "*", "f"),
        ("-r", "", "f"),
        ("--undo", "j", "f"),
        ("-j", "0", "f"),
        ("--dance", "f"),
    ],
    ids=" ".join,
)
def test_wrong_usage(dcminfo: Run, words: tuple[str, ...], series: Path) -> None:
    paths = {"f": str(series / "im1"), "g": str(series / "im2")}
    result = dcminfo(*(paths.get(word, word) for word in words))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_a_near_miss_is_suggested(dcminfo: Run, series: Path) -> None:
    assert "EchoTime" in dcminfo("-t", "EchoTiem", series / "im1").stderr


def test_help_fits_a_terminal(dcminfo: Run) -> None:
    result = dcminfo("--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80


# ---- as a program ----


@pytest.mark.parametrize("words", [("--help",), ("im1",), ("im1", "im2")], ids=" ".join)
def test_nothing_heavy_is_loaded(series: Path, words: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom mrdock.commands.dcminfo import command\n"
        "try:\n    command()\nfinally:\n"
        "    print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=series, capture_output=True, text=True, check=True, timeout=60
    )
    assert "click" in done.stderr
    assert not {"pydicom", "numpy", "rich", "multiprocessing"} & set(done.stderr.split())


@pytest.mark.parametrize("words", ["im1", "*", "-t '*' .", "-a im1", "--json .", "--diff ."])
def test_output_that_nobody_reads(series: Path, words: str) -> None:
    for redirection in ("| true", "| head -1", "> /dev/full", ">&-"):
        code = f'"$0" -c "$1" {words} {redirection}'
        done = subprocess.run(
            ["bash", "-c", code, *PROGRAM[:1], PROGRAM[2]],
            cwd=series,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr, (words, redirection, done.stderr)
        assert "Exception" not in done.stderr, (words, redirection, done.stderr)


def test_without_what_only_posix_has(series: Path) -> None:
    code = (
        "import sys\nfor name in ('pwd', 'grp', 'fcntl', 'resource', 'termios'):\n    sys.modules[name] = None\n"
        "import os\nfor name in ('O_NOATIME', 'O_NONBLOCK', 'O_NOCTTY', 'geteuid', 'fork'):\n"
        "    hasattr(os, name) and delattr(os, name)\n"
        "from mrdock.commands.dcminfo import command\ncommand(prog_name='dcminfo')"
    )
    for words in (["."], ["-a", "im1"], ["--diff", "."]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=series, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode in (0, 3), done.stderr
        assert "Traceback" not in done.stderr


def test_a_name_that_is_no_text(series: Path) -> None:
    odd = os.fsencode(series) + b"/odd\xff"
    shutil.copy(series / "im1", os.fsdecode(odd))
    for words in ([odd], [odd, b"im1"], [b"--json", odd], [b"--csv", odd], [b"-r", b"PatientID", b"-c", odd]):
        done = subprocess.run([*PROGRAM, *words], cwd=series, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
