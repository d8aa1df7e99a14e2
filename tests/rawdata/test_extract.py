"""ExamCards out of raw files, safe names for them, and which of several files is the fullest."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.errors import ExamCardError, PlaceError, UnsuitableError
from mrdock.rawdata.blobs import Blob, RawFile, read_blobs
from mrdock.rawdata.extract import ExamCardFile, ScanState, by_exam, exam_card_of, fullest, safe_name, tokens_of
from mrdock.rawdata.labels import enum_token
from mrdock.rawdata.saving import card_places, save_blobs, save_card
from tests.builders import PRIVATE_MR_EXAMCARD, ExamCardScan, StudyIdentity, part10, raw_data, raw_series

IDENTITY = StudyIdentity("cards")


def study(folder: Path, **how: object) -> RawFile:
    (folder / "XX_0001").write_bytes(part10(raw_data(IDENTITY, **how)))  # type: ignore[arg-type]
    return read_blobs(str(folder / "XX_0001"))


def with_blob(raw: RawFile, data: bytes) -> RawFile:
    return replace(raw, blobs=(Blob("ExamCardBlob", "", len(data), memoryview(data)),))


@pytest.mark.real_data
def test_the_real_card(real_data: Path) -> None:
    """Against the standard library's XML reader: the last child of the wrapper, base64, without the NULs."""
    (path,) = real_data.glob("philips_r57/rawdata/*ExamCard_Raw.dcm")
    raw = read_blobs(str(path))
    card = exam_card_of(raw)
    root = ElementTree.fromstring(bytes(raw.blobs[0].data).rstrip(b"\0"))
    text = root[-1].text
    assert text is not None
    assert card.xml == base64.b64decode(text).rstrip(b"\0")
    assert len(card.xml) == 2_493_332
    assert card.xml.endswith(b"</SOAP-ENV:Envelope>\r\n")
    assert (card.name, card.file_name) == ("20210902_MR61_MPRAGE", "20210902_MR61_MPRAGE.ExamCard")
    assert (len(card.scans), card.done) == (31, 31)
    survey = card.scans[2]
    assert (survey.name, survey.state, survey.acquisition) == ("SmartBrain NGSA Patch", "Completed", 1)
    assert survey.reconstructions == (1, 3)
    assert len(survey.series_uids) == 2


@pytest.mark.real_data
def test_the_card_names_the_series_of_the_other_raw_files(real_data: Path) -> None:
    folder = real_data / "philips_r57" / "rawdata"
    (path,) = folder.glob("*ExamCard_Raw.dcm")
    card = exam_card_of(read_blobs(str(path)))
    series = {uid: scan for scan in card.scans for uid in scan.series_uids}
    for other in folder.glob("[12]*01_*_Raw.dcm"):
        raw = read_blobs(str(other))
        scan = series[raw.series_uid]
        assert raw.series_number in [100 * scan.acquisition + number for number in scan.reconstructions]


@pytest.mark.real_data
def test_the_words_of_a_card(real_data: Path) -> None:
    """They are those of the table of release 5.7, which was made from other cards, too."""
    (path,) = real_data.glob("philips_r57/rawdata/*ExamCard_Raw.dcm")
    tokens = tokens_of(exam_card_of(read_blobs(str(path))))
    assert len(tokens) > 100
    assert tokens["EX_ACQ_scan_mode"] == ("2D", "3D", "MS", "M2D", "SV", "1D")
    known = [
        (name, number, token)
        for name, words in tokens.items()
        for number, token in enumerate(words)
        if enum_token(name, number, "5.7")
    ]
    assert len(known) > 500
    assert all(enum_token(name, number, "5.7") == token for name, number, token in known)


@pytest.mark.parametrize("how", [{}, {"sop_class": PRIVATE_MR_EXAMCARD}])
def test_both_exports(how: dict[str, str], tmp_path: Path) -> None:
    card = exam_card_of(study(tmp_path, examcard_name="Brain, 3T", **how))
    assert (card.name, card.file_name) == ("Brain, 3T", "Brain, 3T.ExamCard")
    assert [scan.name for scan in card.scans] == ["CoilSurveyScan", "fMRI", "Enhanced fMRI"]
    assert card.xml.endswith(b"Envelope>\r\n")


