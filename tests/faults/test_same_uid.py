"""The same SOP Instance UID again: whatever comes the second time, the first copy is never touched."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.dock.support import Image
from tests.e2e import clients
from tests.e2e.clients import run
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import wait_for
from tests.e2e.wire import Cut, recording
from tests.faults.raw import BROKEN, LISTENERS, SERIES, SOP_INSTANCE, STUDY, SUCCESS, Scene, request, scene
from tests.network import messages
from tests.network.serving import Raw

LARGE = 3 << 20
"""Bytes of an image that is not held in memory while it comes."""

AT_ONCE = 8


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("same")) as running:
        yield running


def untouched(path: Path) -> tuple[int, int, int, bytes]:
    """What is the same as long as nobody has touched a file."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_nlink, path.read_bytes()


def other(listener: str) -> str:
    return LISTENERS[1 - LISTENERS.index(listener)]


def of_study(dock: Scene, seed: str) -> list[Path]:
    """The files of a study made from this seed."""
    uids = StudyIdentity(seed).study_uid
    wait_for("the study in the index", lambda: uids in dock.place.studies())
    folder = dock.place.store / dock.place.studies()[uids]["directory"]
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.peer
@pytest.mark.parametrize("listener", LISTENERS)
def test_t14_the_same_image_again(dock: Scene, listener: str, images: MakeImages, need_tool: NeedTool) -> None:
    """storescu sends an image twice, and once more to the other listener: one file, the same inode and mtime."""
    files = images(1, seed=f"t14 {listener}")
    send = clients.storescu(need_tool)
    with dock.sending(listener) as recorder:
        send(recorder.port, files)
        (path,) = of_study(dock, f"t14 {listener}")
        before = untouched(path)
        send(recorder.port, files)
    with dock.sending(other(listener)) as recorder:
        send(recorder.port, files)
    assert of_study(dock, f"t14 {listener}") == [path]
    assert untouched(path) == before
    dock.unharmed()
    assert dock.place.studies()[StudyIdentity(f"t14 {listener}").study_uid]["differing"] == 0


@pytest.mark.parametrize("listener", LISTENERS)
def test_t15_other_content_under_the_same_uid(dock: Scene, listener: str, images: MakeImages, tmp_path: Path) -> None:
    """pynetdicom sends an image again with one pixel changed: both are kept and shown, the first is untouched."""
    seed = f"t15 {listener}"
    (first,) = images(1, seed=seed)
    second = tmp_path / "changed"
    content = first.read_bytes()
    second.write_bytes(content[:-2] + bytes((content[-2] ^ 1, content[-1])))
    with dock.sending(listener) as recorder:
        clients.pynetdicom(recorder.port, [first])
        (path,) = of_study(dock, seed)
        before = untouched(path)
        clients.pynetdicom(recorder.port, [second])
        both = of_study(dock, seed)
        clients.pynetdicom(recorder.port, [second, first])
    assert of_study(dock, seed) == both
    assert len(both) == 2
    (beside,) = set(both) - {path}
    assert beside.name.startswith(f"{path.name}_")
    assert untouched(path) == before
    dock.unharmed()
    uid = StudyIdentity(seed).study_uid
    wait_for("the mark in status", lambda: dock.place.studies()[uid]["differing"] == 1)
    shown = dock.place.ask("status", "-n", "0").stdout.splitlines()
    (at,) = (number for number, line in enumerate(shown) if line.startswith(path.parent.name))
    assert shown[at + 1].strip() == "1 image came again with other content; both are kept"
    assert f"both are kept, the new one as {beside.name}" in dock.dock.log()


# ---- T16: stored, then sent again and not whole ----

ENDS: dict[str, Callable[[Raw], object]] = {
    "abort": lambda peer: peer.say(messages.ABORT),
    "release": lambda peer: peer.say(messages.RELEASE),
    "close": lambda peer: peer.sock.shutdown(socket.SHUT_WR),
    "reset": Raw.reset,
}


