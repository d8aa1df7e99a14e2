"""The window of dcm_move: fields, a preview, progress, the result. All decisions are the presenter's."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from mrdock.gui.background import Background
from mrdock.gui.form import Form
from mrdock.gui.presenter import Presenter, Screen, Stage
from mrdock.gui.remembered import journals_directory, remember
from mrdock.gui.rows import Row, Sort, rows_of
from mrdock.gui.tree import PlanView
from mrdock.sorting.move_plan import MoveOptions, MovePlan

_FORM_WIDTH: Final = 410
_DETAILS_LINES: Final = 6


class Window(QMainWindow):
    """One window for one plan at a time."""

    def __init__(self, options: MoveOptions) -> None:
        """Show ``options`` in the fields."""
        super().__init__()
        self.setWindowTitle("dcm_move")
        self.resize(1280, 720)
        self.form = Form(options)
        self.tree = PlanView()
        self._build()
        self.background = Background(self)
        self.presenter = Presenter(options, self.background, self._show, self._show_plan, self._show_progress)
        self._connect()
        self.presenter.refresh()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what is under way between two files, and remember the fields."""
        self.presenter.cancel()
        self.background.wait()
        remember(self.presenter.options)
        event.accept()

    def _build(self) -> None:
        scroll = QScrollArea()
        scroll.setWidget(self.form)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setMinimumWidth(self.form.sizeHint().width() + 20)
        split = QSplitter()
        split.addWidget(scroll)
        split.addWidget(self._right_side())
        split.setStretchFactor(1, 1)
        split.setSizes([_FORM_WIDTH, 1280 - _FORM_WIDTH])
        split.setChildrenCollapsible(False)
        self.setCentralWidget(split)

    def _right_side(self) -> QWidget:
        side = QWidget()
        column = QVBoxLayout(side)
        self.sentence = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self.sentence.setAccessibleName("What has happened")
        self.icon = QLabel()
        line = QHBoxLayout()
        line.addWidget(self.icon)
        line.addWidget(self.sentence, 1)
        column.addLayout(line)
        column.addWidget(self.tree, 1)
        self.details = QPlainTextEdit(readOnly=True)
        self.details.setAccessibleName("Warnings, and files that stayed")
        self.details.setTabChangesFocus(True)
        column.addWidget(self.details)
        self.progress = QProgressBar()
        self.progress.hide()
        column.addWidget(self.progress)
        column.addLayout(self._command_line())
        column.addLayout(self._buttons())
        return side

    def _command_line(self) -> QHBoxLayout:
        self.command = QLineEdit(readOnly=True)
        self.command.setAccessibleName("The same as a command")
        self.command.setToolTip("What to type for the same")
        self.copy = QPushButton("Cop&y")
        self.copy.setToolTip("Copy the command")
        line = QHBoxLayout()
        label = QLabel("As a command")
        label.setBuddy(self.command)
        line.addWidget(label)
        line.addWidget(self.command, 1)
        line.addWidget(self.copy)
        return line

    def _buttons(self) -> QHBoxLayout:
        self.preview = _button("Previe&w", "F5", "Read the headers and show what would happen; nothing is changed")
        self.move_files = _button("Move", "Ctrl+Return", "Do what the list says")
        self.cancel = _button("Stop", "Esc", "Stop after the file that is under way")
        self.undo = _button("Undo", "Ctrl+Z", "Put back what the last run did")
        self.undo_other = _button("Undo another …", "Ctrl+Shift+Z", "Put back what an earlier run did, by its journal")
        line = QHBoxLayout()
        line.addWidget(self.undo)
        line.addWidget(self.undo_other)
        line.addStretch()
        for button in (self.cancel, self.preview, self.move_files):
            line.addWidget(button)
        return line

    def _connect(self) -> None:
        presenter = self.presenter
        self.form.changed.connect(self._changed)
        self.tree.ticked.connect(self._ticked)
        for button, key, action in (
            (self.preview, "F5", presenter.preview),
            (self.move_files, "Ctrl+Return", presenter.move),
            (self.cancel, "Esc", presenter.cancel),
            (self.undo, "Ctrl+Z", presenter.undo),
            (self.undo_other, "Ctrl+Shift+Z", self._undo_other),
        ):
            button.clicked.connect(lambda _=False, action=action: action())
            QShortcut(QKeySequence(key), self, button.click)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.command.text()))
        self.tree.tick_all(presenter.options.all_studies)

    def _changed(self, changed: dict[str, object]) -> None:
        self.presenter.change(**changed)
        if "all_studies" in changed:
            self.tree.tick_all(bool(changed["all_studies"]))

    def _ticked(self, row: Row, on: bool) -> None:
        if row.sort is Sort.STUDY:
            self.presenter.choose(row.uid, on)
        else:
            self.presenter.choose_bad(on)

    def _undo_other(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "The journal of a run", journals_directory())
        if chosen:
            self.presenter.undo(chosen)

    # What the presenter shows

    def _show(self, screen: Screen) -> None:
        self.sentence.setText(screen.sentence)
        self._show_icon(screen)
        shown = () if self.presenter.options.quiet and screen.stage is Stage.PLANNED else screen.details
        self.details.setPlainText("\n".join(shown))
        self.details.setVisible(bool(shown))
        height = self.details.fontMetrics().lineSpacing() * min(len(shown), _DETAILS_LINES) + 14
        self.details.setFixedHeight(height)
        self.command.setText(screen.command)
        self.command.setCursorPosition(0)
        self.move_files.setText(screen.move_label)
        self.form.setEnabled(not screen.can_cancel)
        for button, on in (
            (self.preview, screen.can_preview),
            (self.move_files, screen.can_move),
            (self.cancel, screen.can_cancel),
            (self.undo, screen.can_undo),
            (self.undo_other, screen.can_preview),
        ):
            button.setEnabled(on)
        self.move_files.setDefault(screen.can_move)
        if not screen.can_cancel:
            self.progress.hide()

    def _show_icon(self, screen: Screen) -> None:
        pixmap = QStyle.StandardPixmap
        names = {Stage.DONE: pixmap.SP_DialogApplyButton, Stage.IDLE: pixmap.SP_MessageBoxInformation}
        chosen = pixmap.SP_MessageBoxWarning if screen.failed else names.get(screen.stage)
        self.icon.setVisible(chosen is not None)
        if chosen is not None:
            self.icon.setPixmap(self.style().standardIcon(chosen).pixmap(20, 20))

    def _show_plan(self, plan: MovePlan | None) -> None:
        self.tree.show_rows(() if plan is None else rows_of(plan))
        self.tree.tick_all(self.presenter.options.all_studies)

    def _show_progress(self, what: str, done: int, of: int) -> None:
        self.progress.show()
        self.progress.setRange(0, of)
        self.progress.setValue(done)
        self.progress.setFormat(f"{what}: {done:,} of {of:,}" if of else what)


def _button(text: str, key: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(f"{tip} ({key})")
    button.setAccessibleDescription(tip)
    return button
