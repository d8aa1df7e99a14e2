"""``dcm2par``: Enhanced MR files, or directories of one classic series, as PAR/REC."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from mrdock.commands.common import CONTEXT, FOUND, Command, Failures, errors_as_sentences, version_option
from mrdock.errors import MrdockError
from mrdock.files.names import printable

if TYPE_CHECKING:
    from mrdock.convert.par_convert import Converted, Options
    from mrdock.convert.par_names import Pattern


@click.command("dcm2par", cls=Command, context_settings=CONTEXT)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option("-o", "--out", metavar="DIR", type=click.Path(readable=False), help="Where to; made if it is missing.")
@click.option("--name", metavar="PATTERN", help="The name, with tags in braces: '{SeriesNumber}_{ProtocolName}'.")
@click.option("--anonymous", is_flag=True, help="Leave the patient's name out.")
@click.option("--check", is_flag=True, help="Read the result back and compare it; exit code 3 if it differs.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("-j", "--jobs", metavar="N", type=click.IntRange(1), default=1, help="Processes that convert at once.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON array.")
@click.option("-v", "--verbose", is_flag=True, help="Say what PAR/REC cannot carry, and what FILE does not hold.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was written; failures are still named.")
@version_option()
@errors_as_sentences
def command(
    paths: tuple[str, ...],
    out: str | None,
    name: str | None,
    anonymous: bool,
    check: bool,
    force: bool,
    jobs: int,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write FILE.PAR and FILE.REC (V4.2) of Enhanced MR files of Philips, or of directories of one classic series,
    beside FILE or in DIR.
    """
    from mrdock.convert.par_convert import Options

    if out is not None and os.path.lexists(out) and not os.path.isdir(out):
        raise click.UsageError(f"--out {printable(out)}: is no directory.")
    failures = Failures()
    tasks = _tasks(paths, out, _pattern(name, anonymous), failures)
    options = Options(anonymous=anonymous, force=force, check=check, thorough=verbose)
    records = []
    differs = False
    for task, outcome in _outcomes(tasks, options, jobs):
        if isinstance(outcome, (MrdockError, OSError)):
            failures.failed(task.path, outcome)
            continue
        differs = differs or bool(outcome.found)
        if as_json:
            records.append(_record(outcome))
        else:
            _tell(outcome, check=check, verbose=verbose, quiet=quiet)
    if as_json:
        click.echo(json.dumps(records, indent=1))
    sys.exit(failures.code or (FOUND if differs else 0))


@dataclass(frozen=True)
class _Task:
    """One input, and its outputs without their endings."""

    path: str
    stem: str


def _pattern(name: str | None, anonymous: bool) -> Pattern | None:
    if name is None:
        return None
    from mrdock.convert.par_names import PATIENT_NAME, Pattern

    pattern = Pattern.parse(name)
    if anonymous and PATIENT_NAME in pattern.keys:
        raise click.UsageError("--anonymous: the patient's name is in --name.")
    return pattern


def _tasks(paths: tuple[str, ...], out: str | None, pattern: Pattern | None, failures: Failures) -> list[_Task]:
    """What is to be done; inputs that would have the same output as one before are failures."""
    from mrdock.convert.par_names import default_stem, folder_of
    from mrdock.sorting.safe import clash_key, safe

    found: list[_Task] = []
    taken: dict[str, str] = {}
    for path in paths:
        try:
            name = default_stem(path) if pattern is None else pattern.name(path, safe)
        except (MrdockError, OSError) as error:
            failures.failed(path, error)
            continue
        stem = os.path.join(folder_of(path) if out is None else out, name)
        owner = taken.setdefault(clash_key(os.path.abspath(stem)), path)
        if owner is not path:
            failures.add(path, f"would have the name of what is made from {printable(owner)}, {printable(name)}.PAR")
            continue
        found.append(_Task(path, stem))
    return found


def _outcomes(
    tasks: list[_Task], options: Options, jobs: int
) -> Iterator[tuple[_Task, Converted | MrdockError | OSError]]:
    """What became of each input, in their order."""
    jobs = min(jobs, len(tasks))
    if jobs < 2:
        for task in tasks:
            yield task, _convert(task, options)
        return
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(jobs, initializer=_let_the_first_stop_us)
    try:
        waiting = [pool.submit(_convert, task, options) for task in tasks]
        for task, future in zip(tasks, waiting, strict=True):
            yield task, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _let_the_first_stop_us() -> None:
    """An interrupt from the terminal is for the process that shows what was done; those at work finish their file."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _convert(task: _Task, options: Options) -> Converted | MrdockError | OSError:
    from mrdock.convert.par_convert import convert

    try:
        return convert(task.path, task.stem, options)
    except (MrdockError, OSError) as error:
        return error


def _tell(converted: Converted, *, check: bool, verbose: bool, quiet: bool) -> None:
    if verbose:
        remarks = Failures()
        for note in converted.notes:
            remarks.remark(converted.source, note)
    if quiet:
        return
    count = _several(converted.images, "image")
    checked = ", read back and equal" if check and not converted.found else ""
    remarked = f" ({_several(len(converted.notes), 'remark')}: -v)" if converted.notes and not verbose else ""
    click.echo(f"{printable(converted.source)}: {printable(converted.par)}, {count}{checked}{remarked}")
    for line in converted.found:
        click.echo(f"{printable(converted.source)}: differs: {printable(line)}")


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _record(converted: Converted) -> dict[str, object]:
    return {
        "path": converted.source,
        "par": converted.par,
        "rec": converted.rec,
        "images": converted.images,
        "remarks": list(converted.notes),
        "differences": list(converted.found),
    }
