"""Which tags are asked for, as words say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dicom.tags import split_list
from mrdock.errors import TagError
from mrdock.sorting.info_tags import Selection, group_of, select

ECHO_TIME = 0x00180081
REPETITION_TIME = 0x00180080


def test_tags_stand_in_the_order_in_which_they_were_named_each_once() -> None:
    found = select(split_list("RepetitionTime:0018,0081:(0018,0080):EchoTime"))
    assert found == Selection((REPETITION_TIME, ECHO_TIME))


def test_a_colon_between_quotes_belongs_to_the_creator() -> None:
    found = select(split_list('EchoTime:2005,0e,"A: B: C":*'))
    assert found == Selection((ECHO_TIME, (0x2005, 0x0E, "A: B: C")), everything=True)


def test_a_creator_in_other_capitals_is_the_same_tag() -> None:
    found = select(['2001,18,"PHILIPS IMAGING DD 001"', '2001,18,"Philips Imaging DD 001"'])
    assert found.keys == ((0x2001, 0x18, "PHILIPS IMAGING DD 001"),)


@pytest.mark.parametrize("word", ["0018,*", "(0018,*)"])
def test_a_whole_group(word: str) -> None:
    found = select([word])
    assert found == Selection(groups=frozenset({0x18}))
    assert found.open
    assert found.takes(ECHO_TIME)
    assert not found.takes(0x00100010)


def test_a_star_takes_everything() -> None:
    assert select(["*"]).takes((0x2005, 1, "Anybody"))
    assert not Selection((ECHO_TIME,)).takes(ECHO_TIME), "what is named by itself is not among what the star brings"


@pytest.mark.parametrize("word", ["EchoTim", "0018", "0018,00", "**", "2005,0e"])
def test_words_that_are_no_tags(word: str) -> None:
    with pytest.raises(TagError):
        select([word])


def test_joining_keeps_the_first_place() -> None:
    joined = Selection((ECHO_TIME,), frozenset({8})).joined(Selection((REPETITION_TIME, ECHO_TIME), everything=True))
    assert joined == Selection((REPETITION_TIME, ECHO_TIME), frozenset({8}), everything=True)
    assert joined.joined(None) is joined


@given(st.lists(st.tuples(st.integers(0, 0x7FFF), st.integers(0, 0xFFFF)), max_size=8))
def test_whatever_numbers_are_written_are_selected(pairs: list[tuple[int, int]]) -> None:
    keys = [group << 16 | element for group, element in pairs]
    found = select(split_list(":".join(f"{group:04x},{element:04x}" for group, element in pairs)))
    assert list(found.keys) == list(dict.fromkeys(keys))
    assert [group_of(key) for key in keys] == [group for group, _ in pairs]
