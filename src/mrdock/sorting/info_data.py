"""The output of dcminfo for programs: CSV with a row a file, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Final

from mrdock.sorting.info import Overview
from mrdock.sorting.info_values import Json, json_of, label

_END: Final = "\r\n"


def csv_lines(overview: Overview) -> Iterator[str]:
    """A header, then a row a file; a cell is empty where the file has no such element or no value."""
    wheres = [where for where in overview.wheres() if any(value is not None for value in overview.columns[where])]
    yield row(["file", *(label(where) for where in wheres)])
    columns = [overview.columns[where] for where in wheres]
    for at, file in enumerate(overview.files):
        values = (column[at] for column in columns)
        yield row([file.path, *("" if value is None else value.text for value in values)])


def json_text(overview: Overview) -> str:
    """One object: ``same`` and ``different`` name the tags, ``files`` have all values of each file."""
    wheres = [(where, label(where)) for where in overview.wheres()]
    files: list[Json] = []
    for at, file in enumerate(overview.files):
        found: dict[str, Json] = {
            name: json_of(value) for where, name in wheres if (value := overview.columns[where][at]) is not None
        }
        files.append(
            {
                "file": file.path,
                "sop_class": file.sop_class,
                "transfer_syntax": file.transfer_syntax,
                "values": found,
            }
        )
    same: list[Json] = [label(where) for where in overview.same()]
    different: list[Json] = [label(where) for where in overview.different()]
    return json.dumps({"same": same, "different": different, "files": files}, indent=2)


def row(values: list[str]) -> str:
    """One record of CSV (RFC 4180), without the end of its line."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=_END).writerow(values)  # quotes only the line ends that it knows of
    return out.getvalue().removesuffix(_END)
