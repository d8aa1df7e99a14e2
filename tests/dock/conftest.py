"""What the tests of the dock share: a bench, and research directories to copy to."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrdock.dock import receive, reconcile
from mrdock.dock.database import open_index
from mrdock.dock.index import Index
from mrdock.dock.journal import JournalReader
from mrdock.dock.setting_values import Free
from mrdock.dock.settings import RouteSettings
from mrdock.dock.store import Store, open_store
from tests.dock.support import IS_ROOT, Bench, BenchClock, bench_settings

SmallDisk = Callable[..., Path]


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """The umask that the dock's commands work under."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> BenchClock:
    """The bench's clock."""
    made = BenchClock()
    for module in (receive, reconcile):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def bench(tmp_path: Path, clock: BenchClock) -> Iterator[Bench]:
    """A dock without network and processes; see `support`."""
    (tmp_path / "research" / "kirby").mkdir(parents=True)
    made = Bench(tmp_path, clock, bench_settings(tmp_path))
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store, where a test needs no more."""
    made = open_store(tmp_path / "store", Free(), create=True)
    yield made
    made.close()


@pytest.fixture
def index(store: Store) -> Iterator[Index]:
    """Its index."""
    made = open_index(store.index_path)
    yield made
    made.close()


@pytest.fixture
def reader(store: Store, index: Index) -> JournalReader:
    """The reading end of its journals."""
    return JournalReader(store, index, RouteSettings())


@pytest.fixture
def research(bench: Bench) -> Path:
    """An existing directory below the one that copying is allowed to."""
    return bench.base / "research" / "kirby"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A function that mounts a small file system of its own at ``tmp_path``/NAME; root may do that."""
    mounted: list[Path] = []

    def mount(name: str, options: str) -> Path:
        if not IS_ROOT:
            pytest.skip("only root may mount a small file system")
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"mode=0755,{options}", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no small file system here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A function that moves this process to a time zone."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A temporary directory that every user may enter; pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory(prefix="mrdock-test-") as name:
        os.chmod(name, 0o755)
        yield Path(name).resolve()


@pytest.fixture
def as_nobody() -> Callable[[Callable[[], str]], str]:
    """A function that calls another one as a user without rights, in a process of its own, and gives what it returns.

    Where the tests do not run as root, as the user they run as.
    """

    def call(function: Callable[[], str]) -> str:
        if not IS_ROOT:
            return function()
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads: the child starts none
            pid = os.fork()
        if not pid:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                os.write(write, function().encode())
            except BaseException as error:  # noqa: BLE001 - told to the parent
                os.write(write, f"{type(error).__name__}: {error}".encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            said = stream.read()
        os.waitpid(pid, 0)
        return said.decode()

    return call
