"""``dcm2btable``: the b-values and directions of a diffusion scan."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Literal

import click

from mrdock.commands.common import CONTEXT, Command, Failures, errors_as_sentences, version_option
from mrdock.files.names import printable

if TYPE_CHECKING:
    from mrdock.enhanced.btable import BTable
    from mrdock.enhanced.gradients import Gradient

_HERE = ""  # --out without a place


@click.command("dcm2btable", cls=Command, context_settings=CONTEXT)
@click.argument("paths", metavar="FILE...", nargs=-1, type=click.Path(readable=False))
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["table", "fsl", "mrtrix"]),
    default="table",
    show_default=True,
    help="Lines of b-value and direction, FSL's rows, or MRtrix's lines.",
)
@click.option(
    "--frame",
    type=click.Choice(["patient", "image"]),
    help="What the components are along. Default: what the format is meant to be in, for the table the patient.",
)
@click.option("-a", "--all", "averages", is_flag=True, help="Also averages: isotropic and trace volumes.")
@click.option(
    "-o",
    "--out",
    metavar="[PLACE]",
    is_flag=False,
    flag_value=_HERE,
    type=click.Path(readable=False),
    help="Write files: beside each FILE, in the directory PLACE, or, of one FILE, PLACE itself without its ending.",
)
@click.option("--force", is_flag=True, help="With --out: replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON array.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was left out.")
@version_option()
@errors_as_sentences
def command(
    paths: tuple[str, ...],
    form: Literal["table", "fsl", "mrtrix"],
    frame: Literal["patient", "image"] | None,
    averages: bool,
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the b-table of Enhanced MR files: on each line the b-value and the three components of the direction, in
    the order of the dimensions.

    Of several files each comes after a line with # and its name.
    """
    from mrdock.enhanced.btable import ENDINGS, b_table
    from mrdock.errors import MrdockError

    if out and os.path.isfile(out) and not out.endswith(ENDINGS):  # --out FILE: no place, but the first of the files
        paths, out = (out, *paths), _HERE
    if not paths:
        raise click.UsageError("Missing argument 'FILE...'.")
    if out and len(paths) > 1 and not os.path.isdir(out):
        raise click.UsageError(f"--out {printable(out)}: of several files, PLACE is a directory that exists.")
    failures = Failures()
    records = []
    for path in paths:
        try:
            table = b_table(path, form, frame, averages=averages)
            if out is not None:
                _write(table, out, force)
        except (MrdockError, OSError) as error:
            failures.failed(path, error)
            continue
        if not quiet:
            _name_left_out(table)
        if as_json:
            records.append(_record(table))
        elif out is None:
            _print(table, len(paths) > 1)
    if as_json:
        click.echo(json.dumps(records, indent=1))
    sys.exit(failures.code)


def _print(table: BTable, named: bool) -> None:
    lines = [f"# {printable(table.path)}"] if named else []
    click.echo("\n".join([*lines, *table.lines()]))


def _name_left_out(table: BTable) -> None:
    if not table.left_out:
        return
    count = len(table.left_out)
    names = ", ".join(map(_described, table.left_out))
    volumes, them = ("volume", "it") if count == 1 else ("volumes", "them")
    Failures().remark(table.path, f"{count} {volumes} left out: {names}; --all keeps {them}")


def _described(average: Gradient) -> str:
    frames = len(average.frames)
    count = "frame" if frames == 1 else f"{frames} frames from frame"
    return f"{average.average} (b {average.b_value:g}, {count} {average.frames[0] + 1})"


def _write(table: BTable, out: str, force: bool) -> None:
    from mrdock.enhanced.btable import save
    from mrdock.files.writing import output_stem

    folder, stem = os.path.dirname(table.path), output_stem(table.path)
    if out and os.path.isdir(out):
        folder = out
    elif out:
        folder, stem = os.path.split(out)
        ending = os.path.splitext(stem)[1]
        stem = stem.removesuffix(ending) if ending in table.files() else stem
    save(table, os.path.join(folder, stem), force=force)


def _record(table: BTable) -> dict[str, object]:
    return {
        "path": table.path,
        "b_values": [b_value for b_value, _ in table.rows],
        "directions": [list(direction) for _, direction in table.rows],
        "left_out": [
            {"kind": each.average, "b_value": each.b_value, "frames": [frame + 1 for frame in each.frames]}
            for each in table.left_out
        ],
    }
