"""Storage servers that benchmarks compare: ours and the peers', each started on a free loopback port."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrdock.errors import NetworkError
from mrdock.network.outgoing import propose
from mrdock.network.requester import Requester

PATIENCE = 30.0


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Debian's program of that name, not the script that pynetdicom brings."""
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin")
    if path is None:
        raise SystemExit(f"benchmark: {name} is missing (make peers installs it)")
    return path


@contextmanager
def running(words: list[str], port: int, folder: Path, **environment: str) -> Iterator[int]:
    """A server for the length of a with block; gives its port."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"benchmark: {words[0]} did not start; see {log.name}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    """Whether a C-ECHO on this port succeeds."""
    try:
        with Requester("127.0.0.1", port, propose([]), called="MRDOCK", timeout=5) as peer:
            peer.echo()
    except NetworkError:
        return False
    return True


@contextmanager
def mrdock(folder: Path) -> Iterator[int]:
    """Our dock, with its defaults."""
    with listeners(folder) as (port, _):
        yield port


@contextmanager
def listeners(folder: Path) -> Iterator[tuple[int, int]]:
    """The same; the ports of both its listeners."""
    port, other = free_port(), free_port()
    folder.mkdir(parents=True)
    config = folder / "dock.toml"
    config.write_text(
        f'[store]\nroot = "{folder}/store"\n'
        f'[[listeners]]\nname = "enhanced"\nport = {port}\n'
        f'[[listeners]]\nname = "classic"\nport = {other}\naccepts = "classic"\n',
        encoding="utf-8",
    )
    with running([sys.executable, "-m", "mrdock", "serve", "--config", str(config)], port, folder) as got:
        yield got, other


@contextmanager
def storescp(folder: Path, **environment: str) -> Iterator[int]:
    """DCMTK's storescp, with its defaults."""
    port = free_port()
    with running([program("storescp"), "-od", str(folder), str(port)], port, folder, **environment) as got:
        yield got


@contextmanager
def pynetdicom(folder: Path) -> Iterator[int]:
    """pynetdicom's storescp, with its defaults."""
    port = free_port()
    with running([sys.executable, "-m", "pynetdicom", "storescp", "-od", str(folder), str(port)], port, folder) as got:
        yield got


@contextmanager
def orthanc(folder: Path) -> Iterator[int]:
    """Orthanc, with its defaults but for ports, folders and the called AE title, which it does not check."""
    port = free_port()
    folder.mkdir(parents=True)
    settings = {
        "StorageDirectory": f"{folder}/db",
        "IndexDirectory": f"{folder}/db",
        "DicomPort": port,
        "HttpPort": free_port(),
        "RemoteAccessAllowed": False,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with running([program("Orthanc"), str(folder / "orthanc.json")], port, folder) as got:
        yield got
