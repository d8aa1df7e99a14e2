"""Qt's application around the window."""

from __future__ import annotations

import sys
from dataclasses import replace

from mrdock.errors import PlaceError
from mrdock.gui.remembered import remembered


def run(source: str | None, destination: str | None) -> int:
    """Show the window until it is closed; returns the exit code.

    The fields are as they were the last time, but for a source or destination that is given. Raises
    `ModuleNotFoundError` without PySide6, and `PlaceError` where its libraries are not all there.
    """
    try:
        from PySide6.QtWidgets import QApplication
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        raise PlaceError(f"the window cannot be shown: {error} (on Debian: apt-get install libegl1 libgl1)") from None
    from mrdock.gui.window import Window

    options = remembered()
    if source is not None:
        options = replace(options, source=source)
    if destination is not None:
        options = replace(options, destination=destination)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    app.setApplicationName("dcm_movegui")
    window = Window(options)
    window.show()
    return int(app.exec())
