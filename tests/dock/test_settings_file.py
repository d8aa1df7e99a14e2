"""Which file the settings come from, who may send by them, and the file that ``mrdock init`` writes."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mrdock.dock import settings as module
from mrdock.dock.settings import LISTS, TABLES, ListenerSettings, Settings, data_home, from_mapping, load, read_file
from mrdock.dock.template import template, toml
from mrdock.errors import SettingsError
from mrdock.network.access import Peer

# ---- finding ----


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without settings, on a machine without settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MRDOCK_CONFIG", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(module, "search_path", lambda: [*_search_path()[:1], tmp_path / "etc" / "dock.toml"])
    return tmp_path


_search_path: Callable[[], list[Path]] = module.search_path


def write(path: Path, days: int) -> Path:
    """A settings file that is known by its days."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[retention]\ndays = {days}\n")
    return path


def test_without_a_file_there_are_the_defaults(home: Path) -> None:
    assert load() == Settings()
    assert load().source is None
    assert load().root == home / ".local" / "share" / "mrdock" / "store"


def test_the_first_of_option_variable_user_and_system_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = write(home / "etc" / "dock.toml", 1)
    assert (load().retention.days, load().source) == (1, system)
    user = write(home / ".config" / "mrdock" / "dock.toml", 2)
    assert (load().retention.days, load().source) == (2, user)
    variable = write(home / "variable.toml", 3)
    monkeypatch.setenv("MRDOCK_CONFIG", str(variable))
    assert (load().retention.days, load().source) == (3, variable)
    option = write(home / "option.toml", 4)
    assert (load(str(option)).retention.days, load(str(option)).source) == (4, option)


def test_the_system_s_place_is_the_documented_one(home: Path) -> None:
    assert _search_path() == [home / ".config" / "mrdock" / "dock.toml", Path("/etc/mrdock/dock.toml")]


def test_an_empty_variable_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRDOCK_CONFIG", "")
    assert load() == Settings()


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_file_that_was_named_has_to_be_there(home: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool) -> None:
    write(home / ".config" / "mrdock" / "dock.toml", 2)
    name = str(home / "missing.toml")
    if by_variable:
        monkeypatch.setenv("MRDOCK_CONFIG", name)
    with pytest.raises(SettingsError, match=r"missing\.toml: cannot be read: No such file"):
        load(None if by_variable else name)


def test_a_name_of_nobody_s_home_is_one_sentence(home: Path) -> None:
    with pytest.raises(SettingsError, match="no-such-user-here"):
        load("~no-such-user-here/dock.toml")


def test_the_store_of_the_command_line_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / "dock.toml"
    file.write_text("[store]\nroot = '/srv/dock'\nminimum_free = '1%'\n")
    monkeypatch.chdir(home)
    chosen = load(str(file), "here")
    assert chosen.root == home / "here"
    assert chosen.store.minimum_free.share == 0.01
    assert load(None, "~/there").root == home / "there"


def test_the_store_is_in_the_user_s_data_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data/kirby")
    assert data_home() == Path("/data/kirby/mrdock")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # to be ignored, says the XDG specification
    assert data_home() == home / ".local" / "share" / "mrdock"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[store\n", "not valid TOML"),
        (b"[store]\nroot = '/a'\nroot = '/b'\n", "not valid TOML"),
        (b"[store]\n[store]\n", "not valid TOML"),
        (b"# \xff\xfe\n", "not valid TOML"),
        (b"[store]\nrooot = '/a'\n", "[store] has no setting 'rooot'; did you mean 'root'?"),
        (b"[retention]\ndays = -1\n", "[retention] days = -1: expected a number above 0, 36500 at most"),
    ],
)
def test_what_is_wrong_with_a_file_begins_with_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "dock.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        read_file(file)
    assert str(refused.value).startswith(f"{file}: {said}")
    assert "\n" not in str(refused.value)


def test_a_directory_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_file(tmp_path)


# ---- listeners and peers ----


def listeners(*hosts: str, **more: Any) -> dict[str, Any]:
    """A file's content with a listener on each host."""
    return {"listeners": [{"name": f"l{n}", "host": host, "port": n} for n, host in enumerate(hosts, 1)], **more}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "scanner.example", "::ffff:127.0.0.1", "127.1"])