def test_a_card_without_a_name(tmp_path: Path) -> None:
    raw = study(tmp_path, examcard_name="", StudyDate="20260105", StudyTime="103000.5")
    assert exam_card_of(raw).file_name == "20260105_103000.ExamCard"
    undated = replace(raw, study_date="", study_time="", path="/somewhere/XX_0001.dcm")
    assert exam_card_of(undated).file_name == "XX_0001.ExamCard"


def test_a_series_has_none(tmp_path: Path) -> None:
    (tmp_path / "XX_0002").write_bytes(part10(raw_series(IDENTITY)))
    with pytest.raises(UnsuitableError, match="XX_0002: raw data of a series"):
        exam_card_of(read_blobs(str(tmp_path / "XX_0002")))


CARD = b"<SOAP-ENV:Envelope xmlns:SOAP-ENV='x'></SOAP-ENV:Envelope>"


def wrapped(card: bytes, head: bytes = b"") -> bytes:
    return head + b"<ExamCard><Name>x</Name><ExamCardBlob>" + base64.b64encode(card) + b"</ExamCardBlob></ExamCard>"


@pytest.mark.parametrize(
    ("data", "xml"),
    [
        (wrapped(CARD), CARD),
        (wrapped(CARD + b"\r\n\0\0") + bytes(99), CARD + b"\r\n"),
        (wrapped(CARD + b"\r\ngarbage </a:Envelope>") + b"\0garbage", CARD + b"\r\n"),
        (CARD + bytes(9), CARD),  # without a wrapper
        (wrapped(CARD).replace(b"PFNP", b"PF\r\n NP"), CARD),
    ],
)
def test_buffers_and_what_is_left_in_them(data: bytes, xml: bytes, tmp_path: Path) -> None:
    assert exam_card_of(with_blob(study(tmp_path, scans=[]), data)).xml == xml


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\0", "no XML that can be read"),
        (b"no XML", "no XML that can be read"),
        (b"<html></html>", "begins with 'html'"),
        (b"<ExamCard></ExamCard>", "is not in the wrapper"),
        (b"<ExamCard><ExamCardBlob>!!!!</ExamCardBlob></ExamCard>", "no base64"),
        (b"<ExamCard><ExamCardBlob>QUJ</ExamCardBlob></ExamCard>", "no base64"),
        (b"<ExamCard><ExamCardBlob>\xc3\xa4</ExamCardBlob></ExamCard>", "no base64"),
        (wrapped(CARD[:-1]), "cut short"),
        (wrapped(CARD)[:-12], "no XML that can be read"),
        (wrapped(CARD, BOMB), "document type"),
        (b"<ExamCard>" * 70, "deep"),
    ],
)
def test_broken_cards(data: bytes, why: str, tmp_path: Path) -> None:
    raw = study(tmp_path, scans=[])
    with pytest.raises(ExamCardError, match=why) as caught:
        exam_card_of(with_blob(raw, data))
    assert str(caught.value).startswith(f"{raw.path}: ")


# ---- names ----


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Brain routine", "Brain routine"),
        ('a/b\\c:d*e?f"g<h>i|j', "a_b_c_d_e_f_g_h_i_j"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("  .hidden. ", "hidden"),
        ("con", "_con"),
        ("LPT1.old", "_LPT1.old"),
        ("a\x1b[31m\nb\u202e", "a_[31m_b_"),
        ("...", ""),
        ("///", ""),
        ("", ""),
        ("\u00c4rm", "\u00c4rm"),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(max_size=300))
def test_any_name_is_safe(name: str) -> None:
    found = safe_name(name)
    assert not set(found) & set('/\\:*?"<>|\0')
    assert found.isprintable() or not found
    assert found == found.strip(" .")
    assert len(found.encode()) <= 201
    assert safe_name(found) == found


# ---- several files ----


