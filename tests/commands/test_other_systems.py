"""dcmls, dcminfo and dcm_move where the system is no Linux: without what only POSIX has, and as strict as Windows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import StudyIdentity, classic_fmri, part10

ELSEWHERE = """
import os, sys
for name in ("pwd", "grp", "fcntl", "resource", "termios"):
    sys.modules[name] = None
for name in (
    "O_NOATIME", "O_NONBLOCK", "O_NOCTTY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "chown", "copy_file_range",
    "fchown", "fdatasync", "fork", "fstatvfs", "getegid", "geteuid", "getgid", "getgroups", "getuid",
    "lchown", "posix_fadvise", "posix_fallocate", "pread", "preadv", "pwrite", "sched_getaffinity", "sendfile",
    "statvfs", "sync",
):
    if hasattr(os, name):
        delattr(os, name)
for known in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
    known.clear()

def strict(name, check):
    real = getattr(os, name)
    def call(*args, **keywords):
        if any(keywords.get(word) is not None for word in ("dir_fd", "src_dir_fd", "dst_dir_fd")):
            raise NotImplementedError(f"{name}: dir_fd unavailable on this platform")
        check(*args, **keywords)
        return real(*args, **keywords)
    setattr(os, name, call)

def no_descriptor(path=".", *rest, follow_symlinks=True, **keywords):
    if isinstance(path, int) or not follow_symlinks:
        raise NotImplementedError("no descriptors and no links here")

def no_directory(path, *rest, **keywords):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)

def nothing_there(old, new, **keywords):
    if os.path.lexists(new):
        raise FileExistsError(17, "File exists", old, None, new)

for name in ("utime", "chmod", "listdir", "scandir"):
    strict(name, no_descriptor)
for name in ("mkdir", "rmdir", "unlink", "remove", "link", "replace"):
    strict(name, lambda *args, **keywords: None)
strict("open", no_directory)
strict("rename", nothing_there)
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six images that were not touched lately, and a file that is none."""
    directory = tmp_path / "images"
    directory.mkdir()
    for number, parts in enumerate(classic_fmri(StudyIdentity(patient_id="P17"), slices=3, dynamics=2), 1):
        (directory / f"IM_{number:04d}").write_bytes(part10(parts))
    (directory / "notes.txt").write_text("no DICOM")
    for path in directory.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return directory


def run(name: str, *words: object, elsewhere: bool = True) -> str:
    """What a command prints that does all it should; ``elsewhere``: on the stricter system."""
    code = f"from mrdock.commands.{name} import command\ncommand(prog_name={name!r})"
    state = os.path.abspath("state elsewhere" if elsewhere else "state")  # each sort of lock takes the other's as held
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE + code if elsewhere else code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "XDG_STATE_HOME": state},
    )
    assert done.returncode == 0, (name, words, done.stdout, done.stderr)
    return done.stdout


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [["--json"], ["-d", "--json"], ["--csv"]], ids=" ".join)
def test_dcmls_says_the_same(images: Path, words: list[str]) -> None:
    here = run("dcmls", *words, images, elsewhere=False)
    there = run("dcmls", *words, images)
    assert "P17" in there
    if words[0] == "--json":  # names of users there are none
        nameless = [{**record, "owner": "", "group": ""} for record in json.loads(here)]
        assert [{**record, "owner": "", "group": ""} for record in json.loads(there)] == nameless
    assert len(there.splitlines()) == len(here.splitlines())


@pytest.mark.parametrize("words", [[], ["--json"], ["-x", "-t", "*"], ["-f"]], ids=" ".join)
def test_dcminfo_says_the_same(images: Path, words: list[str]) -> None:
    there = run("dcminfo", *words, images)
    assert "P17" in there
    assert there == run("dcminfo", *words, images, elsewhere=False)


def test_dcminfo_renames_and_takes_it_back(images: Path) -> None:
    before = contents(images)
    result = json.loads(run("dcminfo", "--json", "-r", "SeriesNumber:InstanceNumber", *sorted(images.glob("IM_*"))))
    assert sorted(contents(images)) == sorted(["notes.txt", *(f"201_{number}.dcm" for number in range(1, 7))])
    run("dcminfo", "--undo", result["journal"])
    assert contents(images) == before


@pytest.mark.parametrize("words", [[], ["-f"], ["-c"], ["-u"]], ids=" ".join)
def test_dcm_move_and_undo(images: Path, tmp_path: Path, words: list[str]) -> None:
    for name in ("out", "elsewhere"):
        (tmp_path / name).mkdir()
    shutil.copytree(images, tmp_path / "twin")  # keeps the times
    before = contents(images)
    every = [] if words == ["-u"] else ["-a"]
    run("dcm_move", *every, *words, "-s", tmp_path / "twin", tmp_path / "out", elsewhere=False)
    result = json.loads(run("dcm_move", "--json", *every, *words, "-s", images, tmp_path / "elsewhere"))
    assert result["counts"]["done"] == 6
    assert contents(tmp_path / "elsewhere") == contents(tmp_path / "out")
    assert contents(images) == contents(tmp_path / "twin")
    run("dcm_move", "--undo", result["journal"])
    assert contents(images) == before
    assert contents(tmp_path / "elsewhere") == {}


def test_dcm_move_renames_in_place(images: Path) -> None:
    before = contents(images)
    result = json.loads(run("dcm_move", "--json", "-a", "-r", "-i", "-s", images))
    assert sorted(contents(images).values()) == sorted(before.values())
    assert not any(name.startswith("IM_") for name in contents(images))
    run("dcm_move", "--undo", result["journal"])
    assert contents(images) == before
