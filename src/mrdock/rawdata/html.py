"""An ExamCard as one page: contents with durations, then each scan as on the scanner's print-out.

The page is HTML and well-formed XML alike, needs nothing beside itself and no script to be read; all that comes from
the card is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mrdock.files.names import printable
from mrdock.rawdata.examcard import ExamCard, Scan, clock
from mrdock.rawdata.html_style import SCRIPT, STYLE
from mrdock.rawdata.rows import OTHER, Row, View, rows_of
from mrdock.version import __version__

_COLUMNS: Final = (
    ("INFO PAGE", "MOTION", "DYN/ANG", "POST/PROC"),
    ("", "GEOMETRY", "OFFC/ANG"),
    ("CONTRAST", OTHER),
)
"""The sections as the scanner's print-out has them beside each other."""

_MARK: Final = "\u25c6"
_DOT: Final = " \u00b7 "
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def html_page(card: ExamCard, *, all: bool = False) -> str:
    """The page of a card. ``all`` has also the parameters that the scanner hides, and all their internal names."""
    rows = [[row for row in rows_of(scan, all=all) if row.section or all] for scan in card.scans]
    before = _before(card.scans)
    changes = "only what changed" if any(number is not None for number in before) else ""
    body = [*_top(card), *search_form(changes), *_contents(card.scans), "<main>"]
    for number, scan in enumerate(card.scans):
        last = before[number]
        body += _scan(scan, rows[number], card.scans[last] if last is not None else None, _texts(rows, last), all)
    body += ["</main>", *_footer(all)]
    return page(card.title, body, "all" if all else "")


def page(title: str, body: Iterable[str], kind: str = "") -> str:
    """A whole page with style and script; ``body`` is escaped already, ``title`` is not."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
        "<head>",
        '<meta charset="utf-8"/>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        '<meta name="referrer" content="no-referrer"/>',
        f'<meta name="generator" content="mrdock {__version__}"/>',
        f"<title>{escaped(title)}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        f'<body class="{kind}">' if kind else "<body>",
        *body,
        f"<script>{SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A text for the page: nothing in it is markup, and no control character stays in it."""
    return html.escape(printable(text), quote=True)


def paragraphs(text: str) -> str:
    """A text of several lines as paragraphs."""
    return "".join(f"<p>{escaped(line)}</p>" for line in text.split("\n") if line.strip())


def _before(scans: Sequence[Scan]) -> list[int | None]:
    """For each scan the one that its changes are counted from: the last one of its kind before it."""
    last: dict[str, int] = {}
    found = []
    for number, scan in enumerate(scans):
        found.append(last.get(scan.kind))
        if scan.parameters:
            last[scan.kind] = number
    return found


def _texts(rows: Sequence[Sequence[Row]], number: int | None) -> dict[tuple[str, str, str], str]:
    if number is None:
        return {}
    return {_key(row): row.text for row in rows[number]}


# ---- the top of the page ----


