"""Studies are found by what people type, and counted as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mrdock.dock import queries
from mrdock.dock.entries import Noted
from mrdock.dock.index import Index
from mrdock.dock.queries import Count
from mrdock.errors import UnknownStudyError
from tests.contracts.rows import image
from tests.dock.support import START, STUDY

NAMES = {
    "1.2.840.1": "20260105_101500_1a2b3c4d",
    "1.2.840.10": "20260105_101501_5e6f7081",
    "1.2.840.2": "20260105_111500_9a9b9c9d",
    "1.3.46": "20260106_000000_00000000",
    "2.25.5": "20260106_000000_0000000000000000",
}


@pytest.fixture
def studies(index: Index) -> Index:
    """An index with some studies."""
    index.record([image(study=uid, directory=name) for uid, name in NAMES.items()])
    return index


FOUND = {
    "1.2.840.1": "1.2.840.1",  # exact, although another one begins like that
    "20260106_000000_00000000": "1.3.46",
    "1.2.840.10": "1.2.840.10",
    "1.2.840.2": "1.2.840.2",
    "1.3": "1.3.46",
    "20260105_11": "1.2.840.2",
    "20260105_101500": "1.2.840.1",
    "20260105_101500_1a2b3c4d/": "1.2.840.1",
    "/srv/mrdock/store/20260105_101500_1a2b3c4d": "1.2.840.1",
    "./20260105_101500_1a2b3c4d//": "1.2.840.1",
}
ODD = ["9.9", "1.2.840.99", "", "/", "//", "%", "_", "1.2.84_", "2026%", "20260105?", "*", "'", '"', "\\", "1.2.840.1 "]
ODD += ["20260105_101500_1A2B3C4D", "x" * 5000, "é", "\x1b[31m"]


def test_a_study_is_found_by_its_name_or_a_beginning_that_no_other_has(studies: Index) -> None:
    assert {said: queries.find_study(studies, said).uid for said in FOUND} == FOUND


@pytest.mark.parametrize("said", ["1.2.840", "20260105_1015", "2", "20260106_000000_0000"])
def test_a_beginning_of_several_is_refused_with_their_names(studies: Index, said: str) -> None:
    with pytest.raises(UnknownStudyError) as refused:
        queries.find_study(studies, said)
    text = str(refused.value)
    fitting = sorted(name for uid, name in NAMES.items() if uid.startswith(said) or name.startswith(said))
    assert text.startswith(f"{said}: several studies begin like that (")
    assert [name in text for name in fitting] == [place < 3 for place in range(len(fitting))]
    assert text.endswith("...)") is (len(fitting) > 3)


def test_what_is_no_name_finds_nothing(studies: Index) -> None:
    for said in ODD:
        with pytest.raises(UnknownStudyError, match="no study of that name"):
            queries.find_study(studies, said)


def test_a_name_with_a_zero_byte_finds_nothing(studies: Index) -> None:
    with pytest.raises(UnknownStudyError, match="no study of that name"):
        queries.find_study(studies, "1.2.840.1\0")


def test_counts_are_by_study(index: Index) -> None:
    index.record([image(1), image(2), image(3, series=2), image(1, study="1.2.4")])
    index.record([replace(image(2), name="MR.1.2.3.1.2_01234567", differs=True)])
    index.set_taken(STUDY, [image(1).name, image(2).name], 5.0)
    index.set_routed(STUDY, [image(3, series=2).name], 5.0)
    assert queries.counts(index) == {STUDY: Count(2, 4, 4000, 2, 1, 1), "1.2.4": Count(1, 1, 1000, 0, 0, 0)}


def test_studies_are_listed_newest_first(index: Index) -> None:
    index.record([image(1, study="1.2.5"), image(9, study="1.2.6"), image(5, study="1.2.7")])
    assert [row.uid for row in queries.all_studies(index)] == ["1.2.6", "1.2.7", "1.2.5"]


def test_what_is_not_there_is_said_so(index: Index) -> None:
    assert queries.study(index, "9.9") is None
    assert queries.instances_of(index, "9.9") == []
    assert queries.series_numbers(index, "9.9") == {}
    assert queries.routes_of(index, "9.9") == []
    assert not queries.is_fed(index, "9.9")


def test_a_series_without_a_number_is_a_series(index: Index) -> None:
    index.record([replace(image(), series_number=None)])
    assert queries.series_numbers(index, STUDY) == {f"{STUDY}.1": None}


def test_trouble_of_a_worker_counts_while_its_dock_runs(index: Index) -> None:
    index.record([Noted(START, "broken", None, "first"), Noted(START + 5, "broken", None, "second")])
    index.record([Noted(START + 9, "refused", None, "something else")])
    assert queries.last_trouble(index, START) == "second"
    assert queries.last_trouble(index, START + 6) is None
    assert queries.last_trouble(index, None) is None


def test_counts_of_one_study_are_those_of_all(index: Index) -> None:
    index.record([image(1), image(1, study="1.2.4")])
    assert queries.counts(index, STUDY) == {STUDY: queries.counts(index)[STUDY]}
    assert queries.counts(index, "9.9") == {}
