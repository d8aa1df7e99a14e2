"""The presenter, without Qt: a runner that runs at once, and lists of what it showed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from mrdock.gui.presenter import Ended, Presenter, Screen, Stage, Work
from mrdock.sorting import moving
from mrdock.sorting.move_plan import Cancelled, MoveOptions, MovePlan, Progress
from tests.builders import classic_fmri, write
from tests.builders.identity import StudyIdentity


class Shown:
    """What a window would have been told."""

    def __init__(self, options: MoveOptions) -> None:
        self.screens: list[Screen] = []
        self.plans: list[MovePlan | None] = []
        self.progress: list[tuple[str, int, int]] = []
        self.waiting: list[tuple[Work, Progress, Cancelled, Ended]] = []
        self.at_once = True
        self.presenter = Presenter(options, self._run, self.screens.append, self.plans.append, self._progressed)
        self.presenter.refresh()

    def now(self) -> Screen:
        """What is on the screen."""
        return self.screens[-1]

    def go_on(self) -> None:
        """Run what was begun."""
        work, progress, cancelled, ended = self.waiting.pop(0)
        try:
            result = work(progress, cancelled)
        except Exception as error:  # noqa: BLE001 - as the window's thread does
            ended(None, error)
        else:
            ended(result, None)

    def _run(self, work: Work, progress: Progress, cancelled: Cancelled, ended: Ended) -> None:
        self.waiting.append((work, progress, cancelled, ended))
        if self.at_once:
            self.go_on()

    def _progressed(self, what: str, done: int, of: int) -> None:
        self.progress.append((what, done, of))


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A source with two studies of one series each, and an empty destination."""
    source, destination = tmp_path / "source", tmp_path / "destination"
    destination.mkdir()
    for seed in ("one", "two"):
        write(classic_fmri(StudyIdentity(seed), slices=2, dynamics=2), source / seed)
    return source, destination


def options(places: tuple[Path, Path], **more: Any) -> MoveOptions:
    source, destination = places
    return MoveOptions(str(source), str(destination), recursive=True, settle=0, **more)


def test_preview_then_move_then_undo(places: tuple[Path, Path]) -> None:
    source, destination = places
    before = contents(source)
    shown = Shown(options(places))
    assert (shown.now().can_move, shown.now().can_undo) == (False, False)
    shown.presenter.preview()
    assert contents(source) == before
    assert not contents(destination)
    assert shown.now().stage is Stage.PLANNED
    assert shown.now().can_move
    assert shown.now().move_label == "Move 8 files"
    assert "2 studies, 2 series, 8 files" in shown.now().sentence
    shown.presenter.move()
    assert shown.now().stage is Stage.DONE
    assert shown.now().sentence.startswith("8 files moved")
    assert not contents(source)
    assert sorted(value for name, value in contents(destination).items() if not name.endswith("info")) == sorted(
        before.values()
    )
    assert shown.plans[-1] is None
    assert shown.now().can_undo
    shown.presenter.undo()
    assert contents(source) == before
    assert not contents(destination)
    assert not shown.now().can_undo


def test_only_the_studies_that_are_chosen_move(places: tuple[Path, Path]) -> None:
    source, destination = places
    shown = Shown(options(places))
    shown.presenter.preview()
    plan = shown.plans[-1]
    assert plan is not None
    first, second = plan.studies
    shown.presenter.choose(first.uid, False)
    assert shown.now().move_label == "Move 4 files"
    shown.presenter.choose(second.uid, False)
    assert not shown.now().can_move
    shown.presenter.choose(second.uid, True)
    shown.presenter.move()
    assert {Path(file.source) for file in first.files} == {path for path in source.rglob("*") if path.is_file()}
    assert len([name for name in contents(destination) if not name.endswith("info")]) == 4


