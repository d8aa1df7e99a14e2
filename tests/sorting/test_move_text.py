"""Numbers and sizes in words."""

from __future__ import annotations

import pytest

from mrdock.sorting.move_text import counted, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (31_234, "31 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (2_100_000_000, "2.1 GB"),
        (3_000_000_000_000, "3.0 TB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


def test_counts() -> None:
    assert [counted(1, "file"), counted(2108, "file")] == ["1 file", "2,108 files"]
    assert [counted(1, "study"), counted(2, "study"), counted(2, "series")] == ["1 study", "2 studies", "2 series"]
