"""Pages of ExamCards: well-formed, complete, in order, safe, and the same as the rows behind them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.rawdata.card_data import CSV_FIELDS, card_record, csv_rows
from mrdock.rawdata.card_diff import compare, difference_page, difference_records, text_of_difference
from mrdock.rawdata.examcard import ExamCard, Scan, read_examcard
from mrdock.rawdata.html import html_page
from mrdock.rawdata.html_style import SCRIPT, STYLE
from mrdock.rawdata.parameters import Parameter
from mrdock.rawdata.rows import rows_of
from tests.builders.examcard import ExamCardScan, soap

XHTML = "{http://www.w3.org/1999/xhtml}"
EVIL = '"><script>alert(\'1\')</script><img src=x onerror="a&b"> \x1b[31m\x00\ufffe\u202e'


def parsed(page: str) -> ET.Element:
    return ET.fromstring(page.encode())


def texts(node: ET.Element, tag: str) -> list[str]:
    return ["".join(found.itertext()) for found in node.iter(XHTML + tag)]


def sections(page: str) -> list[ET.Element]:
    return [node for node in parsed(page).iter(XHTML + "section") if node.get("class") == "scan"]


# ---- real cards ----


@pytest.mark.real_data
@pytest.mark.parametrize("every", [False, True])
def test_all_31_scans_are_there_in_order(real_data: Path, every: bool) -> None:
    card = read_examcard(real_data / "philips_r57" / "rawdata" / "104165610_ExamCard_Raw.dcm")
    page = html_page(card, all=every)
    found = sections(page)
    names = [f"{scan.number}{scan.name}" for scan in card.scans]
    assert [texts(section, "h2")[0] for section in found] == names
    assert len(names) == 31
    links = [node.get("href", "") for node in parsed(page).iter(XHTML + "a")]
    assert links[:31] == [f"#{section.get('id')}" for section in found]
    for section, scan in zip(found, card.scans, strict=True):
        rows = [row for row in rows_of(scan, all=every) if row.section or every]
        assert len(list(section.iter(XHTML + "tr"))) == len(rows)
        cells = {text.removesuffix("\u25c6") for text in texts(section, "td")}
        assert {row.text for row in rows} <= cells
        assert {row.label for row in rows if row.shown} <= set(texts(section, "th"))
    assert "1:12:41.4" in texts(parsed(page), "tfoot")[0]


@pytest.mark.real_data
def test_columns_and_sections_are_those_of_the_print_out(real_data: Path) -> None:
    card = read_examcard(real_data / "philips_r57" / "rawdata" / "104165610_ExamCard_Raw.dcm")
    left = ["INFO PAGE", "MOTION", "DYN/ANG", "POST/PROC"]
    for section in sections(html_page(card)):
        assert texts(section, "caption") == [*left, "GEOMETRY", "OFFC/ANG", "CONTRAST"]
        assert texts(section, "th")[0] in ("Total scan duration", "cskOrEfoOptionsInUse")


@pytest.mark.real_data
def test_a_card_and_its_raw_file_side_by_side(real_data: Path) -> None:
    folder = real_data / "philips_r57" / "rawdata"
    card = read_examcard(folder / "104165610_ExamCard_Raw.dcm")
    both = [replace(card, scans=card.scans[number : number + 1]) for number in (10, 11)]
    (pair,) = compare(*both)
    assert [(row.label, row.left, row.right) for row in pair.rows] == [
        ("CS-SENSE > cs factor", "2", "4"),
        ("Total scan duration", "05:57.3", "03:01.8"),
        ("TFE shots", "79", "40"),
        ("SED", "< 0.1 kJ/kg", "  0.0 kJ/kg"),
    ]
    assert not any(pair.differs for pair in compare(card, card))


# ---- made cards ----

CARD = read_examcard(
    soap("made", [ExamCardScan("a", seconds=2.0), ExamCardScan("b", 2), ExamCardScan("b", 3, dynamics=9)])
)


def test_changes_are_marked_from_the_scan_before_of_the_same_kind() -> None:
    third = ExamCardScan("c", 4, dynamics=9)
    card = read_examcard(
        soap("made", [ExamCardScan("b", 2), ExamCardScan("a"), ExamCardScan("b", 3, dynamics=9), third])
    )
    found = sections(html_page(card))
    marked = [[row for row in section.iter(XHTML + "tr") if row.get("class") == "new"] for section in found]
    assert [[row.get("data-name") for row in rows] for rows in marked] == [
        [],
        [],
        ["EX_DYN_study", "EX_DYN_nr_scans"],
        [],
    ]
    (mark,) = (node for node in marked[2][1].iter(XHTML + "span") if node.get("class") == "mark")
    assert mark.get("title") == "before: 1"
    assert any("2 changed from 1 b" in text for text in texts(found[2], "p"))


def test_the_page_needs_nothing_else() -> None:
    page = html_page(CARD)
    assert "http" not in page.replace('xmlns="http://www.w3.org/1999/xhtml"', "").replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert not set("<&") & set(STYLE + SCRIPT)
    assert [node.get("hidden") for node in parsed(page).iter(XHTML + "form")] == ["hidden"]  # until a script shows it
    assert "@media print" in STYLE
    assert "prefers-color-scheme: dark" in STYLE


def evil_card() -> ExamCard:
    values = Parameter(EVIL[:30], 1, "string", (EVIL, EVIL))
    words = Parameter("EX_NEW_enum", 1, "enum", (0, 5), (EVIL, "x"))
    scan = Scan(
        1,
        EVIL,
        parameters=(values, words),
        summary=EVIL,
        comment=f"{EVIL}\n{EVIL}",
        geometry=EVIL,
        release=EVIL,
        state=EVIL,
        duration=EVIL,
        problem=EVIL,
    )
    return ExamCard(EVIL, EVIL, (scan, replace(scan, number=2)), ((EVIL, EVIL),), EVIL, EVIL)


@pytest.mark.parametrize("every", [False, True])
def test_everything_is_escaped(every: bool) -> None:
    card = evil_card()
    other = replace(card, scans=tuple(replace(scan, name=f"{scan.name}2", parameters=()) for scan in card.scans))
    for page in (html_page(card, all=every), difference_page(card, other, compare(card, other, all=every))):
        root = parsed(page)
        assert len(list(root.iter(XHTML + "script"))) == 1
        assert not list(root.iter(XHTML + "img"))
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert "\\x1b[31m\\x00\\ufffe\\u202e" in page


def test_cards_without_scans_and_scans_without_parameters() -> None:
    assert "no scans" in html_page(ExamCard("empty", "", ()))
    page = html_page(ExamCard("", "", (Scan(1, "", problem="it has no parameters"),), path="/x/y.ExamCard"))
    assert texts(parsed(page), "h1") == ["y.ExamCard"]
    assert "it has no parameters" in page
    assert "(no name)" in page


def test_with_everything_hidden_parameters_have_their_names() -> None:
    page = html_page(CARD, all=True)
    names = [node.text for node in sections(page)[1].iter(XHTML + "td") if node.get("class") == "name"]
    assert "EX_GEO_stacks_clinical_modes" in names
    assert "EX_pdf_seperator" in names
    assert "EX_GEO_stacks_clinical_modes" not in html_page(CARD)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None, max_examples=60)
@given(TEXT, TEXT, st.lists(TEXT, max_size=3), st.floats(width=32), st.booleans())
def test_any_card_makes_a_well_formed_page(
    name: str, label: str, strings: list[str], number: float, every: bool
) -> None:
    parameters = (
        Parameter(label, 1, "string", tuple(strings)),
        Parameter("EX_ACQ_flip_angle", 1, "float", (number,)),
        Parameter("EX_GEO_stacks", 1, "int", (2,)),
    )
    card = ExamCard(name, label, (Scan(1, name, parameters=parameters, comment=label),), comment=name)
    parsed(html_page(card, all=every))
    parsed(difference_page(card, CARD, compare(card, CARD, all=every)))
    assert card_record(card)["name"] == name
    assert all(len(row) == len(CSV_FIELDS) for row in csv_rows(card, all=every))


# ---- differences ----


def test_scans_are_paired_in_order() -> None:
    def card(*names: str) -> ExamCard:
        return ExamCard("x", "5.7", tuple(Scan(number, name) for number, name in enumerate(names, 1)))

    pairs = compare(card("a", "b", "b", "c", "x"), card("a", "b", "n", "b", "d", "x"))
    assert [(p.left and p.left.name, p.right and p.right.name) for p in pairs] == [
        ("a", "a"),
        ("b", "b"),
        (None, "n"),
        ("b", "b"),
        ("c", "d"),
        ("x", "x"),
    ]
    assert [pair.differs for pair in pairs] == [False, False, True, False, True, False]


def test_differences_name_what_is_above_them() -> None:
    left = CARD
    right = read_examcard(
        soap("other", [ExamCardScan("a", seconds=2.0), ExamCardScan("b", 2, slices=7), ExamCardScan("z")])
    )
    pairs = compare(left, right)
    text = text_of_difference(left, right, pairs)
    assert "GEOMETRY: Stacks > slices  4  7" in text
    assert "2 b: 1 row differs" in text
    assert "3 b | z: 2 rows differ" in text
    assert text.count("\n\n") == 2
    (first, _) = difference_records(pairs)
    assert first["left"] == {"number": 2, "name": "b"}
    assert text_of_difference(left, left, compare(left, left)).endswith("no difference\n")
    page = difference_page(left, right, pairs)
    assert "2 of 3 scans differ" in page
    assert len(sections(page)) == 2
