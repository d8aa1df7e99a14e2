"""Outputs that appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mrdock.errors import PlaceError
from mrdock.files import writing
from mrdock.files.durable import move_new
from mrdock.files.writing import output_stem, write_file, written, written_together


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("a/scan.dcm", "scan"),
        ("scan.DCM", "scan"),
        ("MR.1.2.840.113", "MR.1.2.840.113"),
        ("MR.1.2.dcm", "MR.1.2"),
        ("a.dcm.dcm", "a.dcm"),
        (".dcm", ".dcm"),
        ("IM_0001", "IM_0001"),
    ],
)
def test_the_stem_of_outputs(path: str, stem: str) -> None:
    assert output_stem(path) == stem


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with written(str(target)) as stream:
        stream.write(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]


def test_nothing_is_replaced_unless_forced(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with pytest.raises(PlaceError, match="out: exists already; --force replaces it"):
        write_file(str(target), b"new")
    assert target.read_bytes() == b"old"
    write_file(str(target), b"new", force=True)
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]


def test_what_comes_while_it_is_written_is_not_replaced(tmp_path: Path) -> None:
    par, rec = tmp_path / "a.PAR", tmp_path / "a.REC"

    def write() -> None:
        with written_together([str(rec), str(par)]) as streams:
            for stream in streams:
                stream.write(b"new")
            par.write_bytes(b"another's")

    with pytest.raises(PlaceError, match=r"a\.PAR: exists already"):
        write()
    assert par.read_bytes() == b"another's"
    assert os.listdir(tmp_path) == ["a.PAR"]


def test_a_directory_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.PAR").mkdir()
    with pytest.raises(PlaceError, match=r"a\.PAR: is a directory"):
        write_file(str(tmp_path / "a.PAR"), b"new", force=True)
    assert os.listdir(tmp_path) == ["a.PAR"]


def test_an_error_in_the_block_leaves_what_was(tmp_path: Path) -> None:
    par, rec = tmp_path / "a.PAR", tmp_path / "a.REC"
    par.write_bytes(b"old")

    def interrupted() -> None:
        with written_together([str(rec), str(par)], force=True) as streams:
            streams[0].write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert par.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.PAR"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("names", "at"), [(["a"], 1), (["a", "b"], 1), (["a", "b"], 2)])
def test_an_interrupt_just_after_a_rename_leaves_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], at: int, force: bool
) -> None:
    """Once the last one has its name, what it has replaced is gone: then the new ones stay."""
    renames = 0

    def interrupted(rename: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def then(source: str, target: str) -> None:
            nonlocal renames
            rename(source, target)
            renames += 1
            if renames == at:
                raise KeyboardInterrupt

        return then

    def write() -> None:
        with written_together([str(tmp_path / name) for name in names], force=force) as streams:
            for stream in streams:
                stream.write(b"new")

    if force:
        for name in names:
            (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(os, "replace", interrupted(os.replace))
    monkeypatch.setattr(writing, "move_new", interrupted(move_new))
    with pytest.raises(KeyboardInterrupt):
        write()
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    if at == len(names):
        assert found == dict.fromkeys(names, b"new")
    else:
        assert found == {}


def test_a_missing_directory_is_named_as_the_user_wrote_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_file(str(tmp_path / "no" / "out"), b"new")
    assert caught.value.filename == str(tmp_path / "no" / "out")


def test_a_long_name_has_room_for_the_hidden_one(tmp_path: Path) -> None:
    write_file(str(tmp_path / ("ä" * 120)), b"new")
    assert os.listdir(tmp_path) == ["ä" * 120]


_KILLED = """
import os, sys
from mrdock.files import writing
from mrdock.files.durable import move_new
at = int(sys.argv[2])
calls = 0
def counted(function):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return wrapped
for name in ("fsync", "unlink", "replace"):
    setattr(os, name, counted(getattr(os, name)))
writing.move_new = counted(writing.move_new)
with writing.written_together([sys.argv[1] + "/a.REC", sys.argv[1] + "/a.PAR"], force=True) as (rec, par):
    rec.write(b"new")
    par.write(b"new")
"""


def test_killed_at_any_call_no_old_leader_stands_beside_new_data(tmp_path: Path) -> None:
    ended = []
    for at in range(1, 12):
        place = tmp_path / str(at)
        place.mkdir()
        (place / "a.PAR").write_bytes(b"old")
        (place / "a.REC").write_bytes(b"old")
        done = subprocess.run([sys.executable, "-c", _KILLED, str(place), str(at)], check=False)
        ended.append(done.returncode)
        found = {path.name: path.read_bytes() for path in place.iterdir() if not path.name.startswith(".")}
        assert found.get("a.PAR") in (None, found["a.REC"])
    assert ended[0] == -signal.SIGKILL
    assert ended[-1] == 0
