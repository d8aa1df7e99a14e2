"""Names from the network: UIDs and AE titles made to be paths, commands or terminal controls; and who may call."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import NeedTool
from tests.dock.support import stored_file
from tests.e2e.clients import run
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import wait_for
from tests.faults.raw import BROKEN, LISTENERS, MISMATCH, SERIES, SOP_INSTANCE, STUDY, Scene, scene
from tests.network import messages
from tests.network.serving import Raw

UIDS = {"SOP Instance": SOP_INSTANCE, "Study": STUDY, "Series": SERIES}
TOKEN = f"ab{secrets.token_hex(4)}"
"""Part of every name that must not come into being."""

PATHS = [
    f"../{TOKEN}",
    f"../../{TOKEN}",
    f"./../{TOKEN}.dcm",
    "../" * 9 + f"tmp/{TOKEN}",
    f"/tmp/{TOKEN}",
    f"1.2.3\0/../{TOKEN}",
    f"1.2;touch /tmp/{TOKEN}",
    f"$(touch /tmp/{TOKEN})",
    "1.2\n3",
    "1.2.3\n",
    "\x1b]0;x\x07",
    "-rf",
    "1." * 499 + "12",
]
TITLES = [
    f"../../tmp/{TOKEN}"[:16].encode(),
    b"/tmp/ab/cd",
    b"%s%n%x%s%n%x",
    b"`touch /tmp/ab`",
    b"$(touch /tmp/ab)",
    b"A\nB\x00\x01\x1b[2J\xff\xfe",
    b"A\\B",
    b" " * 16,
]


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A dock two directories down, so that there is somewhere to escape to."""
    with scene(tmp_path_factory.mktemp("names") / "deep" / "down") as running:
        yield running


@pytest.fixture
def nothing_escapes(dock: Scene) -> Iterator[None]:
    """Nothing new stands beside the store, and the token in no name anywhere near."""
    before = beside(dock)
    yield
    assert beside(dock) == before
    store = dock.place.store
    assert [path for path in store.rglob("*") if TOKEN in path.name] == []
    assert {path.name for path in store.iterdir() if not path.name[:1].isdigit()} == {
        ".mrdock",
        ".mrdock-store",
        "quarantine",
    }
    dock.log_is_clean()


def beside(dock: Scene) -> set[str]:
    """What stands around the store, and what is named as our tokens are wherever a path or a command of ours leads."""
    base, store = dock.place.folder.parent.parent, dock.place.store
    around = {str(path) for path in base.rglob("*") if store not in path.parents}
    for place in (Path.cwd(), Path("/"), Path("/tmp"), *base.parents):
        around |= {str(place / name) for name in os.listdir(place) if name.startswith(TOKEN[:2])}
    return around


@pytest.mark.usefixtures("nothing_escapes")
@pytest.mark.parametrize("which", UIDS)
@pytest.mark.parametrize("listener", LISTENERS)
def test_t08_a_uid_that_is_a_path_or_a_command(dock: Scene, listener: str, which: str) -> None:
    """A hostile UID in command and data set: refused with 0xC000, its bytes in the quarantine, nothing outside."""
    with dock.peer(listener) as peer:
        for text in PATHS:
            item = dock.image({UIDS[which]: ("UI", text)})
            if which == "SOP Instance":
                item = replace(item, uid=text)
            dock.refuse(peer, item, BROKEN)
            assert item.data in dock.quarantined()
        peer.release()
    dock.unharmed()


@pytest.mark.usefixtures("nothing_escapes")
@pytest.mark.parametrize("listener", LISTENERS)
def test_t08_a_uid_that_is_a_path_in_the_command_alone(dock: Scene, listener: str) -> None:
    """The data set has a UID, the command a path: refused with 0xA900, nothing kept."""
    kept = len(dock.quarantined())
    with dock.peer(listener) as peer:
        for text in PATHS:
            dock.refuse(peer, replace(dock.image(), uid=text), MISMATCH)
        peer.release()
    assert len(dock.quarantined()) == kept
    dock.unharmed()


@pytest.mark.usefixtures("nothing_escapes")
@pytest.mark.parametrize("which", UIDS)
@pytest.mark.parametrize("listener", LISTENERS)
def test_t09_a_uid_of_dots_alone(dock: Scene, listener: str, which: str) -> None:
    """A UID that names a directory and its parent: refused with 0xC000, no study gets another's images."""
    with dock.peer(listener) as peer:
        for text in (".", "..", "...", " .."):
            item = dock.image({UIDS[which]: ("UI", text)})
            dock.refuse(peer, replace(item, uid=text) if which == "SOP Instance" else item, BROKEN)
        peer.release()
    dock.unharmed()


