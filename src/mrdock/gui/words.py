"""The window's sentences: what a plan holds, what a run has done."""

from __future__ import annotations

from mrdock.sorting.move_plan import MoveOptions, MovePlan, MoveResult
from mrdock.sorting.move_text import counted, size_text


def plan_sentence(plan: MovePlan) -> str:
    """What a plan holds, in one sentence."""
    series = sum(len(study.series) for study in plan.studies)
    parts = [
        counted(len(plan.studies), "study"),
        counted(series, "series"),
        f"{counted(plan.count, 'file')} ({size_text(plan.size)})",
    ]
    if plan.in_place:
        parts.append(f"{plan.in_place:,} of them in place already")
    if plan.bad:
        parts.append(f"{len(plan.bad):,} invalid")
    if plan.left:
        parts.append(f"{len(plan.left):,} {'stays' if len(plan.left) == 1 else 'stay'}")
    if plan.not_dicom:
        parts.append(f"{counted(plan.not_dicom, 'file')} that {'is' if plan.not_dicom == 1 else 'are'} no DICOM")
    if not plan.count:
        rest = f" ({', '.join(parts[3:])})" if parts[3:] else ""
        return f"No DICOM files found{rest}."
    return f"{', '.join(parts)}. Nothing has been changed yet."


def result_sentence(result: MoveResult, options: MoveOptions | None) -> str:
    """What a run has done, in one or two sentences; without options it was an undo."""
    counts = result.counts
    verb = "put back" if options is None else "copied" if options.copy else "renamed" if options.rename else "moved"
    parts = [f"{counted(counts.done + counts.beside, 'file')} {verb}"]
    if counts.same:
        parts.append(f"{counts.same:,} there already")
    if counts.beside:
        parts.append(f"{counts.beside:,} of them beside others, with a number")
    if counts.in_place:
        parts.append(f"{counts.in_place:,} in place before")
    if counts.bad:
        parts.append(f"{counts.bad:,} invalid, now in bad")
    if counts.left:
        parts.append(f"{counts.left:,} left where {'it was' if counts.left == 1 else 'they were'}")
    return f"{', '.join(parts)}.{_what_next(result, undone=options is None)}"


def _what_next(result: MoveResult, *, undone: bool) -> str:
    if result.stopped:
        return f" Stopped before the end: {'Undo goes on' if undone else 'Preview shows what is left to do'}."
    return " Undo puts everything back." if result.journal and not undone else ""
