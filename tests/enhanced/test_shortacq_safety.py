"""What must not go wrong with a file: interruptions, damage, other writers, size."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.enhanced import shortacq_write
from mrdock.enhanced.shortacq import check_acquisition, drop_partial_acquisition
from mrdock.errors import DicomError, PlaceError
from tests.builders import StudyIdentity, enhanced_large, enhanced_mr, part10
from tests.enhanced.shortacq_support import indexes, read

MEASURED = """
from mrdock.commands.dcmshortacq import command
try:
    command()
finally:
    (peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(peak)
"""


def stopped(folder: Path, **more: object) -> Path:
    """A small scan that was stopped in its third dynamic."""
    path = folder / "scan.dcm"
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), missing={(3, 3), (4, 3)}, rows=8, columns=8, **more)))  # type: ignore[arg-type]
    return path


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_frames_of_the_last_dynamic(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    slices, dynamics = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 3))
    echoes = data.draw(st.integers(1, 2))
    types = data.draw(st.sampled_from([("M",), ("M", "P")]))
    labels = data.draw(st.sampled_from([(), ("CONTROL", "LABEL")]))
    planned = data.draw(st.sampled_from([True, False]))
    left = data.draw(st.sets(st.integers(1, slices), max_size=slices))
    missing = {(number, dynamics) for number in range(1, slices + 1) if number not in left}
    path = tmp_path_factory.mktemp("any") / "scan.dcm"
    made = enhanced_mr(
        StudyIdentity(),
        slices=slices,
        dynamics=dynamics,
        echoes=echoes,
        types=types,
        labels=labels,
        missing=missing,
        rows=4,
        columns=4,
        dimension_index=planned,
    )
    path.write_bytes(part10(made))
    result = drop_partial_acquisition(str(path))
    new = read(path)
    if not left or not missing:  # all of it is missing, or nothing
        assert not result.found.partial
        return
    assert not result.found.problem
    assert result.backup
    assert {index[2] for index in indexes(new)} == (set(range(1, dynamics)) if dynamics > 1 else set())
    assert new.NumberOfFrames == (dynamics - 1) * slices * echoes * len(types) * max(1, len(labels))
    assert len(new.PixelData) == 32 * new.NumberOfFrames
    for item in new.PerFrameFunctionalGroupsSequence:
        assert item[0x2005, 0x140F][0].NumberOfTemporalPositions == dynamics - 1


def test_backups_are_never_overwritten(tmp_path: Path) -> None:
    path = stopped(tmp_path)
    whole = path.read_bytes()
    for number, name in enumerate(["scan.dcm.bak", "scan.dcm.bak.1", "scan.dcm.bak.2"]):
        path.unlink()
        path.write_bytes(whole)
        result = drop_partial_acquisition(str(path))
        assert result.backup == str(tmp_path / name)
        assert (tmp_path / name).read_bytes() == whole
        assert len(list(tmp_path.iterdir())) == number + 2


def test_mode_stays_and_links_are_followed(tmp_path: Path) -> None:
    path = stopped(tmp_path)
    path.chmod(0o640)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.dcm"
    link.symlink_to(path)
    result = drop_partial_acquisition(str(link))
    assert result.backup == f"{path}.bak"
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in link.parent.iterdir()] == ["link.dcm"]


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stopped(tmp_path)
    whole = path.read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    result = drop_partial_acquisition(str(path))
    assert Path(result.backup).read_bytes() == whole
    assert not check_acquisition(str(path)).found.partial


def test_without_positioned_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = stopped(tmp_path), tmp_path / "other.dcm"
    other.write_bytes(one.read_bytes())
    drop_partial_acquisition(str(one))
    monkeypatch.setattr(shortacq_write, "_BOTH", False)
    monkeypatch.delattr(os, "pread")
    drop_partial_acquisition(str(other))
    same, too = read(one), read(other)
    for data_set in (same, too):
        del data_set.OriginalAttributesSequence[0].AttributeModificationDateTime
    assert same == too


def test_a_file_that_changes_meanwhile_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stopped(tmp_path)
    real = shortacq_write.Beside.write

    def write(self: shortacq_write.Beside, *words: object) -> None:
        real(self, *words)  # type: ignore[arg-type]
        path.write_bytes(b"somebody else's")

    monkeypatch.setattr(shortacq_write.Beside, "write", write)
    with pytest.raises(PlaceError, match=r"scan\.dcm: changed while it was read"):
        drop_partial_acquisition(str(path))
    assert path.read_bytes() == b"somebody else's"
    assert len(list(tmp_path.iterdir())) == 1


KILLED = """
import os, signal, sys, time
from pathlib import Path
from mrdock.enhanced import shortacq
import mrdock.dicom.frame_alike, mrdock.dicom.frame_arrays, shutil

path, backup = Path(sys.argv[1]), Path(sys.argv[1] + ".bak")
whole = path.read_bytes()
started = time.monotonic()
shortacq.drop_partial_acquisition(str(path))
takes = time.monotonic() - started
short = path.read_bytes()
interrupted = 0
for step in range(40):
    for each in path.parent.iterdir():
        if not each.name.endswith(".part"):
            each.unlink()
    path.write_bytes(whole)
    process = os.fork()
    if not process:
        shortacq.drop_partial_acquisition(str(path))
        os._exit(0)
    time.sleep(takes * 0.03 * step)
    os.kill(process, signal.SIGKILL)
    interrupted += os.waitpid(process, 0)[1] != 0
    there = path.read_bytes()
    if there != whole:
        assert len(there) == len(short)
        assert backup.read_bytes() == whole
assert 0 < interrupted
for each in path.parent.iterdir():
    if not each.name.endswith(".part"):
        each.unlink()
path.write_bytes(whole)
assert shortacq.drop_partial_acquisition(str(path)).backup
assert len(path.read_bytes()) == len(short)
assert backup.read_bytes() == whole
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_kill_at_any_moment(tmp_path: Path) -> None:
    """One interpreter forks for each try: what is loaded already takes no time."""
    path = tmp_path / "scan.dcm"
    enhanced_large(path, 400, 128, 128, missing={(50, 8)})
    done = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory was taken")
def test_memory_does_not_grow_with_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "scan.dcm"
    enhanced_large(path, 100, 1024, 1024, missing={(50, 2)})
    assert path.stat().st_size > 200e6
    done = subprocess.run([sys.executable, "-c", MEASURED, path], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 120_000  # KiB


def test_truncated_files(tmp_path: Path) -> None:
    path = stopped(tmp_path)
    whole = path.read_bytes()
    for end in [*range(0, len(whole) - 8, 997), len(whole) - 2]:
        path.write_bytes(whole[:end])
        with pytest.raises(DicomError, match=r"scan\.dcm: ") as raised:
            drop_partial_acquisition(str(path))
        assert "\n" not in str(raised.value)
        assert path.read_bytes() == whole[:end]
    assert len(list(tmp_path.iterdir())) == 1


def test_damaged_files(tmp_path: Path) -> None:
    """Whatever bytes change: a sentence, or a result that is as short as it should be, and never two of a file."""
    whole = stopped(tmp_path).read_bytes()
    random_ = random.Random(4)
    sentences = []
    for number in range(300):
        damaged = bytearray(whole)
        for _ in range(random_.choice([1, 1, 3, 20])):
            damaged[random_.randrange(len(damaged))] = random_.choice([0, 0xFF, 0x7F, random_.randrange(256)])
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(damaged)
        start = time.monotonic()
        try:
            result = drop_partial_acquisition(str(path))
        except (DicomError, PlaceError) as error:
            sentences.append((str(path), str(error)))
            assert path.read_bytes() == damaged
            continue
        finally:
            assert time.monotonic() - start < 5
        if result.backup:
            assert Path(result.backup).read_bytes() == damaged
            assert path.stat().st_size < len(damaged)
        else:
            assert path.read_bytes() == damaged
    assert len(sentences) > 5
    assert all(text.startswith(f"{name}: ") and "\n" not in text for name, text in sentences)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("tag", "vr", "value", "words"),
    [
        (0x00209161, "UI", "1.2.3", "one part of a concatenation"),
        (0x60000015, "IS", "10", "overlays of several frames"),
    ],
)
def test_what_cannot_be_cut_soundly(tmp_path: Path, tag: int, vr: str, value: str, words: str) -> None:
    path = stopped(tmp_path)
    data_set = read(path)
    data_set.add_new(tag, vr, value)
    data_set.save_as(path)
    before = path.read_bytes()
    with pytest.raises(DicomError, match=words):
        drop_partial_acquisition(str(path))
    assert path.read_bytes() == before


def test_a_note_is_added_to_those_that_are_there(tmp_path: Path) -> None:
    path = stopped(tmp_path)
    for undefined in (False, True):
        data_set = read(path)
        earlier = pydicom.Dataset()
        earlier.ModifyingSystem = "another"
        data_set.OriginalAttributesSequence = [earlier]
        data_set["OriginalAttributesSequence"].is_undefined_length = undefined
        other = tmp_path / f"{undefined}.dcm"
        data_set.save_as(other)
        drop_partial_acquisition(str(other))
        first, second = read(other).OriginalAttributesSequence
        assert first == earlier
        assert second.ModifyingSystem.startswith("mrdock")


def test_pixels_of_another_length_are_refused(tmp_path: Path) -> None:
    path = stopped(tmp_path)
    data_set = read(path)
    data_set.PixelData = data_set.PixelData[:-128]
    data_set.save_as(path)
    with pytest.raises(DicomError, match="the pixel data has 1152 bytes; 10 frames of 128 bytes are expected"):
        drop_partial_acquisition(str(path))


@pytest.mark.parametrize("place", ["_write_small", "_copy"])
def test_what_fails_while_it_is_written_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """In this thread or in the one that copies."""
    path = stopped(tmp_path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shortacq_write, place, full)
    with pytest.raises(OSError, match="No space left"):
        drop_partial_acquisition(str(path))
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
