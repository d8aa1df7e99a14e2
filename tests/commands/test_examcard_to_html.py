"""`ExamCard_to_HTML` as its users type it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.examcard_to_html import command
from tests.builders import StudyIdentity, classic_fmri, part10
from tests.builders.examcard import ExamCardScan, soap
from tests.builders.rawdata import raw_data, raw_series

SCANS = [ExamCardScan("a", seconds=2.0), ExamCardScan("b/c: d", 2), ExamCardScan("b/c: d", 3, dynamics=9)]


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(command, list(map(str, words)), prog_name="ExamCard_to_HTML")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "Brain.v1.ExamCard"
    path.write_bytes(soap("Brain", SCANS))
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "XX_0001.DCM"
    path.write_bytes(part10(raw_series(StudyIdentity("page"))))
    return path


def one_sentence(result: Result, code: int = 1) -> str:
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("ExamCard_to_HTML: ")
    return line


def test_pages_stand_beside_their_files(card: Path, raw: Path, tmp_path: Path) -> None:
    result = run(card, raw)
    assert result.exit_code == 0
    assert result.output == (
        f"{card}: 3 scans, 00:34.0: {tmp_path}/Brain.v1.html\n{raw}: 1 scan, 00:16.0: {tmp_path}/XX_0001.html\n"
    )
    assert names(tmp_path) == ["Brain.v1.ExamCard", "Brain.v1.html", "XX_0001.DCM", "XX_0001.html"]
    ET.parse(tmp_path / "XX_0001.html")
    page = (tmp_path / "Brain.v1.html").read_text(encoding="utf-8")
    assert [page.count(f'id="scan-{number}"') for number in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert page.count("b/c: d</h2>") == 2


@pytest.mark.real_data
def test_real_files(real_data: Path, tmp_path: Path) -> None:
    study = real_data / "philips_r57" / "rawdata" / "104165610_ExamCard_Raw.dcm"
    result = run("-o", tmp_path, study, real_data / "examcard" / "DUAL_ECHO_EPI.ExamCard")
    assert result.exit_code == 0
    assert "31 scans, 1:12:41.4" in result.output
    assert names(tmp_path) == ["104165610_ExamCard_Raw.html", "DUAL_ECHO_EPI.html"]


def test_what_exists_is_not_replaced(card: Path, tmp_path: Path) -> None:
    page = tmp_path / "Brain.v1.html"
    page.write_text("mine")
    assert "exists already; --force replaces it" in one_sentence(run(card))
    assert page.read_text() == "mine"
    assert run("--force", "-q", card).output == ""
    assert "Brain" in page.read_text(encoding="utf-8")
    page.unlink()
    page.mkdir()
    assert "is a directory" in one_sentence(run("--force", card))


def test_an_input_and_another_output_are_never_replaced(card: Path, tmp_path: Path) -> None:
    before = card.read_bytes()
    assert "is an input" in one_sentence(run("--force", "-o", card, card))
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(card, other)
    result = run("--force", "-q", "-o", tmp_path, card, other / card.name)
    assert "is already what" in one_sentence(result)
    assert card.read_bytes() == before


def test_places(card: Path, raw: Path, tmp_path: Path) -> None:
    assert run("-q", "-o", tmp_path / "x.htm", card).exit_code == 0
    assert "no such file" in one_sentence(run("-o", tmp_path / "missing" / "x.html", card)).lower()
    assert "is a directory that exists" in one_sentence(run("-o", tmp_path / "missing", card, raw), 2)
    (tmp_path / "pages").mkdir()
    assert run("-q", "-o", tmp_path / "pages", card, raw).exit_code == 0
    assert names(tmp_path / "pages") == ["Brain.v1.html", "XX_0001.html"]


def test_text_is_a_file_for_each_scan(card: Path, raw: Path, tmp_path: Path) -> None:
    result = run("--text", card, raw)
    assert result.exit_code == 0
    assert f"3 files in {tmp_path}" in result.output
    assert [name for name in names(tmp_path) if name.endswith(".txt")] == [
        "Brain.v1_1_a.txt",
        "Brain.v1_2_b_c_ d.txt",
        "Brain.v1_3_b_c_ d.txt",
        "XX_0001.txt",
    ]
    text = (tmp_path / "XX_0001.txt").read_bytes()
    assert text.startswith(b"EX_single_scan_id =\t\t1002;\r\n")
    assert b'Scan mode =\t\t\t"MS";\r\n' in text
    (tmp_path / "Brain.v1_2_b_c_ d.txt").unlink()
    assert "Brain.v1_1_a.txt: exists already" in one_sentence(run("--text", card))
    assert not (tmp_path / "Brain.v1_2_b_c_ d.txt").exists()


def test_one_scan_of_a_card(card: Path, tmp_path: Path) -> None:
    assert run("-q", f"{card}#3").exit_code == 0
    page = (tmp_path / "Brain.v1_3.html").read_text(encoding="utf-8")
    assert page.count('<section class="scan"') == 1
    assert 'id="scan-3"' in page
    assert "has no scan 4, but 3 scans" in one_sentence(run(f"{card}#4"))
    shutil.copy(card, f"{card}#4")
    assert "3 scans" in run(f"{card}#4").output


def test_for_programs(card: Path, raw: Path) -> None:
    records = json.loads(run("--json", card, raw).output)
    assert [record["name"] for record in records] == ["Brain", "WIP fMRI"]
    scan = records[0]["scans"][2]
    assert (scan["number"], scan["name"], scan["kind"], scan["seconds"]) == (3, "b/c: d", "scan", 16.0)
    study = next(one for one in scan["parameters"] if one["name"] == "EX_DYN_study")
    assert study == {
        "name": "EX_DYN_study",
        "section": "DYN/ANG",
        "label": "Dynamic study",
        "shown": True,
        "guessed": False,
        "kind": "enum",
        "text": "individual",
        "values": [1],
        "token": "INDIVIDUAL",
        "labels": ["individual"],
    }
    assert all(one["shown"] for one in scan["parameters"])
    every = json.loads(run("--json", "--all", card).output)[0]["scans"][2]["parameters"]
    assert "EX_GEO_stacks_clinical_modes" in {one["name"] for one in every}
    rows = list(csv.DictReader(run("--csv", card, raw).output.splitlines()))
    assert {row["scan"] for row in rows} == {"a", "b/c: d", "WIP fMRI"}
    assert [row["value"] for row in rows if row["parameter"] == "EX_DYN_nr_scans"] == ["1", "1", "9", "3"]


def test_differences(card: Path, tmp_path: Path) -> None:
    changed = [SCANS[0], ExamCardScan("b/c: d", 2, echo_time_ms=31.0), SCANS[2]]
    other = tmp_path / "other.ExamCard"
    other.write_bytes(soap("Brain", changed))
    result = run("--diff", "--text", card, other)
    assert result.exit_code == 3
    assert result.output.splitlines()[:3] == [f"--- {card}", f"+++ {other}", ""]
    assert "2 b/c: d: 1 row differs\n  CONTRAST: " in result.output
    assert "(ms)  30  31" in result.output
    result = run("--diff", card, other)
    page = tmp_path / "Brain.v1_vs_other.html"
    assert result.exit_code == 3
    assert result.output == f"{card}: 1 of 3 scans differs: {page}\n"
    ET.parse(page)
    same = run("--diff", "--text", card, card)
    assert same.exit_code == 0
    assert "no difference" in same.output
    assert run("--diff", "--json", card, card).output == "[]\n"
    (record,) = json.loads(run("-d", "--json", f"{card}#2", f"{card}#3").output)
    assert [row["name"] for row in record["rows"]] == ["EX_DYN_study", "EX_DYN_nr_scans"]
    assert "exists already" in one_sentence(run("--diff", card, other))


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--text", "--json", "x"),
        ("--csv", "--json", "x"),
        ("--text", "--all", "x"),
        ("--json", "--force", "x"),
        ("--csv", "-o", "y", "x"),
        ("--diff", "x"),
        ("--diff", "x", "y", "z"),
        ("--diff", "--csv", "x", "y"),
        ("--dance", "x"),
    ],
)
def test_wrong_usage(words: tuple[str, ...]) -> None:
    assert "see ExamCard_to_HTML --help" in one_sentence(run(*words), 2)


def test_what_fails_is_named_and_the_others_are_done(card: Path, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "image.dcm").write_bytes(part10(next(iter(classic_fmri(StudyIdentity("x"), slices=1, dynamics=1)))))
    (tmp_path / "cut.ExamCard").write_bytes(card.read_bytes()[:5000])
    (tmp_path / "cut.dcm").write_bytes(raw.read_bytes()[:5000])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("of a person")
    (tmp_path / "folder").mkdir()
    wrong = ["image.dcm", "cut.ExamCard", "cut.dcm", "empty", "notes.txt", "folder", "missing"]
    result = run(*(tmp_path / name for name in wrong[:3]), card, *(tmp_path / name for name in wrong[3:]))
    assert result.exit_code == 1
    said = result.stderr.splitlines()
    assert len(said) == len(wrong)
    for name, line in zip(wrong, said, strict=True):
        assert line.startswith(f"ExamCard_to_HTML: {tmp_path / name}: "), line
    assert [name for name in names(tmp_path) if name.endswith(".html")] == ["Brain.v1.html"]


def test_a_scan_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.dcm"
    path.write_bytes(part10(raw_data(StudyIdentity("x"), examcard_name="", scans=SCANS[:1])))
    assert run("-q", path).exit_code == 0
    card = tmp_path / "x.ExamCard"
    whole = soap("x", SCANS)
    start = whole.index(b'xsi:type="SOAP-ENC:base64">', whole.index(b"base64") + 6) + 27
    card.write_bytes(whole[:start] + b"!" + whole[start + 1 :])
    result = run(card)
    assert "x.ExamCard: scan 1 (a): its parameters cannot be read" in one_sentence(result)
    assert (tmp_path / "x.html").exists()


def test_as_a_program_without_what_only_posix_has(card: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfor name in ('pwd', 'grp', 'fcntl', 'resource', 'termios'): sys.modules[name] = None\n"
        "from mrdock.commands.examcard_to_html import command\n"
        "assert not {'numpy', 'pydicom', 'mrdock.rawdata.examcard'} & set(sys.modules)\n"
        "command(prog_name='ExamCard_to_HTML')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(card)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    ET.parse(tmp_path / "Brain.v1.html")
