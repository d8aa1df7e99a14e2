"""A dock under attack: what it has acknowledged, whether it is well, and what the kernel says of its processes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mrdock.network.outgoing import image_file
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, children, data_set_of, original_data_set, wait_for


@dataclass
class Site:
    """A running dock, and the data sets it has acknowledged, by SOP Instance UID."""

    place: Place
    dock: Dock
    images: MakeImages
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    studies: int = 0
    kills: int = 0

    def fresh(self, count: int) -> list[Path]:
        """Images of a new study."""
        self.studies += 1
        return self.images(count, seed=f"{self.place.folder.name} {self.studies}")

    def stores(self, port: int, count: int = 2) -> None:
        """An ordinary association, which must succeed."""
        files = self.fresh(count)
        clients.ours(port, files)
        self.acknowledged |= contents(files)

    def serves(self) -> None:
        """Both listeners do."""
        self.stores(self.dock.enhanced)
        self.stores(self.dock.classic)

    def is_well(self) -> None:
        """Others are served, nothing is left behind, and the store holds what was acknowledged and nothing else."""
        self.serves()
        assert self.dock.log().count("ended unexpectedly") == self.kills
        wait_for("no loose ends", lambda: self.place.loose_ends() == [])
        stored = {uid: data_set_of(path) for uid, path in self.place.images().items()}
        assert stored.keys() == self.acknowledged.keys()
        assert stored == self.acknowledged

    def associations(self, listener: str) -> int:
        """How many are open, as ``mrdock status`` says."""
        (found,) = (item for item in self.place.status()["listeners"] if item["name"] == listener)
        return int(found["associations"])

    def worker(self, port: int) -> int:
        """The process that serves a port: the only child with its listening socket."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        (inode,) = (row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}"))
        (found,) = (pid for pid in children(self.dock.pid) if f"socket:[{inode}]" in descriptors(pid))
        return found


def rests(pid: int) -> bool:
    """Whether a worker serves nobody: it has no thread but the one that waits, no socket but the one that listens."""
    sockets = sum(item.startswith("socket:") for item in descriptors(pid))
    return sockets == 1 and facts(pid)["Threads"] == 1


def contents(files: Sequence[Path]) -> dict[str, bytes]:
    """The data sets of files, by SOP Instance UID."""
    return {image_file(path).meta.sop_instance: original_data_set(path) for path in files}


def descriptors(pid: int) -> list[str]:
    """What a process has open; a worker's journal goes on in new files, which counts as the same."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            target = path.readlink()
            found.append(str(target.parent / "journal" if target.parent.name == "journals" else target))
    return sorted(found)


def facts(pid: int) -> dict[str, int]:
    """The numbers that the kernel has of a process: VmRSS and VmHWM in kB, Threads."""
    rows = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
