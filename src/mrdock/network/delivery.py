"""Files brought to one destination: sent, written down in the ledger, sent again; and what became of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mrdock.errors import NetworkError, PlaceError
from mrdock.network.choosing import Chooser, alternatives
from mrdock.network.collecting import Collection
from mrdock.network.connecting import tls_context
from mrdock.network.destinations import Destination
from mrdock.network.ledger import Ledger
from mrdock.network.outgoing import ImageFile
from mrdock.network.policy import Peer, Policy, Sent
from mrdock.network.sending import Sending

CALLING: Final = "SEND_DICOM"
CALLED: Final = "ANY-SCP"
PORT: Final = 104
TIMEOUT: Final = 60.0
DELAY: Final = 0.5


def peer_of(destination: Destination) -> Peer:
    """Whom a destination means; it has a host. Raises `SettingsError` for certificates that cannot be used."""
    tls = None
    if destination.tls:
        tls = tls_context(
            destination.tls_ca,
            destination.tls_cert,
            destination.tls_key,
            insecure=bool(destination.tls_insecure),
        )
    return Peer(
        destination.host or "",
        destination.port or PORT,
        destination.called or CALLED,
        destination.calling or CALLING,
        destination.timeout or TIMEOUT,
        tls,
    )


def name_of(peer: Peer) -> str:
    """A peer as people call it."""
    return f"{peer.called} at {peer.host} port {peer.port}"


@dataclass(slots=True)
class Outcome:
    """What became of the files.

    results: of each file that was tried, the last; threads that were stopped at once may still add to it.
    before: files that the ledger says are there already.
    refused: why there was no association at all; empty where there was one.
    """

    peer: Peer
    found: Collection
    before: list[ImageFile] = field(default_factory=list)
    results: dict[ImageFile, Sent] = field(default_factory=dict)
    refused: str = ""
    interrupted: bool = False
    associations: int = 0
    seconds: float = 0.0
    ledger_trouble: str = ""

    @property
    def stored(self) -> list[Sent]:
        """What the peer has now, with warnings too."""
        return [sent for sent in list(self.results.values()) if sent.stored]

    @property
    def failed(self) -> list[Sent]:
        """What was tried in vain."""
        return [sent for sent in list(self.results.values()) if not sent.stored]

    @property
    def unsent(self) -> list[ImageFile]:
        """What was not tried to the end, because the run was stopped or nobody answered."""
        settled = {*list(self.results), *self.before}
        return [item for item in self.found.images if item not in settled]

    @property
    def size(self) -> int:
        """Bytes of the files that were stored."""
        return sum(sent.item.size for sent in self.stored)

    @property
    def complete(self) -> bool:
        """Whether nothing failed and nothing is left over."""
        return not (self.failed or self.unsent or self.refused or self.found.failures)


class Delivery:
    """One run of sending to one destination."""

    def __init__(
        self,
        peer: Peer,
        destination: Destination,
        found: Collection,
        *,
        ledger: Ledger | None = None,
        resume: bool = False,
        told: Callable[[Sent], None] = lambda _: None,
        stop: threading.Event | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Nothing is opened yet; ``peer`` is the destination's, which also says the delay and how many associations.

        ``resume`` passes over what the ledger says was stored there. ``told`` is called when a file's fate is settled.
        Raises `PlaceError`.
        """
        self.outcome = Outcome(peer, found)
        self._ledger = ledger
        self._told = told
        self._stop = stop or threading.Event()
        self._sending = Sending(
            peer,
            self._settled,
            policy=replace(
                policy or Policy(),
                max_delay=DELAY if destination.delay is None else destination.delay,
                parallel=destination.parallel or 1,
            ),
            prepare=Chooser(destination.copy_field),
            alternatives=alternatives,
            stop=self._stop,
        )
        if ledger is not None:
            if resume:
                self.outcome.before = [item for item in found.images if ledger.has(item)]
            ledger.begin(found.images)

    @property
    def moved(self) -> int:
        """Bytes that went out so far."""
        return self._sending.moved

    def run(self) -> None:
        """Send what the peer does not have yet. The outcome says how it went, also where no association came about."""
        self._send(self.outcome.unsent)

    def again(self) -> None:
        """Send what failed once more."""
        self._send([sent.item for sent in self.outcome.failed])

    def _send(self, items: Sequence[ImageFile]) -> None:
        outcome = self.outcome
        began = time.monotonic()
        try:
            if items:
                self._sending.run(items)
            outcome.refused = ""
        except NetworkError as error:
            outcome.refused = str(error)
        except KeyboardInterrupt:
            self._stop.set()
        finally:
            outcome.seconds += time.monotonic() - began
            outcome.associations = self._sending.associations
            outcome.interrupted = self._stop.is_set()

    def _settled(self, sent: Sent) -> None:
        before = self.outcome.results.get(sent.item)
        if before is not None:
            earlier = (*before.earlier, before.words, *sent.earlier)
            sent = replace(sent, tries=before.tries + sent.tries, earlier=earlier)
        self.outcome.results[sent.item] = sent
        if self._ledger is not None and not self.outcome.ledger_trouble:
            try:
                self._ledger.add(sent.item, stored=sent.stored, status=sent.status, words=sent.words)
            except PlaceError as error:  # the images matter more
                self.outcome.ledger_trouble = str(error)
        self._told(sent)
