"""dcmcleanup in words and in JSON: the plan, and what was done."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from mrdock.files.names import printable
from mrdock.sorting.cleanup_plan import (
    CleanupPlan,
    CleanupResult,
    DirectoryPlan,
    PlannedFile,
    PlannedItem,
    Purged,
    Remark,
)
from mrdock.sorting.move_plan import MoveResult
from mrdock.sorting.move_text import counted, size_text

_MOST_NAMED: Final = 20


def plan_lines(planned: CleanupPlan, *, every_file: bool = False) -> Iterator[str]:
    """The plan of ``--dry-run``: for each thing its name and where it comes from; with ``every_file`` each file."""
    for directory in planned.directories:
        yield f"{printable(directory.path)}:"
        for item in directory.items:
            yield from _item_lines(item, directory.path, every_file)
        for made in directory.made:
            source = _inside(made.source, directory.path)
            yield printable(f"  {_inside(made.target, directory.path)}  is made of {source}")
        yield from _file_lines(directory.extras, directory.path, every_file, "extras")
        yield from _file_lines(directory.trash, directory.path, True, "trash")
        for folder in directory.folders:
            yield printable(f"  {_inside(folder.source, directory.path)}{os.sep}  empty then, to the trash")
        yield from report_lines(directory)
    yield _total(planned)


def _item_lines(item: PlannedItem, top: str, every_file: bool) -> Iterator[str]:
    what = f"{item.kind}, {counted(len(item.files), 'file')}" if len(item.files) > 1 else item.kind
    place = _inside(item.place, top)
    if item.in_place:
        yield printable(f"  {place}  {what}, in place")
        return
    going = [file for file in item.files if file.source != file.target]
    first, last = _inside(going[0].source, top), os.path.basename(going[-1].source)
    yield printable(f"  {place}  {what}  <-  {first}{f' ... {last}' if len(going) > 1 else ''}")
    if every_file and len(item.files) > 1:
        for file in going:
            yield printable(f"    {_inside(file.source, top)} -> {_inside(file.target, top)}")


def _file_lines(files: Sequence[PlannedFile], top: str, every_file: bool, where: str) -> Iterator[str]:
    shown = files if every_file or len(files) <= _MOST_NAMED else files[:_MOST_NAMED]
    for file in shown:
        why = f"  {file.reason}" if file.reason else ""
        target = where if file.reason else _inside(file.target, top)
        yield printable(f"  {_inside(file.source, top)} -> {target}{why}")
    if len(shown) < len(files):
        yield f"  ... and {len(files) - len(shown):,} more to {where}"


def report_lines(directory: DirectoryPlan) -> Iterator[str]:
    """What a person should look at, and what was not understood."""
    if directory.remarks:
        yield "Look at:"
        yield from _remark_lines(directory.remarks, directory.path)
    if directory.unknown:
        yield f"Not understood, left alone: {counted(len(directory.unknown), 'file')}"
        for path in directory.unknown[:_MOST_NAMED]:
            yield printable(f"  {_inside(path, directory.path)}")
        if len(directory.unknown) > _MOST_NAMED:
            yield f"  ... and {len(directory.unknown) - _MOST_NAMED:,} more (--json names them all)"


def _remark_lines(remarks: Iterable[Remark], top: str) -> Iterator[str]:
    for remark in remarks:
        yield printable(f"  {_inside(remark.path, top)}: {remark.text}")


def _inside(path: str, top: str) -> str:
    return os.path.relpath(path, top) if path.startswith(os.path.join(top, "")) else path


def _total(planned: CleanupPlan) -> str:
    files = [file for directory in planned.directories for file in directory.files]
    going = Counter(file.goes.value for file in files if file.source != file.target)
    in_place = sum(file.source == file.target for file in files)
    made = sum(len(directory.made) for directory in planned.directories)
    folders = sum(len(directory.folders) for directory in planned.directories)
    left = sum(len(directory.left) for directory in planned.directories)
    parts = [f"{counted(going['named'], 'file')} would be named"]
    parts += _counts(going["extra"], going["trash"], folders, made, in_place, left, _unknown(planned))
    return f"{', '.join(parts)}; nothing has been done"


def _counts(
    extras: int, trashed: int, folders: int, made: int, in_place: int, left: int, unknown: int
) -> Iterator[str]:
    for number, text in (
        (extras, f"{extras:,} to extras"),
        (trashed, f"{trashed:,} to the trash"),
        (folders, f"{counted(folders, 'empty directory')} to the trash"),
        (made, f"{counted(made, 'file')} made"),
        (in_place, f"{in_place:,} in place before"),
        (left, f"{left:,} left where they were"),
        (unknown, f"{unknown:,} not understood"),
    ):
        if number:
            yield text


def _unknown(planned: CleanupPlan) -> int:
    return sum(len(directory.unknown) for directory in planned.directories)


# ---- after ----


def closing_lines(planned: CleanupPlan, result: CleanupResult, *, every_file: bool = False) -> Iterator[str]:
    """What was done: what a person should look at, a line of counts, and how to undo it or to go on."""
    if every_file:
        yield from (f"{printable(source)} -> {printable(place)}" for source, place in result.files)
    for wanted, place in result.beside:
        yield printable(f"{place}: put here, for {wanted} holds other data")
    for directory in planned.directories:
        lines = list(report_lines(directory))
        if lines and len(planned.directories) > 1:
            yield f"{printable(directory.path)}:"
        yield from lines
    parts = [f"{counted(result.named, 'file')} named"]
    parts += _counts(
        result.extras,
        result.trashed,
        result.folders,
        result.made,
        result.in_place,
        len(result.left),
        _unknown(planned),
    )
    yield ", ".join(parts)
    if result.stopped:
        yield "Stopped between two files; the same command again goes on."
    if result.journal:
        yield f"To undo: dcmcleanup --undo {shlex.quote(result.journal)}"


def undone_lines(result: MoveResult, *, every_file: bool = False) -> Iterator[str]:
    """What an undo has put back."""
    if every_file:
        yield from (f"{printable(source)} -> {printable(place)}" for source, place in result.files)
    for wanted, place in result.beside:
        yield printable(f"{place}: put here, for {wanted} holds other data")
    counts = result.counts
    parts = [f"{counted(counts.done + counts.same + counts.beside, 'file')} put back"]
    parts += [f"{counts.beside:,} of them beside others, with a number"] if counts.beside else []
    parts += [f"{counted(counts.info, 'file')} removed that had been made"] if counts.info else []
    parts += [f"{counts.left:,} left where they were"] if counts.left else []
    yield ", ".join(parts)
    if result.stopped:
        yield "Stopped between two files; the same --undo goes on."


def purge_lines(found: Sequence[tuple[str, Purged]], *, pretend: bool) -> Iterator[str]:
    """What was deleted for good."""
    for top, purged in found:
        verb = "would be deleted" if pretend else "deleted for good"
        runs = f" of {counted(purged.runs, 'run')}" if purged.runs else ""
        what = f"{counted(purged.files, 'file')} ({size_text(purged.size)}){runs} {verb}"
        yield f"{printable(top)}: {what}" if purged.files or purged.runs else f"{printable(top)}: no trash"
        yield from _remark_lines(purged.kept, top)


# ---- for programs ----


def plan_json(planned: CleanupPlan) -> dict[str, Any]:
    """The plan for programs."""
    return {"directories": [_directory_json(directory) for directory in planned.directories]}


def _directory_json(directory: DirectoryPlan) -> dict[str, Any]:
    return {
        "path": directory.path,
        "items": [
            {
                "name": item.name,
                "kind": item.kind,
                "place": item.place,
                "in_place": item.in_place,
                "files": [_file_json(file) for file in item.files],
            }
            for item in directory.items
        ],
        "extras": [_file_json(file) for file in directory.extras],
        "trash": [_file_json(file) for file in directory.trash],
        "empty_directories": [folder.source for folder in directory.folders],
        "made": [{"path": made.target, "kind": made.kind, "source": made.source} for made in directory.made],
        "remarks": [remark._asdict() for remark in directory.remarks],
        "unknown": list(directory.unknown),
        "left": [file._asdict() for file in directory.left],
    }


def _file_json(file: PlannedFile) -> dict[str, Any]:
    found = {"source": file.source, "target": file.target, "bytes": file.size}
    return {**found, "reason": file.reason} if file.reason else found


def result_json(planned: CleanupPlan, result: CleanupResult) -> dict[str, Any]:
    """What was done, for programs."""
    names = ("named", "extras", "trashed", "folders", "made", "in_place")
    return {
        "undone": False,
        "counts": {
            **{name: getattr(result, name) for name in names},
            "left": len(result.left),
            "unknown": _unknown(planned),
        },
        "files": [{"source": source, "place": place} for source, place in result.files],
        "beside": [{"planned": wanted, "place": place} for wanted, place in result.beside],
        "left": [file._asdict() for file in result.left],
        "remarks": [
            remark._asdict()
            for remark in (*(r for directory in planned.directories for r in directory.remarks), *result.unmade)
        ],
        "unknown": [path for directory in planned.directories for path in directory.unknown],
        "journal": result.journal or None,
        "stopped": result.stopped,
    }


def undone_json(result: MoveResult) -> dict[str, Any]:
    """What an undo has put back, for programs."""
    counts = result.counts
    return {
        "undone": True,
        "counts": {"files": counts.done + counts.same + counts.beside, "removed": counts.info, "left": counts.left},
        "files": [{"source": source, "place": place} for source, place in result.files],
        "beside": [{"planned": wanted, "place": place} for wanted, place in result.beside],
        "left": [{"path": file.path, "reason": file.reason} for file in result.left],
        "journal": result.journal or None,
        "stopped": result.stopped,
    }


def purge_json(found: Sequence[tuple[str, Purged]]) -> dict[str, Any]:
    """What was deleted, for programs."""
    return {
        "directories": [
            {
                "path": top,
                "files": purged.files,
                "bytes": purged.size,
                "runs": purged.runs,
                "kept": [remark._asdict() for remark in purged.kept],
            }
            for top, purged in found
        ]
    }
