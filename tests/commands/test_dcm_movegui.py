"""``dcm_movegui`` where no window can be shown; tests/gui drives the window itself."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from mrdock.commands.dcm_movegui import command


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    for name in [name for name in sys.modules if name.split(".")[0] in ("PySide6", "shiboken6")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PySide6", None)
    result = CliRunner().invoke(command, [], prog_name="dcm_movegui")
    assert result.exit_code == 1
    assert "PySide6" in result.output
    assert "pip install 'mrdock[gui]'" in result.output


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_without_a_display_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(command, [], prog_name="dcm_movegui")
    assert result.exit_code == 1
    assert result.output == (
        "dcm_movegui: there is no display to show a window on; dcm_move does the same without one\n"
    )
