"""Storage servers of other makes that the tests send to, and send_dicom as its users call it."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE

from mrdock.commands.send_dicom import command
from mrdock.errors import NetworkError
from mrdock.network.outgoing import image_file
from mrdock.network.policy import Peer

PATIENCE = 30.0
Send = Callable[..., Result]
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def send(*words: str | Path | int) -> Result:
    """Run send_dicom in this process; a traceback fails the test."""
    result = CliRunner().invoke(command, [str(word) for word in words], prog_name="send_dicom")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and settings of nobody else."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def wait_until_it_answers(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for a server that is starting."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            Peer("127.0.0.1", port, timeout=5).associate([]).release()
        except NetworkError:
            assert process is None or process.poll() is None, "the server has ended"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.05)
        else:
            return


def start_storescp(program: str, port: int, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """DCMTK's SCP, which keeps what it receives bit for bit."""
    folder.mkdir(exist_ok=True)
    words = [program, "+B", "+xa", "-pm", "-od", str(folder), *options, str(port)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


@contextmanager
def storescp(program: str, port: int, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The same for the length of a with block, when it answers."""
    server = start_storescp(program, port, folder, *options)
    try:
        if "+tls" not in options:
            wait_until_it_answers(port, server)
        yield server
    finally:
        server.terminate()
        server.wait(PATIENCE)


@dataclass
class Keeper:
    """A handler for pynetdicom that keeps the data sets as they came; ``status`` decides, by how many came before."""

    status: Callable[[int, evt.Event], int] = lambda number, event: 0
    arrived: dict[str, bytes] = field(default_factory=dict)
    syntaxes: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    stored: list[str] = field(default_factory=list)

    def __call__(self, event: evt.Event) -> int:
        request = event.request
        assert isinstance(request, C_STORE)
        assert isinstance(request.DataSet, BytesIO)
        self.requests += 1
        status = self.status(self.requests, event)
        if status in (0, 0xB000):
            name = str(request.AffectedSOPInstanceUID)
            self.stored.append(name)
            self.arrived[name] = request.DataSet.getvalue()
            self.syntaxes[name] = str(event.context.transfer_syntax)
        return status


@contextmanager
def pynetdicom_scp(
    port: int,
    keeper: Keeper,
    *,
    syntaxes: Sequence[str] = (EXPLICIT, IMPLICIT),
    refused: Sequence[str] = (),
    most: int = 10,
) -> Iterator[None]:
    """pynetdicom's SCP for all storage classes but some."""
    ae = AE("ARCHIVE")
    ae.maximum_associations = most
    for context in AllStoragePresentationContexts:
        if context.abstract_syntax not in refused:
            ae.add_supported_context(str(context.abstract_syntax), list(syntaxes))
    ae.add_supported_context("1.2.840.10008.1.1", [IMPLICIT])
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, keeper)])
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    port: int
    http: int

    def get(self, path: str) -> bytes:
        """A resource of its REST interface."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=PATIENCE) as answer:
            content: bytes = answer.read()
            return content

    def files(self) -> dict[str, bytes]:
        """All instances as DICOM files, by SOP Instance UID."""
        every: list[dict[str, Any]] = json.loads(self.get("/instances?expand"))
        names = [one["MainDicomTags"]["SOPInstanceUID"] for one in every]
        with ThreadPoolExecutor(16) as threads:  # each answer takes 40 ms
            return dict(
                zip(names, threads.map(lambda one: self.get(f"/instances/{one['ID']}/file"), every), strict=True)
            )


@contextmanager
def orthanc(program: str, folder: Path, port: int, http: int) -> Iterator[Orthanc]:
    """Orthanc with its defaults but for ports and folders."""
    folder.mkdir()
    settings = {
        "StorageDirectory": f"{folder}/db",
        "IndexDirectory": f"{folder}/db",
        "DicomPort": port,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "UnknownSopClassAccepted": True,
        "SyncStorageArea": False,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder)
    try:
        wait_until_it_answers(port, server)
        yield Orthanc(port, http)
    finally:
        server.terminate()
        server.wait(PATIENCE)


def data_set(path: Path) -> bytes:
    """The bytes behind the File Meta Information."""
    return path.read_bytes()[image_file(path).meta.data_set_at :]


def by_instance(paths: Sequence[Path]) -> dict[str, bytes]:
    """Data sets by SOP Instance UID."""
    return {image_file(path).meta.sop_instance: data_set(path) for path in paths}