@pytest.mark.parametrize("pixels", [20_000, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("listener", LISTENERS)
def test_t16_a_resend_that_is_aborted(dock: Scene, listener: str, end: str, pixels: int) -> None:
    """Half of an image comes again and breaks off, in its own association or another: the first copy is intact."""
    item = dock.image(pixels=bytes(range(250)) * (pixels // 250))
    with dock.peer(listener) as peer:
        dock.take(peer, item)
        before = untouched(dock.file_of(item))
        peer.say(half(request(item, message=2)))
        ENDS[end](peer)
    with dock.peer(other(listener)) as peer:
        peer.say(half(request(item)))
        ENDS[end](peer)
    dock.unharmed()
    assert untouched(dock.file_of(item)) == before


def half(pdus: bytes) -> bytes:
    """The first half of the PDUs, the last of them whole."""
    end = 0
    while end < len(pdus) // 2:
        end += 6 + int.from_bytes(pdus[end + 2 : end + 6], "big")
    return pdus[:end]


@pytest.mark.parametrize("pixels", [20_000, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t16_a_resend_that_is_broken(dock: Scene, listener: str, pixels: int) -> None:
    """The image comes again, cut but marked as whole: refused with 0xC000, the first copy is intact."""
    item = dock.image(pixels=bytes(range(250)) * (pixels // 250))
    for where in (listener, other(listener)):
        with dock.peer(where) as peer:
            if where == listener:
                dock.take(peer, item)
                before = untouched(dock.file_of(item))
            dock.refuse(peer, replace(item, data=item.data[:-9000]), BROKEN, message=2)
            peer.release()
    dock.unharmed()
    assert untouched(dock.file_of(item)) == before


@pytest.mark.peer
@pytest.mark.parametrize("listener", LISTENERS)
def test_t16_a_resend_by_dcmtk(
    dock: Scene, listener: str, images: MakeImages, need_tool: NeedTool, tmp_path: Path
) -> None:
    """storescu's second transfer is cut off, its third has no Study UID any more: the first copies are intact."""
    seed = f"t16 {listener}"
    files = images(3, seed=seed)
    with dock.sending(listener) as recorder:
        clients.storescu(need_tool)(recorder.port, files)
    before = {path: untouched(path) for path in of_study(dock, seed)}
    assert len(before) == 3
    size = sum(path.stat().st_size for path in files)
    with recording(dock.dock.ports[listener], Cut(size // 2, lambda: None)) as recorder:
        done = run(need_tool("storescu"), "-aec", "MRDOCK", "127.0.0.1", str(recorder.port), *map(str, files))
    assert done.returncode != 0
    header = dcmread(files[0])
    del header.StudyInstanceUID
    header.save_as(tmp_path / "broken")
    where = ("127.0.0.1", str(dock.dock.ports[listener]), str(tmp_path / "broken"))
    done = run(need_tool("storescu"), "-v", "-aec", "MRDOCK", *where)
    assert "Store Response (Error: CannotUnderstand)" in done.stdout
    dock.unharmed()
    assert {path: untouched(path) for path in of_study(dock, seed)} == before


# ---- T17: at once ----


def at_once(dock: Scene, items: list[Image]) -> None:
    """Send each image by a peer of its own, both listeners in turn, all last bytes at the same time; all are taken."""
    begin = threading.Barrier(len(items))
    answers: list[int | None] = []

    def send(number: int) -> None:
        data = request(items[number])
        with dock.peer(LISTENERS[number % 2]) as peer:
            peer.say(data[:-2])
            begin.wait(30)
            peer.say(data[-2:])
            answers.append(peer.answer().status)
            peer.release()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [SUCCESS] * len(items)
    for item in items:
        dock.note(item)


@pytest.mark.parametrize("size", [100_000, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("known", [False, True], ids=["new study", "known study"])
def test_t17_one_image_from_eight_peers_at_once(dock: Scene, size: int, known: bool) -> None:
    """The last byte of one image comes from eight peers at the same time: all are acknowledged, one whole file."""
    study = f"1.2.3.{size}.{int(known)}"
    if known:
        with dock.peer("enhanced") as peer:
            dock.take(peer, dock.image(study=study))
            peer.release()
    item = dock.image(study=study, pixels=bytes(range(250)) * (size // 250))
    at_once(dock, [item] * AT_ONCE)
    dock.unharmed()
    assert dock.file_of(item).stat().st_nlink == 1


def test_t17_eight_images_of_one_uid_at_once(dock: Scene) -> None:
    """The same with eight different contents: all are acknowledged and kept."""
    item = dock.image(pixels=bytes(100_000))
    at_once(dock, [replace(item, data=item.data[:-2] + bytes((number, 0))) for number in range(AT_ONCE)])
    dock.unharmed()


@pytest.mark.peer
def test_t17_one_image_by_eight_storescu_at_once(dock: Scene, images: MakeImages, need_tool: NeedTool) -> None:
    """Eight programs send the same three images at once, to both listeners: three files."""
    files = images(3, seed="t17 storescu")
    send = clients.storescu(need_tool)
    with dock.sending(LISTENERS[0]) as one, dock.sending(LISTENERS[1]) as two:
        threads = [threading.Thread(target=send, args=((one, two)[n % 2].port, files)) for n in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(statuses.count(0) for recorder in (one, two) for statuses in recorder.answers.values()) == 3 * AT_ONCE
    assert len(of_study(dock, "t17 storescu")) == 3
    dock.unharmed()


@pytest.mark.parametrize("level", ["series", "study"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t17_one_uid_in_two_series(dock: Scene, listener: str, level: str) -> None:
    """Two images of one SOP Instance UID in two series, of one study or two: both are kept."""
    study = f"1.2.3.4.{LISTENERS.index(listener)}.{len(level)}"
    one = dock.image(study=study)
    study += ".8" if level == "study" else ""
    ids = {SOP_INSTANCE: ("UI", one.uid), STUDY: ("UI", study), SERIES: ("UI", f"{study}.7")}
    two = replace(dock.image(ids), uid=one.uid)
    for item in (one, two):
        with dock.peer(listener) as peer:
            dock.take(peer, item)
            peer.release()
    dock.unharmed()
    files = [path for path in dock.files() if one.uid in path.name]
    assert len(files) == 2
    directories = {path.parent for path in files}
    assert len(directories) == (2 if level == "study" else 1)
    each = 2 // len(directories)
    wait_for("both in the index", lambda: dock.place.studies().get(study, {}).get("images") == each)
