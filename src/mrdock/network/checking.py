"""Checking a connection without sending anything: round trip, negotiated limits, and what the peer takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mrdock.dicom.sop_classes import UNCOMPRESSED
from mrdock.network.choosing import class_name
from mrdock.network.delivery import name_of
from mrdock.network.policy import Peer
from mrdock.network.requester import LONGEST_PDU

ASKED: Final = (
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
    "1.2.840.10008.5.1.4.1.1.66",  # Raw Data
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a connection has shown.

    seconds: the round trip of a C-ECHO.
    longest: the longest PDU that the peer takes, 0 for any.
    window: images that may be under way at once.
    takes: of each SOP class that was asked for whether the peer takes it.
    """

    seconds: float
    longest: int
    window: int
    takes: dict[str, bool]


def check(peer: Peer) -> Checked:
    """Open an association, C-ECHO, release. Raises `NetworkError`."""
    with peer.associate((sop_class, syntax) for sop_class in ASKED for syntax in UNCOMPRESSED[:2]) as requester:
        seconds = requester.echo()
        taken = {sop_class for sop_class, _ in requester.accepted}
        return Checked(seconds, requester.longest, requester.window, {uid: uid in taken for uid in ASKED})


def lines(peer: Peer, checked: Checked) -> list[str]:
    """For people."""
    takes = [class_name(uid) for uid, taken in checked.takes.items() if taken]
    refuses = [class_name(uid) for uid, taken in checked.takes.items() if not taken]
    longest = f"{checked.longest:,} bytes" if checked.longest else "any length"
    found = [
        f"{name_of(peer)} answers{' over TLS' if peer.tls else ''}: round trip {checked.seconds * 1000:.1f} ms",
        f"  longest PDU: it takes {longest}, we take {LONGEST_PDU:,} bytes",
        f"  images under way at once: {checked.window}",
    ]
    if takes:
        found.append(f"  takes {', '.join(takes)}")
    if refuses:
        found.append(f"  does not take {', '.join(refuses)}")
    return found


def record(peer: Peer, checked: Checked) -> dict[str, Any]:
    """For programs."""
    return {
        "host": peer.host,
        "port": peer.port,
        "called": peer.called,
        "calling": peer.calling,
        "tls": peer.tls is not None,
        "round_trip_ms": round(checked.seconds * 1000, 3),
        "longest_pdu": checked.longest,
        "window": checked.window,
        "takes": {class_name(uid): taken for uid, taken in checked.takes.items()},
    }
