"""What `dcms2e --diffs` says against what was found on scanners' own files."""

from __future__ import annotations

import pytest

from mrdock.convert.dcms2e_diffs import DIFFERENCES, text
from tests.convert.test_enhanced_scanner import DIFFERENCES as FOUND


@pytest.mark.parametrize("path", FOUND)
def test_every_difference_that_was_found_is_mentioned(path: str) -> None:
    """The builder's test lists the elements in which scanners' files of two scans differ from built ones."""
    tag = int(path.rsplit(">", maxsplit=1)[-1].replace(",", ""), 16)
    assert [each.about for each in DIFFERENCES if tag in each.tags]


def test_all_of_it_is_printed() -> None:
    printed = " ".join(text().split())
    for each in DIFFERENCES:
        assert f"- {each.about}: {each.text}" in printed
        assert each.tags
    assert max(map(len, text().splitlines())) <= 79
