"""Sending many files: to whom, with how much patience, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ssl import SSLContext

from mrdock.network.outgoing import ImageFile, Pair, proposals_for
from mrdock.network.requester import Requester


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to send to, and as whom. ``timeout`` bounds every wait, in seconds."""

    host: str
    port: int
    called: str = "ANY-SCP"
    calling: str = "SEND_DICOM"
    timeout: float = 60.0
    tls: SSLContext | None = None

    def associate(self, pairs: Iterable[Pair]) -> Requester:
        """Open an association that proposes ``pairs`` and verification. Raises `NetworkError`."""
        return Requester(
            self.host,
            self.port,
            proposals_for(pairs),
            calling=self.calling,
            called=self.called,
            timeout=self.timeout,
            tls=self.tls,
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """How much patience there is; all times in seconds."""

    max_delay: float = 0.5
    """The longest delay between two images; it begins at 0 and grows with each error."""

    tries: int = 4
    """How often one file is sent at most."""

    pauses: tuple[float, ...] = (0.5, 2.0, 5.0)
    """Before the second round, the third, and so on."""

    busy: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Before each further try to open the first association of a peer that is too busy at the moment."""

    reopen: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
    """Before each further try to open an association again that was lost: long enough for a server to start again."""

    parallel: int = 1
    """Associations at once; a peer that takes fewer gets fewer."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file.

    status: the peer's last answer; None where there was none.
    words: a warning, or why it failed; empty for a plain success.
    note: how what was sent differs from the file; empty where it went out byte for byte.
    earlier: why the tries before the last one failed.
    """

    item: ImageFile
    stored: bool
    status: int | None
    words: str
    tries: int
    note: str = ""
    earlier: tuple[str, ...] = ()
