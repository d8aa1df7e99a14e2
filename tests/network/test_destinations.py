"""The settings file of send_dicom, its list, and links named like its destinations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.errors import PlaceError, SettingsError
from mrdock.network.bodies import Copied
from mrdock.network.destination_text import lines, records
from mrdock.network.destinations import Destination, default_path, read
from mrdock.network.links import linked_name, make_link

WHOLE = """
[defaults]
calling = "MRLAB"
delay = 2

[destinations.archive]
host = "pacs.example.org"

[destinations.3t1]
host = "xnat.example.org"
port = 8104
called = "XNAT"
calling = "SCANNER"
delay = 1.5
timeout = 10
parallel = 2
tls = true
tls_ca = "/etc/ca.pem"
copy_field = { from = "CommentsOnThePerformedProcedureStep", to = "PatientComments" }
"""


def settings(folder: Path, text: str) -> str:
    path = folder / "destinations.toml"
    path.write_text(text)
    return str(path)


def test_destinations_and_defaults(tmp_path: Path) -> None:
    known = read(settings(tmp_path, WHOLE))
    assert known.find("archive") == Destination(host="pacs.example.org", calling="MRLAB", delay=2)
    assert known.find("3t1") == Destination(
        host="xnat.example.org",
        port=8104,
        called="XNAT",
        calling="SCANNER",
        delay=1.5,
        timeout=10,
        parallel=2,
        tls=True,
        tls_ca="/etc/ca.pem",
        copy_field=Copied(0x00400280, 0x00104000),
    )


def test_false_and_zero_say_something(tmp_path: Path) -> None:
    text = '[defaults]\nhost = "h"\ntls = true\ndelay = 3\n[destinations.a]\ntls = false\ndelay = 0\n'
    found = read(settings(tmp_path, text)).find("a")
    assert (found.tls, found.delay, found.host) == (False, 0, "h")


def test_without_a_file_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    known = read()
    assert known.path == default_path() == str(tmp_path / "mrdock" / "destinations.toml")
    assert known.named == {}
    with pytest.raises(SettingsError, match="there is no destination 'a'; it has none"):
        known.find("a")
    assert lines(known) == [f"no destinations in {known.path}"]
    with pytest.raises(SettingsError, match="there is no such file"):
        read(str(tmp_path / "missing"))


def test_a_name_that_is_not_there_is_perhaps_another(tmp_path: Path) -> None:
    known = read(settings(tmp_path, WHOLE))
    with pytest.raises(SettingsError, match=r"there is no destination 'archiv'; is it archive\?"):
        known.find("archiv")
    with pytest.raises(SettingsError, match="it has 3t1, archive"):
        known.find("zzz")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "Invalid"),
        ("[destination.a]", "unknown key 'destination'; is it destinations?"),
        ("destinations = 3", "destinations is to be a table"),
        ("[destinations]\na = 3", r"destinations\.a is to be a table"),
        ("[destinations.a]\nport = 104", r"destinations\.a has no host"),
        ("[destinations.a]\nhost = ''", r"destinations\.a\.host is empty"),
        ("[destinations.a]\nhost = 'h'\nhots = 'h'", "unknown key 'hots'; is it host?"),
        ("[destinations.a]\nhost = 3", "host cannot be 3"),
        ("[destinations.a]\nhost = 'h'\nport = 0", "port is to be from 1 to 65535"),
        ("[destinations.a]\nhost = 'h'\nport = true", "port cannot be True"),
        ("[destinations.a]\nhost = 'h'\nport = '104'", "port cannot be '104'"),
        ("[destinations.a]\nhost = 'h'\ncalled = ''", "called: '' cannot be an AE title"),
        ("[destinations.a]\nhost = 'h'\ncalled = 'ABCDEFGHIJKLMNOPQ'", "1 to 16 characters"),
        ("[destinations.a]\nhost = 'h'\ncalling = 'Ä'", "ASCII"),
        ("[destinations.a]\nhost = 'h'\ndelay = -1", "delay is to be from 0"),
        ("[destinations.a]\nhost = 'h'\ndelay = nan", "delay is to be from 0"),
        ("[destinations.a]\nhost = 'h'\ntls = 1", "tls cannot be 1"),
        ("[destinations.a]\nhost = 'h'\nparallel = 1000", "parallel is to be from 1 to 64"),
        ("[destinations.a]\nhost = 'h'\ncopy_field = 'x'", "copy_field cannot be 'x'"),
        ("[destinations.a]\nhost = 'h'\ncopy_field = {from = 'PatientID'}", "needs from and to"),
        ("[destinations.a]\nhost = 'h'\ncopy_field = {from = 'PatientId', to = 'Nothing'}", "Nothing"),
        ("[destinations.a]\nhost = 'h'\ncopy_field = {frm = 'PatientId', to = 'x'}", "unknown key 'frm'; is it from?"),
        ("[destinations.a]\nhost = 'h'\ncopy_field = {from = 'PatientID', to = 'PixelData'}", "cannot take a text"),
        ("[destinations.a]\nhost = 'h'\ncopy_field = {from = 'PatientID', to = 'Rows'}", "cannot take a text"),
        (
            "[destinations.a]\nhost = 'h'\ncopy_field = {from = 'PatientID', to = 'SOPInstanceUID'}",
            "cannot take a text",
        ),
        ("[destinations.a]\nhost = 'h'\ncopy_field = {from = 'MRScaleSlope', to = 'PatientID'}", "private"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = settings(tmp_path, text)
    with pytest.raises(SettingsError, match=sentence) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="directory"):
        read(str(tmp_path))
    path = tmp_path / "latin"
    path.write_bytes(b'[defaults]\nhost = "\xe4"\n')
    with pytest.raises(SettingsError, match="utf-8"):
        read(str(path))


def test_the_list(tmp_path: Path) -> None:
    known = read(settings(tmp_path, WHOLE))
    assert lines(known) == [
        "3t1      XNAT at xnat.example.org port 8104 as SCANNER; delay 1.5; timeout 10; parallel 2; TLS; "
        "PatientComments from CommentsOnThePerformedProcedureStep",
        "archive  ANY-SCP at pacs.example.org port 104 as MRLAB; delay 2",
    ]
    assert records(known)[0]["copy_field"] == {"from": "CommentsOnThePerformedProcedureStep", "to": "PatientComments"}


# ---- links ----


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Something called send_dicom."""
    path = tmp_path / "bin" / "send_dicom"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_link_is_called_like_a_destination(program: Path, tmp_path: Path) -> None:
    made = make_link("3t1", str(tmp_path), str(program))
    assert Path(made) == tmp_path / "3t1"
    assert os.readlink(made) == str(program)
    assert linked_name(made) == "3t1"
    assert linked_name(str(program)) is None
    assert os.readlink(make_link("7t", str(tmp_path), made)) == str(program)


def test_a_link_to_the_command_under_its_own_name_is_the_command(program: Path, tmp_path: Path) -> None:
    for name in ("send_dicom", "send_dicom3.12"):
        (tmp_path / name).symlink_to(program)
        assert linked_name(str(tmp_path / name)) is None
    assert os.readlink(make_link("3t1", str(tmp_path), str(tmp_path / "send_dicom"))) == str(tmp_path / "send_dicom")


def test_links_that_cannot_be(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(PlaceError, match="there: is there already"):
        make_link("there", str(tmp_path), str(program))
    assert (tmp_path / "there").read_text() == "mine"
    with pytest.raises(PlaceError, match="no link could be made: No such file or directory"):
        make_link("3t1", str(tmp_path / "missing"), str(program))
    for name in ("", "..", "a/b", "-R", "send_dicom"):
        with pytest.raises(SettingsError, match="cannot be the name of a link"):
            make_link(name, str(tmp_path), str(program))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlaceError, match="is not on the PATH"):
        make_link("3t1", str(tmp_path), "/usr/bin/python")
    monkeypatch.setenv("PATH", str(program.parent))
    assert os.readlink(make_link("3t1", str(tmp_path), "/usr/bin/python")) == str(program)
