"""What is deleted: nothing outside of a store, nothing that is not a study's, and nothing that has just come."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import MRDOCK, PATIENCE, Place, children, data_set_of, wait_for
from tests.e2e.faketime import Clock, library
from tests.faults.sites import contents

DAY = 86400.0
AGE = 40 * DAY


def uid(seed: str) -> str:
    return StudyIdentity(seed).study_uid


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory, need_tool: NeedTool) -> dict[str, str]:
    """The environment of a dock of forty days ago."""
    clock = Clock(library(need_tool), tmp_path_factory.mktemp("clock") / "clock")
    clock.set(-AGE)
    return clock.env


@pytest.fixture(scope="module")
def model(
    tmp_path_factory: pytest.TempPathFactory, short_folder: Path, images: MakeImages, early: dict[str, str]
) -> Place:
    """A store with old studies: copied, without a path, held, and waiting for their destination."""
    roots = [short_folder / "here", short_folder / "gone"]
    roots[0].mkdir()
    place = Place(tmp_path_factory.mktemp("model"), quiet=0.5, roots=roots)
    with place.dock(env=early) as dock:
        wanted = {
            "routed": f"#-#{roots[0]}/subj",
            "kept": "no path",
            "held": f"#-#{roots[0]}/no/where",
            "waiting": f"#-#{roots[1]}/subj",
        }
        for seed, comment in wanted.items():
            clients.ours(dock.enhanced, images(2, seed=seed, comment=comment))
        for state in wanted:
            place.wait_for_state(state, study=uid(state))
    return place


@pytest.fixture
def old(model: Place, tmp_path: Path) -> Place:
    """A copy of that store."""
    shutil.copytree(model.store, tmp_path / "store")
    return Place(tmp_path, quiet=0.5, roots=model.roots)


def everything(folder: Path) -> dict[str, bytes | None]:
    """All files and directories but the dock's own, with what is in them."""
    found: dict[str, bytes | None] = {}
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".mrdock"]
        found.update(dict.fromkeys(os.path.join(above, name) for name in folders))
        found.update({os.path.join(above, name): Path(above, name).read_bytes() for name in files})
    return found


def there(place: Place) -> set[str]:
    """The seeds of the studies that have a directory with images."""
    named = {study["directory"]: found for found, study in place.studies().items()}
    seeds = {uid(seed): seed for seed in ("routed", "kept", "held", "waiting")}
    return {seeds[named[path.name]] for path in place.store.glob("[0-9]*_*_*") if list(path.glob("MR.*"))}


# ---- T37 ----


def no_marker(folder: Path) -> None:
    (folder / ".mrdock-store").unlink()


def emptied_marker(folder: Path) -> None:
    no_marker(folder)
    (folder / ".mrdock-store").mkdir()


def documents(folder: Path) -> None:
    """Somebody's documents, some of them named like studies."""
    shutil.rmtree(folder)
    (folder / "20200101_101500_0123abcd").mkdir(parents=True)
    (folder / "20200101_101500_0123abcd" / "thesis.txt").write_text("the only copy")
    (folder / "letter.txt").write_text("dear")


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


def refused(place: Place, root: str, *words: str, code: int) -> str:
    """The sentence with which a command refuses a store."""
    text = place.config.read_text()
    place.config.write_text(text.replace(f'root = "{place.store}"', f'root = "{root}"'))
    done = place.run(*words) if words == ("serve",) else place.ask(*words)
    place.config.write_text(text)
    assert done.returncode == code, done
    assert done.stdout == ""
    (line,) = (line for line in done.stderr.splitlines() if "running as root" not in line)
    assert line.startswith(f"mrdock {words[0]}: ")
    return line


