"""Small disks of their own: made, filled, turned read-only, and unmounted whatever happens."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import NeedTool

_BLOCK = 64 << 10


class Disk:
    """A mounted file system, and the ballast that takes its room."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ballast = path / "ballast"

    @property
    def free(self) -> int:
        """Bytes that anybody may still use."""
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all room but ``leave`` bytes, to the last page."""
        with self.ballast.open("ab") as stream:
            while (left := self.free - leave) > 0:
                stream.write(bytes(min(left, _BLOCK)))
                stream.flush()

    def use_up_inodes(self) -> None:
        """Make empty files until no more can be made."""
        self.ballast.mkdir()
        for number in range(os.statvfs(self.path).f_favail):
            (self.ballast / str(number)).touch()
        assert os.statvfs(self.path).f_favail == 0

    def clear(self) -> None:
        """Give the room back."""
        if self.ballast.is_dir():
            for path in self.ballast.iterdir():
                path.unlink()
            self.ballast.rmdir()
        else:
            self.ballast.unlink()

    def remount(self, options: str) -> bool:
        """Mount it with other options; not possible, for "ro", while somebody has a file open to write."""
        words = ["mount", "-o", f"remount,{options}", str(self.path)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def tmpfs(path: Path, options: str) -> Iterator[Disk]:
    """A file system in memory at ``path``; ``options`` are its size or its number of files."""
    with _mounted(path, "-t", "tmpfs", "-o", f"mode=0755,{options}", "tmpfs"):
        yield Disk(path)


class Ext4(Disk):
    """A file system in a file, which can fail as a real one does: it turns read-only under those who write."""

    def fail(self) -> None:
        """Tell the kernel that the file system is in error."""
        device = os.stat(self.path).st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1\n")


@contextmanager
def ext4(path: Path, image: Path, need_tool: NeedTool, megabytes: int = 16) -> Iterator[Ext4]:
    """A file system in the file ``image``, mounted at ``path``; made only where the file is not there yet."""
    if not image.exists():
        with image.open("wb") as stream:
            stream.truncate(megabytes << 20)
        subprocess.run([need_tool("mkfs.ext4"), "-q", "-m", "0", str(image)], check=True)
    with _mounted(path, "-t", "ext4", "-o", "loop,errors=remount-ro", str(image)):
        lost = path / "lost+found"
        if lost.is_dir():
            lost.rmdir()  # a new store wants an empty directory
        yield Ext4(path)


@contextmanager
def _mounted(path: Path, *words: str) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    path.mkdir(exist_ok=True)
    _mount(*words, str(path))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system here: {done.stderr.strip()}")
