"""Write the tables of the manual that are made from the code: ``python scripts/manual_tables.py``.

A table stands in a page between ``<!-- table: name -->`` and ``<!-- end of table -->``; a test of the manual fails
where it is not what this program would write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mrdock.dicom.sop_classes import REFUSED_BY_CLASSIC, STORAGE_CLASSES
from mrdock.parrec.table import COLUMNS, GENERAL

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
_PLACE: Final = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def storage_classes() -> list[str]:
    """Every storage class: name, UID, file prefix, and whether a classic listener takes it."""
    return [
        "| name | UID | file | classic |",
        "|---|---|---|---|",
        *(
            f"| {item.name} | {item.uid} | `{item.prefix}` | {'no' if item.uid in REFUSED_BY_CLASSIC else 'yes'} |"
            for item in STORAGE_CLASSES.values()
        ),
    ]


def par_general() -> list[str]:
    """The general lines of a PAR file: label, attribute, format, version."""
    return [
        "| label | attribute | printed as | since |",
        "|---|---|---|---|",
        *(
            f"| `{field.label}` | `{field.name}` | `{field.form}`{_times(field.size)} | {field.since} |"
            for field in GENERAL
        ),
    ]


def _times(size: int) -> str:
    return " once or more" if size == 0 else f" {size} times" * (size > 1)


def par_columns() -> list[str]:
    """The columns of a PAR file's image lines: name, type, key, format, version."""
    found = ["| column | name | type | key | printed as | since |", "|---|---|---|---|---|---|"]
    at = 1
    for column in COLUMNS:
        last = at + column.size - 1
        forms = f"`{' '.join(column.form)}`"
        place = f"{at}-{last}" if column.size > 1 else f"{at}"
        found.append(f"| {place} | `{column.name}` | {column.kind} | `{column.key}` | {forms} | {column.since} |")
        at = last + 1
    return found


TABLES: Final[Mapping[str, Callable[[], list[str]]]] = {
    "storage-classes": storage_classes,
    "par-general": par_general,
    "par-columns": par_columns,
}


def filled(text: str) -> str:
    """A page with its tables as they should be."""

    def fill(match: re.Match[str]) -> str:
        return "\n".join([match[1], *TABLES[match[2]](), "", match[3]])

    return _PLACE.sub(fill, text)


def main() -> None:
    """Bring all pages up to date."""
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            page.write_text(new, encoding="utf-8")
            print(f"written: {page}")


if __name__ == "__main__":
    main()
