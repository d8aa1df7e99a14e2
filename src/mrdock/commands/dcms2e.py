"""``dcms2e``: an Enhanced MR file from classic images and a PAR/REC, or from classic images alone."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, FOUND, Command, Failures, errors_as_sentences, version_option
from mrdock.files.names import printable

if TYPE_CHECKING:
    from mrdock.convert.dcms2e import Result


def _print_differences(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from mrdock.convert.dcms2e_diffs import text

    click.echo(text())
    context.exit()


@click.command("dcms2e", cls=Command, context_settings=CONTEXT)
@click.argument("folders", metavar="DIRECTORY...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option("--classic", is_flag=True, help="DIRECTORY holds the images of all dynamics; no PAR/REC is read.")
@click.option(
    "-o",
    "--out",
    metavar="PLACE",
    type=click.Path(readable=False),
    help="Where the result goes: a directory that exists or, of one DIRECTORY, a file. Default: DIRECTORY.dcm.",
)
@click.option("--verify", is_flag=True, help="Compare all frames with their source, also of a result that exists.")
@click.option("--drop-partial", is_flag=True, help="Leave out dynamics at the end that lack slices.")
@click.option("--trust-rec", is_flag=True, help="Take a REC whose first dynamic differs from the DICOM images.")
@click.option("--force", is_flag=True, help="Replace a result that exists.")
@click.option(
    "--diffs",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_differences,
    help="Say how a result differs from the scanner's own Enhanced file.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON array.")
@click.option("-v", "--verbose", is_flag=True, help="Also say which files were used and which left out.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what failed.")
@version_option()
@errors_as_sentences
def command(
    folders: tuple[str, ...],
    classic: bool,
    out: str | None,
    verify: bool,
    drop_partial: bool,
    trust_rec: bool,
    force: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Make an Enhanced MR file, DIRECTORY.dcm, of a Philips scan of several dynamics (fMRI).

    DIRECTORY holds the classic images of the first dynamic; beside it lie a PAR and a REC file of the same name with
    all dynamics.
    """
    from mrdock.convert.dcms2e import convert, convert_classic
    from mrdock.convert.dcms2e_verify import DiffersError
    from mrdock.errors import MrdockError

    _check_usage(folders, out, classic and trust_rec)
    failures, differing = Failures(), Failures()
    records = []
    for folder in folders:
        try:
            if classic:
                result = convert_classic(folder, out, force=force, check=verify, drop_partial=drop_partial)
            else:
                result = convert(folder, out, force=force, check=verify, drop_partial=drop_partial, trust_rec=trust_rec)
        except DiffersError as error:
            differing.say(str(error))
            continue
        except (MrdockError, OSError) as error:
            failures.failed(folder, error)
            continue
        if not quiet:
            _remark(result, failures)
        if as_json:
            records.append(_record(result))
        elif not quiet:
            click.echo("\n".join(_lines(result, verbose)))
    if as_json:
        click.echo(json.dumps(records, indent=1))
    sys.exit(failures.code or (FOUND if differing.count else 0))


def _check_usage(folders: tuple[str, ...], out: str | None, trust_without_rec: bool) -> None:
    if "" in folders or out == "":
        raise click.UsageError("An empty name names no directory.")
    if trust_without_rec:
        raise click.UsageError("--trust-rec goes with a PAR/REC, not with --classic.")
    if out is not None and len(folders) > 1 and not os.path.isdir(out):
        raise click.UsageError(f"--out {printable(out)}: of several directories, PLACE is a directory that exists.")


def _remark(result: Result, failures: Failures) -> None:
    """What is otherwise than planned, on standard error."""
    for sentence in result.remarks:
        path, colon, rest = sentence.partition(": ")
        failures.remark(path if colon else result.output, rest if colon else sentence)
    if result.dropped:
        failures.remark(result.output, f"partial dynamics left out: {', '.join(map(str, result.dropped))}")


def _lines(result: Result, verbose: bool) -> list[str]:
    size = f"{result.slices * result.dynamics} frames of {result.columns} x {result.rows}"
    what = f"{size}: {_count(result.slices, 'slice')}, {result.dynamics} dynamics"
    compared = "; all have the pixels of their source" if result.verified else ""
    lines = [f"{printable(result.output)}: {what}{compared}"]
    if verbose:
        source = f"{printable(result.par)}, {printable(result.rec)}, " if result.par else ""
        lines.append(f"  from {source}{printable(result.folder)}")
        lines += [f"  left out: {printable(path)}" for path in result.left_out]
    if result.rec:
        hint = "" if result.verified else "; --verify compares them before it goes"
        lines.append(f"{printable(result.rec)}: may be deleted; its images are in the result{hint}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _record(result: Result) -> dict[str, object]:
    return {
        "path": result.folder,
        "output": result.output,
        "par": result.par or None,
        "rec": result.rec or None,
        "slices": result.slices,
        "dynamics": result.dynamics,
        "rows": result.rows,
        "columns": result.columns,
        "dimensions": list(result.dimensions),
        "sop_instance_uid": result.sop_instance_uid,
        "written": result.written,
        "verified": result.verified,
        "dropped_dynamics": list(result.dropped),
        "left_out": list(result.left_out),
        "remarks": list(result.remarks),
    }
