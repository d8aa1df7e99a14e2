"""Enhanced MR files from classic Philips images: with a PAR/REC that has the other dynamics, or of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from mrdock.convert.dcms2e_images import Contents, read_directory, root_of
from mrdock.convert.dcms2e_pair import open_pair
from mrdock.convert.dcms2e_plan import Plan, other_pixels, plan_from_classic, plan_from_rec
from mrdock.convert.dcms2e_scan import Scan, all_dynamics, first_dynamic
from mrdock.convert.dcms2e_verify import verify
from mrdock.convert.enhanced_build import BuildReport, build
from mrdock.errors import ParRecError
from mrdock.files.names import printable
from mrdock.files.writing import check_free, written


@dataclass(frozen=True, slots=True)
class Result:
    """What was made of a directory; ``par`` and ``rec`` are empty where none was needed."""

    folder: str
    output: str
    par: str
    rec: str
    slices: int
    dynamics: int
    rows: int
    columns: int
    sop_instance_uid: str
    dimensions: tuple[str, ...]
    written: bool
    """False where it was there already, and was only compared."""
    verified: bool
    dropped: tuple[int, ...]
    left_out: tuple[str, ...]
    """Files of the directory that are no MR images."""
    remarks: tuple[str, ...]


def output_path(folder: str, out: str | None = None) -> str:
    """Where the result of a directory goes: beside it under its name, in the directory ``out``, or ``out`` itself."""
    root = root_of(folder)
    if out is None:
        return f"{root}.dcm"
    name = f"{os.path.basename(root)}.dcm"
    return os.path.join(out, name) if os.path.isdir(out) else out


def convert(
    folder: str,
    out: str | None = None,
    *,
    force: bool = False,
    check: bool = False,
    drop_partial: bool = False,
    trust_rec: bool = False,
) -> Result:
    """Make an Enhanced MR file of the first dynamic's images in ``folder`` and the PAR/REC beside it.

    ``check`` compares all frames with the REC before the file gets its name; a file that is there already is only
    compared, unless ``force`` makes it anew. ``drop_partial`` leaves out dynamics at the end that lack slices;
    ``trust_rec`` takes a REC whose first dynamic differs from the classic images.

    Raises MrdockError with the reason where this cannot be done (`DiffersError` where a frame differs), and OSError;
    nothing is written then.
    """
    output, there = _place(folder, out, force=force, check=check)
    contents = read_directory(folder)
    scan = first_dynamic(contents)
    pair = open_pair(folder, scan, drop_partial=drop_partial)
    plan = plan_from_rec(scan, pair.par, pair.lines, trusted=trust_rec)
    other = None if trust_rec else other_pixels(plan)
    if other is not None:
        one = printable(os.path.basename(scan.images[other, 1].path))
        what = f"its image of slice {other} in dynamic 1 is not the one in {one}"
        raise ParRecError(f"{printable(pair.rec_path)}: {what}; --trust-rec takes it")
    done = verify(output, plan, output) if there else _write(plan, output, force=force, check=check)
    result = _result(folder, output, contents, scan, plan, done, written=not there, verified=check)
    return replace(
        result,
        par=pair.par.path,
        rec=pair.rec_path,
        dropped=pair.dropped,
        remarks=(*pair.remarks, *result.remarks),
    )


def convert_classic(
    folder: str, out: str | None = None, *, force: bool = False, check: bool = False, drop_partial: bool = False
) -> Result:
    """Make an Enhanced MR file of the classic images of all dynamics in ``folder``; see `convert`."""
    output, there = _place(folder, out, force=force, check=check)
    contents = read_directory(folder)
    scan = all_dynamics(contents, drop_partial=drop_partial)
    plan = plan_from_classic(scan)
    done = verify(output, plan, output) if there else _write(plan, output, force=force, check=check)
    result = _result(folder, output, contents, scan, plan, done, written=not there, verified=check)
    if scan.series.dynamics > scan.dynamics + len(scan.dropped):
        planned = f"{scan.series.dynamics} dynamics were planned; {scan.dynamics} are there"
        result = replace(result, remarks=(f"{printable(folder)}: {planned}", *result.remarks))
    return replace(result, dropped=scan.dropped)


def _result(
    folder: str,
    output: str,
    contents: Contents,
    scan: Scan,
    plan: Plan,
    done: BuildReport,
    *,
    written: bool,
    verified: bool,
) -> Result:
    """What was made of classic images alone."""
    return Result(
        folder=folder,
        output=output,
        par="",
        rec="",
        slices=scan.slices,
        dynamics=plan.dynamics,
        rows=plan.rows,
        columns=plan.columns,
        sop_instance_uid=done.sop_instance_uid,
        dimensions=done.dimensions,
        written=written,
        verified=verified,
        dropped=(),
        left_out=tuple(contents.left_out),
        remarks=tuple(_collapsed(done.remarks)),
    )


def _collapsed(remarks: Iterable[str]) -> list[str]:
    """Each remark once, for the first file that it is true of, with the number of the others."""
    files: dict[str, list[str]] = {}
    for remark in remarks:
        path, _, what = remark.partition(": ")
        files.setdefault(what, []).append(path)
    return [
        f"{paths[0]}: {what}" + (f" (and in {len(paths) - 1} more files)" if len(paths) > 1 else "")
        for what, paths in files.items()
    ]


def _place(folder: str, out: str | None, *, force: bool, check: bool) -> tuple[str, bool]:
    """Where the result goes, and whether it is there and only to be compared."""
    output = output_path(folder, out)
    there = check and not force and os.path.isfile(output)
    if not there:
        check_free(output, force=force)
    return output, there


def _write(plan: Plan, output: str, *, force: bool, check: bool) -> BuildReport:
    with written(output, force=force) as stream:
        report = build(plan.frames, plan.pixels, stream, now=datetime.now())
        if check:
            stream.flush()
            verify(os.fspath(stream.name), plan, output)
    return report
