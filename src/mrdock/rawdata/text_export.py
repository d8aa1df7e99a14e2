"""A scan as the scanner exports it as text: ``label =``, tabs to column 32, the value, ``;``, each on a line (5.7)."""

from __future__ import annotations

from typing import Final

from mrdock.rawdata.examcard import Scan
from mrdock.rawdata.rows import OTHER, rows_of

_COLUMN: Final = 32
_TAB: Final = 8
_LONGEST_BESIDE: Final = 22  # the only longer value that was seen stands on a line of its own


def text_of_scan(scan: Scan) -> str:
    """The parameters that the scanner shows, in its order and spelling, lines ended by CR LF.

    A parameter whose label was never seen has its internal name, as the scanner itself gives those without a label.
    """
    lines = []
    section = ""
    for row in rows_of(scan):
        if row.section == "INFO PAGE" != section:
            marks = (one for one in scan.parameters if one.name == "IF_info_seperator" and one.values)
            lines += [_line(one.name, str(one.values[0])) for one in marks]
        section = row.section
        if row.name and section != OTHER:
            lines.append(_line(row.export_label, row.export_text))
    return "".join(lines)


def _line(label: str, text: str) -> str:
    start = f"{label} ="
    start += "\t" * max(1, -((len(start) - _COLUMN) // _TAB))
    if len(text) > _LONGEST_BESIDE:
        start += "\r\n" + "\t" * (_COLUMN // _TAB)
    return f"{start}{text};\r\n"