def test_a_changed_option_takes_the_plan_away(places: tuple[Path, Path]) -> None:
    shown = Shown(options(places))
    shown.presenter.preview()
    shown.presenter.change(flat=True)
    assert shown.plans[-1] is None
    assert not shown.now().can_move
    assert "Preview again" in shown.now().sentence
    assert "-f" in shown.now().command.split()


def test_all_studies_and_quiet_leave_the_plan(places: tuple[Path, Path]) -> None:
    shown = Shown(options(places))
    shown.presenter.preview()
    plan = shown.plans[-1]
    assert plan is not None
    shown.presenter.choose(plan.studies[0].uid, False)
    shown.presenter.change(all_studies=True)
    assert shown.now().move_label == "Move 8 files"
    shown.presenter.change(quiet=True)
    assert shown.now().can_move


def test_a_source_that_is_not_there_is_one_sentence(places: tuple[Path, Path]) -> None:
    shown = Shown(options(places))
    shown.presenter.change(source=str(places[0] / "gone"))
    shown.presenter.preview()
    assert shown.now().failed
    assert shown.now().stage is Stage.IDLE
    assert "gone" in shown.now().sentence
    assert shown.now().can_preview


def test_an_error_of_ours_is_said_and_ends_nothing(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> MovePlan:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(moving, "plan", broken)
    shown = Shown(options(places))
    shown.presenter.preview()
    assert shown.now().failed
    assert "ZeroDivisionError" in shown.now().sentence
    assert shown.now().can_preview
    assert "an error of ours" in caplog.text


def test_while_it_works_nothing_else_begins(places: tuple[Path, Path]) -> None:
    shown = Shown(options(places))
    shown.at_once = False
    shown.presenter.preview()
    assert shown.now().can_cancel
    assert not shown.now().can_preview
    shown.presenter.preview()
    shown.presenter.undo("some journal")
    assert len(shown.waiting) == 1
    shown.go_on()
    assert shown.now().can_move
    shown.presenter.move()
    shown.presenter.move()
    assert len(shown.waiting) == 1


def test_a_move_that_is_stopped_can_go_on_and_be_undone(places: tuple[Path, Path]) -> None:
    source, destination = places
    before = contents(source)
    shown = Shown(options(places))
    shown.presenter.preview()
    shown.at_once = False
    shown.presenter.move()
    shown.presenter.cancel()
    assert "Stopping" in shown.now().sentence
    shown.go_on()
    assert "Stopped before the end" in shown.now().sentence
    moved = [value for name, value in contents(destination).items() if not name.endswith("info")]
    assert sorted([*contents(source).values(), *moved]) == sorted(before.values())
    shown.at_once = True
    shown.presenter.preview()
    shown.presenter.move()
    assert not contents(source)


def test_a_preview_that_is_stopped_changes_nothing(places: tuple[Path, Path]) -> None:
    before = contents(places[0])
    shown = Shown(options(places))
    shown.at_once = False
    shown.presenter.preview()
    shown.presenter.cancel()
    shown.go_on()
    assert shown.now().stage is Stage.IDLE
    assert not shown.now().failed
    assert contents(places[0]) == before


def test_what_an_action_ignores_does_not_count(places: tuple[Path, Path]) -> None:
    """Renaming takes no destination and unmoving no shape of names: fields that say so from before are no obstacle."""
    source, destination = places
    before = sorted(contents(source).values())
    shown = Shown(options(places, ignore_location=True))
    shown.presenter.change(rename=True, flat=True, no_info=True)
    shown.presenter.preview()
    shown.presenter.move()
    assert shown.now().sentence.startswith("8 files renamed")
    assert str(destination) not in shown.now().command
    assert sorted(contents(source).values()) == before
    shown.presenter.change(rename=False, unmove=True, dcm=True, by_number=True, series_description=True)
    shown.presenter.preview()
    shown.presenter.move()
    assert shown.now().sentence.startswith("8 files moved")
    assert sorted(contents(destination).values()) == before
    assert all(name.startswith("2.25.") for name in contents(destination))
