"""Two ExamCards beside each other: which scans belong together, and the rows in which these differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

from mrdock.files.names import printable
from mrdock.rawdata.examcard import ExamCard, Scan
from mrdock.rawdata.html import escaped, page, search_form
from mrdock.rawdata.rows import Row, rows_of

_NOT_THERE = "\u2013"
_MOST_PAIRS = 250_000  # beyond, looking for the best pairs takes too long; 500 scans on each side are many


class Difference(NamedTuple):
    """One row that differs: its text on each side, None where that side does not have it.

    label: with those of the rows that it is set in under: ``TE > (ms)``.
    """

    section: str
    name: str
    label: str
    left: str | None
    right: str | None


class Pair(NamedTuple):
    """Two scans that belong together, None for one that has no partner, and the rows in which they differ."""

    left: Scan | None
    right: Scan | None
    rows: tuple[Difference, ...]

    @property
    def differs(self) -> bool:
        """Whether the scans are not the same."""
        return self.left is None or self.right is None or self.left.name != self.right.name or bool(self.rows)


def compare(left: ExamCard, right: ExamCard, *, all: bool = False) -> list[Pair]:
    """Pair the scans of two cards in order, by their names, and compare what the scanner shows of each, or ``all``.

    Scans whose names differ between two that agree are paired where there are as many on both sides.
    """
    pairs = list(_pairs(left.scans, right.scans))
    return [Pair(a, b, tuple(_differences(a, b, all))) for a, b in pairs]


def _pairs(left: Sequence[Scan], right: Sequence[Scan]) -> Iterator[tuple[Scan | None, Scan | None]]:
    if len(left) * len(right) > _MOST_PAIRS:
        yield from zip_longest(left, right)
        return
    matcher = SequenceMatcher(None, [scan.name for scan in left], [scan.name for scan in right], autojunk=False)
    for kind, start, end, other, last in matcher.get_opcodes():
        if kind == "replace" and end - start != last - other:
            yield from ((scan, None) for scan in left[start:end])
            yield from ((None, scan) for scan in right[other:last])
        else:
            yield from zip_longest(left[start:end], right[other:last])


def _differences(left: Scan | None, right: Scan | None, every: bool) -> Iterator[Difference]:
    if left is None or right is None:
        return
    here, there = (_by_key(rows_of(scan, all=every)) for scan in (left, right))
    above: list[Row] = []
    for key, row in _merged(here, there):
        above = [*(one for one in above if one.section == row.section and one.level < row.level), row]
        a, b = here.get(key), there.get(key)
        if a is None or b is None or a.text != b.text:
            label = " > ".join(one.label for one in above)
            yield Difference(row.section, row.name, label, a.text if a else None, b.text if b else None)


_Key = tuple[str, str, int]


def _by_key(rows: Sequence[Row]) -> dict[_Key, Row]:
    """Rows by section, name and how many of that name came before; the scan's own number is no difference."""
    found: dict[_Key, Row] = {}
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.name == "EX_single_scan_id":
            continue
        name = row.name or row.label
        number = counts[row.section, name] = counts.get((row.section, name), 0) + 1
        found[row.section, name, number] = row
    return found


def _merged(here: dict[_Key, Row], there: dict[_Key, Row]) -> Iterator[tuple[_Key, Row]]:
    """All rows of both sides in the order of the left; what only the right has stands after its predecessor there."""
    after: dict[_Key | None, list[_Key]] = {}
    last: _Key | None = None
    for key in there:
        if key in here:
            last = key
        else:
            after.setdefault(last, []).append(key)
    yield from ((key, there[key]) for key in after.get(None, ()))
    for key, row in here.items():
        yield key, row
        yield from ((other, there[other]) for other in after.get(key, ()))


def text_of_difference(left: ExamCard, right: ExamCard, pairs: Sequence[Pair]) -> str:
    """The differences as lines: for each pair of scans a heading, then label, left and right side."""
    lines = [f"--- {printable(left.path or left.title)}", f"+++ {printable(right.path or right.title)}"]
    for pair in pairs:
        if pair.differs:
            lines += ["", _heading(pair), *_table(pair.rows)]
    if not any(pair.differs for pair in pairs):
        lines.append("no difference")
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Difference]) -> Iterator[str]:
    cells = [(_label(row), *(_NOT_THERE if text is None else text for text in (row.left, row.right))) for row in rows]
    first, second = (max((len(cell[column]) for cell in cells), default=0) for column in (0, 1))
    for label, left, right in cells:
        yield f"  {label:<{first}}  {left:<{second}}  {right}".rstrip()


def _label(row: Difference) -> str:
    return f"{row.section}: {row.label}" if row.section else row.label


def _heading(pair: Pair) -> str:
    left, right = pair.left, pair.right
    if left is None or right is None:
        scan, where = (left, "left") if left is not None else (right, "right")
        assert scan is not None
        return f"{scan.number} {printable(scan.name)}: only on the {where}"
    names = printable(left.name) if left.name == right.name else f"{printable(left.name)} | {printable(right.name)}"
    numbers = f"{left.number}" if left.number == right.number else f"{left.number} | {right.number}"
    count = len(pair.rows)
    return f"{numbers} {names}: {count} row{'' if count == 1 else 's'} differ{'s' if count == 1 else ''}"


def difference_records(pairs: Sequence[Pair]) -> list[dict[str, object]]:
    """The differences for JSON: a record for each pair that differs; None for what one side does not have."""
    return [
        {
            "left": None if pair.left is None else {"number": pair.left.number, "name": pair.left.name},
            "right": None if pair.right is None else {"number": pair.right.number, "name": pair.right.name},
            "rows": [
                {"section": row.section, "name": row.name, "label": row.label, "left": row.left, "right": row.right}
                for row in pair.rows
            ],
        }
        for pair in pairs
        if pair.differs
    ]


def difference_page(left: ExamCard, right: ExamCard, pairs: Sequence[Pair]) -> str:
    """The differences as a page, both sides beside each other."""
    names = [escaped(card.path or card.title) for card in (left, right)]
    differing = [pair for pair in pairs if pair.differs]
    count = len(differing)
    body = [
        "<header>",
        f"<h1>{escaped(left.title)} | {escaped(right.title)}</h1>",
        f'<p class="soft">left: {names[0]}<br/>right: {names[1]}</p>',
        f"<p>{count} of {len(pairs)} scans differ{'s' if count == 1 else ''}.</p>",
        "</header>",
        *search_form(""),
        "<main>",
    ]
    for number, pair in enumerate(differing, 1):
        body.append(f'<section class="scan" id="pair-{number}"><h2>{escaped(_heading(pair))}</h2>')
        body.append(f'<div class="columns">{_html_table(pair.rows)}</div></section>')
    return page(f"{left.title} | {right.title}", [*body, "</main>"], "diff")


def _html_table(rows: Sequence[Difference]) -> str:
    if not rows:
        return ""
    lines = ['<table><thead><tr><th></th><th scope="col">left</th><th scope="col">right</th></tr></thead><tbody>']
    for row in rows:
        cells = "".join(f"<td>{escaped(_NOT_THERE if text is None else text)}</td>" for text in (row.left, row.right))
        section = f'<span class="soft">{escaped(row.section)}</span> ' if row.section else ""
        lines.append(
            f'<tr data-name="{escaped(row.name)}"><th scope="row">{section}{escaped(row.label)}</th>{cells}</tr>'
        )
    return "\n".join([*lines, "</tbody></table>"])
