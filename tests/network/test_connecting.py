"""Each way in which a connection can fail has its own sentence, with what to check; and TLS."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.errors import AbortedError, ConnectError, NetworkError, SettingsError
from mrdock.network.connecting import connect, rejection, tls_context
from mrdock.network.outgoing import ImageFile, image_file
from mrdock.network.policy import Peer
from tests.builders import StudyIdentity, bulk_classic
from tests.conftest import FreePort, NeedTool

from .certificates import Certificates, make
from .messages import EXPLICIT, MR

PATIENCE = 20.0
peer = pytest.mark.peer


@pytest.fixture(scope="module")
def certificates(need_tool: NeedTool, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(need_tool("openssl"), tmp_path_factory.mktemp("certificates"))


# ---- no connection ----


def test_a_host_that_does_not_exist() -> None:
    for host in ("no-such-host.invalid", "a" * 70, ""):
        with pytest.raises(ConnectError, match=r"no host of that name; check the name|nothing listens there"):
            connect(host, 1, 5, None)


def test_a_port_where_nothing_listens(free_port: FreePort) -> None:
    with pytest.raises(ConnectError, match="nothing listens there; check the port, and that the server runs"):
        connect("127.0.0.1", free_port(), 5, None)


def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(address: tuple[str, int], timeout: float) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", never)
    with pytest.raises(ConnectError, match=r"no answer within 1\.5 s; check the address, and whether a firewall"):
        connect("192.0.2.1", 104, 1.5, None)


def test_a_network_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(address: tuple[str, int], timeout: float) -> socket.socket:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(ConnectError, match="unreachable; check the address, the network and the VPN"):
        connect("192.0.2.1", 104, 5, None)


def test_a_port_of_something_else(free_port: FreePort) -> None:
    """A server that waits for us to speak HTTP, one that closes at once."""
    for reply in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def serve(server: socket.socket = server, reply: bytes = reply) -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(reply)

            thread = threading.Thread(target=serve)
            thread.start()
            with pytest.raises(AbortedError, match="check that this is the port of a DICOM server") as caught:
                Peer("127.0.0.1", server.getsockname()[1]).associate([])
            thread.join(PATIENCE)
        assert "\n" not in str(caught.value)


def test_a_rejection_that_is_cut_short() -> None:
    error = rejection("X", "A", "B", b"\0\2")
    assert "gives no reason" in str(error)
    assert error.lasting


# ---- certificates ----


def test_certificates_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    for ca in (nothing, tmp_path / "missing"):
        with pytest.raises(SettingsError, match=f"{ca}: no certificates that could be trusted"):
            tls_context(str(ca))
    for certificate, key in (
        (nothing, None),
        (tmp_path / "missing", None),
        (certificates.client, certificates.server_key),
        (certificates.client, None),
    ):
        with pytest.raises(SettingsError, match=f"{certificate}: no certificate with its key"):
            tls_context(None, str(certificate), str(key) if key else None)
    with pytest.raises(SettingsError, match="a key needs its certificate"):
        tls_context(None, None, "key.pem")


def test_a_key_with_a_password_is_refused_without_a_question(
    certificates: Certificates, need_tool: NeedTool, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    words = ["rsa", "-aes256", "-passout", "pass:secret", "-in", str(certificates.client_key), "-out", str(locked)]
    subprocess.run([need_tool("openssl"), *words], check=True, capture_output=True)
    with pytest.raises(SettingsError, match="no certificate with its key"):
        tls_context(None, str(certificates.client), str(locked))


# ---- TLS with DCMTK ----


@contextmanager
def storescp_tls(
    program: str, port: int, folder: Path, certificates: Certificates, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """DCMTK's SCP, which asks for a certificate of ours unless the options say otherwise."""
    folder.mkdir()
    own = ["+tls", str(certificates.server_key), str(certificates.server), "+cf", str(certificates.ca)]
    words = [program, "+B", "+xa", *own, *options, "-od", str(folder), str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            assert time.monotonic() < until
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait(PATIENCE)


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    """Small ones, and one that needs many writes."""
    contents = [*bulk_classic(3, StudyIdentity("tls")), *bulk_classic(1, StudyIdentity("big"), rows=1024, columns=1024)]
    found = []
    for number, content in enumerate(contents):
        path = tmp_path / f"image{number}"
        path.write_bytes(content)
        found.append(image_file(path))
    return found


@peer
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_files_arrive_over_tls(
    images: list[ImageFile],
    certificates: Certificates,
    tmp_path: Path,
    free_port: FreePort,
    need_tool: NeedTool,
    host: str,
) -> None:
    context = tls_context(str(certificates.ca), str(certificates.client), str(certificates.client_key))
    port, folder = free_port(), tmp_path / "arrived"
    pairs = {(item.meta.sop_class, item.meta.transfer_syntax) for item in images}
    with (
        storescp_tls(need_tool("storescp"), port, folder, certificates),
        Peer(host, port, tls=context, timeout=PATIENCE).associate(pairs) as sender,
    ):
        assert sender.echo() > 0
        assert [sender.store(item).status for item in images] == [0] * len(images)
    arrived = {item.meta.sop_instance: item for item in map(image_file, folder.iterdir())}
    for item in images:
        got = arrived[item.meta.sop_instance]
        assert got.path.read_bytes()[got.meta.data_set_at :] == item.path.read_bytes()[item.meta.data_set_at :]


@peer
def test_a_peer_that_is_not_trusted(
    certificates: Certificates, tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    port = free_port()
    with storescp_tls(need_tool("storescp"), port, tmp_path / "arrived", certificates, "-ic"):
        for ca in (str(certificates.other_ca), None):
            with pytest.raises(ConnectError, match=r"its certificate is not trusted: .*; check --tls-ca"):
                Peer("127.0.0.1", port, tls=tls_context(ca)).associate([])
        Peer("127.0.0.1", port, tls=tls_context(insecure=True)).associate([]).release()
        Peer("127.0.0.1", port, tls=tls_context(str(certificates.ca))).associate([]).release()


@peer
def test_a_name_that_is_not_in_the_certificate(
    certificates: Certificates, tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    port = free_port()
    with (
        storescp_tls(need_tool("storescp"), port, tmp_path / "arrived", certificates, "-ic"),
        pytest.raises(ConnectError, match=r"not trusted: .*127\.0\.0\.2.*the host's name in it"),
    ):
        Peer("127.0.0.2", port, tls=tls_context(str(certificates.ca))).associate([])


@peer
def test_a_peer_that_asks_who_we_are(
    certificates: Certificates, tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    port = free_port()
    with (
        storescp_tls(need_tool("storescp"), port, tmp_path / "arrived", certificates),
        pytest.raises(NetworkError, match="TLS") as caught,
    ):
        Peer("127.0.0.1", port, tls=tls_context(str(certificates.ca)), timeout=PATIENCE).associate([])
    assert "\n" not in str(caught.value)


@peer
def test_tls_where_one_end_has_none(
    certificates: Certificates, tmp_path: Path, free_port: FreePort, need_tool: NeedTool
) -> None:
    port = free_port()
    with (
        storescp_tls(need_tool("storescp"), port, tmp_path / "arrived", certificates),
        pytest.raises(AbortedError, match="whether it wants TLS"),
    ):
        Peer("127.0.0.1", port, timeout=PATIENCE).associate([])
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"\7\0\0\0\0\4\0\0\2\0")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ConnectError, match=r"no TLS: .*; check that this port expects TLS"):
            Peer("127.0.0.1", server.getsockname()[1], tls=tls_context(insecure=True)).associate([])
        thread.join(PATIENCE)


@peer
def test_a_peer_that_never_shakes_hands() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ConnectError, match=r"no TLS within 0\.3 s; check that this port expects TLS"),
    ):
        Peer("127.0.0.1", server.getsockname()[1], timeout=0.3, tls=tls_context(insecure=True)).associate([])


def test_the_names_of_a_request_are_checked_before_anything_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(encode_file_meta(FileMeta(MR, "1.2", EXPLICIT)))
    for calling in ("", "A" * 17, "A\\B", "Ä"):
        with pytest.raises(NetworkError, match="AE title"):
            Peer("no-such-host.invalid", 1, calling=calling).associate([(MR, EXPLICIT)])
