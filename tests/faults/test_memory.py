"""One very large object: it goes through the dock's memory in pieces, not as a whole."""

from __future__ import annotations

import os
import resource
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mrdock.network.outgoing import image_file
from tests.builders import StudyIdentity, enhanced_large
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Place
from tests.faults.disk_support import holds_exactly, statuses, workers_of

MIB = 1 << 20
SIZE = int(os.environ.get("MRDOCK_TEST_LARGE_MIB", "256")) * MIB
"""Bytes of the object's pixels; 1 GiB and more take as long as the disk needs to write them."""

_FRAME = 256 * 256 * 2
_SMALL = 4 * 4 * 2


def hollow(path: Path, size: int) -> None:
    """An Enhanced MR file with ``size`` bytes of pixels, and a header for so many frames of 256 x 256.

    The pixels are a hole in the file, but for their own position at each MiB: none may come in another's place.
    """
    frames = size // _FRAME
    end = enhanced_large(path, frames, 4, 4, identity=StudyIdentity("large"))
    pixels = end - frames * _SMALL
    with path.open("r+b") as stream:
        stream.seek(pixels - 4)
        assert stream.read(4) == struct.pack("<I", frames * _SMALL)
        stream.seek(pixels - 4)
        stream.write(struct.pack("<I", size))
        stream.truncate(pixels)
        stream.truncate(pixels + size)
        for position in range(0, size, MIB):
            stream.seek(pixels + position)
            stream.write(struct.pack("<Q", position))


def status_kib(pid: int, field: str) -> int:
    """A figure of the kernel about a process, such as VmHWM, the most memory that it has had."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields[field].split()[0])


@contextmanager
def limited(pid: int, more: int) -> Iterator[None]:
    """Let a process have only so many bytes more of its own; mapped files do not count, they are the kernel's to drop.

    RLIMIT_AS would count them, and so says nothing about memory.
    """
    before = resource.prlimit(pid, resource.RLIMIT_DATA)
    resource.prlimit(pid, resource.RLIMIT_DATA, (status_kib(pid, "VmData") * 1024 + more, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_DATA, before)


def same_data_set(one: Path, other: Path) -> bool:
    """Whether two files hold the same data set, compared in pieces."""
    with one.open("rb") as first, other.open("rb") as second:
        first.seek(image_file(one).meta.data_set_at)
        second.seek(image_file(other).meta.data_set_at)
        while block := first.read(MIB):
            if second.read(MIB) != block:
                return False
        return not second.read(1)


def test_t51_a_large_enhanced_object(
    place: Place, images: MakeImages, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Streamed to disk: the worker stays under 150 MiB, and grows by less than 64 MiB, which it could not exceed."""
    large, small = tmp_path / "large.dcm", images(1)
    hollow(large, SIZE)
    with place.dock() as dock:
        workers = workers_of(dock)
        processes = (workers.enhanced, workers.classic, workers.keeper)
        assert statuses(dock.enhanced, small) == [0]
        place.wait_for_state("kept")
        for pid in processes:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # begin VmHWM anew
        before = {pid: status_kib(pid, "VmHWM") for pid in processes}
        with limited(workers.enhanced, 64 * MIB):
            assert statuses(dock.enhanced, [large], timeout=60) == [0]
        study = place.wait_for_state("kept", study=StudyIdentity("large").study_uid)
        peaks = {pid: status_kib(pid, "VmHWM") for pid in processes}
        record_property("KiB before and at most", [(before[pid], peaks[pid]) for pid in processes])
        assert [pid for pid in processes if peaks[pid] > 150 << 10] == []
        assert [pid for pid in processes if peaks[pid] - before[pid] > 64 << 10] == []
        assert workers_of(dock) == workers
        assert study["bytes"] > SIZE
        assert [look["whole"] for look in study["looks"]] == [True], "its header was read to the last frame"
        (stored,) = (place.store / study["directory"]).glob("MRe.*")
        assert same_data_set(large, stored)
        stored.unlink()
        large.unlink()
        holds_exactly(place, small)