def _top(card: ExamCard) -> Iterator[str]:
    prescans = sum(scan.kind == "prescan" for scan in card.scans)
    count = len(card.scans)
    words = [f"{count} scan{'' if count == 1 else 's'}" + (f", {prescans} of them prescans" if prescans else "")]
    if count != 1 and card.seconds:
        words.append(f"{clock(card.seconds)} in all")
    if card.release:
        words.append(f"release {card.release}")
    yield f"<header>\n<h1>{escaped(card.title)}</h1>"
    yield f'<p class="soft">{escaped(_DOT.join(words))}</p>'
    if card.facts:
        facts = "".join(f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>" for name, text in card.facts)
        yield f'<dl class="facts">{facts}</dl>'
    if card.comment:
        yield _comment(card.comment)
    yield "</header>"


def search_form(changes: str) -> Iterator[str]:
    """The search box, which a script shows; ``changes``: the words of its switch, empty for none."""
    yield '<form id="search" hidden="hidden" role="search">'
    yield '<label>Search <input type="search" placeholder="such as: flip angle" autocomplete="off"/></label>'
    yield f'<label><input type="checkbox"/> {changes}</label>' if changes else ""
    yield "<output></output></form>"


def _comment(text: str) -> str:
    return f'<details open="open"><summary>Comment</summary>{paragraphs(text)}</details>'


def _contents(scans: Sequence[Scan]) -> Iterator[str]:
    """The table of contents; what no scan says has no column."""
    if not scans:
        yield "<p>This card has no scans.</p>"
        return
    more = [
        ("wide", "Sequence", [_sequence(scan) for scan in scans]),
        ("wide", "TR / TE (ms)", [_times(scan) for scan in scans]),
        ("wide", "ACQ voxel MPS (mm)", [_value(scan, "IF_meas_voxel_size") for scan in scans]),
        ("n wide", "Acquisition", [str(scan.acquisition or "") for scan in scans]),
    ]
    columns = [column for column in more if any(column[2])]
    heads = [("n", "No."), ("", "Scan"), *((kind, name) for kind, name, _ in columns), ("d", "Duration")]
    yield '<nav aria-label="Contents">\n<table id="contents">\n<thead><tr>'
    yield "".join(f'<th scope="col" class="{kind}">{name}</th>' for kind, name in heads) + "</tr></thead>\n<tbody>"
    for number, scan in enumerate(scans):
        link = f'<a href="#scan-{scan.number}">{escaped(_name(scan))}</a>{_prescan(scan)}'
        cells = "".join(f'<td class="{kind}">{escaped(texts[number])}</td>' for kind, _, texts in columns)
        cells += f'<td class="d">{escaped(scan.duration)}</td>'
        yield f'<tr><td class="n">{scan.number}</td><td>{link}</td>{cells}</tr>'
    yield "</tbody>"
    seconds = sum(scan.seconds or 0 for scan in scans)
    if len(scans) > 1 and seconds:
        cells = '<td class="wide"></td>' * len(columns)
        yield f'<tfoot><tr><td></td><td>Total</td>{cells}<td class="d">{clock(seconds)}</td></tr></tfoot>'
    yield "</table>\n</nav>"


def _name(scan: Scan) -> str:
    return scan.name or "(no name)"


def _prescan(scan: Scan) -> str:
    return ' <span class="tag">prescan</span>' if scan.kind == "prescan" else ""


def _times(scan: Scan) -> str:
    """TR and TE; spin echo scans have TE apart, and what stands beside their TR is TI."""
    both, echo = (_value(scan, name) for name in ("IF_act_rep_time_echo_time", "IF_act_SE_echo_time"))
    return f"{both.partition(' / ')[0]} / {echo}" if both and echo else both


def _value(scan: Scan, name: str) -> str:
    found = next((one for one in scan.parameters if one.name == name and one.values), None)
    return str(found.values[0]) if found is not None else ""


_OF_SEQUENCE: Final = (
    "EX_GEO_stacks_orientations",
    "EX_ACQ_scan_mode",
    "EX_ACQ_imaging_sequence",
    "EX_ACQ_fast_imaging_mode",
)


def _sequence(scan: Scan) -> str:
    """Orientation, mode and technique, as far as their words are known."""
    view = View(scan)
    words = [view.token(name) for name in _OF_SEQUENCE]
    words[0] = words[0][:3]
    return " ".join(word for word in words if word not in ("", "NO"))


# ---- a scan ----


def _scan(
    scan: Scan, rows: Sequence[Row], before: Scan | None, texts: dict[tuple[str, str, str], str], every: bool
) -> Iterator[str]:
    yield f'<section class="scan" id="scan-{scan.number}">'
    duration = f'<span class="d">{escaped(scan.duration)}</span>' if scan.duration else ""
    number = f'<span class="number">{scan.number}</span>'
    yield f'<div class="head"><h2>{number}{escaped(_name(scan))}</h2>{_prescan(scan)}{duration}</div>'
    about = _DOT.join(_about(scan))
    if about:
        yield f'<p class="soft">{escaped(about)}</p>'
    if scan.problem:
        yield f'<p class="problem">{escaped(scan.problem)}</p>'
    if scan.comment:
        yield _comment(scan.comment)
    if before is not None and rows:
        count = sum(_is_new(row, texts) for row in rows if row.shown)
        where = f'<a href="#scan-{before.number}">{before.number} {escaped(_name(before))}</a>'
        yield f'<p class="soft">{_MARK} {count} changed from {where}</p>'
    yield '<div class="columns">'
    for sections in _COLUMNS:
        tables = [
            _table(section, [row for row in rows if row.section == section], texts, every) for section in sections
        ]
        if any(tables):
            yield "<div>" + "\n".join(table for table in tables if table) + "</div>"
    yield "</div>\n</section>"


def _about(scan: Scan) -> Iterator[str]:
    if scan.summary:
        yield scan.summary
    if scan.geometry:
        yield f"geometry {scan.geometry}"
    if scan.acquisition:
        yield f"acquisition {scan.acquisition}"
    if scan.state:
        yield scan.state[:1].lower() + scan.state[1:]
    if scan.pause:
        yield "waits before it starts"
    if scan.contrast:
        yield "with contrast agent"


def _table(section: str, rows: Sequence[Row], texts: dict[tuple[str, str, str], str], every: bool) -> str:
    if not rows:
        return ""
    caption = f"<caption>{escaped(section)}</caption>" if section else ""
    return f"<table>{caption}<tbody>\n" + "\n".join(_row(row, texts, every) for row in rows) + "\n</tbody></table>"


def _key(row: Row) -> tuple[str, str, str]:
    return row.section, row.name, row.label if not row.name else ""


def _is_new(row: Row, texts: dict[tuple[str, str, str], str]) -> bool:
    return bool(texts) and texts.get(_key(row)) != row.text


def _row(row: Row, texts: dict[tuple[str, str, str], str], every: bool) -> str:
    new = _is_new(row, texts)
    kinds = " ".join(kind for kind, wanted in (("new", new), ("unseen", not row.shown)) if wanted)
    cell = " ".join(kind for kind, wanted in ((f"l{row.level}", row.level), ("guess", row.guessed)) if wanted)
    mark = ""
    if new:
        old = texts.get(_key(row))
        said = f"before: {old}" if old is not None else "not shown before"
        mark = f'<span class="mark" title="{escaped(said)}">{_MARK}</span>'
    name = f'<td class="name">{escaped(row.name)}</td>' if every else ""
    opened = f'<tr class="{kinds}"' if kinds else "<tr"
    opened += f' data-name="{escaped(row.name)}">' if row.name and not every else ">"
    heading = f'<th scope="row" class="{cell}">' if cell else '<th scope="row">'
    label = row.label if row.shown else ""
    return f"{opened}{heading}{escaped(label)}</th><td>{escaped(row.text)}{mark}</td>{name}</tr>"


def _footer(every: bool) -> Iterator[str]:
    yield "<footer>"
    yield f"<p>{_MARK} differs from the scan before it; prescans are compared with prescans.</p>"
    yield "<p>Labels in <i>italics</i> are made of the parameter's internal name.</p>"
    if every:
        yield "<p>Rows without a label are those that the scanner does not show.</p>"
    yield f"<p>Made by mrdock {__version__}; no medical device.</p></footer>"
