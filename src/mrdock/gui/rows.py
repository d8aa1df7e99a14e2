"""A plan as a tree of rows, made as they are looked at: studies, series, files; invalid files; files that stay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final

from mrdock.files.names import printable
from mrdock.sorting.move_plan import LeftFile, MovePlan, PlannedFile, PlannedSeries, PlannedStudy
from mrdock.sorting.move_text import counted, size_text

HEADINGS: Final = ("Will be", "What it is", "Files", "Size", "To look at")


class Sort(Enum):
    """What a row stands for."""

    STUDY = "study"
    SERIES = "series"
    FILE = "file"
    BAD = "bad"
    LEFT = "left"


@dataclass(eq=False)
class Row:
    """One row; ``cells`` under `HEADINGS`."""

    sort: Sort
    cells: tuple[str, str, str, str, str]
    tip: str = ""
    warned: bool = False
    uid: str = ""
    """Of a study."""

    make: Callable[[], Iterable[Row]] = field(default=tuple)
    parent: Row | None = None
    position: int = 0

    @cached_property
    def children(self) -> Sequence[Row]:
        """The rows below it, made at the first look."""
        below = tuple(self.make())
        for position, row in enumerate(below):
            row.parent, row.position = self, position
        return below

    @property
    def can_be_chosen(self) -> bool:
        """Whether it has a box to tick."""
        return self.sort is Sort.STUDY or (self.sort is Sort.BAD and self.parent is None)


def rows_of(plan: MovePlan) -> tuple[Row, ...]:
    """The rows of the top level."""
    rows = [_study(study) for study in plan.studies]
    if plan.bad:
        tip = "Files that claim to be DICOM and are broken"
        cells = ("bad", "invalid DICOM files", f"{len(plan.bad):,}", size_text(sum(f.size for f in plan.bad)), "")
        rows.append(Row(Sort.BAD, cells, tip, True, make=lambda: map(_bad_file, plan.bad)))
    if plan.left:
        cells = ("stay where they are", "", f"{len(plan.left):,}", "", "each has its reason")
        rows.append(Row(Sort.LEFT, cells, "Nothing is done with these", True, make=lambda: map(_left_file, plan.left)))
    for position, row in enumerate(rows):
        row.position = position
    return tuple(rows)


def _study(study: PlannedStudy) -> Row:
    who = " · ".join(part for part in (study.patient_name, study.patient_id) if part)
    what = ", ".join(part for part in (who, f"{study.date} {study.time}".strip(), study.description) if part)
    looked_at = counted(len(study.warnings), "warning") if study.warnings else ""
    cells = (study.name, what, f"{study.count:,}", size_text(study.size), looked_at)
    return _row(
        Sort.STUDY,
        cells,
        "\n".join(study.warnings),
        bool(study.warnings),
        uid=study.uid,
        make=lambda: map(_series, study.series),
    )


def _series(series: PlannedSeries) -> Row:
    what = " · ".join(dict.fromkeys(part for part in (series.description, series.protocol) if part))
    cells = (series.name, what, f"{len(series.files):,}", size_text(series.size), "; ".join(series.warnings))
    tip = "\n".join((series.directory, *series.warnings))
    return _row(
        Sort.SERIES,
        cells,
        tip,
        bool(series.warnings),
        make=lambda: (_file(file, series.directory) for file in series.files),
    )


def _file(file: PlannedFile, directory: str) -> Row:
    in_place = "in its place already" if file.source == file.target else ""
    inside = file.target.startswith(directory + os.sep)
    name = file.target[len(directory) + 1 :] if inside else os.path.basename(file.target)
    cells = (name, os.path.basename(file.source), "", size_text(file.size), in_place)
    return _row(Sort.FILE, cells, f"{file.source}\n→ {file.target}")


def _bad_file(file: PlannedFile) -> Row:
    cells = (os.path.basename(file.target), os.path.basename(file.source), "", size_text(file.size), file.reason)
    return _row(Sort.BAD, cells, file.source)


def _left_file(file: LeftFile) -> Row:
    return _row(Sort.LEFT, (os.path.basename(file.path), "", "", "", file.reason), file.path)


def _row(
    sort: Sort,
    cells: tuple[str, str, str, str, str],
    tip: str,
    warned: bool = False,
    uid: str = "",
    make: Callable[[], Iterable[Row]] = tuple,
) -> Row:
    """A row whose texts come from headers and names: control characters are shown, not obeyed."""
    shown = tuple(printable(cell) for cell in cells)
    return Row(sort, shown, "\n".join(map(printable, tip.split("\n"))), warned, uid, make)  # type: ignore[arg-type]
