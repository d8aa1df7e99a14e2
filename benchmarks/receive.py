"""Receiving: images a second from a stock sender and from ours, against DCMTK, Orthanc and pynetdicom, in one run.

    python -m benchmarks.receive [FOLDER] [--slow N]

FOLDER holds DICOM files (default: the classic ones of $MRDOCK_TEST_DATA). Pairs that wait 40 ms an image for a delayed
ACK get the first N files only (default 100); the rate is what is compared.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

from benchmarks._servers import mrdock, orthanc, program, pynetdicom, storescp
from mrdock.network.requester import ImageFile, Requester, image_file, propose

ROOT = Path(__file__).resolve().parents[1]
Measure = Callable[[int], float]


def default_folder() -> Path:
    """The classic files of the test data."""
    data = Path(os.environ.get("MRDOCK_TEST_DATA", ROOT.parent / "shared" / "data"))
    return data / "philips_r57" / "classic"


def by_storescu(port: int, files: list[Path], **environment: str) -> float:
    """Images a second from DCMTK's storescu on one association, its start included."""
    words = [program("storescu"), "-aec", "MRDOCK", "127.0.0.1", str(port), *map(str, files)]
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, env=os.environ | environment)
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
    parser.add_argument("--repeat", type=int, default=3, help="runs of ours, of which the median counts")
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    images = [image_file(path) for path in files]
    few, nodelay = files[: options.slow], {"TCP_NODELAY": "1"}
    size = sum(image.size for image in images) / len(images)
    print(f"{len(files)} files of {size / 1000:.0f} kB on average\n")
    work = Path(tempfile.mkdtemp(prefix="mrdock-bench-"))
    number = 0

    def folder() -> Path:
        nonlocal number
        number += 1
        return work / str(number)

    def ours(measure: Measure) -> float:
        rates = []
        for _ in range(options.repeat):
            with mrdock(folder()) as port:
                rates.append(measure(port))
        return median(rates)

    def theirs(server: AbstractContextManager[int], measure: Measure) -> float:
        with server as port:
            return measure(port)

    try:
        slow = {
            "storescp": theirs(storescp(folder()), lambda port: by_storescu(port, few)),
            "Orthanc": theirs(orthanc(folder()), lambda port: by_storescu(port, few)),
            "pynetdicom": theirs(pynetdicom(folder()), lambda port: by_storescu(port, few)),
        }
        line("storescu, defaults", ours(lambda port: by_storescu(port, files)), slow)
        quick = {"storescp": theirs(storescp(folder(), **nodelay), lambda port: by_storescu(port, files, **nodelay))}
        line("storescu, TCP_NODELAY=1 at both ends", ours(lambda port: by_storescu(port, files, **nodelay)), quick)
        one = ours(lambda port: by_requester(port, images))
        line("our requester, one association", one, {})
        line("our requester, 8 at once", ours(lambda port: by_several(port, images, 8)), {"one": one})
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
