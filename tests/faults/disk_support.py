"""What the tests of disk faults share: senders that report statuses, injected errors, and what must hold afterwards."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.dock_process import PATIENCE, Dock, Place, alive, children, data_set_of, original_data_set, wait_for

FULL = 0xA700
_STATUS = re.compile(r"DIMSE Status\s*: 0x([0-9a-f]{4})")


def statuses(port: int, files: Sequence[Path], timeout: float = 20) -> list[int]:
    """Send with our requester on one association; how each store was answered."""
    images = [image_file(path) for path in files]
    with Requester("127.0.0.1", port, propose(images), called="MRDOCK", timeout=timeout) as peer:
        return [peer.store(image).status for image in images]


def storescu_status(need_tool: NeedTool, port: int, path: Path, *options: str) -> int:
    """Send one image with DCMTK's storescu; how it was answered."""
    done = clients.run(need_tool("storescu"), "-d", *options, "-aec", "MRDOCK", "127.0.0.1", str(port), str(path))
    (status,) = _STATUS.findall(done.stdout)
    return int(status, 16)


def set_reserve(place: Place, size: str) -> None:
    """Another ``minimum_free`` in the settings file."""
    text = place.config.read_text()
    assert 'minimum_free = "1 MB"' in text
    place.config.write_text(text.replace('minimum_free = "1 MB"', f'minimum_free = "{size}"'))


def holds_exactly(place: Place, acknowledged: Iterable[Path]) -> None:
    """The store holds what was acknowledged, byte for byte, and nothing else: no other image, no part file."""
    wanted = {image_file(path).meta.sop_instance: path for path in acknowledged}
    here = place.images()
    assert set(here) == set(wanted)
    for uid, path in here.items():
        assert data_set_of(path) == original_data_set(wanted[uid]), path
    assert [end for end in place.loose_ends() if not end.endswith("/ballast")] == []


@dataclass(frozen=True)
class Workers:
    """The processes of a dock: they were started in this order."""

    enhanced: int
    classic: int
    keeper: int


def workers_of(dock: Dock) -> Workers:
    """Find them; none may have been started anew."""
    found: list[int] = []

    def three() -> bool:
        found[:] = sorted(children(dock.pid))
        return len(found) == 3

    wait_for("three processes", three)
    return Workers(*found)


@contextmanager
def injecting(need_tool: NeedTool, pid: int, folder: Path, *faults: str, paths: Sequence[Path] = ()) -> Iterator[Path]:
    """Attach strace to a process and all its threads; ``faults`` such as "fsync:error=EIO", only for ``paths`` if any.

    Yields the file in which the calls are listed. At the end the process goes on undisturbed.
    """
    calls = ",".join(fault.split(":", 1)[0] for fault in faults)
    listed = folder / f"strace{len(list(folder.glob('strace*')))}"
    words = [need_tool("strace"), "-f", "-y", "-o", str(listed), "-e", f"trace={calls}", "-p", str(pid)]
    words += [word for fault in faults for word in ("-e", f"inject={fault}")]
    words += [word for path in paths for word in ("-P", str(path))]
    said = listed.with_suffix(".err")
    with said.open("wb") as stderr, subprocess.Popen(words, stderr=stderr) as strace:
        try:
            wait_for("strace", lambda: strace.poll() is not None or re.search(r"rocess \d+ attached", said.read_text()))
            assert strace.poll() is None, said.read_text()
            yield listed
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(PATIENCE)
    assert alive(pid), "the fault ended the process"


def failures(listed: Path) -> int:
    """How many calls of a list by strace failed by our hand."""
    return listed.read_text().count("(INJECTED)")
