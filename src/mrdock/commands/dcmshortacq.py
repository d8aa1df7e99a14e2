"""``dcmshortacq``: remove a final partial acquisition from Enhanced MR files."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, FOUND, Command, Failures, errors_as_sentences, version_option
from mrdock.files.names import printable

if TYPE_CHECKING:
    from mrdock.enhanced.shortacq import Result


@click.command("dcmshortacq", cls=Command, context_settings=CONTEXT)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option("-c", "--check", is_flag=True, help="Only say what is missing; exit code 3 if anything is.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON array.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was found and done.")
@version_option()
@errors_as_sentences
def command(paths: tuple[str, ...], check: bool, as_json: bool, quiet: bool) -> None:
    """Remove the last acquisition (volume, dynamic) of Enhanced MR files where frames of it are missing, as in a scan
    that was stopped early.

    The original becomes FILE.bak. A file whose acquisitions are all whole stays as it is.
    """
    from mrdock.enhanced.shortacq import check_acquisition, drop_partial_acquisition
    from mrdock.errors import MrdockError

    failures = Failures()
    records = []
    partial = False
    for path in paths:
        try:
            result = (check_acquisition if check else drop_partial_acquisition)(path)
        except (MrdockError, OSError) as error:
            failures.failed(path, error)
            continue
        partial = partial or bool(result.found.partial)
        if as_json:
            records.append(_record(result))
        if result.found.problem and not check:
            failures.add(path, f"{result.found.problem}; nothing was changed")
        elif not as_json and not quiet:
            click.echo(f"{printable(path)}: {_sentence(result)}")
    if as_json:
        click.echo(json.dumps(records, indent=1))
    sys.exit(failures.code or (FOUND if check and partial else 0))


def _sentence(result: Result) -> str:
    found = result.found
    if found.problem:
        return found.problem
    if not found.partial:
        count = len(found.acquisitions)
        what = f"all {count} {found.by.value}s are whole" if count > 1 else "a single volume"
        return f"{what}, nothing to do"
    what = ", ".join(map(str, found.partial))
    if not result.backup:
        return what
    left = len(found.acquisitions) - len(found.partial)
    return (
        f"{what}: removed, {left} {found.by.value}{'' if left == 1 else 's'} ({result.kept} frames) left; "
        f"the original is {printable(os.path.basename(result.backup))}"
    )


def _record(result: Result) -> dict[str, object]:
    found = result.found
    return {
        "path": result.path,
        "by": found.by.name.lower(),
        "acquisitions": len(found.acquisitions),
        "partial": [
            {"name": each.name, "frames": len(each.frames), "expected": each.expected} for each in found.partial
        ],
        "problem": found.problem or None,
        "frames": result.frames,
        "kept": result.kept,
        "changed": bool(result.backup),
        "backup": result.backup or None,
        "sop_instance_uid": result.instance or None,
    }
