"""Which switches go together, and how a run is written as a command line that means the same."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.commands.dcm_move import command
from mrdock.errors import PlaceError, SettingsError
from mrdock.sorting.finding import MODALITIES
from mrdock.sorting.move_options import SWITCHES, check, command_line
from mrdock.sorting.move_plan import MoveOptions


def parsed(text: str) -> MoveOptions:
    """The options that the command makes of a command line."""
    name, *words = shlex.split(text)
    assert name == "dcm_move"
    context = command.make_context("dcm_move", words, resilient_parsing=False)
    said = {key: value for key, value in context.params.items() if key in {field.name for field in fields(MoveOptions)}}
    said["modality"] = said["modality"] or ""
    return MoveOptions(destination=context.params["destdir"], **said)


def test_every_field_has_its_switch() -> None:
    assert {field.name for field in fields(MoveOptions)} - {"destination"} == set(SWITCHES)
    declared = {parameter.name: set(parameter.opts) for parameter in command.params}
    for name, switches in SWITCHES.items():
        assert declared[name] >= {switch for switch in switches if switch}
    (switch,) = (each for each in command.params if each.name == "modality")
    assert isinstance(switch.type, click.Choice)
    assert tuple(switch.type.choices) == MODALITIES


def test_the_historic_letters_and_a_long_name_for_each() -> None:
    letters = {"-s", "-R", "-m", "-a", "-S", "-d", "-l", "-f", "-r", "-c", "-n", "-i", "-b", "-q", "-u"}
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert letters <= {word for option in options for word in option.opts}
    for option in options:
        assert any(word.startswith("--") for word in option.opts), option.name


options_strategy = st.builds(
    MoveOptions,
    source=st.sampled_from([".", "/a b", "it's", "-x"]),
    destination=st.sampled_from([".", "/dest", "with space", "-odd", "$HOME", "--help"]),
    modality=st.sampled_from(["", *MODALITIES]),
    settle=st.sampled_from([5.0, 0.0, 2.5, 60.0]),
    jobs=st.sampled_from([1, 4]),
    **{name: st.booleans() for name in SWITCHES if name not in ("source", "modality", "settle", "jobs")},
)


@given(options_strategy)
def test_a_command_line_means_the_options_it_was_made_of(options: MoveOptions) -> None:
    assert parsed(command_line(options)) == options


def test_defaults_are_left_out() -> None:
    assert command_line(MoveOptions()) == "dcm_move"
    assert command_line(MoveOptions(source="/in", destination="/o ut", copy=True)) == "dcm_move -s /in -c '/o ut'"


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"rename": True, "copy": True}, "--rename and --copy exclude each other"),
        ({"rename": True, "destination": "/x"}, "name no destination"),
        ({"unmove": True, "flat": True, "dcm": True}, "--unmove and --flat and --dcm exclude each other"),
        ({"modality": "XX"}, "--modality XX: none of MR, CT"),
        ({"settle": float("nan")}, "--settle takes seconds"),
        ({"jobs": 0}, "--jobs is at least 1"),
    ],
)
def test_contradictions_are_one_sentence(changed: dict[str, object], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        check(replace(MoveOptions(), **changed))  # type: ignore[arg-type]


def test_places_are_checked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    check(MoveOptions(source=str(tmp_path), destination=str(tmp_path)))
    for place, text in (("gone", "there is no such directory"), ("file", "is no directory")):
        with pytest.raises(PlaceError, match=text):
            check(MoveOptions(source=str(tmp_path), destination=str(tmp_path / place)))
        with pytest.raises(PlaceError, match=text):
            check(MoveOptions(source=str(tmp_path / place), destination=str(tmp_path)))


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that every user can reach."""
    path = Path(tempfile.mkdtemp(prefix="mrdock-move-"))
    path.chmod(0o755)
    yield path
    (path / "out").chmod(0o755)
    shutil.rmtree(path)


@pytest.mark.parametrize(
    ("mode", "text"), [(0o555, "cannot be written to"), (0o666, "cannot be searched"), (0o777, "")]
)
def test_the_rights_of_a_destination(open_to_all: Path, mode: int, text: str) -> None:
    (open_to_all / "out").mkdir()
    (open_to_all / "out").chmod(mode)
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            if os.geteuid() == 0:  # who may do everything
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            check(MoveOptions(source=str(open_to_all), destination=str(open_to_all / "out")))
        except PlaceError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        assert said.read() == (f"{open_to_all}/out: the directory {text}" if text else "")
    assert os.waitpid(pid, 0)[1] == 0
