"""The words for parameters and enumerations: their tables, and that they agree with what real cards say themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrdock.rawdata.examcard import read_examcard
from mrdock.rawdata.labels import (
    RELEASES,
    SECTIONS,
    enum_label,
    enum_token,
    known_release,
    parameter_label,
    token_label,
)

CARDS = ("philips_r57/rawdata/104165610_ExamCard_Raw.dcm", "examcard/DUAL_ECHO_EPI.ExamCard")
TABLES = Path(__file__).parents[2] / "src" / "mrdock" / "rawdata"


def lines(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (TABLES / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("software", "release"),
    [
        ("5.7.1.1", "5.7"),
        ("5.7", "5.7"),
        ("R5.7.1", "5.7"),
        ("5.3.1\\5.3.1.3", "5.3"),
        ("3.2.3", "3.2"),
        ("5.71", None),
        ("15.7.1", None),
        ("11.1.0", None),
        ("5", None),
        ("", None),
    ],
)
def test_releases(software: str, release: str | None) -> None:
    assert known_release(software) == release


def test_words_of_a_known_release_and_bare_numbers_of_another() -> None:
    assert enum_label("EX_ACQ_fast_imaging_mode", 4, "5.7.1") == "GraSE"
    assert enum_token("EX_ACQ_fast_imaging_mode", 4, "5.7.1") == "GRASE"
    for release in ("5.6", "11.1", ""):
        assert enum_label("EX_ACQ_fast_imaging_mode", 4, release) is None
        assert enum_token("EX_ACQ_fast_imaging_mode", 4, release) is None
    assert enum_label("EX_ACQ_fast_imaging_mode", 99, "5.7") is None
    assert enum_label("EX_ACQ_fast_imaging_mode", -1, "5.7") is None
    assert enum_label("EX_NEW_mode", 0, "5.7") is None


def test_the_same_number_is_another_word_in_another_release() -> None:
    assert [enum_token("EX_GEO_stacks_types", 0, release) for release in RELEASES] == [
        "PARALLEL_STACK",
        "PARALLEL_STACK",
        "PAR_STACK",
        "PAR_STACK",
    ]


@pytest.mark.parametrize(
    ("parameter", "token", "label"),
    [
        ("EX_ACQ_nucleus", "XE129", "XE129"),
        ("EX_ACQ_rf_shim", "NO", "fixed"),
        ("EX_FLL_mode", "pCASL", "pCASL"),
        ("EX_NEW_mode", "USER_DEF", "user defined"),
        ("EX_NEW_mode", "NONE", "no"),
        ("EX_NEW_mode", "VERY_HARD", "very hard"),
        ("EX_NEW_mode", "T1_MAP", "T1 map"),
        ("EX_NEW_mode", "", ""),
    ],
)
def test_labels_of_tokens(parameter: str, token: str, label: str) -> None:
    assert token_label(parameter, token) == label


def test_the_tables_are_whole() -> None:
    head, *rows = lines("parameters.tsv")
    assert head == ["parameter", "section", "status", "label", "export"]
    assert len({row[0] for row in rows}) == len(rows) > 650
    for name, section, status, *texts in rows:
        label = parameter_label(name)
        assert label is not None
        assert section in ("", *SECTIONS)
        assert status in ("shown", "guess", "hidden", "mark")
        assert (status in ("shown", "guess")) == bool(texts[:1] and texts[0]) or name == "IF_info_seperator"
        if label.export:
            assert label.export.split() == label.text.split() or "{" in label.text
    head, *rows = lines("enums.tsv")
    assert head == ["parameter", "index", "token", "label", "releases"]
    places = [(row[0], row[1], release) for row in rows for release in (*row, "", "", "")[4].split(",")]
    assert len(set(places)) == len(places)
    assert {release for _, _, release in places} == {"", *RELEASES}


@pytest.mark.real_data
@pytest.mark.parametrize("name", CARDS)
def test_the_table_of_5_7_says_what_cards_of_5_7_say(real_data: Path, name: str) -> None:
    known = compared = 0
    for scan in read_examcard(real_data / name).scans:
        for parameter in scan.parameters:
            assert parameter_label(parameter.name) is not None, parameter.name
            if parameter.tokens is None:
                continue
            found = [enum_token(parameter.name, index, scan.release) for index in range(len(parameter.tokens))]
            known += any(found)
            compared += 1
            assert all(ours in (None, theirs) for ours, theirs in zip(found, parameter.tokens, strict=True))
    assert known > 0.99 * compared
