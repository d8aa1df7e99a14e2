"""What the window of dcm_move shows and does, without Qt: options, a plan, a choice of studies, a run, an undo.

The window tells the presenter what the user did, and the presenter tells the window what to show: a `Screen`, and a
plan where there is a new one. Long work runs through a `Runner`; everything else happens in the window's own thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, Protocol

from mrdock.errors import MrdockError
from mrdock.gui.fields import in_force
from mrdock.gui.words import plan_sentence, result_sentence
from mrdock.sorting import moving
from mrdock.sorting.move_plan import Cancelled, MoveOptions, MovePlan, MoveResult, Progress
from mrdock.sorting.move_text import counted

log = logging.getLogger("mrdock.gui")

Work = Callable[[Progress, Cancelled], Any]
"""Long work: takes whom to tell of progress and whom to ask whether to stop."""

Ended = Callable[[Any, Exception | None], None]
"""Told what the work gave, or how it failed."""


class Runner(Protocol):
    """Runs work beside the window, and calls back in the window's thread."""

    def __call__(self, work: Work, progress: Progress, cancelled: Cancelled, ended: Ended) -> None:
        """Begin; returns at once, or, in a test, when the work has ended."""


class Stage(Enum):
    """Where the user is."""

    IDLE = "idle"
    PLANNING = "planning"
    PLANNED = "planned"
    MOVING = "moving"
    DONE = "done"
    UNDOING = "undoing"


BUSY = frozenset({Stage.PLANNING, Stage.MOVING, Stage.UNDOING})


@dataclass(frozen=True, slots=True)
class Screen:
    """All that the window shows beside the fields and the tree."""

    stage: Stage
    sentence: str
    """What has happened, or what to do next."""

    failed: bool = False
    """The sentence tells of a failure."""

    details: tuple[str, ...] = ()
    """Warnings and files that stayed, a line each."""

    command: str = ""
    """The same as a command line."""

    can_preview: bool = True
    can_move: bool = False
    can_cancel: bool = False
    can_undo: bool = False
    move_label: str = ""