def test_a_port_beyond_loopback_needs_peers(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^listener 'l2' on .* is open to the network: name its peers, or write "):
        from_mapping(listeners("127.0.0.1", host))
    with pytest.raises(SettingsError, match="is open to the network"):
        from_mapping(listeners(host, peers=[]))
    assert from_mapping(listeners(host, peers="any")).peers is None
    assert from_mapping(listeners(host, peers=[{"title": "S1", "network": "10.0.0.0/8"}])).peers


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_a_port_on_loopback_needs_none(host: str) -> None:
    settings = from_mapping(listeners(host))
    access = settings.access(settings.listeners[0])
    assert access.peers is None
    assert access.titles == {"MRDOCK", "ANY-SCP"}


def test_peers_are_pairs() -> None:
    peers = [{"title": "S1", "network": "10.0.0.7/8"}, {"network": "2001:db8::/32"}]
    settings = from_mapping(listeners("0.0.0.0", "127.0.0.1", peers=peers))
    for listener in settings.listeners:
        access = settings.access(listener)
        assert access.titles == {"MRDOCK"}
        assert access.peers == (Peer("S1", ip_network("10.0.0.0/8")), Peer(None, ip_network("2001:db8::/32")))


def test_anyone_who_is_written_out_still_has_to_call_the_right_title() -> None:
    settings = from_mapping(listeners("0.0.0.0", peers="any"))
    access = settings.access(settings.listeners[0])
    assert access.peers is None
    assert access.titles == {"MRDOCK"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"listeners": []}, "a dock needs at least one [[listeners]]"),
        ({"listeners": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]}, "two listeners have the same name"),
        ({"listeners": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]}, "two listeners have the same host and"),
        ({"peers": [{"network": "10.0.0.0/99"}]}, "[peers] network = '10.0.0.0/99': expected an address or network"),
        ({"peers": [{"network": "scanner.example"}]}, "[peers] network = 'scanner.example': expected an address"),
        ({"peers": "anyone"}, "peers has to be a list of [[peers]] tables"),
        ({"listeners": "any"}, "listeners has to be a list of [[listeners]] tables"),
    ],
)
def test_what_single_settings_cannot_show(content: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_mapping(content)
    assert str(refused.value).startswith(said)


def test_free_ports_and_other_hosts_may_repeat() -> None:
    assert len(from_mapping({"listeners": [{"name": "a", "port": 0}, {"name": "b", "port": 0}]}).listeners) == 2
    two = [{"name": "a", "host": "127.0.0.1"}, {"name": "b", "host": "127.0.0.2"}]
    assert len(from_mapping({"listeners": two}).listeners) == 2


# ---- the written file ----


def as_written() -> dict[str, Any]:
    return tomllib.loads(template())


def table_lines() -> Iterator[tuple[str, str, str]]:
    """Each line of the file that is a setting of a table: the table, the key, the line with its "#" taken away."""
    table = ""
    for line in template().splitlines():
        if match := re.fullmatch(r"(?:# )?\[\[?(\w+)\]\]?", line):
            table = match[1]
        elif table and (match := re.fullmatch(r"(?:# )?(\w+) = \S.*", line)):
            yield table, match[1], line.removeprefix("# ")


def test_the_file_as_written_is_the_defaults() -> None:
    assert from_mapping(as_written()) == Settings()


def test_the_file_names_every_setting_of_every_table_in_order() -> None:
    said: dict[str, list[str]] = {}
    for table, key, _ in table_lines():
        said.setdefault(table, []).append(key)
    keys = {name: [item.name for item in dataclasses.fields(kind)] for name, kind in {**TABLES, **LISTS}.items()}
    keys["listeners"] *= len(Settings().listeners)
    assert said == keys


@pytest.mark.parametrize(
    ("table", "key"), [(name, item.name) for name, kind in TABLES.items() for item in dataclasses.fields(kind)]
)
def test_a_line_without_its_mark_is_the_default(home: Path, table: str, key: str) -> None:
    (line,) = [text for where, what, text in table_lines() if (where, what) == (table, key)]
    settings = from_mapping(tomllib.loads(f"[{table}]\n{line}"))
    if (table, key) == ("store", "root"):
        assert settings.root == Settings().root
    else:
        assert settings == Settings()


def test_the_marks_of_peers_make_a_peer() -> None:
    lines = [text for where, _, text in table_lines() if where == "peers"]
    assert from_mapping(tomllib.loads("\n".join(["[[peers]]", *lines]))).peers
    assert '# peers = "any"' in template().splitlines()
    assert template().index('peers = "any"') < template().index("[store]")  # after a table it would belong to that


def test_every_setting_is_documented() -> None:
    text = " ".join(line.removeprefix("# ") for line in template().splitlines())
    for kind in (*TABLES.values(), *LISTS.values()):
        assert kind.__doc__
        assert kind.__doc__.strip() in text
        for item in dataclasses.fields(kind):
            assert item.metadata["help"].endswith("."), item.name
            assert item.metadata["help"] in text, item.name


def test_every_line_fits_a_terminal_or_is_a_value() -> None:
    assert [line for line in template().splitlines() if len(line) > 120 and " = [" not in line] == []


@pytest.mark.parametrize("value", [True, False, 5, 0.5, 60.0, "a\\b\"c'd", "Ü", (), ("a", "b"), Path("/a b")], ids=repr)
def test_values_are_written_as_they_are_read(value: Any) -> None:
    read = tomllib.loads(f"x = {toml(value)}")["x"]
    expected = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    assert read == expected


def test_the_listeners_of_the_file_are_the_default_ones() -> None:
    assert [ListenerSettings(**item) for item in as_written()["listeners"]] == list(Settings().listeners)
