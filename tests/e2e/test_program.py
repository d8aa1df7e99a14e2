"""The program: how it starts, what it refuses, and that its processes mind each other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity
from tests.e2e import clients
from tests.e2e.clients import Half, answers
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import MRDOCK, Dock, Place, alive, children, wait_for


def one_sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What a command that was refused said: one line, beside the advice to root."""
    assert done.returncode == code, done
    assert done.stdout == ""
    (line,) = (line for line in done.stderr.splitlines() if "running as root" not in line)
    assert line.startswith("mrdock ")
    return line


# ---- starting ----


def own_network() -> list[str]:
    """Words that give a program a network of its own, so that the default ports are free; none where that fails."""
    words = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    with suppress(OSError):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return []


@pytest.mark.parametrize("variable", [True, False], ids=["XDG_DATA_HOME", "no XDG_DATA_HOME"])
def test_without_settings_it_makes_a_store_and_says_what_it_does(tmp_path: Path, variable: bool) -> None:
    place = Place(tmp_path)
    place.config.unlink()
    if variable:
        place.env["XDG_DATA_HOME"] = str(tmp_path / "xdg")
    store = (tmp_path / "xdg" if variable else place.home / ".local" / "share") / "mrdock" / "store"
    with place.dock(config=False, prefix=own_network()) as dock:
        assert dock.said() == (
            "Listening on 127.0.0.1 port 11112 as MRDOCK for Enhanced MR and everything else.\n"
            "Listening on 127.0.0.1 port 11113 as MRDOCK for classic images, no Enhanced MR.\n"
            "Accepting from programs on this machine only.\n"
            f"Keeping images in {store} (0 studies there), for 30 days.\n"
            "Copying where the header says (#-#/path): nowhere: no directory is allowed yet "
            '([route] roots = ["/data"] allows one).\n'
            "No settings file: these are the defaults; mrdock init writes a file to change them.\n"
        )
        done = place.bare("status")
        assert done.returncode == 0
        assert f"The dock runs (process {dock.pid}) on {store}." in done.stdout
        assert "No studies yet." in done.stdout
    assert (store / ".mrdock-store").is_file()
    assert store.stat().st_mode & 0o7777 == 0o2750
    assert place.bare("status").stdout.startswith(f"No dock is running on {store}.")


def test_a_port_in_use_is_named(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place.config.write_text(place.config.read_text().replace("port = 0", f"port = {port}", 1))
        said = one_sentence(place.run("serve"), 2)
    assert said == f"mrdock serve: listener 'enhanced': port {port} on 127.0.0.1 is in use by another program"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[completion]\nquiet_secs = 3", "[completion] has no setting 'quiet_secs'; did you mean 'quiet_seconds'?"),
        ("[completion]\nquiet_seconds = -1", "[completion] quiet_seconds = -1: expected a number above 0"),
        ('[[listeners]]\nhost = "0.0.0.0"', "listener 'enhanced' on 0.0.0.0 is open to the network: name its peers"),
    ],
)
def test_settings_that_cannot_be_used_are_named(place: Place, line: str, said: str) -> None:
    place.config.write_text(f'{line}\n[store]\nroot = "{place.store}"\n')
    assert said in one_sentence(place.run("serve"), 2)


def test_what_init_writes_is_accepted_by_serve(tmp_path: Path, place: Place) -> None:
    done = place.bare("init", str(place.config.with_name("new.toml")))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote {tmp_path}/new.toml\n", "")
    text = place.config.with_name("new.toml").read_text()
    place.config.write_text(text.replace("port = 11112", "port = 0").replace("port = 11113", "port = 0"))
    with place.dock("--store", str(place.store)) as dock:
        assert len(dock.ports) == 2
        assert f"Settings from {place.config}." in dock.said()


# ---- its processes ----


def workers_of(dock: Dock) -> list[int]:
    """The processes of the enhanced listener, the classic listener and the keeper: they were started in this order."""
    wait_for("three processes", lambda: len(children(dock.pid)) == 3)
    return sorted(children(dock.pid))


def test_a_killed_worker_is_started_again_and_the_other_listener_never_stops(
    place: Place, research: Path, images: MakeImages
) -> None:
    files = [image_file(path) for path in images(60, seed="b", comment=f"#-#{research}/b")]
    with place.dock() as dock:
        first, second, keeper = workers_of(dock)
        with Requester("127.0.0.1", dock.classic, propose(files), called="MRDOCK") as peer:
            assert all(peer.store(item).succeeded for item in files[:20])
            os.kill(first, signal.SIGKILL)
            assert all(peer.store(item).succeeded for item in files[20:40])
            wait_for("the log line", lambda: "enhanced ended unexpectedly (-9); starting it again" in dock.log())
            wait_for("the first listener again", lambda: answers(dock.enhanced))
            os.kill(keeper, signal.SIGKILL)
            assert all(peer.store(item).succeeded for item in files[40:])
        assert alive(second)
        clients.ours(dock.enhanced, images(5, seed="a"))
        place.wait_for_state("routed", study=StudyIdentity("b").study_uid)
        place.wait_for_state("kept", study=StudyIdentity("a").study_uid)
        assert len(list((research / "b").iterdir())) == 60
        assert "keeper ended unexpectedly (-9)" in dock.log()


def test_what_a_killed_worker_had_begun_is_cleared(place: Place, images: MakeImages) -> None:
    """An image that was on its way when its worker was killed leaves nothing, and its study can be complete."""
    files = [image_file(path) for path in images(3)]
    with place.dock() as dock:
        peer = Half("127.0.0.1", dock.enhanced, propose(files), called="MRDOCK")
        assert all(peer.store(item).succeeded for item in files[:2])
        peer.begin(bytes(3 << 20)[: peer.longest - 6], files[2].meta.sop_class, files[2].meta.sop_instance)
        os.kill(workers_of(dock)[0], signal.SIGKILL)
        place.wait_for_state("kept")
        peer.abort()
        wait_for("the first listener again", lambda: answers(dock.enhanced))
        assert place.loose_ends() == []


def test_all_commands_run_as_programs() -> None:
    for words in (["--version"], ["--help"], *([name, "--help"] for name in ("serve", "init", "status", "route"))):
        done = subprocess.run([*MRDOCK, *words], capture_output=True, text=True, check=True)
        assert done.stderr == ""
    script = Path(sys.executable).with_name("mrdock")
    assert subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout.startswith("mrdock")