@pytest.mark.parametrize("words", [("serve",), ("sweep",), ("sweep", "--dry-run")])
def test_t37_a_store_that_cannot_be_meant(old: Place, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is to be the root of the file system, the home directory, nothing at all, or no absolute path: the
    dock does not start, no sweep begins, each with the reason, and nothing is made or deleted."""
    (old.home / "thesis.txt").write_text("the only copy")
    before = set(os.listdir("/"))
    reason = "not empty and no store" if words == ("serve",) else "no store (it has no .mrdock-store)"
    assert f"/: {reason}" in refused(old, "/", *words, code=1)
    monkeypatch.setenv("HOME", str(old.home))
    for written in (str(old.home), "~"):
        assert f"{old.home}: {reason}" in refused(old, written, *words, code=1)
    for written in ("", "store/../.."):
        assert "[store] root = " in refused(old, written, *words, code=2)
    assert set(os.listdir("/")) == before
    assert os.listdir(old.home) == ["thesis.txt"]
    assert there(old) == {"routed", "kept", "held", "waiting"}


@pytest.mark.parametrize("spoil", [no_marker, emptied_marker, documents, missing])
@pytest.mark.parametrize("command", ["serve", "sweep"])
def test_t37_a_directory_without_the_marker_is_no_store(
    old: Place, spoil: Callable[[Path], None], command: str
) -> None:
    """The marker is gone, is no file, or the directory is another one: no sweep, nor, where there is anything that
    could be deleted, a dock; and everything stays as it is."""
    spoil(old.store)
    before = everything(old.folder)
    if command == "serve" and spoil is missing:
        with old.dock():  # a new store
            assert old.status()["studies"] == []
        return
    said = refused(old, str(old.store), command, code=1)
    assert str(old.store) in said
    assert "no store" in said
    assert everything(old.folder) == before


def test_t37_a_marker_that_vanishes_while_the_dock_runs(old: Place, images: MakeImages) -> None:
    """The marker is deleted, or is another store's, under a running dock: nothing is deleted, also not by hand, and
    images are received."""
    marker = old.store / ".mrdock-store"
    content = marker.read_bytes()
    with old.dock() as dock:
        marker.unlink()
        done = old.ask("sweep")
        assert (done.returncode, done.stdout) == (1, "")
        assert "no store (it has no .mrdock-store)" in done.stderr
        marker.write_bytes(b'{"store": "another", "layout": 1}\n')
        done = old.ask("sweep")
        assert (done.returncode, done.stdout) == (1, "")
        assert "the index belongs to another store" in done.stderr
        clients.ours(dock.enhanced, images(1, seed="new"))
        marker.write_bytes(content)
        wait_for("the new study", lambda: uid("new") in old.studies())
    assert len(old.images()) == 9


def test_t37_what_is_not_a_study_stays(old: Place) -> None:
    """A store holds files and directories of people, links out of it, and a directory named like a study's: the sweep
    deletes the studies of the dock and nothing else."""
    outside = old.folder / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("the only copy")
    (old.store / "letter.txt").write_text("dear")
    (old.store / "mine").mkdir()
    (old.store / "mine" / "MR.1.2.3").write_text("of a person")
    (old.store / "20200101_101500_0123abcd").mkdir()
    (old.store / "20200101_101500_0123abcd" / "MR.1.2.3").write_text("of a person")
    (old.store / "20200101_101500_89abcdef").symlink_to(outside)
    (old.store / old.studies()[uid("kept")]["directory"] / "link").symlink_to(outside)
    studies = {study["directory"]: seed for seed, study in old.studies().items()}
    before = {path: data for path, data in everything(old.folder).items() if not set(Path(path).parts) & set(studies)}
    assert old.run("sweep").returncode == 0
    after = {path: data for path, data in everything(old.folder).items() if not set(Path(path).parts) & set(studies)}
    assert after == before
    assert (outside / "thesis.txt").read_text() == "the only copy"
    assert [studies[path.name] for path in old.store.iterdir() if path.name in studies] == [uid("waiting")]


# ---- T38 ----


@contextmanager
def sweep_stopped(place: Place, need_tool: NeedTool, study: Path, call: str) -> Iterator[subprocess.Popen[str]]:
    """``mrdock sweep``, which stands still right after a system call on a study's directory, until it is let go on."""
    listed = place.folder / f"{call}.strace"
    traced = [need_tool("strace"), "-f", "-o", str(listed), "-P", str(study), "-P", study.name]
    words = [*traced, "-e", f"trace={call}", "-e", f"inject={call}:signal=STOP:when=1", *MRDOCK, "sweep"]
    with subprocess.Popen(
        [*words, "--config", str(place.config)],
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as strace:
        try:
            wait_for("strace", listed.exists)
            wait_for("the stop", lambda: strace.poll() is not None or "stopped by SIGSTOP" in listed.read_text())
            assert strace.poll() is None, strace.communicate()
            yield strace
        finally:
            for pid in children(strace.pid):
                os.kill(pid, signal.SIGKILL)
            strace.wait(PATIENCE)


def let_go_on(strace: subprocess.Popen[str]) -> str:
    """What the sweep says when it has ended."""
    for pid in children(strace.pid):
        os.kill(pid, signal.SIGCONT)
    said, complaint = strace.communicate(timeout=PATIENCE)
    assert strace.returncode == 0, complaint
    return said


def somebody_waits_for(directory: Path) -> bool:
    """Whether a process waits for the lock on a directory."""
    ending = f":{directory.stat().st_ino}"
    rows = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any("->" in row and any(word.endswith(ending) for word in row) for row in rows)


@pytest.mark.parametrize("open_still", [True, False], ids=["the association is open", "the association has ended"])
def test_t38_a_late_series_comes_when_its_study_is_about_to_go(
    old: Place, images: MakeImages, need_tool: NeedTool, open_still: bool
) -> None:
    """A sweep has found a study to be old and is about to lock it; then a late series comes: the whole study stays."""
    late = images(2, seed="kept", series_number=501)
    study = old.store / old.studies()[uid("kept")]["directory"]
    with old.dock() as dock:
        with sweep_stopped(old, need_tool, study, "openat") as strace:
            files = [image_file(path) for path in late]
            with Requester("127.0.0.1", dock.enhanced, propose(files), called="MRDOCK") as peer:
                assert peer.store(files[0]).succeeded
                assert peer.store(files[1]).succeeded
                said = let_go_on(strace) if open_still else ""
            said = said or let_go_on(strace)
        assert re.search(f"^stays: {study.name}: (it is in use|an image has just been received)$", said, re.MULTILINE)
        wait_for("the index", lambda: old.studies()[uid("kept")]["images"] == 4)
        old.wait_for_state("kept", study=uid("kept"))
    assert len(list(study.glob("MR.*"))) == 4
    here = old.images()
    assert {name: data_set_of(here[name]) for name in contents(late)} == contents(late)
    assert there(old) == {"kept", "waiting"}


def test_t38_a_late_series_comes_while_its_study_goes(old: Place, images: MakeImages, need_tool: NeedTool) -> None:
    """A sweep has locked an old study to delete it; then a late series comes: the old images go, the late ones are
    acknowledged when they are safe, in a directory of their own."""
    late = images(2, seed="kept", series_number=501)
    study = old.store / old.studies()[uid("kept")]["directory"]
    with old.dock() as dock, ThreadPoolExecutor(1) as pool:
        with sweep_stopped(old, need_tool, study, "flock") as strace:
            sent = pool.submit(clients.ours, dock.enhanced, late)
            wait_for("the late series", lambda: somebody_waits_for(study))
            assert not sent.done()
            assert f"deleted: {study.name}: " in let_go_on(strace)
        sent.result(PATIENCE)
        wait_for("the index", lambda: old.studies().get(uid("kept"), {}).get("images") == 2)
        old.wait_for_state("kept", study=uid("kept"))
    assert {name: data_set_of(path) for name, path in old.images().items() if name in contents(late)} == contents(late)
    assert there(old) == {"kept", "waiting"}
    assert len(old.images()) == 4
    assert old.loose_ends() == []


def test_t38_unfinished_and_failed_routing(old: Place) -> None:
    """A study that waits for its destination stays however old it is, and with ``keep_held`` one that is held, too."""
    waiting, held = (old.studies()[uid(seed)]["directory"] for seed in ("waiting", "held"))
    old.more = "[retention]\nkeep_held = true\n"
    old.write_settings()
    said = old.run("sweep").stdout
    assert re.search(f"^stays: {waiting}: .*, but it is waiting$", said, re.MULTILINE)
    assert re.search(f"^stays: {held}: .*, but it is held and keep_held is on$", said, re.MULTILINE)
    assert there(old) == {"waiting", "held"}
    old.more = ""
    old.write_settings()
    assert f"deleted: {held}: " in old.run("sweep").stdout
    assert f"stays: {waiting}: " in old.run("sweep").stdout
    assert there(old) == {"waiting"}
