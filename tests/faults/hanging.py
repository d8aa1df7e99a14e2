"""A file system whose server takes every question and never answers: what a dead file server is to its clients.

It speaks just enough of the kernel's FUSE protocol (version 7.31) to be mounted, and to answer statfs, so that a
``df`` of somebody else does not hang too.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_INIT, _STATFS = 26, 17
_QUESTION = struct.Struct("<IIQ")
_ANSWER = struct.Struct("<IiQ")
_INITIALISED = struct.pack("<IIIIHHII32x", 7, 31, 0, 0, 0, 0, 4096, 1)
_NOTHING_FREE = bytes(80)
_AT_MOST = 120.0  # seconds; who hangs here is set free then, whatever has become of the test


class HangingDisk:
    """What is mounted; ``asked`` counts the questions that nobody answers."""

    def __init__(self, device: int) -> None:
        self._device = device
        self._end, self._stop = os.pipe()
        self.asked = 0
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def _serve(self) -> None:
        with open(self._device, "rb", 0), suppress(OSError):  # closing it gives everybody who hangs an error
            while self._device in select.select([self._device, self._end], [], [], _AT_MOST)[0]:
                self._take(os.read(self._device, 1 << 18))

    def _take(self, question: bytes) -> None:
        _, kind, number = _QUESTION.unpack_from(question)
        if kind not in (_INIT, _STATFS):
            self.asked += 1
            return
        answer = _INITIALISED if kind == _INIT else _NOTHING_FREE
        with suppress(FileNotFoundError):  # who asked is gone
            os.write(self._device, _ANSWER.pack(_ANSWER.size + len(answer), 0, number) + answer)

    def fail(self) -> None:
        """The server is gone for good: what hung fails, and so does whatever comes."""
        if self._server.is_alive():
            os.write(self._stop, b"x")
            self._server.join()

    def close(self) -> None:
        self.fail()
        os.close(self._end)
        os.close(self._stop)


@contextmanager
def hanging(path: Path) -> Iterator[HangingDisk]:
    """Such a file system, mounted at ``path``; only root may do that."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error.strerror}")
    path.mkdir(exist_ok=True)
    options = f"fd={device},rootmode=40755,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hanging", os.fsencode(path), b"fuse.hanging", 0, options.encode()):
        os.close(device)
        pytest.skip(f"no FUSE here: {os.strerror(ctypes.get_errno())}")
    disk = HangingDisk(device)
    try:
        yield disk
    finally:
        disk.close()
        subprocess.run(["umount", "--lazy", str(path)], check=True)
