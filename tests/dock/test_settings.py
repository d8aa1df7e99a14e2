"""Every setting is read, and what cannot be used is said in one sentence that names file, table and key."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock.setting_values import Free
from mrdock.dock.settings import (
    LISTS,
    ROUTE_FIELDS,
    TABLES,
    ListenerSettings,
    PeerSettings,
    Settings,
    from_mapping,
    read_file,
)
from mrdock.errors import SettingsError

EVERYTHING = """
[store]
root = "/srv/dock"
minimum_free = "20 GB"
quarantine_size = "500 MiB"

[[listeners]]
name = "one"
host = "127.0.0.2"
port = 104
title = "ONE"
accepts = "classic"

[[peers]]
title = "SCANNER1"
network = "10.0.0.0/8"

[[peers]]
network = "192.0.2.7"

[limits]
associations = 5
associations_per_peer = 2
pdu = 16384
idle_seconds = 10
acse_seconds = 5.5
pdu_seconds = 7
object_size = "1 GiB"
nesting = 16

[receive]
accept_unknown = true
deflated = true

[completion]
quiet_seconds = 5

[route]
tag = "@@"
fields = ["ImageComments", "StudyDescription"]
roots = ["/g5", "/g6"]
mount_points = ["/g5"]
file_mode = "0640"
directory_mode = "750"

[retention]
days = 7
hour = 23
keep_held = true
announce_days = 1

[index]
url = "postgresql://h/db"

