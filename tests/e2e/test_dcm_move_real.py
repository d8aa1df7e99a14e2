"""dcm_move as a program on real Philips files: as many out as in, every name unique, bytes equal, and back again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROGRAM = "from mrdock.commands.dcm_move import command; command(prog_name='dcm_move')"
KILLED = """
import os, signal
from mrdock.files import durable
left, give_name = {after}, durable.move_new
def move_new(source, target):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    give_name(source, target)
durable.move_new = move_new
"""
STUDY = "662491096"
COUNTS = {"1901": 40, "2001": 212, "2101": 378, "2201": 328}

pytestmark = pytest.mark.real_data

Run = Callable[..., subprocess.CompletedProcess[str]]


class Seen(NamedTuple):
    """What one file is: bytes and time."""

    digest: str
    modified_ns: int


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    source = Path(__file__).resolve().parents[2] / "src"
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(source), "COLUMNS": "200"}


@pytest.fixture
def dcm_move(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, *map(str, words)]
        result = subprocess.run(
            command,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert result.returncode == code, (result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        return result

    return run


def copied(real_data: Path, below: str, to: Path) -> Path:
    """A copy of real files that can be moved, touched long ago."""
    shutil.copytree(real_data / below, to, copy_function=shutil.copyfile)
    for number, path in enumerate(sorted(to.rglob("*"))):
        if path.is_file():
            os.utime(path, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_007 + number))
    return to


@pytest.fixture
def classic(real_data: Path, tmp_path: Path) -> Path:
    return copied(real_data, "philips_r57/classic", tmp_path / "classic")


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest"


def tree(top: Path) -> dict[str, Seen]:
    """All files below a directory."""
    return {
        str(path.relative_to(top)): Seen(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in top.rglob("*")
        if path.is_file()
    }


def directories(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_dir()}


def images(top: Path) -> dict[str, Seen]:
    return {name: seen for name, seen in tree(top).items() if not name.endswith("info")}


def bytes_of(found: dict[str, Seen]) -> Counter[str]:
    return Counter(seen.digest for seen in found.values())


def by_series(found: dict[str, Seen]) -> dict[str, int]:
    """How many files each series has, by hierarchical names."""
    return dict(Counter(name.split("/")[1] for name in found))


def journal_of(result: subprocess.CompletedProcess[str]) -> str:
    found = re.search(r"dcm_move --undo (\S+)", result.stdout)
    assert found, result.stdout
    return found[1]


def test_hierarchical(dcm_move: Run, classic: Path, destination: Path) -> None:
    before = tree(classic)
    result = dcm_move("-s", classic, "-R", "-a", destination)
    after = images(destination)
    assert by_series(after) == COUNTS
    assert set(after.values()) == set(before.values()), "bytes and times go along"
    assert bytes_of(after) == bytes_of(before)
    assert tree(classic) == {}
    assert result.stdout.startswith("958 files moved, 4 info files written\n")
    assert result.stderr == ""
    names = {name.split("/")[0] for name in after}
    assert names == {STUDY}
    slices = {f"{STUDY}/1901/{number:04d}" for number in range(1, 41)}
    assert slices == {name for name in after if "/1901/" in name}
    fmri = {f"{STUDY}/2101/{place:04d}_{dynamic:04d}" for place in range(1, 64) for dynamic in range(1, 7)}
    assert fmri == {name for name in after if "/2101/" in name}
    dti = Counter(name.rsplit("/")[-1].split("_")[0] for name in after if "/2201/" in name)
    assert len(dti) == 82
    assert set(dti.values()) == {4}
    field = Counter(name.rsplit("/")[-1].split("_")[0] for name in after if "/2001/" in name)
    assert len(field) == 53
    assert set(field.values()) == {4}


def test_names_say_what_the_headers_say(dcm_move: Run, classic: Path, destination: Path, need_tool: Any) -> None:
    dcm_move("-s", classic, "-R", "-a", destination)
    dump = [
        need_tool("dcmdump"),
        "-q",
        "+L",
        "+P",
        "2001,100a",
        "+P",
        "0020,0100",
        "+P",
        "0018,0086",
        "+P",
        "0020,0011",
    ]
    for name in ("2101/0017_0005", "2001/0042_0002", "1901/0033"):
        path = destination / STUDY / name
        text = subprocess.run([*dump, path], capture_output=True, text=True, check=True).stdout
        said = {line[1:10]: line.split("[")[1].split("]")[0].strip() for line in text.splitlines() if "[" in line}
        series, _, rest = name.partition("/")
        numbers = [int(part) for part in rest.split("_")]
        assert int(said["0020,0011"]) == int(series)
        assert int(said["2001,100a"]) == numbers[0]
        if series == "2101":
            assert int(said["0020,0100"]) == numbers[1]
        if series == "2001":
            assert int(said["0018,0086"]) == numbers[1]


@pytest.mark.parametrize("suffix", ["", ".dcm"])
def test_flat(dcm_move: Run, classic: Path, destination: Path, suffix: str) -> None:
    before = tree(classic)
    dcm_move("-s", classic, "-R", "-a", "-f", *(["-d"] if suffix else []), destination)
    after = images(destination)
    assert bytes_of(after) == bytes_of(before)
    assert dict(Counter(name.split("_")[1] for name in after)) == COUNTS
    pattern = re.compile(rf"{STUDY}_\d{{4}}_\d{{4}}(_[A-Z0-9]+)*{re.escape(suffix)}")
    assert [name for name in after if not pattern.fullmatch(name)] == []
    assert {f"{STUDY}_{series}.info" for series in COUNTS} == set(tree(destination)) - set(after)


def test_by_the_image_number(dcm_move: Run, classic: Path, destination: Path) -> None:
    before = tree(classic)
    dcm_move("-s", classic, "-R", "-a", "-n", destination)
    after = images(destination)
    assert bytes_of(after) == bytes_of(before)
    assert by_series(after) == COUNTS
    assert [name for name in after if not re.fullmatch(r"\d+/\d{4}/\d{4,}", name)] == []
    assert {name for name in after if "/2001/" in name} == {f"{STUDY}/2001/{number:04d}" for number in range(1, 213)}


def test_with_descriptions(dcm_move: Run, classic: Path, destination: Path) -> None:
    dcm_move("-s", classic, "-R", "-a", "-S", destination)
    assert directories(destination / STUDY) == {
        "1901_3DpCASL",
        "2001_fcMRI_Field_Mapping",
        "2101_fcMRI",
        "2201_DTI_S2MB2",
    }


def test_rename_in_place_and_back(dcm_move: Run, classic: Path) -> None:
    before, folders = tree(classic), directories(classic)
    result = dcm_move("-s", classic, "-R", "-a", "-r")
    after = images(classic)
    assert bytes_of(after) == bytes_of(before)
    assert directories(classic) == folders
    assert dict(Counter(name.split("/")[0] for name in after)) == COUNTS
    assert all(name.split("/")[1].startswith(f"{STUDY}_{name.split('/')[0]}_") for name in after)
    dcm_move("--undo", journal_of(result))
    assert tree(classic) == before
    assert directories(classic) == folders


def test_copy_leaves_the_source(dcm_move: Run, classic: Path, destination: Path) -> None:
    before = tree(classic)
    result = dcm_move("-s", classic, "-R", "-a", "-c", destination)
    assert tree(classic) == before
    assert bytes_of(images(destination)) == bytes_of(before)
    again = dcm_move("-s", classic, "-R", "-a", "-c", destination)
    assert again.stdout.startswith("0 files copied, 958 there already with the same bytes\n")
    assert bytes_of(images(destination)) == bytes_of(before)
    dcm_move("--undo", journal_of(result))
    assert tree(classic) == before
    assert tree(destination) == {}
    assert directories(destination) == set()


def test_unmove_gives_uids(dcm_move: Run, classic: Path, destination: Path, tmp_path: Path) -> None:
    before = tree(classic)
    dcm_move("-s", classic, "-R", "-a", "-i", destination)
    (tmp_path / "uids").mkdir()
    result = dcm_move("-s", destination, "-R", "-u", tmp_path / "uids")
    after = tree(tmp_path / "uids")
    assert bytes_of(after) == bytes_of(before)
    assert [name for name in after if not re.fullmatch(r"1\.3\.46\.670589\.[0-9.]+", name)] == []
    assert tree(destination) == {}
    assert result.stdout.startswith("958 files moved\n")


@pytest.mark.parametrize("switches", [[], ["-f"], ["-n", "-d"], ["-S"]], ids=" ".join)
def test_undo_restores_all_exactly(dcm_move: Run, classic: Path, destination: Path, switches: list[str]) -> None:
    before, folders = tree(classic), directories(classic)
    result = dcm_move("-s", classic, "-R", "-a", *switches, destination)
    assert tree(classic) == {}
    back = dcm_move("--undo", journal_of(result))
    assert tree(classic) == before
    assert directories(classic) == folders
    assert tree(destination) == {}
    assert directories(destination) == set()
    assert back.stdout.startswith("958 files put back, 4 info files removed\n")


def test_enhanced_raw_and_classic_share_a_series(
    dcm_move: Run, classic: Path, destination: Path, real_data: Path
) -> None:
    copied(real_data, "philips_r57/enhanced", classic / "enhanced")
    copied(real_data, "philips_r57/rawdata", classic / "rawdata")
    before = tree(classic)
    result = dcm_move("-s", classic, "-R", "-a", destination)
    after = images(destination)
    assert by_series(after) == {"0000": 1, "1301": 1, "1901": 41, "2001": 214, "2101": 378, "2201": 329}
    for name in ("1901/enhanced", "2001/enhanced", "2001/raw", "2201/raw", "1301/raw", "0000/examcard"):
        assert f"{STUDY}/{name}" in after
    text = {name: seen for name, seen in before.items() if name.endswith(".txt")}
    assert tree(classic) == text, "what is no DICOM stays"
    assert bytes_of(after) + bytes_of(text) == bytes_of(before)
    assert not (destination / "bad").exists()
    assert f"{len(text)} other files are no DICOM" in result.stdout
    flat = destination.parent / "flat"
    flat.mkdir()
    dcm_move("-s", destination, "-R", "-a", "-f", "-i", flat)
    assert bytes_of(tree(flat)) == bytes_of(after)
    assert (flat / f"{STUDY}_1901_enhanced").exists()
    assert (flat / f"{STUDY}_0000_examcard").exists()


def test_a_second_run_changes_nothing(dcm_move: Run, classic: Path, destination: Path) -> None:
    dcm_move("-s", classic, "-R", "-a", destination)
    after = tree(destination)
    again = dcm_move("-s", destination, "-R", "-a", destination)
    assert again.stdout == "0 files moved, 958 in place before\n"
    assert tree(destination) == after


def test_a_scan_that_comes_in_two_parts(dcm_move: Run, classic: Path, destination: Path, tmp_path: Path) -> None:
    before = tree(classic)
    late = tmp_path / "late"
    late.mkdir()
    for path in sorted((classic / "2101").iterdir())[::3]:
        path.rename(late / path.name)
    dcm_move("-s", classic, "-R", "-a", destination)
    info = (destination / STUDY / "2101" / "info").read_bytes()
    dcm_move("-s", late, "-a", destination)
    after = images(destination)
    assert by_series(after) == COUNTS
    assert bytes_of(after) == bytes_of(before)
    assert (destination / STUDY / "2101" / "info").read_bytes() == info
    together = {f"{STUDY}/2101/{place:04d}_{dynamic:04d}" for place in range(1, 64) for dynamic in range(1, 7)}
    assert together == {name for name in after if "/2101/" in name}


@pytest.mark.parametrize("copying", [False, True])
@pytest.mark.parametrize("after_files", [1, 300, 800])
def test_killed_in_the_middle_nothing_is_lost_or_doubled(
    dcm_move: Run, environment: dict[str, str], classic: Path, destination: Path, copying: bool, after_files: int
) -> None:
    before = tree(classic)
    words = ["-s", str(classic), "-R", "-a", *(["-c"] if copying else []), str(destination)]
    killed(words, after_files, environment)
    if copying:
        assert tree(classic) == before
    else:
        arrived = {name: seen for name, seen in images(destination).items() if not name.endswith(".part")}
        assert bytes_of(arrived) + bytes_of(tree(classic)) == bytes_of(before), "but for an info file being written"
    dcm_move(*words)
    assert bytes_of(images(destination)) == bytes_of(before), "nothing lost, nothing doubled"
    assert by_series(images(destination)) == COUNTS
    assert tree(classic) == (before if copying else {})
    assert list(destination.rglob(".*")) == []


def killed(words: list[str], after_files: int, environment: dict[str, str]) -> None:
    """A run of dcm_move that gets a SIGKILL when so many files have their names."""
    program = KILLED.format(after=after_files) + PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", program, *words], env=environment, stdout=subprocess.DEVNULL, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL


def test_a_killed_run_can_be_undone(
    dcm_move: Run, environment: dict[str, str], classic: Path, destination: Path, tmp_path: Path
) -> None:
    before, folders = tree(classic), directories(classic)
    words = ["-s", str(classic), "-R", "-a", str(destination)]
    killed(words, 200, environment)
    (journal,) = (tmp_path / "state" / "mrdock" / "journals").iterdir()
    dcm_move("--undo", journal)
    assert tree(classic) == before
    assert directories(classic) == folders
    assert tree(destination) == {}


def test_the_plan_is_what_is_done(dcm_move: Run, classic: Path, destination: Path) -> None:
    before = tree(classic)
    plan = json.loads(dcm_move("-s", classic, "-R", "--dry-run", "--json", destination).stdout)
    assert tree(classic) == before
    assert tree(destination) == {}
    done = json.loads(dcm_move("-s", classic, "-R", "-a", "--json", destination).stdout)
    planned = {f["source"]: f["target"] for study in plan["studies"] for one in study["series"] for f in one["files"]}
    assert {f["source"]: f["place"] for f in done["files"]} == planned
    assert len(set(planned.values())) == 958
    assert done["counts"]["done"] == 958
