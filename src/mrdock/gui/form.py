"""The fields as Qt widgets, built from the table in `fields`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mrdock.gui.fields import ACTIONS, GROUPS, IGNORED, Field, Group, Input
from mrdock.sorting.move_plan import MoveOptions


class Form(QWidget):
    """All fields; `changed` tells what the user has set, as fields of `MoveOptions`."""

    changed = Signal(dict)

    def __init__(self, options: MoveOptions) -> None:
        """Show ``options``."""
        super().__init__()
        self._set: dict[str, Callable[[Any], None]] = {}
        self._inputs: dict[str, QWidget] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 4, 8)
        places, *others = GROUPS
        column.addWidget(self._group(places))
        column.addWidget(self._actions())
        for group in others:
            column.addWidget(self._group(group))
        column.addStretch()
        self.show_options(options)

    def show_options(self, options: MoveOptions) -> None:
        """Have every field say what ``options`` say."""
        for option, put in self._set.items():
            put(getattr(options, option))
        chosen = next((field.option for field in ACTIONS[1:] if getattr(options, field.option)), "")
        for button in self._action_buttons.buttons():
            button.setChecked(button.objectName() == (chosen or "move"))
        self._follow_action(chosen)

    def input(self, option: str) -> QWidget:
        """The widget of one option."""
        return self._inputs[option]

    def _tell(self, option: str, value: Any) -> None:
        self.changed.emit({option: value})

    def _actions(self) -> QGroupBox:
        box = QGroupBox("What is done")
        grid = QGridLayout(box)
        self._action_buttons = QButtonGroup(self)
        for number, field in enumerate(ACTIONS):
            button = QRadioButton(_labelled(field))
            button.setObjectName(field.option or "move")
            button.setToolTip(field.tip)
            button.setAccessibleDescription(field.tip)
            self._action_buttons.addButton(button)
            self._inputs[field.option or "move"] = button
            grid.addWidget(button, number // 2, number % 2)
        self._action_buttons.buttonToggled.connect(self._action_chosen)
        return box

    def _action_chosen(self, button: QRadioButton, on: bool) -> None:
        if on:
            self._follow_action(button.objectName())
            self.changed.emit({field.option: field.option == button.objectName() for field in ACTIONS[1:]})

    def _follow_action(self, action: str) -> None:
        """Grey out what an action does not look at."""
        for option in {name for names in IGNORED.values() for name in names}:
            self._inputs[option].setEnabled(option not in IGNORED.get(action, ()))

    def _group(self, group: Group) -> QGroupBox:
        box = QGroupBox(group.title)
        grid = QGridLayout(box)
        grid.setVerticalSpacing(4)
        ticks = 0
        for row, field in enumerate(group.fields):
            if field.input is Input.TICK:
                grid.addWidget(self._tick(field), ticks // 2, ticks % 2 * 2, 1, 2)
                ticks += 1
                continue
            widget, line = self._entry(field)
            label = QLabel(_labelled(field))
            label.setBuddy(widget)
            label.setToolTip(field.tip)
            grid.addWidget(label, 10 + row, 0)
            grid.addWidget(line, 10 + row, 1, 1, 3)
        return box

    def _tick(self, field: Field) -> QCheckBox:
        box = QCheckBox(_labelled(field))
        box.toggled.connect(lambda on, option=field.option: self._tell(option, on))
        self._keep(field, box, box.setChecked)
        return box

    def _entry(self, field: Field) -> tuple[QWidget, QWidget]:
        """The widget that takes the value, and what stands in the grid."""
        if field.input is Input.DIRECTORY:
            return self._directory(field)
        widget: QWidget
        if field.input is Input.ONE_OF:
            combo = QComboBox()
            combo.addItems([choice or "all" for choice in field.choices])
            combo.currentIndexChanged.connect(lambda at, field=field: self._tell(field.option, field.choices[at]))
            self._keep(field, combo, lambda value: combo.setCurrentText(value or "all"))
            widget = combo
        elif field.input is Input.SECONDS:
            seconds = QDoubleSpinBox(decimals=1, maximum=3600.0, singleStep=1.0, suffix=" s")
            seconds.valueChanged.connect(lambda value, option=field.option: self._tell(option, value))
            self._keep(field, seconds, seconds.setValue)
            widget = seconds
        else:
            number = QSpinBox(minimum=1, maximum=64)
            number.valueChanged.connect(lambda value, option=field.option: self._tell(option, value))
            self._keep(field, number, number.setValue)
            widget = number
        return widget, widget

    def _directory(self, field: Field) -> tuple[QWidget, QWidget]:
        edit = QLineEdit()
        edit.textChanged.connect(lambda text, option=field.option: self._tell(option, text or "."))
        self._keep(field, edit, lambda value: edit.setText("" if value == "." else value))
        edit.setPlaceholderText(os.getcwd())
        button = QToolButton()
        button.setText("…")
        button.setToolTip(f"Choose the {field.option} in a dialog")
        button.setAccessibleName(f"Choose the {field.option}")
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(lambda: self._choose(field, edit))
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(edit)
        row.addWidget(button)
        line.setFocusProxy(edit)
        return edit, line

    def _choose(self, field: Field, edit: QLineEdit) -> None:
        found = QFileDialog.getExistingDirectory(self, f"The {field.option} directory", edit.text() or os.getcwd())
        if found:
            edit.setText(found)

    def _keep(self, field: Field, widget: QWidget, put: Callable[[Any], None]) -> None:
        widget.setObjectName(field.option)
        widget.setToolTip(f"{field.tip} ({field.switch})")
        widget.setAccessibleDescription(field.tip)
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._inputs[field.option] = widget
        self._set[field.option] = put


def _labelled(field: Field) -> str:
    """The label with its switch, as ``dcm_move --help`` has it."""
    return f"{field.label}  {field.switch}".rstrip() if field.switch.startswith("-") else field.label
