"""`mrdock init`: the file has every setting, and is one that the dock accepts."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from mrdock.dock.settings import LISTS, TABLES, Settings, from_mapping, read_file
from tests.commands.conftest import Run, one_sentence


def test_without_a_name_it_writes_the_users_own_file(mrdock: Run, home: Path) -> None:
    result = mrdock("init")
    path = home / ".config" / "mrdock" / "dock.toml"
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"wrote {path}\n", "")
    assert path.stat().st_mode & 0o007 == 0
    assert list(path.parent.iterdir()) == [path]


def test_what_it_writes_means_the_defaults(mrdock: Run, tmp_path: Path) -> None:
    mrdock("init", "dock.toml")
    read = read_file(tmp_path / "dock.toml")
    assert dataclasses.replace(read, source=None) == Settings()


def test_every_setting_is_in_it(mrdock: Run) -> None:
    text = mrdock("init", "-").stdout
    for kind in (*TABLES.values(), *LISTS.values()):
        for field in dataclasses.fields(kind):
            assert re.search(rf"^(# )?{field.name} = ", text, re.MULTILINE), field.name


def uncommented(text: str) -> str:
    """The file with all the settings that it shows as comments."""
    return re.sub(r"^# (?=(\w+ = .|\[))", "", text, flags=re.MULTILINE).replace('peers = "any"\n', "")


def test_every_setting_can_be_used_as_it_is_shown(mrdock: Run) -> None:
    """Whoever takes a "#" away gets the default, not an error."""
    values = tomllib.loads(uncommented(mrdock("init", "-").stdout))
    assert set(values) == {*TABLES, *LISTS}
    assert set(values["peers"][0]) == {"title", "network"}
    for name, table in TABLES.items():
        for key, value in values[name].items():
            chosen = getattr(getattr(from_mapping({name: {key: value}}), name), key)
            if (name, key) not in (("store", "root"), ("log", "file")):  # examples
                assert chosen == getattr(table(), key), (name, key)


@pytest.mark.parametrize("words", [("init",), ("init", "here.toml")])
def test_it_replaces_nothing_unless_told_to(mrdock: Run, home: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    path = home / ".config" / "mrdock" / "dock.toml" if len(words) == 1 else tmp_path / "here.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# mine\n")
    assert f"{path.name}: exists already; --force replaces it" in one_sentence(mrdock(*words), 2)
    assert path.read_text() == "# mine\n"
    assert mrdock(*words, "--force").exit_code == 0
    assert "[retention]" in path.read_text()


def test_a_link_is_not_written_through_unless_told_to(mrdock: Run, tmp_path: Path) -> None:
    (tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
    one_sentence(mrdock("init", "link.toml"), 2)
    assert not (tmp_path / "elsewhere.toml").exists()


def test_on_standard_output_it_writes_no_file(mrdock: Run, home: Path, tmp_path: Path) -> None:
    result = mrdock("init", "-")
    assert result.exit_code == 0
    tomllib.loads(result.stdout)
    assert list(home.iterdir()) == []
    assert list(tmp_path.iterdir()) == [home]


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("where", ["folder", "file/dock.toml", "", "~nobody-of-this-name/dock.toml"])
def test_places_where_no_file_can_be(mrdock: Run, tmp_path: Path, where: str, force: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    result = mrdock("init", where, *force)
    assert result.exit_code in (1, 2)
    line = one_sentence(result, result.exit_code)
    assert ".part" not in line, "a name that the user has never seen"
    assert where.partition("/")[0] in line
    assert not list(tmp_path.rglob("*.part"))
