"""The dock's processes from outside: sockets that cannot be had, what a listener accepts, the modes it leaves."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.dicom.sop_classes import REFUSED_BY_CLASSIC, STORAGE_CLASSES
from mrdock.dock import service
from mrdock.dock.database import open_index
from mrdock.dock.service import acceptable, listen
from mrdock.dock.settings import ListenerSettings, ReceiveSettings, Settings
from mrdock.dock.startup import with_index
from mrdock.errors import SettingsError, StaleIndexError, StoreError
from mrdock.network.negotiation import APPLICATION_CONTEXT, Proposal, Request
from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import bulk_classic
from tests.conftest import FreePort
from tests.dock.support import ENHANCED_MR, EXPLICIT, MR, Bench, image

DEFLATED = "1.2.840.10008.1.2.1.99"
ENHANCED, CLASSIC = ListenerSettings(), ListenerSettings(name="classic", accepts="classic")


# ---- sockets ----


def test_a_free_port_is_told(free_port: FreePort) -> None:
    with listen(ListenerSettings(port=0)).sock as sock:
        assert sock.getsockname()[1] > 0
    port = free_port()
    opened = listen(ListenerSettings(port=port))
    assert opened.listener.port == opened.sock.getsockname()[1] == port
    opened.sock.close()


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"^listener 'enhanced': port {port} on 127.0.0.1 is in use by another"):
            listen(ListenerSettings(port=port))


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_not_this_machine_s_is_one_sentence(host: str) -> None:
    with pytest.raises(SettingsError) as refused:
        listen(ListenerSettings(host=host, port=0))
    assert str(refused.value).startswith("listener 'enhanced': ")
    assert host in str(refused.value)
    assert "\n" not in str(refused.value)


# ---- what is accepted ----


def accepted(listener: ListenerSettings, settings: Settings, uid: str, *syntaxes: str) -> str | None:
    """The transfer syntax that a listener takes for a class, None where it refuses it."""
    request = Request("S1", "MRDOCK", APPLICATION_CONTEXT, 1, (Proposal(1, uid, syntaxes or (EXPLICIT,)),), 16384)
    contexts, _ = _acceptable(listener, settings).negotiate(request)
    return contexts[1].transfer_syntax if contexts else None


_acceptable = functools.cache(acceptable)


def test_the_classic_listener_refuses_the_enhanced_classes_and_nothing_else() -> None:
    usual = Settings()
    assert accepted(ENHANCED, usual, ENHANCED_MR) == EXPLICIT
    assert accepted(CLASSIC, usual, ENHANCED_MR) is None
    for uid in sorted(STORAGE_CLASSES):
        assert accepted(ENHANCED, usual, uid) == EXPLICIT, uid
        assert (accepted(CLASSIC, usual, uid) is None) is (uid in REFUSED_BY_CLASSIC), uid


@pytest.mark.parametrize(
    ("uid", "taken"),
    [
        ("1.3.46.670589.99.99", True),
        ("1.2.999.1", True),
        ("1.2.840.10008.5.1.4.1.1.999", True),
        ("1.2.840.10008.5.1.4.1.2.2.1", False),  # Query/Retrieve is no storage
        ("1.2.840.10008.1.20.1", False),
        ("no uid", False),
        ("../../etc", False),
    ],
)
def test_unknown_classes_are_taken_where_that_was_set(uid: str, taken: bool) -> None:
    assert accepted(ENHANCED, Settings(), uid) is None
    unknown = Settings(receive=ReceiveSettings(accept_unknown=True))
    assert (accepted(ENHANCED, unknown, uid) is not None) is taken
    assert (accepted(CLASSIC, unknown, uid) is not None) is taken
    assert accepted(CLASSIC, unknown, ENHANCED_MR) is None


def test_deflated_is_taken_where_that_was_set() -> None:
    assert accepted(ENHANCED, Settings(), MR, DEFLATED) is None
    assert accepted(ENHANCED, Settings(), MR, DEFLATED, EXPLICIT) == EXPLICIT
    deflated = Settings(receive=ReceiveSettings(deflated=True))
    assert accepted(ENHANCED, deflated, MR, DEFLATED) == DEFLATED
    assert accepted(ENHANCED, deflated, MR, DEFLATED, EXPLICIT) == EXPLICIT


# ---- the index at the start ----


def test_an_index_of_another_layout_is_made_anew_and_the_old_one_kept(bench: Bench) -> None:
    bench.take_in(image(1))
    bench.index.set_fact("layout", "0")
    bench.index.close()
    service._prepare(bench.store, bench.settings)
    bench.index = open_index(bench.store.index_path)
    assert bench.index.fact("layout") != "0"
    assert len(bench.images()) == 1
    assert len(list(bench.store.index_path.parent.glob("index.sqlite.damaged-*"))) >= 1


def test_an_index_of_another_store_is_refused(bench: Bench) -> None:
    bench.index.set_fact("store", "of somebody else")
    bench.index.close()
    with pytest.raises(StoreError, match="the index belongs to another store") as refused:
        with_index(bench.store, bench.settings, lambda index: index.fact("layout"))
    assert not isinstance(refused.value, StaleIndexError)
    assert bench.store.index_path.exists()


# ---- the whole ----


def start(store: Path, port: int, umask: int) -> subprocess.Popen[str]:
    """A dock in processes of its own; it listens when this returns."""
    config = store.parent / "dock.toml"
    config.write_text(
        f'[store]\nroot = "{store}"\nminimum_free = 0\n'
        f'[[listeners]]\nport = {port}\n[log]\nfile = "{store.parent}/dock.log"\n'
    )
    command = [sys.executable, "-m", "mrdock", "serve", "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command, env=environment, umask=umask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Settings from"):
            break
    return process


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_all_that_a_dock_leaves_has_its_mode_whatever_the_umask(
    tmp_path: Path, free_port: FreePort, umask: int
) -> None:
    store, port = tmp_path / "store", free_port()
    (tmp_path / "image").write_bytes(next(bulk_classic(1)))
    with start(store, port, umask) as process:
        found = image_file(tmp_path / "image")
        with Requester("127.0.0.1", port, propose([found])) as requester:
            assert requester.store(found).status == 0
        deadline = time.monotonic() + 20
        while not list(store.glob("2*/MR.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    modes = {path: path.stat().st_mode & 0o7777 for path in store.rglob("*")}
    assert [path.name for path in modes if path.name.startswith("MR.")]
    wide = {str(path.relative_to(store)): oct(mode) for path, mode in modes.items() if mode & 0o027}
    assert wide == {}
    for path, mode in modes.items():
        if path.is_dir():
            assert mode == 0o2750, path
        elif path.parent.name[0].isdigit() or path.name == ".mrdock-store":
            assert mode == 0o640, path
    assert (tmp_path / "dock.log").stat().st_mode & 0o7777 == 0o640


def test_a_store_on_a_disk_that_is_not_mounted_is_not_made_below_the_mount_point(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    settings = Settings()
    settings = replace(
        settings,
        store=replace(settings.store, root=mount / "store"),
        route=replace(settings.route, mount_points=(mount,)),
    )
    with pytest.raises(StoreError, match=f"{mount} is not mounted"):
        service.serve(settings, lambda *_: None)
    assert list(mount.iterdir()) == []
