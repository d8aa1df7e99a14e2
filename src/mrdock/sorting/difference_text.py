"""What `dcminfo --diff` found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from mrdock.files.names import printable
from mrdock.sorting.difference import Comparison, Variant
from mrdock.sorting.info import File
from mrdock.sorting.info_data import row
from mrdock.sorting.info_text import common, text
from mrdock.sorting.info_values import Json, json_of, label, number
from mrdock.sorting.table import GAP, display_width, pad

_WIDEST: Final = 60  # a longer value does not move the file names of the others
_MOST_NAMED: Final = 2


def lines(found: Comparison, files: Sequence[File]) -> Iterator[str]:
    """A closing count; before it each element that differs, its values below it, each with the files that have it."""
    folder, names = common([file.path for file in files])
    short = {file.path: printable(name) for file, name in zip(files, names, strict=True)}
    if found.differences and folder:
        yield f"In {printable(folder)}:"
    for difference in found.differences:
        yield f"{number(difference.where)}{GAP}{label(difference.where)}"
        values = [text(variant.cell) for variant in difference.variants]
        width = max((size for size in map(display_width, values) if size <= _WIDEST), default=0)
        for value, variant in zip(values, difference.variants, strict=True):
            yield f"    {pad(value, width)}{GAP}{_who(variant, short)}"
    if found.differences:
        yield ""
    yield (
        f"{len(files)} files: {len(found.differences)} of {found.compared} elements differ"
        " (UIDs, dates, times and pixels not counted)"
    )


def csv_lines(found: Comparison, files: Sequence[File]) -> Iterator[str]:
    """A row an element that differs, a column a file."""
    yield row(["tag", "name", *(file.path for file in files)])
    for difference in found.differences:
        values = {file.path: variant.cell for variant in difference.variants for file in variant.files}
        cells = ("" if (cell := values[file.path]) is None else cell.text for file in files)
        yield row([number(difference.where), label(difference.where), *cells])


def json_text(found: Comparison) -> str:
    """One object: how many elements were compared, and of each that differs its values and their files."""
    differences: list[Json] = [
        {
            "tag": number(difference.where),
            "name": label(difference.where),
            "values": [
                {"value": json_of(variant.cell), "files": [file.path for file in variant.files]}
                for variant in difference.variants
            ],
        }
        for difference in found.differences
    ]
    return json.dumps({"compared": found.compared, "differences": differences}, indent=2)


def _who(variant: Variant, short: dict[str, str]) -> str:
    """The files of a value: all where they are few, else the first and how many more."""
    names = [short[file.path] for file in variant.files]
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    return f"{names[0]} and {len(names) - 1} others"
