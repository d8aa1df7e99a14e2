"""Receiving: images a second from a stock sender and from ours, against DCMTK, Orthanc and pynetdicom, in one run.

    python -m benchmarks.receive [FOLDER] [--slow N] [--repeat N] [--many N]

FOLDER holds DICOM files (default: the classic ones of $MRDOCK_TEST_DATA). Pairs that wait 40 ms an image for a delayed
ACK get the first N files only (default 100); the rate is what is compared. Every run of a server has a folder of its
own that is deleted at the end of all: a file system that has just deleted many files (ext4) is slow to make new ones.
Where the peer is as quick as we are, ours and theirs take turns, and medians count.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

from benchmarks._copies import copies, small_images
from benchmarks._servers import mrdock, orthanc, program, pynetdicom, storescp
from mrdock.network.outgoing import ImageFile, image_file, propose
from mrdock.network.requester import Requester

ROOT = Path(__file__).resolve().parents[1]
Measure = Callable[[int], float]
NODELAY = {"TCP_NODELAY": "1"}


def default_folder() -> Path:
    """The classic files of the test data."""
    data = Path(os.environ.get("MRDOCK_TEST_DATA", ROOT.parent / "shared" / "data"))
    return data / "philips_r57" / "classic"


def by_storescu(port: int, files: list[Path], senders: int = 1, *, nodelay: bool = False) -> float:
    """Images a second from DCMTK's storescu, one association each with its share of the files, its start included."""
    words = [program("storescu"), "-aec", "MRDOCK", "127.0.0.1", str(port)]
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [*words, *map(str, files[n::senders])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | (NODELAY if nodelay else {}),
        )
        for n in range(senders)
    ]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit("benchmark: a storescu failed")
    return len(files) / (time.perf_counter() - began)


def by_requester(port: int, images: list[ImageFile]) -> float:
    """Images a second from our own requester on one association."""
    began = time.perf_counter()
    with Requester("127.0.0.1", port, propose(images), called="MRDOCK") as peer:
        for image, answer in zip(images, peer.store_all(images), strict=True):
            if not answer.succeeded:
                raise SystemExit(f"benchmark: {image.path} was answered with 0x{answer.status:04X}")
    return len(images) / (time.perf_counter() - began)


def by_several(port: int, images: list[ImageFile], senders: int) -> float:
    """Images a second from several senders at once, each with its share of the files (processes, not threads)."""
    shares = [images[n::senders] for n in range(senders)]
    began = time.perf_counter()
    children = []
    for share in shares:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                by_requester(port, share)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    if any(os.waitpid(pid, 0)[1] for pid in children):
        raise SystemExit("benchmark: a sender failed")
    return len(images) / (time.perf_counter() - began)


def line(name: str, rate: float, peers: dict[str, float]) -> None:
    """One line of the table."""
    ratios = ", ".join(f"{rate / other:.1f} x {peer} ({other:.0f}/s)" for peer, other in peers.items())
    print(f"{name:44} {rate:7.0f}/s  {ratios}", flush=True)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description="images a second, received")
    parser.add_argument("folder", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--slow", type=int, default=100, help="files for the pairs with delayed ACKs")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each quick pair, of which the median counts")
    parser.add_argument("--many", type=int, default=100_000, help="images in the store for the last line (0: none)")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="mrdock-bench-"))
    try:
        table(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def table(options: argparse.Namespace, work: Path) -> None:
    """Measure and print."""
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    images = [image_file(path) for path in files]
    more = [image for number in range(4) for image in copies(files, work / f"copies{number}", number)]
    few = files[: options.slow]
    size = sum(image.size for image in images) / len(images)
    print(f"{len(files)} files of {size / 1000:.0f} kB on average\n")
    folders = (work / str(number) for number in itertools.count())

    def rate(server: Callable[[Path], AbstractContextManager[int]], measure: Measure) -> float:
        with server(next(folders)) as port:
            return measure(port)

    def rates(measure: Measure, *servers: Callable[[Path], AbstractContextManager[int]]) -> list[float]:
        found = [[rate(server, measure) for server in servers] for _ in range(options.repeat)]
        return [median(column) for column in zip(*found, strict=True)]

    slow = {
        "storescp": rate(storescp, lambda port: by_storescu(port, few)),
        "Orthanc": rate(orthanc, lambda port: by_storescu(port, few)),
        "pynetdicom": rate(pynetdicom, lambda port: by_storescu(port, few)),
    }
    (ours,) = rates(lambda port: by_storescu(port, files), mrdock)
    line("storescu, defaults", ours, slow)
    ours, theirs = rates(
        lambda port: by_storescu(port, files, nodelay=True), mrdock, lambda folder: storescp(folder, **NODELAY)
    )
    line("storescu, TCP_NODELAY=1 at both ends", ours, {"storescp": theirs})
    (eight,) = rates(lambda port: by_storescu(port, files, 8, nodelay=True), mrdock)
    line("storescu, TCP_NODELAY=1, 8 at once", eight, {"one": ours})
    (one,) = rates(lambda port: by_requester(port, images), mrdock)
    line("our requester, one association", one, {})
    one, eight = (rates(lambda port, n=n: by_several(port, more, n), mrdock)[0] for n in (1, 8))  # type: ignore[misc]
    line(f"our requester, 8 at once, {len(more)} images", eight, {"one": one})
    if options.many:
        with mrdock(next(folders)) as port:
            empty = median(by_requester(port, copies(files, work / f"first{n}", 20 + n)) for n in range(3))
            fill(port, options.many, work / "small")
            full = median(by_requester(port, copies(files, work / f"again{n}", 10 + n)) for n in range(3))
        line(f"our requester, {options.many} images in the store", full, {"an empty store": empty})


def fill(port: int, count: int, work: Path) -> None:
    """Send so many small images, a thousand a study."""
    for study in range(-(-count // 1000)):
        folder = work / str(study)
        images = list(small_images(1000, study, folder))
        by_requester(port, images)


if __name__ == "__main__":
    main()
