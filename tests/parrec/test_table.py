"""The one table of the format, against nibabel's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from nibabel import parrec as nib

from mrdock.parrec.general import General
from mrdock.parrec.table import COLUMNS, GENERAL, KEYS, VERSIONS, Kind, Version, columns, general_fields, width


@pytest.mark.parametrize(
    ("version", "lines", "values", "general"), [("V4", 35, 41, 32), ("V4.1", 40, 48, 34), ("V4.2", 41, 49, 35)]
)
def test_the_versions_have_their_lines(version: Version, lines: int, values: int, general: int) -> None:
    assert len(columns(version)) == lines
    assert width(version) == values
    assert len(general_fields(version)) == general


def test_the_attributes_of_general_are_its_lines_in_order() -> None:
    assert [field.name for field in dataclasses.fields(General)] == [field.name for field in GENERAL]


def test_labels_and_kinds_are_those_that_nibabel_knows() -> None:
    kinds = {int: Kind.INTEGER, float: Kind.FLOAT}
    known = {}
    for label, (_, *rest) in nib._hdr_key_dict.items():
        kind = kinds[rest[0]] if rest else Kind.TEXT
        sizes = {(): 1, (2,): 2, (3,): 3, None: 0}
        known[label.casefold()] = kind, sizes[rest[1] if len(rest) > 1 else ()]
    for field in GENERAL:
        for label in (field.label, *field.also):
            assert known.pop(label.casefold()) == (field.kind, field.size), label
    assert not known


@pytest.mark.parametrize("version", VERSIONS)
def test_columns_are_those_that_nibabel_knows(version: Version) -> None:
    sizes = []
    for _, *rest in nib.image_def_dtds[version]:
        sizes.append(int(np.prod(rest[1])) if len(rest) > 1 else 1)
    assert [column.size for column in columns(version)] == sizes


def test_keys_are_columns_and_names_are_unique() -> None:
    names = [column.key for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert set(KEYS) <= set(names)
