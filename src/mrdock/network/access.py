"""Who may associate: pairs of AE title and network, decided without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from mrdock.network import pdu
from mrdock.network.negotiation import APPLICATION_CONTEXT, Request


@dataclass(frozen=True, slots=True)
class Peer:
    """An AE title (None: any) that may call from a network."""

    title: str | None
    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an association is rejected, and the A-ASSOCIATE-RJ that says it (PS3.8 table 9-21)."""

    text: str
    pdu: bytes


TOO_MANY = Refusal("too many associations", pdu.reject(2, 3, 2))
STOPPING = Refusal("the server is stopping", pdu.reject(2, 3, 1))


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one listener: the titles it answers to, and its peers (None: anyone)."""

    titles: frozenset[str]
    peers: tuple[Peer, ...] | None

    def admits(self, host: str) -> bool:
        """Whether a connection from this address is listened to at all."""
        return self.peers is None or any(_within(host, peer) for peer in self.peers)

    def judge(self, request: Request, host: str) -> Refusal | None:
        """Why the request is to be rejected, or None."""
        if not request.version & 1:
            return Refusal("unknown protocol version", pdu.reject(1, 2, 2))
        if request.application_context != APPLICATION_CONTEXT:
            return Refusal("unknown application context", pdu.reject(1, 1, 2))
        if request.called not in self.titles:
            return Refusal(f"called AE title {request.called!r} is not ours", pdu.reject(1, 1, 7))
        if self.peers is not None and not any(
            peer.title in (None, request.calling) and _within(host, peer) for peer in self.peers
        ):
            return Refusal(f"calling AE title {request.calling!r} is not among the peers", pdu.reject(1, 1, 3))
        return None


def _within(host: str, peer: Peer) -> bool:
    address = ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in peer.network
