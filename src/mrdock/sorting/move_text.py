"""dcm_move in words and in JSON: the question for a study, the plan, and what was done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from mrdock.files.names import printable
from mrdock.sorting.move_plan import MoveOptions, MovePlan, MoveResult, PlannedFile, PlannedSeries, PlannedStudy

_KINDS: Final = (("image", "image"), ("enhanced", "Enhanced file"), ("other", "other file"))
_UNITS: Final = ("B", "kB", "MB", "GB")


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2,108 files``, ``3 series``, ``2 studies``."""
    if number == 1 or noun.endswith("s"):
        return f"{number:,} {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def size_text(size: float) -> str:
    """Bytes as a person reads them: ``31 kB``, ``1.9 GB``."""
    for unit in _UNITS:
        if size < 999.5:
            return f"{size:.1f} {unit}" if size < 9.95 and unit != "B" else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


# ---- before ----


def study_question(study: PlannedStudy, options: MoveOptions) -> str:
    """What one study is, how many series and files it has, and what would be done."""
    verb = "Copy" if options.copy else "Rename" if options.rename else "Move"
    return "\n".join([*study_lines(study), f"{verb} it?"])


def bad_question(planned: MovePlan) -> str:
    """What is asked for the invalid files."""
    above = os.path.dirname(planned.bad[0].target)
    lines = [f"  {printable(file.source)}: {printable(file.reason)}" for file in planned.bad[:5]]
    rest = [f"  ... and {len(planned.bad) - 5:,} more"] if len(planned.bad) > 5 else []
    head = f"{counted(len(planned.bad), 'invalid DICOM file')}:"
    return "\n".join([head, *lines, *rest, f"Put {'it' if len(planned.bad) == 1 else 'them'} into {printable(above)}?"])


def study_lines(study: PlannedStudy) -> Iterator[str]:
    """A study and its series, a line each."""
    who = " ".join(part for part in (study.patient_name, f"({study.patient_id})" if study.patient_id else "") if part)
    what = [f"{study.date} {study.time}".strip(), study.description, who]
    amount = f"{counted(len(study.series), 'series')}, {counted(study.count, 'file')}, {size_text(study.size)}"
    parts = [f"Study {study.name}", ", ".join(part for part in what if part), amount]
    yield printable(": ".join(part for part in parts if part))
    for series in study.series:
        text = series.description or series.protocol
        yield printable(f"  {series.name}  {text}{'  ' if text else ''}{_kinds(series)}")


def _kinds(series: PlannedSeries) -> str:
    return ", ".join(counted(count, noun) for kind, noun in _KINDS if (count := series.count(kind)))


def plan_lines(planned: MovePlan, *, every_file: bool = False) -> Iterator[str]:
    """The plan of ``--dry-run``: for each series where its files go; with ``every_file`` each of them."""
    for study in planned.studies:
        yield from study_lines(study)
        for series in study.series:
            yield from _series_lines(series, every_file)
    if planned.bad:
        yield f"Invalid, to {printable(os.path.dirname(planned.bad[0].target))}:"
        yield from (f"  {printable(file.source)}: {printable(file.reason)}" for file in planned.bad)
    yield _total(planned)


def _series_lines(series: PlannedSeries, every_file: bool) -> Iterator[str]:
    going = [file for file in series.files if file.source != file.target]
    if not going:
        yield printable(f"  {series.name}: in place already")
    elif every_file:
        yield from (f"    {printable(file.source)} -> {printable(file.target)}" for file in going)
    else:
        first, last = going[0], going[-1]
        end = f" ... {os.path.basename(last.target)}" if len(going) > 1 else ""
        yield printable(f"  {series.name} -> {first.target}{end}")
    if series.info is not None and every_file:
        yield f"    {printable(series.info.target)} is written"