class Presenter:
    """One window's worth of state."""

    def __init__(
        self,
        options: MoveOptions,
        run: Runner,
        show: Callable[[Screen], None],
        show_plan: Callable[[MovePlan | None], None],
        show_progress: Progress,
    ) -> None:
        """Begin with ``options``; the three functions are the window."""
        self.options = options
        self.plan: MovePlan | None = None
        self.chosen: set[str] = set()
        self.with_bad = True
        self.journal = ""
        self._run = run
        self._show = show
        self._show_plan = show_plan
        self._show_progress = show_progress
        self._stage = Stage.IDLE
        self._stop = threading.Event()
        self._sentence, self._failed = "", False
        self._details: tuple[str, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._stage in BUSY

    def refresh(self) -> None:
        """Show everything as it is now."""
        busy, planned = self.busy, self._stage is Stage.PLANNED
        count = self._chosen_count()
        self._show(
            Screen(
                stage=self._stage,
                sentence=self._sentence or "Choose where the files are and where they go, then press Preview.",
                failed=self._failed,
                details=self._details,
                command=moving.command_line(in_force(self.options)),
                can_preview=not busy,
                can_move=planned and count > 0,
                can_cancel=busy,
                can_undo=bool(self.journal) and not busy,
                move_label=self._move_label(count if planned else 0),
            )
        )

    def change(self, **changed: Any) -> None:
        """Fields have new values; what was planned with others is no longer shown."""
        before, self.options = self.options, replace(self.options, **changed)
        if before == self.options:
            return
        if self.options.all_studies and self.plan is not None:
            self.chosen = {study.uid for study in self.plan.studies}
        if self.plan is not None and _plans_differ(before, self.options):
            self._forget_plan("The options have changed: press Preview again.")
        self.refresh()

    def choose(self, uid: str, chosen: bool) -> None:
        """A study is to go along, or not."""
        (self.chosen.add if chosen else self.chosen.discard)(uid)
        self.refresh()

    def choose_bad(self, chosen: bool) -> None:
        """The invalid files are to go to ``bad``, or not."""
        self.with_bad = chosen
        self.refresh()

    def preview(self) -> None:
        """Read the headers and show what would happen."""
        if self.busy:
            return
        self._forget_plan("")
        options = in_force(self.options)
        self._begin(
            Stage.PLANNING,
            "Reading headers.",
            lambda progress, cancelled: moving.plan(options, progress=progress, cancelled=cancelled),
            self._planned,
        )

    def move(self) -> None:
        """Do what the plan says, for the studies that are chosen."""
        if self.plan is None or self._stage is not Stage.PLANNED:
            return
        chosen = self.plan.only(self.chosen, bad=self.with_bad)
        self._begin(
            Stage.MOVING,
            f"{self._move_label(self._chosen_count())}.",
            lambda progress, cancelled: moving.execute(chosen, progress=progress, cancelled=cancelled),
            self._moved,
        )

    def undo(self, journal: str = "") -> None:
        """Put back what the last run did, or another one by its journal."""
        journal = journal or self.journal
        if self.busy or not journal:
            return
        self._begin(
            Stage.UNDOING,
            "Putting everything back.",
            lambda progress, cancelled: moving.undo(journal, progress=progress, cancelled=cancelled),
            self._undone,
        )

    def cancel(self) -> None:
        """Stop what is under way, between two files."""
        if self.busy:
            self._stop.set()
            self._sentence = "Stopping after the file that is under way."
            self.refresh()

    def _begin(self, stage: Stage, sentence: str, work: Work, then: Callable[[Any], None]) -> None:
        self._stage, self._sentence, self._failed, self._details = stage, sentence, False, ()
        self._stop.clear()
        self.refresh()

        def ended(result: Any, error: Exception | None) -> None:
            if error is None:
                then(result)
            else:
                self._ended_by(error)
            self.refresh()

        self._run(work, self._show_progress, self._stop.is_set, ended)

    def _ended_by(self, error: Exception) -> None:
        """Back to where it began, with the reason."""
        stopped = self._stop.is_set() and isinstance(error, MrdockError)
        self._stage = Stage.IDLE
        self._failed = not stopped
        if isinstance(error, MrdockError):
            self._sentence = "Stopped; nothing was changed." if stopped else f"{error}."
        elif isinstance(error, OSError):
            self._sentence = f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}."
        else:
            log.error("an error of ours", exc_info=error)
            self._sentence = f"An error in mrdock itself: {type(error).__name__}: {error}."

    def _planned(self, plan: MovePlan) -> None:
        self.plan = plan
        self.chosen = {study.uid for study in plan.studies}
        self.with_bad = bool(plan.bad)
        self._stage = Stage.PLANNED
        self._sentence = plan_sentence(plan)
        self._details = plan.warnings
        self._show_plan(plan)

    def _moved(self, result: MoveResult) -> None:
        self._end_run(result, result_sentence(result, self.options))
        self.journal = result.journal or self.journal

    def _undone(self, result: MoveResult) -> None:
        self.journal = result.journal if result.stopped else ""
        self._end_run(result, result_sentence(result, None))

    def _end_run(self, result: MoveResult, sentence: str) -> None:
        self._forget_plan(sentence)
        self._stage = Stage.DONE
        self._failed = bool(result.left)
        put = (f"{actual}: put here, since {planned} holds other data" for planned, actual in result.beside)
        self._details = (*put, *(f"{left.path}: {left.reason}" for left in result.left))

    def _forget_plan(self, sentence: str) -> None:
        self.plan, self.chosen = None, set()
        self._stage, self._sentence, self._failed, self._details = Stage.IDLE, sentence, False, ()
        self._show_plan(None)

    def _chosen_count(self) -> int:
        if self.plan is None:
            return 0
        return self.plan.only(self.chosen, bad=self.with_bad).count

    def _move_label(self, count: int) -> str:
        verb = "Copy" if self.options.copy else "Rename" if self.options.rename else "Move"
        return f"{verb} {counted(count, 'file')}" if count else verb


def _plans_differ(before: MoveOptions, after: MoveOptions) -> bool:
    """Whether another plan comes of other options."""
    names = {field.name for field in fields(MoveOptions)} - {"all_studies", "quiet", "jobs"}
    return any(getattr(before, name) != getattr(after, name) for name in names)