[log]
level = "debug"
file = "/var/log/dock.log"
json = true
"""


def problem(text: str) -> str:
    """What is said of a settings file."""
    with pytest.raises(SettingsError) as refused:
        from_mapping(tomllib.loads(text))
    said = str(refused.value)
    assert said
    assert "\n" not in said
    return said


def test_every_key_is_read(tmp_path: Path) -> None:
    file = tmp_path / "dock.toml"
    file.write_text(EVERYTHING)
    settings = read_file(file)
    assert settings.source == file
    assert settings.root == Path("/srv/dock")
    assert settings.store.minimum_free == Free(size=20 * 10**9)
    assert settings.store.quarantine_size == 500 << 20
    assert settings.listeners == (ListenerSettings("one", "127.0.0.2", 104, "ONE", "classic"),)
    assert settings.peers == (PeerSettings("SCANNER1", "10.0.0.0/8"), PeerSettings("*", "192.0.2.7"))
    assert dataclasses.astuple(settings.limits) == (5, 2, 16384, 10.0, 5.5, 7.0, 1 << 30, 16)
    assert dataclasses.astuple(settings.receive) == (True, True)
    assert settings.completion.quiet_seconds == 5.0
    assert settings.route.tag == "@@"
    assert settings.route.fields == ("ImageComments", "StudyDescription")
    assert settings.route.roots == (Path("/g5"), Path("/g6"))
    assert settings.route.mount_points == (Path("/g5"),)
    assert (settings.route.file_mode, settings.route.directory_mode) == (0o640, 0o750)
    assert dataclasses.astuple(settings.retention) == (7.0, 23, True, 1.0)
    assert settings.index.url == "postgresql://h/db"
    assert (settings.log.level, settings.log.file, settings.log.json) == ("debug", Path("/var/log/dock.log"), True)


def test_the_example_above_leaves_no_key_out() -> None:
    said = tomllib.loads(EVERYTHING)
    for name, kind in {**TABLES, **LISTS}.items():
        first = said[name][0] if name in LISTS else said[name]
        assert set(first) == {item.name for item in dataclasses.fields(kind)}, name


def test_an_empty_file_is_the_defaults() -> None:
    assert from_mapping({}) == Settings()


def test_a_key_given_alone_leaves_the_others_at_their_default() -> None:
    settings = from_mapping({"retention": {"days": 10}})
    assert settings.retention == dataclasses.replace(Settings().retention, days=10.0)
    assert dataclasses.replace(settings, retention=Settings().retention) == Settings()


def test_the_limits_reach_the_network() -> None:
    limits = from_mapping(tomllib.loads(EVERYTHING)).server_limits()
    assert dataclasses.astuple(limits) == (5, 2, 16384, 10.0, 5.5, 7.0, 1 << 30)


# ---- unknown names ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[store]\nroots = '/x'", "[store] has no setting 'roots'; did you mean 'root'?"),
        ("[retention]\ndasy = 3", "[retention] has no setting 'dasy'; did you mean 'days'?"),
        ("[[listeners]]\nAE = 'X'", "[listeners] has no setting 'AE'; it has name, host, port, title, accepts"),
        ("[[peers]]\nip = '10.0.0.1'", "[peers] has no setting 'ip'; it has title, network"),
        ("[retantion]\ndays = 3", "there is no setting 'retantion'; did you mean 'retention'?"),
        ("[listener]\nport = 3", "there is no setting 'listener'; did you mean 'listeners'?"),
        ("days = 3", "there is no setting 'days'; it has store, limits, receive"),
        ("source = '/x'", "there is no setting 'source'"),
        ("[store]\n__class__ = 1", "[store] has no setting '__class__'"),
    ],
)
def test_an_unknown_key_is_named_and_the_right_one_suggested(text: str, said: str) -> None:
    assert problem(text).startswith(said)


@pytest.mark.parametrize("name", [*TABLES, *LISTS])
def test_what_has_to_be_a_table_is_one(name: str) -> None:
    assert name in problem(f"{name} = 5")
    assert name in problem(f"{name} = 'some'")
    assert name in problem(f"[[{name}]]" if name in TABLES else f"[{name}]")


def test_a_list_of_tables_holds_tables() -> None:
    assert problem("listeners = [5]") == "[listeners] has to be a table of settings"


# ---- bad values ----

BAD: dict[str, dict[str, list[Any]]] = {
    "store": {
        "root": ["", " ", "relative/path", 5, True, ["/x"], "/a\0b", "~no-such-user-here/store"],
        "minimum_free": ["100%", "-5%", "x", "5 %%", -1, 0.5, True, "5 light-years", "9" * 400],
        "quarantine_size": ["", "1 XB", -1, 1.5, False, "five", "9" * 400 + " GB"],
    },
    "limits": {
        "associations": [0, -1, 10001, 1.5, "5", True],
        "associations_per_peer": [0, "x"],
        "pdu": [0, 4095, (1 << 24) + 1, "16384"],
        "idle_seconds": [0, -1, "60", True, float("nan"), float("inf"), 1e10],
        "acse_seconds": [0, "30 s"],
        "pdu_seconds": [0, []],
        "object_size": [-1, "8 GiBB", {}],
        "nesting": [0, 65, 1.0],
    },
    "receive": {"accept_unknown": ["yes", 1, 0], "deflated": ["off", None]},
    "completion": {"quiet_seconds": [0, -1, "60"]},
    "route": {
        "tag": ["", "  ", 5],
        "fields": [[], "StudyDescription", ["PatientName"], [5], [["StudyDescription"]], [{}], {}],
        "roots": ["/g5", [""], ["g5"], [5], ["~no-such-user-here/x"]],
        "mount_points": ["/g5", [None]],
        "file_mode": [660, 0o660, "0o660", "999", "rw-rw----", "77777", ""],
        "directory_mode": [2770, True],
    },
    "retention": {
        "days": [0, -30, "30", True, 36501],
        "hour": [-1, 24, 3.5, "3"],
        "keep_held": ["no"],
        "announce_days": [0, "3"],
    },
    "index": {"url": [5, True, ["x"]]},
    "log": {"level": ["loud", "", 5, ["info"], {}], "file": ["dock.log", 5], "json": ["no", 1]},
    "listeners": {
        "name": ["", 5],
        "host": ["", 5],
        "port": [-1, 65536, "11112", 1.0, True],
        "title": ["", " ", "A" * 17, "BACK\\SLASH", "TAB\t", " LEADING", "Ü", 5],
        "accepts": ["all", "Enhanced", 5, []],
    },
    "peers": {"title": ["", "A" * 17, 5, "**\\"], "network": ["", 5]},
}


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [(table, key, value) for table, keys in BAD.items() for key, values in keys.items() for value in values],
)
def test_a_bad_value_is_named_with_its_table_and_key(table: str, key: str, value: Any) -> None:
    content = {key: value}
    with pytest.raises(SettingsError) as refused:
        from_mapping({table: [content] if table in LISTS else content})
    said = str(refused.value)
    assert said.startswith(f"[{table}] {key} = ")
    assert ": expected " in said
    assert "\n" not in said


def test_bad_values_of_every_key_are_tried() -> None:
    assert {name: set(keys) for name, keys in BAD.items()} == {
        name: {item.name for item in dataclasses.fields(kind)} for name, kind in {**TABLES, **LISTS}.items()
    }


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
_KEYS = [(name, item.name) for name, kind in {**TABLES, **LISTS}.items() for item in dataclasses.fields(kind)]


@given(st.sampled_from(_KEYS), _VALUES)
def test_whatever_stands_there_gives_settings_or_one_sentence(key: tuple[str, str], value: Any) -> None:
    content = {key[1]: value}
    try:
        said = repr(from_mapping({key[0]: [content] if key[0] in LISTS else content}))
    except SettingsError as error:
        said = str(error)
    assert "\n" not in said


# ---- units ----


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (5, 5),
        (0, 0),
        ("5", 5),
        ("5 B", 5),
        ("5kB", 5000),
        ("5 KiB", 5120),
        ("1.5 GiB", 3 << 29),
        (" 2 tb ", 2 * 10**12),
    ],
)
def test_sizes_have_units(said: object, meant: int) -> None:
    assert from_mapping({"limits": {"object_size": said}}).limits.object_size == meant
    assert from_mapping({"store": {"minimum_free": said}}).store.minimum_free == Free(size=meant)


def test_free_space_is_a_share_or_a_size() -> None:
    assert from_mapping({"store": {"minimum_free": "2.5 %"}}).store.minimum_free == Free(share=0.025)
    assert Free(share=0.05).bytes_of(1000) == 50
    assert Free(size=70).bytes_of(1000) == 70
    assert Free().bytes_of(1000) == 0


@pytest.mark.parametrize(("share", "said"), [(0.05, "5%"), (0.1, "10%"), (0.5, "50%"), (0.025, "2.5%")])
def test_a_share_is_shown_as_people_write_it(share: float, said: str) -> None:
    assert str(Free(share=share)) == said


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/kirby")
    assert from_mapping({"store": {"root": "~/store"}}).root == Path("/home/kirby/store")


def test_a_field_that_is_named_twice_counts_once() -> None:
    assert from_mapping({"route": {"fields": ["ImageComments"] * 2}}).route.fields == ("ImageComments",)
    assert set(Settings().route.fields) == set(ROUTE_FIELDS)
