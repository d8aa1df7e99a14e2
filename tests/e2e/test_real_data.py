"""Real Philips files, sent by real clients: what is stored is what was sent, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.conftest import FreePort, NeedTool
from tests.e2e import clients
from tests.e2e.clients import Send, run
from tests.e2e.dock_process import Dock, Place, data_set_of, original_data_set, wait_for
from tests.e2e.wire import Recorder, recording

pytestmark = [pytest.mark.real_data, pytest.mark.peer]

PART = 40  # of each classic series, for the clients that do not send all
SENDERS = ("storescu", "storescu as it is", "dcmsend", "pynetdicom", "ours")


@pytest.fixture(scope="module")
def sends(need_tool: NeedTool) -> Mapping[str, Send]:
    return {
        "storescu": clients.storescu(need_tool),
        "storescu as it is": clients.storescu(need_tool, "-R", "-xe", "-pdu", "131072", "--max-send-pdu", "131072"),
        "dcmsend": clients.dcmsend(need_tool),
        "pynetdicom": clients.pynetdicom,
        "ours": clients.ours,
    }


@pytest.fixture(scope="module")
def classic(real_data: Path) -> list[Path]:
    files = sorted((real_data / "philips_r57" / "classic").glob("*/*"))
    assert len(files) == 958
    return files


@pytest.fixture(scope="module")
def part(real_data: Path) -> list[Path]:
    return [
        path
        for series in sorted((real_data / "philips_r57" / "classic").iterdir())
        for path in sorted(series.iterdir())[:PART]
    ]


@pytest.fixture(scope="module")
def enhanced(real_data: Path) -> list[Path]:
    files = sorted(real_data.glob("*/enhanced/*.dcm"))
    assert len(files) == 7
    return files


@pytest.fixture(scope="module")
def raw(real_data: Path) -> list[Path]:
    files = sorted(real_data.glob("*/rawdata/*.dcm"))
    assert len(files) == 5
    return files


@dataclass(frozen=True)
class Running:
    place: Place
    dock: Dock

    def stored(self, recorder: Recorder, count: int) -> dict[str, Path]:
        """Check that exactly what passed the recorder is in the store; the files by SOP Instance UID."""
        images = self.place.images()
        assert recorder.acknowledged() == set(recorder.sent) == set(images)
        assert len(images) == count
        for uid, path in images.items():
            assert recorder.sent[uid] == [data_set_of(path)], path
            assert path.stat().st_mode & 0o7777 == 0o640
            assert path.parent.stat().st_mode & 0o7777 == 0o2750
        assert self.place.loose_ends() == []
        return images


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    place = Place(tmp_path, quiet=600)
    with place.dock() as dock:
        yield Running(place, dock)


def test_all_classic_files_by_storescu_to_the_enhanced_listener(
    running: Running,
    sends: Mapping[str, Send],
    classic: list[Path],
    enhanced: list[Path],
    raw: list[Path],
    need_tool: NeedTool,
) -> None:
    files = [*classic, *enhanced, *raw]
    with recording(running.dock.enhanced) as recorder:
        sends["storescu"](recorder.port, files)
        images = running.stored(recorder, len(files))
    paths = list(map(str, images.values()))
    for uid, path in images.items():
        meta = dcmread(path, stop_before_pixels=True).file_meta
        assert meta.MediaStorageSOPInstanceUID == uid
        assert meta.SourceApplicationEntityTitle == "STORESCU"
    tested = run(need_tool("dcmftest"), *paths)
    assert tested.returncode == 0, tested.stdout
    dumped = run(need_tool("dcmdump"), "-q", "--search-first", "--search", "0008,0018", *paths)
    assert dumped.returncode == 0
    assert dumped.stdout.count("(0008,0018)") == len(files)


@pytest.mark.parametrize("sender", SENDERS)
def test_what_is_stored_is_what_the_sender_sent(
    running: Running, sends: Mapping[str, Send], sender: str, part: list[Path], enhanced: list[Path], raw: list[Path]
) -> None:
    """Classic and raw files to the classic listener; the Enhanced ones, and some again, to the other."""
    with recording(running.dock.classic) as recorder:
        sends[sender](recorder.port, [*part, *raw])
        running.stored(recorder, len(part + raw))
    with recording(running.dock.enhanced) as recorder:
        sends[sender](recorder.port, [*enhanced, *part[::8]])
        images = running.place.images()
        assert len(images) == len(part + raw + enhanced)
        assert recorder.acknowledged() == set(recorder.sent)
        assert len(recorder.sent) == len(enhanced + part[::8])
        assert all(data_sets == [data_set_of(images[uid])] for uid, data_sets in recorder.sent.items())


def test_our_requester_and_the_store_keep_the_scanners_bytes(
    running: Running, part: list[Path], enhanced: list[Path], raw: list[Path]
) -> None:
    """Without a client that encodes anew, the stored data set is the one in the scanner's own file."""
    files = [*part, *enhanced, *raw]
    clients.ours(running.dock.enhanced, files)
    images = running.place.images()
    for path in files:
        uid = str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        assert data_set_of(images[uid]) == original_data_set(path)


def test_enhanced_files_are_refused_by_the_classic_listener(
    running: Running, enhanced: list[Path], need_tool: NeedTool
) -> None:
    words = ("-v", "-aec", "MRDOCK", "127.0.0.1", str(running.dock.classic), *map(str, enhanced))
    done = run(need_tool("storescu"), "-R", *words)
    assert done.returncode != 0
    assert "No Acceptable Presentation Contexts" in done.stdout
    assert running.place.images() == {}


def test_dciodvfy_finds_nothing_new(
    running: Running,
    sends: Mapping[str, Send],
    part: list[Path],
    enhanced: list[Path],
    raw: list[Path],
    need_tool: NeedTool,
) -> None:
    """One file of each series and every Enhanced and raw one: the stored file has the faults of the sent one only."""
    files = [*part[::PART], *enhanced, *raw]
    clients.ours(running.dock.enhanced, files)
    images = running.place.images()
    for path in files:
        uid = str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        assert complaints(need_tool, images[uid]) <= complaints(need_tool, path), path


def complaints(need_tool: NeedTool, path: Path) -> set[str]:
    done = run(need_tool("dciodvfy"), str(path))
    return {line for line in done.stdout.splitlines() if line.startswith(("Error", "Warning"))}


def test_file_names_are_those_of_storescp(
    running: Running,
    sends: Mapping[str, Send],
    part: list[Path],
    enhanced: list[Path],
    raw: list[Path],
    need_tool: NeedTool,
    free_port: FreePort,
    tmp_path: Path,
) -> None:
    files = [*part, *enhanced, *raw]
    theirs = tmp_path / "storescp"
    theirs.mkdir()
    port = free_port()
    words = [need_tool("storescp"), "-od", str(theirs), "-aet", "MRDOCK", str(port)]
    with subprocess.Popen(words, env={**os.environ, "TCP_NODELAY": "1"}, stderr=subprocess.DEVNULL) as storescp:
        try:
            echo = ("-aec", "MRDOCK", "127.0.0.1", str(port))
            wait_for("storescp", lambda: run(need_tool("echoscu"), *echo).returncode == 0)
            sends["storescu"](port, files)
        finally:
            storescp.send_signal(signal.SIGTERM)
    sends["storescu"](running.dock.enhanced, files)
    assert {path.name for path in running.place.images().values()} == {path.name for path in theirs.iterdir()}
