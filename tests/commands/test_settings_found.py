"""Where settings are looked for: in the same order by every command."""

from __future__ import annotations

from pathlib import Path

import pytest

import mrdock.dock.settings as all_settings
from tests.commands.conftest import Run, one_sentence

LOOKING = [("status",), ("status", "--json"), ("route", "x"), ("sweep",), ("sweep", "--dry-run"), ("reindex",)]
COMMANDS = [("serve",), *LOOKING]


def settings_file(path: Path) -> None:
    """Settings that no command can use, and that say which file they are from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[store]\nfrom_here = true\n")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_order(
    mrdock: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    users, systems = home / ".config" / "mrdock" / "dock.toml", tmp_path / "etc" / "dock.toml"
    assert all_settings.search_path() == [users, Path("/etc/mrdock/dock.toml")]
    monkeypatch.setattr(all_settings, "search_path", lambda: [users, systems])
    settings_file(systems)
    assert str(systems) in one_sentence(mrdock(*words), 2)
    settings_file(users)
    assert str(users) in one_sentence(mrdock(*words), 2)
    settings_file(tmp_path / "variable.toml")
    monkeypatch.setenv("MRDOCK_CONFIG", str(tmp_path / "variable.toml"))
    assert str(tmp_path / "variable.toml") in one_sentence(mrdock(*words), 2)
    settings_file(tmp_path / "option.toml")
    assert str(tmp_path / "option.toml") in one_sentence(mrdock(*words, "--config", str(tmp_path / "option.toml")), 2)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_file_that_was_named_has_to_be_there(
    mrdock: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], how: str
) -> None:
    """Another one is not taken in its place."""
    (home / ".config" / "mrdock").mkdir(parents=True)
    (home / ".config" / "mrdock" / "dock.toml").write_text("")
    missing = str(tmp_path / "missing.toml")
    if how == "variable":
        monkeypatch.setenv("MRDOCK_CONFIG", missing)
    line = one_sentence(mrdock(*words, *(["--config", missing] if how == "option" else [])), 2)
    assert f"{missing}: cannot be read: No such file or directory" in line


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_the_store_option_is_stronger_than_the_file(mrdock: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "dock.toml").write_text(f'[store]\nroot = "{tmp_path}/one"\n')
    line = one_sentence(mrdock(*words, "--config", "dock.toml", "--store", "two"), 1)
    assert f"{tmp_path}/two: no store" in line
    line = one_sentence(mrdock(*words, "--config", "dock.toml"), 1)
    assert f"{tmp_path}/one: no store" in line
    assert not (tmp_path / "one").exists(), "only serve makes a store"
    assert not (tmp_path / "two").exists()
