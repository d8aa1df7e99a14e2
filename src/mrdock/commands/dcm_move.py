"""``dcm_move``: sorts and names images by their headers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from mrdock.commands.common import (
    CONTEXT,
    DONE,
    FAILED,
    USAGE,
    Command,
    errors_as_sentences,
    fail,
    given_beside,
    output,
    version_option,
)
from mrdock.commands.working import working
from mrdock.files.names import printable
from mrdock.sorting.finding import MODALITIES

if TYPE_CHECKING:
    from mrdock.sorting.move_plan import MoveOptions, MovePlan, MoveResult

_MOST_NAMED: Final = 20


@click.command("dcm_move", cls=Command, context_settings=CONTEXT)
@click.option("-s", "--source", metavar="DIR", default=".", help="Where the files are (default: here).")
@click.option("-R", "--recursive", is_flag=True, help="Also everything below the source.")
@click.option(
    "-m",
    "--modality",
    type=click.Choice(MODALITIES, case_sensitive=False),
    metavar="|".join(MODALITIES),
    default=None,
    help="Only this sub-directory of the source; default: the source and all of these in it.",
)
@click.option("-a", "--all", "all_studies", is_flag=True, help="All studies, without a question for each.")
@click.option("-S", "--series-description", is_flag=True, help="The series description in the directory's name.")
@click.option("-d", "--dcm", is_flag=True, help="Names end in .dcm.")
@click.option("-l", "--ignore-location", is_flag=True, help="No heed to #-#<directory> in Patient History.")
@click.option("-f", "--flat", is_flag=True, help="Flat names <study>_<series>_<slice>, no directories.")
@click.option("-r", "--rename", is_flag=True, help="Rename where the files are, with flat names.")
@click.option("-c", "--copy", is_flag=True, help="Copy; the source stays as it is.")
@click.option("-n", "--by-number", is_flag=True, help="As if anatomic: by the image number of the header.")
@click.option("-i", "--no-info", is_flag=True, help="No info file for each series.")
@click.option("-b", "--leave-bad", is_flag=True, help="Leave invalid DICOM files where they are.")
@click.option("-u", "--unmove", is_flag=True, help="The SOP Instance UID as the name, straight in DESTDIR.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but failures.")
@click.option("-v", "--verbose", is_flag=True, help="Name every file and where it is now.")
@click.option(
    "--settle",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    default=5.0,
    help="Look again at files touched less than this ago (default: 5).",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--undo", "journal", metavar="JOURNAL", help="Put back everything that this journal says was done.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
@click.option(
    "-j", "--jobs", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="Headers read at once."
)
@version_option()
@click.argument("destdir", default=".", type=click.Path(readable=False))
@errors_as_sentences
def command(journal: str | None, dry_run: bool, as_json: bool, verbose: bool, destdir: str, **said: Any) -> None:
    """Move images to DESTDIR (default: here) by what their headers say: <study>/<series>/<slice>.

    Asks for each study. Never overwrites; a journal of every run makes it possible to put all back.
    """
    from mrdock.sorting import moving

    output("utf-8" if as_json else None)
    said["modality"] = said["modality"] or ""
    options = moving.MoveOptions(destination=destdir, **said)
    if journal is not None:
        _only_undo(destdir)
        with working(quiet=options.quiet or as_json) as (progress, stopped):
            result = moving.undo(journal, progress=progress, cancelled=stopped)
        _report(result, options, as_json, verbose, undone=True)
    moving.check(options)
    asks = not (options.all_studies or options.unmove or dry_run)
    if asks and not _is_terminal():
        fail("dcm_move", "no terminal to ask for each study: say -a (--all) to take them all", USAGE)
    with working(quiet=options.quiet or as_json) as (progress, stopped):
        planned = moving.plan(options, progress=progress, cancelled=stopped)
    if dry_run:
        _show_plan(planned, as_json, verbose)
    if asks:
        planned = _ask(planned)
    with working(quiet=options.quiet or as_json) as (progress, stopped):
        result = moving.execute(planned, progress=progress, cancelled=stopped)
    for file in planned.bad:
        click.echo(f"dcm_move: {printable(file.source)}: invalid: {printable(file.reason)}", err=True)
    _report(result, options, as_json, verbose, warnings=_warnings(planned))


def _only_undo(destdir: str) -> None:
    """Refuse switches that mean nothing beside ``--undo``."""
    for parameter in given_beside({"journal", "quiet", "verbose", "as_json", "jobs", "all_studies"}):
        what = printable(destdir) if parameter.name == "destdir" else parameter.opts[-1]
        fail("dcm_move", f"{what}: --undo puts everything where it was, and takes nothing else", USAGE)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


# ---- asking ----


def _ask(planned: MovePlan) -> MovePlan:
    """The part of the plan that the user agrees to. Everything is asked on standard error."""
    from mrdock.sorting.move_text import bad_question, study_question

    chosen: set[str] = set()
    every, none = False, False
    for study in planned.studies:
        if not (every or none):
            answer = _answer(study_question(study, planned.options))
            every, none = answer == "a", answer == "q"
        else:
            answer = ""
        if every or (answer == "y" and not none):
            chosen.add(study.uid)
    with_bad = bool(planned.bad) and not none and (every or _answer(bad_question(planned)) in "ya")
    return planned.only(chosen, bad=with_bad)


def _answer(question: str) -> str:
    """The first letter of the answer: ``y``, ``n``, ``a`` or ``q``."""
    click.echo(question, err=True)
    try:
        answer: str = click.prompt(
            "  yes, no, all of them, quit (y, n, a, q)", value_proc=_meant, default="y", err=True
        )
    except click.Abort:  # Ctrl-C, or the end of what is typed
        click.echo(err=True)
        fail("dcm_move", "stopped at this question; nothing has been done")
    return answer


def _meant(typed: str) -> str:
    word = typed.strip().casefold()
    if word not in ("y", "yes", "n", "no", "a", "all", "q", "quit"):
        raise click.UsageError("answer y, n, a or q")
    return word[0]


# ---- saying what was done ----


def _show_plan(planned: MovePlan, as_json: bool, verbose: bool) -> NoReturn:
    from mrdock.sorting.move_text import plan_json, plan_lines

    if as_json:
        click.echo(json.dumps(plan_json(planned), indent=2))
    else:
        for line in plan_lines(planned, every_file=verbose):
            click.echo(line)
    _name(planned.left, [] if planned.options.quiet else _warnings(planned))
    sys.exit(FAILED if planned.left or planned.bad else DONE)


def _warnings(planned: MovePlan) -> list[str]:
    """The plan's warnings, those of series with their names."""
    lines = list(planned.warnings)
    for study in planned.studies:
        for series in study.series:
            lines += [f"study {study.name}, series {series.name}: {text}" for text in series.warnings]
    return lines


def _name(left: Any, warnings: list[str]) -> None:
    """Name on standard error what stays, and what is odd."""
    for text in warnings:
        click.echo(f"dcm_move: {printable(text)}", err=True)
    for file in left[:_MOST_NAMED]:
        click.echo(f"dcm_move: {printable(file.path)}: {printable(file.reason)}", err=True)
    if len(left) > _MOST_NAMED:
        click.echo(
            f"dcm_move: ... and {len(left) - _MOST_NAMED:,} more files that stay (--json names them all)", err=True
        )


def _report(
    result: MoveResult,
    options: MoveOptions,
    as_json: bool,
    verbose: bool,
    *,
    warnings: list[str] | None = None,
    undone: bool = False,
) -> NoReturn:
    """Print what was done, and end with the exit code that says it."""
    from mrdock.sorting.move_text import closing_lines, result_json

    _name(result.left, [] if options.quiet else warnings or [])
    if as_json:
        click.echo(json.dumps(result_json(result, undone=undone), indent=2))
    elif not options.quiet:
        for line in closing_lines(result, options, undone=undone, every_file=verbose):
            click.echo(line)
    sys.exit(FAILED if result.stopped or result.left or result.counts.bad else DONE)
