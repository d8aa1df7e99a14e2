"""How a connection to a peer comes about, and what to check where it does not: a sentence for each way it can fail."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Final

from mrdock.errors import ConnectError, RejectedError, SettingsError

CHECK_ABORT: Final = "check that this is the port of a DICOM server, whether it wants TLS, and what its log says"

_TRANSIENT: Final = 2  # PS3.8 table 9-21: result

# PS3.8 table 9-21: (source, reason) -> sentence; what to check
_REJECTIONS: Final = {
    (1, 1): ("it gives no reason", "check what its log says"),
    (1, 2): ("it does not support the DICOM application context", "check that it is a DICOM server"),
    (1, 3): ("it does not know our AE title {calling!r}", "have that title entered there, or use one that it knows"),
    (1, 7): ("it does not answer to the AE title {called!r}", "check the remote AE title, upper and lower case too"),
    (2, 2): ("it does not support this protocol version", "check that it is a DICOM server"),
    (3, 1): ("it is too busy at the moment", "try again later"),
    (3, 2): ("it has too many associations at the moment", "try again later"),
}

_REFUSED: Final = frozenset({errno.ECONNREFUSED, getattr(errno, "WSAECONNREFUSED", errno.ECONNREFUSED)})
_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN})


def tls_context(
    ca: str | None = None, certificate: str | None = None, key: str | None = None, *, insecure: bool = False
) -> ssl.SSLContext:
    """TLS 1.2 or later as a client (PS3.15 section B.9).

    ``ca`` is a PEM file of the certificates that are trusted, without it those of the system; ``certificate`` and
    ``key`` are ours where the peer asks for one. ``insecure`` encrypts, but trusts whoever answers. Raises
    `SettingsError` for files that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise SettingsError(f"{ca}: no certificates that could be trusted: {why_broken(error)}") from None
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except OSError as error:
            raise SettingsError(f"{certificate}: no certificate with its key: {why_broken(error)}") from None
    elif key is not None:
        raise SettingsError(f"{key}: a key needs its certificate")
    return context


def _no_password() -> str:
    """Nobody is asked for the password of a key; a wrong one says that it is encrypted."""
    return ""


def connect(host: str, port: int, timeout: float, tls: ssl.SSLContext | None) -> socket.socket:
    """A connection within ``timeout`` seconds. Raises `ConnectError`, one sentence that says what to check."""
    where = f"{host} port {port}"
    try:
        sock = socket.create_connection((host, port), timeout)
    except (socket.gaierror, UnicodeError):
        raise ConnectError(f"{where}: there is no host of that name; check the name, or use its address") from None
    except TimeoutError:
        raise ConnectError(
            f"{where}: no answer within {timeout:g} s; check the address, and whether a firewall is between"
        ) from None
    except (OSError, OverflowError) as error:
        raise ConnectError(f"{where}: {_why(error)}") from error
    if tls is None:
        return sock
    try:
        return tls.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        said = error.verify_message.rstrip(".")
        raise ConnectError(
            f"{where}: its certificate is not trusted: {said}; check --tls-ca, and the host's name in it"
        ) from error
    except TimeoutError:
        sock.close()
        raise ConnectError(f"{where}: no TLS within {timeout:g} s; check that this port expects TLS") from None
    except (OSError, ValueError) as error:
        sock.close()
        raise ConnectError(f"{where}: no TLS: {why_broken(error)}; check that this port expects TLS") from error


def why_broken(error: Exception) -> str:
    """What the system or OpenSSL says of a connection or a file, as words."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, str):  # OpenSSL: TLSV13_ALERT_CERTIFICATE_REQUIRED
        return "TLS: " + reason.lower().replace("_", " ")
    return str(getattr(error, "strerror", None) or error)


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    said = why_broken(error)
    if number in _REFUSED:
        return f"{said}: nothing listens there; check the port, and that the server runs"
    if number in _UNREACHABLE:
        return f"{said}; check the address, the network and the VPN"
    return said


def rejection(peer: str, calling: str, called: str, body: bytes | memoryview) -> RejectedError:
    """The error for the body of an A-ASSOCIATE-RJ (PS3.8 section 9.3.4)."""
    result, source, reason = (body[1], body[2], body[3]) if len(body) >= 4 else (1, 1, 1)
    said, check = _REJECTIONS.get((source, reason), _REJECTIONS[1, 1])
    words = said.format(calling=calling, called=called)
    error = RejectedError(f"{peer} rejected the association: {words}; {check}")
    error.lasting = result != _TRANSIENT
    return error
