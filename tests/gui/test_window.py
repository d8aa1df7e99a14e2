"""The real window, offscreen: clicks and keys in, files and what can be read out."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QStyle,
    QStyleOptionViewItem,
    QToolButton,
    QWidget,
)

from mrdock.commands.dcm_move import command as dcm_move
from mrdock.gui.fields import ACTIONS, GROUPS, IGNORED
from mrdock.gui.presenter import Stage
from mrdock.gui.remembered import remembered
from mrdock.gui.window import Window
from mrdock.sorting.move_plan import MoveOptions
from tests.builders import classic_fmri, write
from tests.builders.identity import StudyIdentity

from .conftest import OpenWindow, click, wait_until
from .test_presenter import contents


def options_for(source: Path, destination: Path) -> MoveOptions:
    destination.mkdir(exist_ok=True)
    return MoveOptions(str(source), str(destination), recursive=True, settle=0)


@pytest.fixture
def synthetic(tmp_path: Path) -> MoveOptions:
    """Two studies of four images, and an empty destination."""
    for seed in ("one", "two"):
        write(classic_fmri(StudyIdentity(seed), slices=2, dynamics=2), tmp_path / "source" / seed)
    return options_for(tmp_path / "source", tmp_path / "destination")


def rows(window: Window, parent: QModelIndex | None = None) -> list[tuple[str, ...]]:
    """The cells of the rows below ``parent`` (the top level), as they are shown."""
    model, above = window.tree.model(), parent or QModelIndex()
    return [
        tuple(str(model.data(model.index(row, column, above)) or "") for column in range(model.columnCount()))
        for row in range(model.rowCount(above))
    ]


def tick(window: Window, row: int) -> None:
    """Click into the box of a row of the top level."""
    index = window.tree.model().index(row, 0)
    item = QStyleOptionViewItem()
    window.tree.initViewItemOption(item)
    item.rect = window.tree.visualRect(index)
    item.features |= QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
    box = window.tree.style().subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, item, window.tree)
    QTest.mouseClick(window.tree.viewport(), Qt.MouseButton.LeftButton, pos=box.center())


# Real files


@pytest.mark.real_data
def test_real_files_are_moved_and_put_back_by_clicks(real_data: Path, tmp_path: Path, window: OpenWindow) -> None:
    source = tmp_path / "source"
    shutil.copytree(real_data / "philips_r57" / "classic", source)
    shutil.copytree(real_data / "philips_r57" / "enhanced", source / "enhanced")
    before = contents(source)
    opened = window(options_for(source, tmp_path / "destination"))
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)
    assert contents(source) == before
    assert f"{len(before):,} files" in opened.sentence.text()
    studies = rows(opened)
    series = [row for at in range(len(studies)) for row in rows(opened, opened.tree.model().index(at, 0))]
    counts = {row[0]: int(row[2]) for row in series}
    assert {name: counts[name] for name in ("2101", "2201")} == {"2101": 378, "2201": 328}
    assert counts["1901"] == 41
    assert counts["2001"] == 213
    assert opened.move_files.text() == f"Move {len(before):,} files"
    click(opened.move_files)
    wait_until(opened, Stage.DONE)
    assert not contents(source)
    after = {name: value for name, value in contents(tmp_path / "destination").items() if not name.endswith("/info")}
    assert Counter(after.values()) == Counter(before.values())
    assert not opened.move_files.isEnabled()
    click(opened.undo)
    wait_until(opened, Stage.DONE)
    assert contents(source) == before
    assert not contents(tmp_path / "destination")
    assert not opened.undo.isEnabled()


# Choosing


def test_a_study_whose_box_is_cleared_stays(synthetic: MoveOptions, window: OpenWindow) -> None:
    opened = window(synthetic)
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)
    assert len(rows(opened)) == 2
    tick(opened, 0)
    assert opened.move_files.text() == "Move 4 files"
    click(opened.move_files)
    wait_until(opened, Stage.DONE)
    assert len(contents(Path(synthetic.source))) == 4


def test_with_all_studies_no_box_can_be_cleared(synthetic: MoveOptions, window: OpenWindow) -> None:
    opened = window(replace(synthetic, all_studies=True))
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)
    tick(opened, 0)
    assert opened.move_files.text() == "Move 8 files"


def test_what_will_be_called_what_can_be_looked_at(synthetic: MoveOptions, window: OpenWindow) -> None:
    opened = window(synthetic)
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)
    model = opened.tree.model()
    study = model.index(0, 0)
    first = model.index(0, 0, study)
    names = [row[0] for row in rows(opened, first)]
    assert len(names) == len(set(names)) == 4
    assert all(re.fullmatch(r"\d{4}_\d{4}", name) for name in names)
    assert model.parent(first) == study
    assert str(synthetic.destination) in str(model.data(first, Qt.ItemDataRole.ToolTipRole))


# Fields and switches


def test_there_is_one_field_for_each_switch_of_the_command(window: OpenWindow) -> None:
    in_window = {field.option for group in GROUPS for field in group.fields} | {f.option for f in ACTIONS[1:]}
    assert in_window == {field.name for field in fields(MoveOptions)}
    switches = {field.switch for group in GROUPS for field in group.fields} | {f.switch for f in ACTIONS[1:]}
    shown_otherwise = {"--undo", "--dry-run", "--json", "--version", "--help", "-v"}
    for parameter in dcm_move.params:
        names = {*parameter.opts, *parameter.secondary_opts}
        if not names & shown_otherwise and parameter.param_type_name == "option":
            assert names & switches, f"the window has no field for {parameter.opts}"
    opened = window(MoveOptions())
    for option in in_window:
        widget = opened.form.input(option)
        assert widget.toolTip()
        assert widget.accessibleDescription()


@pytest.mark.parametrize(
    ("option", "switch"),
    [(field.option, field.switch) for group in GROUPS for field in group.fields if field.switch.startswith("-")]
    + [(field.option, field.switch) for field in ACTIONS[1:]],
)
def test_a_field_sets_its_switch_in_the_command_line(option: str, switch: str, window: OpenWindow) -> None:
    opened = window(MoveOptions())
    assert switch not in opened.command.text().split()
    field = opened.form.input(option)
    if isinstance(field, QCheckBox | QRadioButton):
        click(field)
    elif isinstance(field, QComboBox):
        field.setCurrentIndex(1)
    elif isinstance(field, QLineEdit):
        QTest.keyClicks(field, "some where")
    else:
        QTest.keyClick(field, Qt.Key.Key_Up)
    assert switch in opened.command.text().split(), opened.command.text()
    click(opened.copy)
    assert QGuiApplication.clipboard().text() == opened.command.text()
    assert getattr(opened.presenter.options, option) != getattr(MoveOptions(), option)


def test_an_action_greys_what_it_ignores(synthetic: MoveOptions, window: OpenWindow) -> None:
    opened = window(replace(synthetic, flat=True))
    for action in ("rename", "unmove", "copy"):
        click(opened.form.input(action))
        greyed = {option for names in IGNORED.values() for option in names if not opened.form.input(option).isEnabled()}
        assert greyed == set(IGNORED.get(action, ()))
    click(opened.form.input("rename"))
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)


def test_a_directory_can_be_chosen_in_a_dialog(
    window: OpenWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    opened = window(MoveOptions())
    buttons = {button.accessibleName(): button for button in opened.form.findChildren(QToolButton)}
    for option in ("source", "destination"):
        click(buttons[f"Choose the {option}"])
        assert getattr(opened.presenter.options, option) == str(tmp_path)


def test_the_fields_are_as_they_were(window: OpenWindow, tmp_path: Path) -> None:
    opened = window(MoveOptions())
    click(opened.form.input("flat"))
    click(opened.form.input("copy"))
    field = opened.form.input("destination")
    QTest.keyClicks(field, str(tmp_path))
    opened.close()
    assert remembered() == MoveOptions(destination=str(tmp_path), flat=True, copy=True)
    again = window(remembered())
    flat, copy = again.form.input("flat"), again.form.input("copy")
    assert isinstance(flat, QCheckBox)
    assert isinstance(copy, QRadioButton)
    assert flat.isChecked()
    assert copy.isChecked()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"source": 3, "flat": "yes", "modality": "XX", "gone": 1}'])
def test_what_cannot_be_remembered_is_forgotten(text: str, state: Path, window: OpenWindow) -> None:
    window(MoveOptions()).close()
    (kept,) = state.rglob("dcm_movegui.json")
    kept.write_text(text)
    assert remembered() == MoveOptions()


# Keys, size, colours


def test_all_is_done_with_keys(synthetic: MoveOptions, window: OpenWindow) -> None:
    before = contents(Path(synthetic.source))
    opened = window(synthetic)
    opened.activateWindow()
    QTest.keyClick(opened, Qt.Key.Key_F5)
    wait_until(opened, Stage.PLANNED)
    QTest.keyClick(opened, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait_until(opened, Stage.DONE)
    assert not contents(Path(synthetic.source))
    QTest.keyClick(opened, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait_until(opened, Stage.DONE)
    assert contents(Path(synthetic.source)) == before


def test_tab_reaches_every_field_and_button(synthetic: MoveOptions, window: OpenWindow) -> None:
    opened = window(synthetic)
    opened.activateWindow()
    wanted = {
        widget
        for kind in (QAbstractButton, QLineEdit, QComboBox, QAbstractSpinBox)
        for widget in opened.findChildren(kind)
        if widget.isVisible() and widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if not isinstance(widget.parent(), QAbstractSpinBox)
    }
    seen: set[QWidget] = set()
    for _ in range(80):
        QTest.keyClick(opened, Qt.Key.Key_Tab)
        focused = QApplication.focusWidget()
        if focused is not None:
            seen.add(focused)
    # Of buttons of which one is chosen, Tab reaches the chosen one; the arrow keys go on from there.
    missing = {widget for widget in wanted - seen if not isinstance(widget, QRadioButton)}
    assert not missing, [(widget.objectName(), widget.accessibleName()) for widget in missing]
    assert any(isinstance(widget, QRadioButton) for widget in seen)


def test_no_two_letters_after_alt_are_alike(window: OpenWindow) -> None:
    opened = window(MoveOptions())
    texts = [button.text() for button in opened.findChildren(QAbstractButton)]
    texts += [label.text() for label in opened.findChildren(QLabel)]
    letters = Counter(found.lower() for text in texts for found in re.findall(r"&(\w)", text))
    assert letters
    assert max(letters.values()) == 1, letters


def test_it_fits_1280_by_720_and_is_clear_in_light_and_dark(
    synthetic: MoveOptions, window: OpenWindow, app: QApplication
) -> None:
    before = app.palette()
    opened = window(synthetic)
    assert (opened.width(), opened.height()) == (1280, 720)
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)
    try:
        for background in (QColor(239, 239, 239), QColor(45, 45, 45)):
            app.setPalette(QPalette(background))
            app.processEvents()
            image = opened.grab().toImage()
            for widget in (opened.sentence, opened.form.input("flat"), opened.move_files, opened.command):
                assert contrast(image, widget, opened) > 4.5, f"{widget.objectName()} on {background.name()}"
    finally:
        app.setPalette(before)
    for button in opened.findChildren(QPushButton):
        if button.isVisible():
            assert button.width() >= button.minimumSizeHint().width(), button.text()


def contrast(image: QImage, widget: QWidget, window: Window) -> float:
    """WCAG's contrast between the darkest and the lightest pixel of a widget."""
    corner = widget.mapTo(window, QPoint(0, 0))
    lights = [
        luminance(image.pixelColor(x, y))
        for x in range(corner.x(), min(corner.x() + widget.width(), image.width()))
        for y in range(corner.y(), min(corner.y() + widget.height(), image.height()))
    ]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def luminance(colour: QColor) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in (colour.redF(), colour.greenF(), colour.blueF())
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# Ends


def test_closing_while_it_moves_loses_nothing(synthetic: MoveOptions, window: OpenWindow) -> None:
    before = contents(Path(synthetic.source))
    opened = window(synthetic)
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)
    click(opened.move_files)
    opened.close()
    moved = {n: v for n, v in contents(Path(synthetic.destination)).items() if not n.endswith("/info")}
    assert Counter([*contents(Path(synthetic.source)).values(), *moved.values()]) == Counter(before.values())


def test_another_run_is_undone_by_its_journal(
    synthetic: MoveOptions, window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(Path(synthetic.source))
    opened = window(synthetic)
    click(opened.preview)
    wait_until(opened, Stage.PLANNED)
    click(opened.move_files)
    wait_until(opened, Stage.DONE)
    journal = opened.presenter.journal
    opened.close()
    again = window(synthetic)
    assert not again.undo.isEnabled()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (journal, ""))
    click(again.undo_other)
    wait_until(again, Stage.DONE)
    assert contents(Path(synthetic.source)) == before
