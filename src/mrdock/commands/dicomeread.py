"""``dicomeread``: an Enhanced MR file as an array with named dimensions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, Command, Failures, errors_as_sentences, version_option

if TYPE_CHECKING:
    from mrdock.enhanced.plan import Plan


@click.command("dicomeread", cls=Command, context_settings=CONTEXT)
@click.argument("file", metavar="FILE", type=click.Path(readable=False))
@click.option(
    "--scale",
    type=click.Choice(["float", "display", "stored"]),
    default="float",
    show_default=True,
    help="Which values: floating point (FP), as displayed on the console (DV), or as stored (PV).",
)
@click.option("--no-scale", is_flag=True, help="The same as --scale stored.")
@click.option("--order", metavar="AXES", help="A permutation of all axes, by numbers or names: 1,2,4,3.")
@click.option("--prompt", is_flag=True, help="Show the axes and ask for their order; the same as --order Prompt.")
@click.option(
    "--combine",
    metavar="AXES",
    help="Axes to merge into the one on their left, after ordering: names, or a flag for every axis: 0,0,0,1.",
)
@click.option(
    "--missing",
    type=click.Choice(["merge", "mask"]),
    default="merge",
    show_default=True,
    help="Where frames are missing: merge the dimensions concerned, or leave cells empty (NaN, stored values 0).",
)
@click.option(
    "-o", "--out", metavar="FILE", type=click.Path(), help="Write the array as .npy, .npz, .nii(.gz), .mat, .nc, .zarr."
)
@click.option("-f", "--force", is_flag=True, help="Replace the output where it exists.")
@click.option("--json", "as_json", is_flag=True, help="For programs: names, values, items and a checksum.")
@click.option("-q", "--quiet", is_flag=True, help="No remarks on standard error.")
@click.option("-v", "--verbose", is_flag=True, help="Every value of every axis, and the affine to LPS.")
@version_option()
@errors_as_sentences
def command(
    file: str,
    scale: str,
    no_scale: bool,
    order: str | None,
    prompt: bool,
    combine: str | None,
    missing: str,
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Read an Enhanced MR file as an array: rows, columns, and an axis for each dimension of the scan.

    Prints the axes with their values. With --out the array itself is written.
    """
    import json

    from mrdock.enhanced import report
    from mrdock.enhanced.export import check_target, save
    from mrdock.enhanced.image import EnhancedImage
    from mrdock.enhanced.plan import plan_of

    if out is not None:
        check_target(out, force=force)
    values = "stored" if no_scale else scale
    if prompt or (order or "").strip().lower() == "prompt":
        order = _asked(plan_of(file, values, None, None, missing))  # type: ignore[arg-type]
    plan = plan_of(file, values, order, combine, missing)  # type: ignore[arg-type]
    remarks = Failures()
    if not quiet:
        for note in plan.notes:
            remarks.remark(file, note)
    if out is not None or as_json:
        image = EnhancedImage(plan)
        if out is not None:
            save(image, out, force=force)
        if as_json:
            json.dump(report.record(image), sys.stdout, allow_nan=False)
            sys.stdout.write("\n")
            return
    for line in report.lines(plan, verbose=verbose):
        click.echo(line)


def _asked(plan: Plan) -> str | None:
    """The order that the user types; None for none."""
    from mrdock.enhanced import report

    for line in report.lines(plan):
        click.echo(line, err=True)
    answer: str = click.prompt("Order of the axes, numbers or names", default="", show_default=False, err=True)
    return answer.strip() or None
