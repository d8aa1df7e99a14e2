"""Qt without a screen, a home of one's own, and the window driven as a person drives it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QRadioButton, QWidget

from mrdock.gui.presenter import Stage
from mrdock.gui.window import Window
from mrdock.sorting.move_plan import MoveOptions

OpenWindow = Callable[[MoveOptions], Window]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory and a working directory of one's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "state"


@pytest.fixture(scope="session")
def app() -> QApplication:
    found = QApplication.instance() or QApplication([])
    assert isinstance(found, QApplication)
    return found


@pytest.fixture
def window(app: QApplication) -> Iterator[OpenWindow]:
    """A function that opens a window; it is closed at the end."""
    opened: list[Window] = []

    def open_window(options: MoveOptions) -> Window:
        opened.append(Window(options))
        opened[-1].show()
        assert QTest.qWaitForWindowExposed(opened[-1])
        return opened[-1]

    yield open_window
    for one in opened:
        one.close()
        one.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def click(widget: QWidget) -> None:
    """The left mouse button, on a widget that is enabled: in its middle, or where its box or its label is."""
    assert widget.isEnabled(), widget.objectName()
    place = QPoint(8, widget.height() // 2) if isinstance(widget, QCheckBox | QRadioButton) else QPoint()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place)


def wait_until(window: Window, stage: Stage) -> None:
    """Until the window's work has ended so."""
    for _ in range(3_000):
        if not window.presenter.busy:
            break
        QTest.qWait(10)
    assert window.presenter._stage is stage, window.sentence.text()