def _total(planned: MovePlan) -> str:
    options, count = planned.options, planned.count - planned.in_place
    verb = "copied" if options.copy else "renamed" if options.rename else "moved"
    parts = [f"{counted(count, 'file')} ({size_text(planned.size)}) would be {verb}"]
    parts += [f"{planned.in_place:,} in place already"] if planned.in_place else []
    parts += [f"{len(planned.left):,} would stay"] if planned.left else []
    parts += [_no_dicom(planned.not_dicom)] if planned.not_dicom else []
    return f"{', '.join(parts)}; nothing has been done"


def _no_dicom(number: int) -> str:
    return "1 other file is no DICOM" if number == 1 else f"{number:,} other files are no DICOM"


# ---- after ----


def closing_lines(
    result: MoveResult, options: MoveOptions, *, undone: bool = False, every_file: bool = False
) -> Iterator[str]:
    """What was done: a line of counts, and how to undo it or to go on."""
    if every_file:
        yield from (f"{printable(source)} -> {printable(place)}" for source, place in result.files)
    for planned, actual in result.beside:
        yield printable(f"{actual}: put here, for {planned} holds other data")
    yield _counts_line(result, options, undone)
    if result.stopped:
        yield f"Stopped between two files; {'the same --undo' if undone else 'the same command again'} goes on."
    if result.journal and not undone:
        yield f"To undo: dcm_move --undo {_quoted(result.journal)}"


def _counts_line(result: MoveResult, options: MoveOptions, undone: bool) -> str:
    counts = result.counts
    verb = "put back" if undone else "copied" if options.copy else "renamed" if options.rename else "moved"
    removed = sum(not place for _, place in result.files) if undone else 0
    parts = [f"{counted(counts.done + counts.beside - removed, 'file')} {verb}"]
    for number, text in (
        (removed, "copies removed" if removed > 1 else "copy removed"),
        (counts.same, "there already with the same bytes"),
        (counts.beside, "of them beside others, with a number"),
        (counts.in_place, "in place before"),
        (counts.bad, "invalid, now in bad"),
        (counts.left, "left where they were"),
    ):
        parts += [f"{number:,} {text}"] if number else []
    if counts.info:
        parts.append(f"{counted(counts.info, 'info file')} {'removed' if undone else 'written'}")
    if result.not_dicom:
        parts.append(_no_dicom(result.not_dicom))
    return ", ".join(parts)


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


# ---- for programs ----


def plan_json(planned: MovePlan) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "studies": [_study_json(study) for study in planned.studies],
        "bad": [_file_json(file) for file in planned.bad],
        "left": [{"path": file.path, "reason": file.reason} for file in planned.left],
        "warnings": list(planned.warnings),
        "files": planned.count,
        "in_place": planned.in_place,
        "bytes": planned.size,
        "not_dicom": planned.not_dicom,
    }


def _study_json(study: PlannedStudy) -> dict[str, Any]:
    names = ("uid", "name", "date", "time", "description", "patient_name", "patient_id")
    return {
        **{name: getattr(study, name) for name in names},
        "series": [
            {
                **{name: getattr(one, name) for name in ("uid", "name", "number", "description", "protocol")},
                "directory": one.directory,
                "info": one.info.target if one.info else None,
                "warnings": list(one.warnings),
                "files": [_file_json(file) for file in one.files],
            }
            for one in study.series
        ],
    }


def _file_json(file: PlannedFile) -> dict[str, Any]:
    found = {"source": file.source, "target": file.target, "bytes": file.size, "kind": file.kind}
    return {**found, "reason": file.reason} if file.reason else found


def result_json(result: MoveResult, *, undone: bool = False) -> dict[str, Any]:
    """What was done, for programs."""
    names = ("done", "same", "beside", "in_place", "bad", "info", "left")
    return {
        "undone": undone,
        "counts": {name: getattr(result.counts, name) for name in names},
        "not_dicom": result.not_dicom,
        "files": [{"source": source, "place": place} for source, place in result.files],
        "beside": [{"planned": planned, "place": actual} for planned, actual in result.beside],
        "left": [{"path": file.path, "reason": file.reason} for file in result.left],
        "journal": result.journal or None,
        "stopped": result.stopped,
    }