@pytest.mark.usefixtures("nothing_escapes")
@pytest.mark.parametrize("listener", LISTENERS)
def test_t10_an_ae_title_that_is_a_path_or_a_command(dock: Scene, listener: str) -> None:
    """Hostile AE titles: as the called one rejected (1, 1, 7), as the calling one written down in plain characters."""
    for title in TITLES:
        with Raw(dock.dock.ports[listener]) as peer:
            peer.say(messages.associate(called=title))
            assert peer.hear_all() == [(3, bytes((0, 1, 1, 7)))]
        item = dock.image()
        with dock.peer(listener, messages.associate(calling=title)) as peer:
            dock.take(peer, item)
            peer.release()
        source = stored_file(dock.file_of(item))[0].source_ae
        assert source.isprintable()
        assert "\\" not in source
    dock.unharmed()
    shown = dock.place.ask("status")
    assert shown.returncode == 0
    assert all(line.isprintable() for line in shown.stdout.splitlines())


# ---- who may call ----


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A dock that lists its peers: SCANNER at 127.0.0.1, and PACS somewhere else."""
    peers = '[[peers]]\ntitle = "SCANNER"\nnetwork = "127.0.0.1"\n[[peers]]\ntitle = "PACS"\nnetwork = "127.0.0.3"\n'
    with scene(tmp_path_factory.mktemp("guarded"), peers) as running:
        yield running


def audit(guarded: Scene, before: str, said: str) -> None:
    """Exactly one line of the log is new, and it says this."""
    wait_for("a line in the log", lambda: len(guarded.dock.log()) > len(before))
    guarded.unharmed()
    lines = guarded.dock.log()[len(before) :].splitlines()
    assert [line.partition(" warning: ")[2] for line in lines if "refused" in line] == [said]


@pytest.mark.parametrize(("calling", "host"), [("X", "127.0.0.1"), ("PACS", "127.0.0.1"), ("SCANNER", "127.0.0.3")])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t23_an_unknown_calling_title(guarded: Scene, listener: str, calling: str, host: str) -> None:
    """A title that is on no list, or with another's address: rejected with 1/1/3, one line in the log."""
    before = guarded.dock.log()
    with Raw(guarded.dock.ports[listener], host=host) as peer:
        peer.say(messages.associate(calling=calling.encode()))
        assert peer.hear_all() == [(3, bytes((0, 1, 1, 3)))]
    audit(guarded, before, f"refused {calling} at {host}: calling AE title {calling!r} is not among the peers")


@pytest.mark.parametrize("listener", LISTENERS)
def test_t23_a_wrong_called_title(guarded: Scene, listener: str) -> None:
    """A called title that is not the listener's, ANY-SCP too: rejected with 1/1/7, one line in the log."""
    for called in ("WRONG", "ANY-SCP", "mrdock"):
        before = guarded.dock.log()
        with Raw(guarded.dock.ports[listener]) as peer:
            peer.say(messages.associate(called=called.encode()))
            assert peer.hear_all() == [(3, bytes((0, 1, 1, 7)))]
        audit(guarded, before, f"refused SCANNER at 127.0.0.1: called AE title {called!r} is not ours")


@pytest.mark.parametrize("says", [b"", messages.associate()], ids=["nothing", "a request"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t23_an_address_that_is_not_listed(guarded: Scene, listener: str, says: bytes) -> None:
    """127.0.0.2 is on no list: the connection is closed without a word, whatever it says; one line in the log."""
    before = guarded.dock.log()
    with Raw(guarded.dock.ports[listener], host="127.0.0.2") as peer:
        with suppress(ConnectionError):  # it may be closed already
            peer.say(says)
        assert peer.hear_all() == []
    audit(guarded, before, "refused a connection at 127.0.0.2: the address is not among the peers")


@pytest.mark.peer
@pytest.mark.parametrize("listener", LISTENERS)
def test_t23_storescu_is_told_why(guarded: Scene, listener: str, images: MakeImages, need_tool: NeedTool) -> None:
    """storescu with a wrong title of either kind is told which; with the right ones it stores."""
    (path,) = images(1, seed=f"t23 {listener}")
    with guarded.sending(listener) as recorder:
        storescu, where = need_tool("storescu"), ("127.0.0.1", str(recorder.port), str(path))
        for titles, why in (
            (("-aet", "X", "-aec", "MRDOCK"), "Calling AE Title Not Recognized"),
            (("-aet", "SCANNER", "-aec", "WRONG"), "Called AE Title Not Recognized"),
        ):
            done = run(storescu, *titles, *where)
            assert done.returncode != 0
            assert why in done.stdout
        done = run(storescu, "-aet", "SCANNER", "-aec", "MRDOCK", *where)
        assert done.returncode == 0, done.stdout
    assert len(recorder.acknowledged()) == 1
    guarded.unharmed()
