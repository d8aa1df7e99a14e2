"""send_dicom to servers of other makes and to the dock: what arrives is what was sent, whatever happens on the way."""

from __future__ import annotations

import json
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import evt

from tests.conftest import FreePort, NeedTool
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Place
from tests.e2e.scps import (
    EXPLICIT,
    IMPLICIT,
    PATIENCE,
    Keeper,
    by_instance,
    data_set,
    orthanc,
    own_home,
    pynetdicom_scp,
    send,
    start_storescp,
    storescp,
    wait_until_it_answers,
)

__all__ = ["own_home"]
peer = pytest.mark.peer
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


@pytest.fixture(scope="module")
def real_files(real_data: Path) -> list[Path]:
    """Every DICOM file of the real data."""
    found = sorted(path for path in real_data.rglob("*.dcm") if path.is_file())
    assert len(found) > 900
    return found


@pytest.fixture(scope="module")
def expected(real_files: list[Path]) -> dict[str, bytes]:
    found = by_instance(real_files)
    assert len(found) == len(real_files)
    return found


# ---- all of the real data ----


@peer
@pytest.mark.real_data
def test_every_real_file_arrives_at_storescp(
    real_data: Path, expected: dict[str, bytes], tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    port = free_port()
    with storescp(need_tool("storescp"), port, tmp_path / "arrived"):
        done = send("-R", "-c", "127.0.0.1", "-p", port, real_data)
    assert done.exit_code == 0, done.stderr
    assert f"{len(expected)} of {len(expected)} images sent" in done.stdout
    assert by_instance(list((tmp_path / "arrived").iterdir())) == expected


@pytest.mark.real_data
def test_every_real_file_arrives_at_pynetdicom(
    real_data: Path, expected: dict[str, bytes], free_port: FreePort
) -> None:
    port, keeper = free_port(), Keeper()
    with pynetdicom_scp(port, keeper):
        done = send("-R", "-c", "127.0.0.1", "-p", port, "--parallel", 2, real_data)
    assert done.exit_code == 0, done.stderr
    assert keeper.arrived == expected
    assert len(keeper.stored) == len(expected)


@peer
@pytest.mark.real_data
def test_every_real_file_arrives_at_orthanc(
    real_data: Path, real_files: list[Path], tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    """Orthanc may write a file anew, so its data sets are compared element by element where their bytes differ."""
    with orthanc(need_tool("Orthanc"), tmp_path / "orthanc", free_port(), free_port()) as server:
        done = send("-R", "-s", "127.0.0.1", "-p", server.port, "-r", "ORTHANC", real_data)
        assert done.exit_code == 0, done.stderr
        arrived = server.files()
    assert len(arrived) == len(real_files)
    for path in real_files:
        sent = dcmread(path)
        got = arrived[str(sent.SOPInstanceUID)]
        if not got.endswith(data_set(path)):
            assert Dataset(dcmread(BytesIO(got))) == Dataset(sent), path


@pytest.mark.real_data
def test_every_real_file_arrives_at_the_dock(real_data: Path, expected: dict[str, bytes], place: Place) -> None:
    with place.dock() as dock:
        done = send("-R", "-c", "127.0.0.1", "-p", dock.enhanced, "-r", "MRDOCK", real_data)
        assert done.exit_code == 0, done.stderr
        assert {name: data_set(path) for name, path in place.images().items()} == expected


@pytest.mark.real_data
def test_only_classic_images_go_to_the_classic_listener(real_data: Path, place: Place, tmp_path: Path) -> None:
    """Without -l the Enhanced ones are refused, each with the reason; with it they are left and named."""
    folder = real_data / "philips_r57"
    enhanced = sorted((folder / "enhanced").rglob("*.dcm"))
    with place.dock() as dock:
        words = ("-R", "-c", "127.0.0.1", "-p", dock.classic, "-r", "MRDOCK", folder)
        left = send("-l", *words)
        refused = send(*words)
    assert left.exit_code == 0
    assert refused.exit_code == 1
    for path in enhanced:
        assert f"{path}: left: Enhanced MR Image Storage; only classic images are sent" in left.stderr
        said = (
            f"{path}: not sent: the peer does not take Enhanced MR Image Storage; it takes them only as classic images"
        )
        assert said in refused.stderr


# ---- peers that fail ----


def report(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    return found


def each_once(files: list[Path], tmp_path: Path, keeper: Keeper | None = None) -> dict[str, Any]:
    """Check that all were sent and each is counted once; the report."""
    told = report(tmp_path)
    assert told["sent"] == len(files)
    assert told["failed"] == told["not_sent"] == 0
    assert sorted(one["path"] for one in told["files"]) == sorted(map(str, files))
    assert {one["state"] for one in told["files"]} == {"sent"}
    if keeper is not None:
        assert keeper.arrived == by_instance(files)
    return told


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_peer_that_fails_every_fifth_store(
    images: MakeImages, tmp_path: Path, free_port: FreePort, parallel: int
) -> None:
    files = images(40)
    port, keeper = free_port(), Keeper(lambda number, event: 0xA700 if number % 5 == 0 else 0)
    words = ("-d", "0.01", "--parallel", parallel, "--report", tmp_path / "report.json")
    with pynetdicom_scp(port, keeper):
        done = send("-c", "127.0.0.1", "-p", port, *words, *files)
    assert done.exit_code == 0, done.stderr
    told = each_once(files, tmp_path, keeper)
    assert sorted(keeper.stored) == sorted(keeper.arrived)  # nothing that was stored came again
    again = [one for one in told["files"] if one["tries"] > 1]
    assert sum(one["tries"] - 1 for one in told["files"]) == keeper.requests - 40
    assert len(again) >= 8
    assert all("no room or no resources at the moment (0xA700)" in one["earlier"][0] for one in again)
    assert f"{len(again)} went through only after more tries: it has no room" in done.stdout


def test_a_peer_that_aborts_midway(images: MakeImages, tmp_path: Path, free_port: FreePort) -> None:
    files = images(30)

    def status(number: int, event: evt.Event) -> int:
        if number in (7, 15, 16):
            event.assoc.abort()
            return 0xC000
        return 0

    port, keeper = free_port(), Keeper(status)
    with pynetdicom_scp(port, keeper):
        done = send("-c", "127.0.0.1", "-p", port, "-d", "0", "--report", tmp_path / "report.json", *files)
    assert done.exit_code == 0, done.stderr
    told = each_once(files, tmp_path, keeper)
    assert told["associations"] == 4 + 1  # three were aborted, and what failed goes in a second round
    assert sum("aborted the association" in one["earlier"][0] for one in told["files"] if one["earlier"]) == 3
    assert "5 associations were opened" in done.stdout
    assert len(keeper.stored) == 30


def test_a_peer_that_is_out_of_resources_for_a_while(images: MakeImages, tmp_path: Path, free_port: FreePort) -> None:
    files = images(10)
    full_until = time.monotonic() + 3
    port, keeper = free_port(), Keeper(lambda *_: 0xA700 if time.monotonic() < full_until else 0)
    with pynetdicom_scp(port, keeper):
        done = send("-c", "127.0.0.1", "-p", port, "-d", "0.05", "--report", tmp_path / "report.json", *files)
    assert done.exit_code == 0, done.stderr
    told = each_once(files, tmp_path, keeper)
    assert max(one["tries"] for one in told["files"]) > 1
    assert len(keeper.stored) == 10


def test_a_peer_that_stays_full(images: MakeImages, tmp_path: Path, free_port: FreePort) -> None:
    """Four tries each, then the failures are named; --retry-failed tries them again."""
    files = images(2)
    port, keeper = free_port(), Keeper(lambda number, event: 0xA701)
    with pynetdicom_scp(port, keeper):
        done = send("-c", "127.0.0.1", "-p", port, "-d", "0", "--report", tmp_path / "report.json", *files)
        assert done.exit_code == 1
        assert keeper.requests == 8
        assert [one["tries"] for one in report(tmp_path)["files"]] == [4, 4]
        for path in files:
            why = "it has no room or no resources at the moment (0xA701) (tried 4 times)"
            assert f"send_dicom: {path}: not sent: {why}" in done.stderr
        keeper.status = lambda number, event: 0
        again = send("-c", "127.0.0.1", "-p", port, "--retry-failed")
    assert again.exit_code == 0, again.stderr
    assert "2 of 2 images sent" in again.stdout
    assert keeper.arrived == by_instance(files)


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0122])
def test_what_cannot_get_better_is_not_repeated(images: MakeImages, free_port: FreePort, status: int) -> None:
    files = images(3)
    port, keeper = free_port(), Keeper(lambda number, event: status if number == 2 else 0)
    with pynetdicom_scp(port, keeper):
        done = send("-c", "127.0.0.1", "-p", port, "-d", "0", *files)
    assert (done.exit_code, keeper.requests) == (1, 3)
    assert f"(0x{status:04X})" in done.stderr
    assert "2 of 3 images sent" in done.stdout


def test_warnings_count_as_sent_and_are_shown(images: MakeImages, free_port: FreePort) -> None:
    files = images(3)
    port, keeper = free_port(), Keeper(lambda number, event: 0xB000 if number == 2 else 0)
    with pynetdicom_scp(port, keeper):
        done = send("-c", "127.0.0.1", "-p", port, *files)
    assert (done.exit_code, keeper.requests) == (0, 3)
    assert f"{files[1]}: stored, but some elements were changed (0xB000)" in done.stderr
    assert "1 with a warning" in done.stdout


@peer
def test_a_peer_that_is_killed_and_started_again(
    images: MakeImages, tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    files = images(300)
    program, port, folder = need_tool("storescp"), free_port(), tmp_path / "arrived"
    server = start_storescp(program, port, folder)
    servers = [server]

    def kill_and_start() -> None:
        until = time.monotonic() + PATIENCE
        while len(list(folder.iterdir())) < 50 and time.monotonic() < until:
            time.sleep(0.001)
        server.kill()
        server.wait()
        time.sleep(0.5)
        servers.append(start_storescp(program, port, folder))

    try:
        wait_until_it_answers(port, server)
        killer = threading.Thread(target=kill_and_start)
        killer.start()
        done = send("-c", "127.0.0.1", "-p", port, "-d", "0.01", "--report", tmp_path / "report.json", *files)
        killer.join()
        assert done.exit_code == 0, done.stderr
        assert by_instance(list(folder.iterdir())) == by_instance(files)
        told = each_once(files, tmp_path)
        assert told["associations"] > 1
        assert max(one["tries"] for one in told["files"]) == 2
    finally:
        for one in servers:
            one.kill()
            one.wait()


def test_the_dock_stopped_and_started_while_several_associations_send(
    images: MakeImages, place: Place, tmp_path: Path, free_port: FreePort
) -> None:
    files = images(400)
    port = free_port()
    place.config.write_text(place.config.read_text().replace("port = 0", f"port = {port}", 1))
    done = []
    words = ("--parallel", 3, "-d", "0.01", "-r", "MRDOCK", "--report", tmp_path / "report.json")
    sender = threading.Thread(target=lambda: done.append(send("-c", "127.0.0.1", "-p", port, *words, *files)))
    with place.dock() as dock:
        sender.start()
        until = time.monotonic() + PATIENCE
        while len(place.images()) < 40 and time.monotonic() < until:
            time.sleep(0.005)
        dock.kill()
    with place.dock():
        sender.join(PATIENCE * 2)
        assert not sender.is_alive()
        assert done[0].exit_code == 0, done[0].stderr
        told = each_once(files, tmp_path)
        assert {name: data_set(path) for name, path in place.images().items()} == by_instance(files)
    assert told["associations"] > 3


# ---- what the peer takes ----


@peer
@pytest.mark.real_data
def test_a_peer_that_takes_only_implicit_vr(
    real_data: Path, tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    files = sorted((real_data / "philips_asl").rglob("*.dcm"))
    port, folder = free_port(), tmp_path / "arrived"
    with storescp(need_tool("storescp"), port, folder, "+xi"):
        done = send("-v", "-c", "127.0.0.1", "-p", port, *files)
    assert done.exit_code == 0, done.stderr
    note = "converted from explicit VR little endian to implicit VR little endian"
    assert f"{len(files)} changed: {note}" in done.stdout
    assert all(f"{path}: sent, {note}" in done.stderr for path in files)
    arrived = {str(found.SOPInstanceUID): found for found in map(dcmread, folder.iterdir())}
    for path in files:
        sent = dcmread(path)
        got = arrived[str(sent.SOPInstanceUID)]
        assert got.file_meta.TransferSyntaxUID == IMPLICIT
        assert [element.tag for element in got] == [element.tag for element in sent if element.tag.element]


@pytest.mark.real_data
def test_a_peer_that_takes_no_enhanced_mr(real_data: Path, free_port: FreePort) -> None:
    folder = real_data / "philips_asl"
    files = sorted(folder.rglob("*.dcm"))
    enhanced = [path for path in files if dcmread(path, specific_tags=["SOPClassUID"]).SOPClassUID == ENHANCED_MR]
    port, keeper = free_port(), Keeper()
    with pynetdicom_scp(port, keeper, refused=[ENHANCED_MR], syntaxes=[EXPLICIT]):
        done = send("-R", "-c", "127.0.0.1", "-p", port, folder)
    assert done.exit_code == 1
    assert enhanced
    for path in enhanced:
        assert f"{path}: not sent: the peer does not take Enhanced MR Image Storage" in done.stderr
    assert keeper.arrived == by_instance([path for path in files if path not in enhanced])


def test_a_peer_that_takes_fewer_associations_than_wanted(
    images: MakeImages, tmp_path: Path, free_port: FreePort
) -> None:
    files = images(60)
    port, keeper = free_port(), Keeper()
    with pynetdicom_scp(port, keeper, most=1):
        done = send("-c", "127.0.0.1", "-p", port, "--parallel", 4, "--report", tmp_path / "report.json", *files)
    assert done.exit_code == 0, done.stderr
    each_once(files, tmp_path, keeper)
