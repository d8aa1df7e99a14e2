"""What the dock says cannot be written, to a file or to whoever started it: receiving goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import FreePort, NeedTool
from tests.e2e.clients import answers
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import MRDOCK, PATIENCE, Place, end, wait_for
from tests.faults.disk_support import holds_exactly, statuses, storescu_status
from tests.faults.mounts import tmpfs

PAGE = os.sysconf("SC_PAGE_SIZE")


def test_t50_log_file(place: Place, images: MakeImages, need_tool: NeedTool) -> None:
    """The log's disk is full, then read-only, then there is no place for the file: images are taken all the same.

    The log is written again as soon as it can be.
    """
    files = images(6)
    with tmpfs(place.folder / "logs", "size=64k") as disk:
        log, aside = disk.path / "dock.log", disk.path / "dock.log.1"
        place.more = f'[log]\nfile = "{log}"\n'
        place.write_settings()
        with place.dock() as dock:
            assert storescu_status(need_tool, dock.enhanced, files[0]) == 0
            wait_for("a line", lambda: log.read_text().count("sent 1 image ") == 1)
            with log.open("ab") as stream:
                stream.write(b"\n" * (-log.stat().st_size % PAGE))  # the last page would take some lines yet
            disk.fill()
            before = log.read_bytes()
            assert storescu_status(need_tool, dock.enhanced, files[1]) == 0
            assert statuses(dock.classic, files[2:3]) == [0]
            place.wait_for_state("kept")
            assert log.read_bytes() == before, "it is really full"
            disk.clear()
            wait_for("the disk for itself", lambda: disk.remount("ro"))
            assert storescu_status(need_tool, dock.enhanced, files[3]) == 0
            assert disk.remount("rw")
            log.rename(aside)
            log.mkdir()
            assert statuses(dock.enhanced, files[4:5]) == [0]
            log.rmdir()
            assert statuses(dock.enhanced, files[5:]) == [0]
            wait_for("a line again", lambda: log.exists() and "sent 1 image " in log.read_text())
            holds_exactly(place, files)


@contextmanager
def without_output(place: Place, redirection: str) -> Iterator[subprocess.Popen[bytes]]:
    """A dock whose standard output or error is closed or read by nobody."""
    command = f'exec "$0" "$@" {redirection}'
    words = ["bash", "-c", command, *MRDOCK, "serve", "--config", str(place.config)]
    process = subprocess.Popen(words, env=place.environment(), start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        end(process)


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&- <&-", "> /dev/full 2> /dev/full", "> >(true) 2> >(true)"])
def test_t50_nobody_to_listen_to_what_it_says(
    place: Place, images: MakeImages, free_port: FreePort, redirection: str
) -> None:
    """Standard output and error are closed, full, or read by nobody: it starts, receives, indexes, and stops."""
    port = free_port()
    place.config.write_text(place.config.read_text().replace("port = 0", f"port = {port}", 1))
    files = images(3)
    with without_output(place, redirection) as process:
        wait_for("an answer", lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, "it ended"
        assert statuses(port, files[:2]) == [0, 0]
        assert statuses(port, files[2:]) == [0]
        wait_for("three images", lambda: [study["images"] for study in place.studies().values()] == [3])
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    holds_exactly(place, files)
