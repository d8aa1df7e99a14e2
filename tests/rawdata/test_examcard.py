"""ExamCards read: real ones, made ones of both releases' layout, and what is wrong with hostile ones."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.errors import DicomError, ExamCardError, MrdockError
from mrdock.rawdata.examcard import clock, read_examcard, seconds_of
from mrdock.rawdata.html import html_page
from tests.builders import StudyIdentity, part10
from tests.builders.examcard import ExamCardScan, soap, wrapper
from tests.builders.rawdata import demo_scans, raw_data, raw_series

SCANS = [ExamCardScan("CoilSurveyScan", seconds=2.0), ExamCardScan("fMRI", 2, dynamics=3), ExamCardScan("fMRI", 3)]
CARD = soap("a card", SCANS)

# ---- real cards ----


@pytest.fixture
def study(real_data: Path) -> Path:
    return real_data / "philips_r57" / "rawdata" / "104165610_ExamCard_Raw.dcm"


@pytest.mark.real_data
def test_a_real_study(study: Path) -> None:
    card = read_examcard(study)
    assert (card.name, card.release) == ("20210902_MR61_MPRAGE", "5.7.1.1")
    assert [scan.number for scan in card.scans] == list(range(1, 32))
    names = [scan.name for scan in card.scans]
    assert names[:3] == ["CoilSurveyScan", "SenseRefScan", "SmartBrain NGSA Patch"]
    assert names[16:19] == ["3D_Brain_VIEW_FLAIR_SHC"] * 3
    assert [scan.number for scan in card.scans if scan.kind == "prescan"] == [1, 2, 4, 20, 22, 23, 27]
    assert {scan.acquisition: scan.name for scan in card.scans if scan.acquisition} == {
        1: "SmartBrain NGSA Patch",
        13: "ADNI_Sag3D MPRAGE",
        19: "3DpCASL",
        20: "fcMRI Field Mapping",
        21: "fcMRI",
        22: "DTI_S2MB2",
        23: "DTIphase_S2MB2",
    }
    assert {scan.state for scan in card.scans} == {"Completed"}
    assert [scan.number for scan in card.scans if scan.pause] == [26, 28, 30]
    assert card.scans[27].comment == "Axial rsfMRI (Eyes Open)"
    assert not any("T1TFE 8.1" in scan.comment for scan in card.scans)  # the method's line is no comment
    assert clock(card.seconds) == "1:12:41.4"
    assert all(200 < len(scan.parameters) < 300 for scan in card.scans)
    assert not card.problems


@pytest.mark.real_data
def test_a_real_card_that_was_exported(real_data: Path) -> None:
    card = read_examcard(str(real_data / "examcard" / "DUAL_ECHO_EPI.ExamCard"))
    assert [(scan.name, scan.duration) for scan in card.scans] == [
        ("GE-SE EPI 2Sh 1Sl", "00:10.3"),
        ("SE EPI 2Sh 1Sl", "00:10.3"),
    ]
    assert dict(card.facts)["System"] == "T15"
    assert "Healthy" not in card.scans[0].comment
    assert card.scans[0].comment.startswith("Tips\nInfo\n\nMSh_PERF\n\nDynamic T2*-weighted gradient echo EPI sequence")


@pytest.mark.real_data
def test_a_series_is_a_card_of_one_scan(real_data: Path) -> None:
    path = real_data / "philips_r57" / "rawdata" / "1301_WIP_ADNI_Sag3D_MPRAGE_Raw.dcm"
    card = read_examcard(path)
    (scan,) = card.scans
    assert (scan.name, scan.duration, scan.acquisition) == ("WIP ADNI_Sag3D MPRAGE", "05:01.7", 13)
    assert len(scan.parameters) == 1283
    assert scan.shown_by_flag
    assert scan.release == "5.7"


# ---- made cards ----


def test_scans_of_one_name_stay_apart() -> None:
    card = read_examcard(CARD)
    assert card.name == "a card"
    assert [(scan.number, scan.name, scan.kind) for scan in card.scans] == [
        (1, "CoilSurveyScan", "prescan"),
        (2, "fMRI", "scan"),
        (3, "fMRI", "scan"),
    ]
    dynamics = [next(p.values[0] for p in scan.parameters if p.name == "EX_DYN_nr_scans") for scan in card.scans]
    assert dynamics == [1, 3, 1]
    assert card.comment == "Synthetic ExamCard"
    assert [scan.duration for scan in card.scans] == ["00:02.0", "00:16.0", "00:16.0"]
    assert card.seconds == 34.0


def test_raw_files_of_both_kinds(tmp_path: Path) -> None:
    identity = StudyIdentity("cards")
    study, series = tmp_path / "study.dcm", tmp_path / "series.dcm"
    study.write_bytes(part10(raw_data(identity, scans=demo_scans(identity))))
    series.write_bytes(part10(raw_series(identity)))
    card = read_examcard(study)
    assert [(scan.name, scan.acquisition, scan.state) for scan in card.scans] == [
        ("CoilSurveyScan", None, "Completed"),
        ("fMRI", 2, "Completed"),
        ("Enhanced fMRI", 3, "Completed"),
    ]
    assert card.scans[1].series_uids == (identity.series_uid(201),)
    assert [scan.acquisition for scan in read_examcard(series).scans] == [2]


def test_the_names_of_release_3_2() -> None:
    older = CARD.replace(b"<scanSet href=", b"<scanStep href=").replace(b"<name id=", b"<name xsi:null='1' id=", 1)
    older = re.sub(rb'<scanStep href="#(ref-\d+)"/>', rb'<scanStep><currentScanSet href="#\1"/></scanStep>', older)
    assert [scan.name for scan in read_examcard(older).scans] == ["CoilSurveyScan", "fMRI", "fMRI"]


def test_prefixes_and_the_place_of_a_text_do_not_matter() -> None:
    other = CARD.replace(b"SOAP-ENV:", b"s:").replace(b"xmlns:SOAP-ENV", b"xmlns:s").replace(b"a1:", b"z9:")
    other = other.replace(b"xmlns:a1", b"xmlns:z9")
    name = re.search(rb'<name id="(ref-\d+)">fMRI</name>', other)
    assert name
    last = other.rindex(b">fMRI</name>")
    start = other.rindex(b"<name", 0, last)
    other = other[:start] + b'<name href="#' + name[1] + b'"/>' + other[last + len(b">fMRI</name>") :]
    assert [scan.name for scan in read_examcard(other).scans] == ["CoilSurveyScan", "fMRI", "fMRI"]


def test_several_steps_of_one_entry() -> None:
    steps = re.findall(rb'<a1:ExecutionStep id="(ref-\d+)"', CARD)
    first = re.search(rb'<item href="#' + steps[0] + rb'"/>', CARD)
    assert first
    both = first.group() + b'<item href="#' + steps[1] + b'"/>'
    card = read_examcard(CARD.replace(first.group(), both).replace(b"<_size>1</_size>", b"<_size>2</_size>"))
    assert [(scan.instrument, scan.name) for scan in card.scans] == [
        (1, "CoilSurveyScan"),
        (1, "fMRI"),
        (2, "fMRI"),
        (3, "fMRI"),
    ]


@pytest.mark.parametrize("tail", [b"\0" * 999, b"\r\n", b"\r\n\0\0</oldcard> left over", b"<more/>"])
def test_what_stands_behind_the_end_is_left_alone(tail: bytes) -> None:
    assert len(read_examcard(CARD + tail).scans) == 3


def test_other_encodings() -> None:
    named = soap("Kopf groß", SCANS)
    assert read_examcard(named).name == "Kopf groß"
    assert read_examcard(named.decode().encode("windows-1252")).name == "Kopf groß"
    assert read_examcard(b"\xef\xbb\xbf" + named).name == "Kopf groß"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:02.0", 2.0), ("25:06.7", 1506.7), ("1:05:00", 3900.0), ("99:59.9", 5999.9), ("", None), ("soon", None)],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@given(st.integers(0, 10**6))
def test_durations_are_read_as_they_are_written(tenths: int) -> None:
    assert seconds_of(clock(tenths / 10)) == pytest.approx(tenths / 10)


# ---- what is wrong ----


def test_a_damaged_block_costs_its_scan_only() -> None:
    block = max(re.findall(rb">([A-Za-z0-9+/=]{500,})<", CARD), key=len)
    for broken, why in ((b"AAAA", "bytes are too few"), (b"%%%%", "no base64"), (b"", "has no parameters")):
        card = read_examcard(CARD.replace(block, broken, 1))
        assert [bool(scan.parameters) for scan in card.scans].count(False) == 1
        assert why in card.problems[0]
        assert html_page(card).count('<section class="scan"') == 3


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">%s]>' % b"".join(
    b'<!ENTITY %c "&%c;&%c;&%c;&%c;">' % (98 + n, 97 + n, 97 + n, 97 + n, 97 + n) for n in range(20)
)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty|no element found"),
        (b"<a>", "no element found"),
        (b"<a/>", "no ExamCard"),
        (CARD[: len(CARD) // 2], "no XML that can be read"),
        (BOMB + CARD, "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<x>" * 100 + b"</x>" * 100, "deep"),
        (b"<x " + b" ".join(b'x%d="1"' % number for number in range(100_000)) + b"/>", "longer than any"),
        (b"<x><!--" + b"y" * (1 << 20) + b"--></x>", "longer than any"),
        (b"<x>" + b"<y/>" * 400_000 + b"</x>", "more than 200000 XML elements"),
        (CARD.replace(b'id="ref-9"', b'id="ref-2"'), "two of its objects have the id ref-2"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "no XML that can be read"),
        (wrapper("x", SCANS), "the wrapper of a card"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_hostile_xml_is_one_sentence(data: bytes, why: str) -> None:
    began = time.process_time()
    with pytest.raises(ExamCardError, match=why) as error:
        read_examcard(data)
    assert "\n" not in str(error.value)
    assert time.process_time() - began < 2


def test_references_that_lead_nowhere_or_in_circles() -> None:
    for wrong in (b'href="#ref-99999"', b'href="ref-1"', b'href="#"', b'href="http://x/"'):
        changed = re.sub(rb'<singleScan href="[^"]*"', b"<singleScan " + wrong, CARD)
        card = read_examcard(changed)
        assert [scan.name for scan in card.scans] == ["", "", ""]
        assert len(card.problems) == 3
    circle = re.sub(
        rb'<list href="#(ref-\d+)"/>',
        rb'<list href="#c1"/><c id="c1" href="#c2"/><c id="c2" href="#c1"/>',
        CARD,
        count=1,
    )
    assert [scan.name for scan in read_examcard(circle).scans] == ["fMRI", "fMRI"]


@pytest.mark.parametrize("size", [b"-5", b"99999999999999999999", b"x", b"", b"7"])
def test_a_list_that_lies_about_its_size(size: bytes) -> None:
    card = read_examcard(CARD.replace(b"<_size>3</_size>", b"<_size>" + size + b"</_size>"))
    assert len(card.scans) == 3
    assert len(read_examcard(CARD.replace(b"<_size>3</_size>", b"<_size>2</_size>")).scans) == 2


def test_a_few_objects_that_say_they_are_many() -> None:
    """One entry that a list names a hundred thousand times, and one block that two thousand scans share."""
    items = re.search(rb'(<item href="#ref-\d+"/>\s*){3}', CARD)
    assert items
    one = re.search(rb'<item href="#ref-\d+"/>', items.group())
    assert one
    many = CARD.replace(items.group(), one.group() * 100_000).replace(b"<_size>3</_size>", b"<_size>100000</_size>")
    began = time.process_time()
    with pytest.raises(ExamCardError, match="more than 2000"):
        read_examcard(many)
    assert time.process_time() - began < 3


def test_lists_and_objects_that_are_shared_do_not_cost_more_each_time() -> None:
    entries = re.search(rb'(<item href="#ref-\d+"/>\s*){3}', CARD)
    first = re.search(rb'<a1:ECInstrument id="(ref-\d+)"', CARD)
    assert entries
    assert first
    many = CARD.replace(entries.group(), (b'<item href="#' + first[1] + b'"/>') * 1000)
    many = many.replace(b"<_size>3</_size>", b"<_size>1000</_size>")
    many = re.sub(rb'<executionSteps href="[^"]*"/>', b'<executionSteps href="#shared"/>', many)
    nothing = b'<item xsi:null="1"/>' * 50_000
    steps = b'<x id="shared"><list href="#list"/></x><y id="list"><_items href="#all"/></y><z id="all">%s</z>' % nothing
    began = time.process_time()
    with pytest.raises(ExamCardError, match="shared so often"):
        read_examcard(many.replace(b"</SOAP-ENV:Body>", steps + b"</SOAP-ENV:Body>"))
    junk = CARD.replace(b"<scanProcedure ", b"<junk/>" * 150_000 + b"<scanProcedure ", 1)
    assert [scan.name for scan in read_examcard(junk).scans] == ["CoilSurveyScan", "fMRI", "fMRI"]
    assert time.process_time() - began < 4


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ExamCard"
    for data in (b"<a/>", b"\xff\xfe<\0a\0", b"no card at all", b""):
        path.write_bytes(data)
        with pytest.raises(MrdockError, match=f"^{re.escape(str(path))}: "):
            read_examcard(path)
    with pytest.raises(OSError, match="missing"):
        read_examcard(tmp_path / "missing")
    identity = StudyIdentity("broken")
    path.write_bytes(part10(raw_series(identity, blobs=[("PDF_EXAM_PARS", "IEEE_PDF", b"\1" * 99)])))
    with pytest.raises(DicomError, match=f"^{re.escape(str(path))}: PDF_EXAM_PARS: "):
        read_examcard(path)
    path.write_bytes(part10(raw_series(identity, blobs=[("COILSTATE", "IEEE_PDF", b"\1" * 9)])))
    with pytest.raises(DicomError, match="without PDF_EXAM_PARS"):
        read_examcard(path)
    path.write_bytes(part10(raw_data(identity)).replace(b"<ExamCardBlob>P", b"<ExamCardBlob>!"))
    with pytest.raises(ExamCardError, match=f"^{re.escape(str(path))}: "):
        read_examcard(path)


CHANGES = st.sampled_from([b"", b"<", b">", b"&", b'"', b"\0", b"</name>", b"<a id='ref-1'/>", b"\xff", b"AAAA", b"-1"])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, len(CARD)), st.integers(0, 40), CHANGES), max_size=4))
def test_changed_bytes_are_read_or_refused(changes: list[tuple[int, int, bytes]]) -> None:
    data = bytearray(CARD)
    for at, removed, put in changes:
        data[at : at + removed] = put
    try:
        card = read_examcard(bytes(data))
    except ExamCardError:
        return
    html_page(card)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_as_parameters(block: bytes) -> None:
    found = max(re.findall(rb">([A-Za-z0-9+/=]{500,})<", CARD), key=len)
    card = read_examcard(CARD.replace(found, base64.b64encode(block), 1))
    assert len(card.scans) == 3
    html_page(card, all=True)
