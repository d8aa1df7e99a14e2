"""The table of statuses of a C-STORE."""

from __future__ import annotations

import pytest

from mrdock.network.meanings import TABLE, meaning
from mrdock.network.requester import Stored


@pytest.mark.parametrize(
    ("status", "stored", "again"),
    [
        (0x0000, True, False),
        (0xB000, True, False),
        (0xB006, True, False),
        (0xB007, True, False),
        (0xB123, True, False),
        (0xA700, False, True),
        (0xA7FF, False, True),
        (0xA900, False, False),
        (0xA9FF, False, False),
        (0xC000, False, False),
        (0xCFFF, False, False),
        (0x0110, False, True),
        (0x0111, False, False),
        (0x0122, False, False),
        (0x0124, False, False),
        (0x0211, False, False),
        (0xFE00, False, True),
        (0x0001, False, True),
        (0xA800, False, True),
        (0xFFFF, False, True),
        (0x1234, False, True),
    ],
)
def test_statuses(status: int, stored: bool, again: bool) -> None:
    said = meaning(status)
    assert (said.stored, said.again) == (stored, again)
    assert Stored(status).succeeded is stored
    assert said.warns is (stored and status != 0)
    assert bool(said.words) is (status != 0)


def test_every_status_has_a_meaning_and_only_success_and_warnings_are_stored() -> None:
    for status in range(0x10000):
        assert meaning(status).stored is (status == 0 or status >> 12 == 0xB)


def test_the_table_has_no_line_that_never_counts() -> None:
    for first, last, said in TABLE:
        assert first <= last
        assert any(meaning(status) is said for status in range(first, last + 1))