def card_of(*scans: str, uid: str = "1.2", name: str = "card", path: str = "a", created: str = "") -> ExamCardFile:
    """A file with scans given as `T1` (completed) or `T1?` (not yet)."""
    texts = dict.fromkeys(RawFile.__dataclass_fields__, "") | {"study_uid": uid, "path": path, "created": created}
    raw = RawFile(**texts | {"series_number": 0, "blobs": ()})  # type: ignore[arg-type]
    states = tuple(
        ScanState(scan.rstrip("?"), "New" if scan.endswith("?") else "Completed", number, (), (), "")
        for number, scan in enumerate(scans)
    )
    return ExamCardFile(raw, name, f"{name}.ExamCard", b"", states)


def test_earlier_states() -> None:
    early = card_of("survey", "T1?")
    later = card_of("survey", "T1", "T2?")
    full = card_of("survey", "T1", "T2")
    for order in ((early, later, full), (full, early, later), (later, full, early)):
        (exam,) = by_exam(order)
        assert exam.fullest is full
        assert exam.earlier == (later, early)
        assert fullest(order) is full


def test_what_is_another_exam() -> None:
    full = card_of("survey", "T1", "T2")
    others = [
        card_of("survey", "T1", uid="1.3"),  # another study
        card_of("survey", "other"),  # other scans
        card_of("T1?", name="new card"),  # nothing done yet, and another name
    ]
    exams = by_exam([*others, full])
    assert [exam.fullest for exam in exams] == [*others, full]
    assert not any(exam.earlier for exam in exams)
    nameless = card_of("survey", name="")  # its scans say what it is
    (exam,) = by_exam([full, nameless])
    assert exam.earlier == (nameless,)
    assert len(by_exam([card_of(uid=""), card_of(uid="")])) == 2


def test_of_equal_files_the_latest_counts() -> None:
    one, two = card_of("T1", created="20260105"), card_of("T1", created="20260106")
    (exam,) = by_exam([one, two])
    assert (exam.fullest, exam.earlier) == (two, (one,))


def test_places_do_not_collide() -> None:
    exams = by_exam([card_of("T1", uid=uid, name=name, path="d/x") for uid, name in zip("123", "Aaa", strict=True)])
    exams = [
        exam._replace(fullest=replace(exam.fullest, raw=replace(exam.fullest.raw, study_date="20260105")))
        for exam in exams
    ]
    assert card_places(exams, "o") == ["o/A.ExamCard", "o/a_20260105.ExamCard", "o/a_20260105_2.ExamCard"]
    assert card_places(exams)[0] == "d/A.ExamCard"


def test_saving(tmp_path: Path) -> None:
    raw = study(tmp_path, scans=[ExamCardScan("T1")])
    place = tmp_path / "out.ExamCard"
    save_card(raw.path, str(place))
    assert place.read_bytes() == exam_card_of(raw).xml
    place.write_bytes(b"mine")
    with pytest.raises(PlaceError, match="exists already"):
        save_card(raw.path, str(place))
    assert place.read_bytes() == b"mine"
    save_card(raw.path, str(place), force=True)
    assert place.read_bytes() == exam_card_of(raw).xml


def test_blobs_as_files(tmp_path: Path) -> None:
    blobs = [("CPX", "", b"cpx"), ("cpx", "", b"other"), ("", "", b"x"), ("../up", "", b"y"), ("RC", "ASCII", b"")]
    (tmp_path / "XX.1.dcm").write_bytes(part10(raw_series(IDENTITY, blobs=blobs)))
    raw = read_blobs(str(tmp_path / "XX.1.dcm"))
    folder = tmp_path / "made" / "here"
    written = save_blobs(raw, raw.blobs, str(folder))
    assert {Path(path).name: Path(path).read_bytes() for path in written} == {
        "XX.1.CPX.bin": b"cpx",
        "XX.1.cpx_2.bin": b"other",
        "XX.1.unnamed.bin": b"x",
        "XX.1._up.bin": b"y",
    }
    (folder / "XX.1.CPX.bin").unlink()
    with pytest.raises(PlaceError):
        save_blobs(raw, raw.blobs, str(folder))
    assert not (folder / "XX.1.CPX.bin").exists()  # all or none
