"""Data sets that are broken, too deep, bombs or at odds with their command, and scanners with habits of their own."""

from __future__ import annotations

import random
import select
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

import pytest

from tests.builders.elements import UNDEFINED
from tests.conftest import NeedTool
from tests.dock.support import MR, STUDY, Image
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import wait_for
from tests.faults.raw import (
    BROKEN,
    INVALID_PARAMETER,
    LISTENERS,
    MISMATCH,
    SOP_CLASS,
    SUCCESS,
    Scene,
    aborted,
    begun,
    command_of,
    peak_kb,
    request,
    reset_peak,
    said,
    scene,
)
from tests.network import messages
from tests.network.messages import CT, context, p_data, pdv
from tests.network.serving import Raw

DEFLATED: Final = "1.2.840.10008.1.2.1.99"
IDLE: Final = 6
PAUSE: Final = 5
"""A sixth and more of the limit, as 50 s are of the 60 that are the default."""


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("content")) as running:
        yield running


@pytest.fixture(scope="module")
def odd_dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A dock that takes the deflated syntax and is sooner tired of silence."""
    settings = f"[receive]\ndeflated = true\n[limits]\nidle_seconds = {IDLE}\n"
    with scene(tmp_path_factory.mktemp("odd"), settings) as running:
        yield running


# ---- T11: depth ----


def nested(depth: int, explicit: bool) -> bytes:
    """So many sequences inside one another, Explicit VR; ``explicit`` says whether their lengths are."""
    start, item = struct.pack("<HH2sH", 0x0040, 0xA730, b"SQ", 0), struct.pack("<HH", 0xFFFE, 0xE000)
    if not explicit:
        undefined = struct.pack("<I", UNDEFINED)
        ends = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return (start + undefined + item + undefined) * depth + ends * depth
    heads = [start + struct.pack("<I", size + 8) + item + struct.pack("<I", size) for size in range(0, 20 * depth, 20)]
    return b"".join(reversed(heads))


@pytest.mark.parametrize("explicit", [True, False], ids=["defined", "undefined"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t11_sequences_without_end_in_depth(dock: Scene, listener: str, explicit: bool) -> None:
    """Sequences 65 to 100,000 deep are refused with 0xC000, the log names the limit; 64 deep they are taken."""
    with dock.peer(listener) as peer:
        for depth in (65, 10_000, 100_000):
            whole = dock.image()
            dock.refuse(peer, replace(whole, data=whole.data + nested(depth, explicit)), BROKEN)
        whole = dock.image()
        dock.take(peer, replace(whole, data=whole.data + nested(64, explicit)))
        peer.release()
    assert f"{listener}: an image of SCANNER refused with 0xC000: sequences are nested more than 64" in dock.dock.log()
    dock.unharmed()


# ---- T12: bombs ----


def bomb(item: Image, inflated: int) -> bytes:
    """The data set deflated, with so many zeros for pixels; of a whole number of MiB."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = engine.compress(item.data + struct.pack("<HH2sHI", 0x7FE1, 0x1010, b"OB", 0, inflated))
    head += engine.flush(zlib.Z_FULL_FLUSH)
    # after a full flush nothing refers to what was before: one block is all blocks
    block = engine.compress(bytes(1 << 20)) + engine.flush(zlib.Z_FULL_FLUSH)
    deflated = head + block * (inflated >> 20) + engine.flush()
    return deflated + bytes(len(deflated) % 2)


def deflated_peer(dock: Scene, listener: str) -> tuple[Raw, dict[int, str]]:
    peer = Raw(dock.dock.ports[listener])
    return peer, peer.associate(messages.associate(contexts=context(3, MR, DEFLATED)))


@pytest.mark.parametrize("listener", LISTENERS)
def test_t12_the_deflated_syntax_is_not_offered_by_default(dock: Scene, listener: str) -> None:
    """A context with the deflated syntax alone is refused; who sends in it all the same is aborted."""
    peer, accepted = deflated_peer(dock, listener)
    with peer:
        assert accepted == {}
        item = dock.image()
        peer.say(request(replace(item, data=bomb(item, 128 << 20))))
        assert peer.hear_all() == aborted(INVALID_PARAMETER)
    dock.unharmed()


@pytest.mark.parametrize("inflated", [128 << 20, 2 << 30], ids=["128 MiB", "2 GiB"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t12_a_deflated_bomb(odd_dock: Scene, listener: str, inflated: int) -> None:
    """Where the settings take the syntax, a bomb is refused with 0xC000, and memory grows by less than 64 MiB."""
    item = odd_dock.image()
    sent = replace(item, data=bomb(item, inflated))
    assert len(sent.data) < inflated >> 9
    before = {}
    for pid in odd_dock.workers:
        reset_peak(pid)
        before[pid] = peak_kb(pid)
    peer, accepted = deflated_peer(odd_dock, listener)
    with peer:
        assert accepted == {3: DEFLATED}
        odd_dock.refuse(peer, sent, BROKEN)
        grown = {pid: peak_kb(pid) - before[pid] for pid in odd_dock.workers}
        assert max(grown.values()) < 64 << 10, grown
        odd_dock.take(peer, replace(item, data=bomb(item, 0)))
        peer.release()
    assert "0xC000: the deflated data set inflates to more than 64 MiB" in odd_dock.dock.log()
    odd_dock.unharmed()


# ---- T13: not whole ----


def plain(group: int, element: int, vr: bytes, length: int, value: bytes) -> bytes:
    """One element of a VR with a long length, Explicit VR Little Endian; ``length`` is what it claims."""
    return struct.pack("<HH2sHI", group, element, vr, 0, length) + value


def item_start(length: int) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, length)


PIXELS: Final = 12 + 2
"""Bytes of the pixel data at the end of a small image."""

DAMAGE: Final[dict[str, Callable[[bytes], bytes]]] = {
    "cut in the pixels": lambda data: data[:-PIXELS] + plain(0x7FE0, 0x0010, b"OW", 4096, bytes(2096)),
    "cut in large pixels": lambda data: data[:-PIXELS] + plain(0x7FE0, 0x0010, b"OW", 4 << 20, bytes(3 << 20)),
    "cut in the header": lambda data: data[: len(data) // 2 & ~1],
    "cut in an element's head": lambda data: data + b"\xe1\x7f\x10\x10",
    "endless sequence": lambda data: data + plain(0x7FE1, 0x1010, b"SQ", UNDEFINED, item_start(UNDEFINED) + data[:20]),
    "endless item": lambda data: data + plain(0x7FE1, 0x1010, b"SQ", UNDEFINED, item_start(8) + data[:8]),
    "element of 4 GiB": lambda data: data + plain(0x7FE1, 0x1010, b"OB", 0xFFFFFFFE, bytes(64)),
    "endless fragments": lambda data: (
        data[:-PIXELS] + plain(0x7FE0, 0x0010, b"OB", UNDEFINED, item_start(0x7FFFFFF0) + bytes(64))
    ),
    "impossible VRs": lambda data: b"".join(
        struct.pack("<HH2sH", 8, 0x16 + number, b"??", 0xFFFF) + bytes(range(20)) for number in range(50)
    ),
    "noise": lambda data: random.Random("noise").randbytes(4000),
    "no UIDs": lambda data: struct.pack("<HH2sH", 0x0010, 0x0020, b"LO", 2) + b"P1",
    "nothing": lambda data: b"",
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("listener", LISTENERS)
def test_t13_a_data_set_that_is_not_whole_but_marked_so(dock: Scene, listener: str, what: str) -> None:
    """Refused with 0xC000, its bytes in the quarantine, never in the study; the association goes on."""
    whole = dock.image()
    item = replace(whole, data=DAMAGE[what](whole.data))
    before = len(dock.quarantined())
    with dock.peer(listener) as peer:
        dock.refuse(peer, item, BROKEN)
        dock.take(peer, dock.image())
        peer.release()
    kept = dock.quarantined()
    assert (len(kept), item.data in kept) == ((before + 1, True) if item.data else (before, False))
    dock.unharmed()


@pytest.mark.parametrize("listener", LISTENERS)
def test_t13_an_element_of_4_gib_in_implicit_vr(dock: Scene, listener: str) -> None:
    """The same where every length has 32 bits."""
    item = dock.image()
    uids = {0x0008: ((0x16, item.sop_class), (0x18, item.uid)), 0x0020: ((0x0D, STUDY), (0x0E, STUDY))}
    said_ids = [(group, number, uid.encode()) for group, pairs in uids.items() for number, uid in pairs]
    data = b"".join(
        struct.pack("<HHI", group, number, len(uid) + len(uid) % 2) + uid + b"\0" * (len(uid) % 2)
        for group, number, uid in said_ids
    )
    whole = replace(item, data=data + struct.pack("<HHI", 0x7FE0, 0x0010, 64) + bytes(64))
    cut = replace(item, data=data + struct.pack("<HHI", 0x7FE0, 0x0010, 0xFFFFFFFE) + bytes(64))
    with dock.peer(listener) as peer:
        dock.refuse(peer, cut, BROKEN, context_id=1)
        dock.take(peer, whole, context_id=1)
        peer.release()
    assert cut.data in dock.quarantined()
    dock.unharmed()


# ---- T21: habits of scanners ----


@pytest.mark.parametrize("listener", LISTENERS)
def test_t21_a_fragment_of_odd_length(dock: Scene, listener: str) -> None:
    """An odd fragment is refused in words, with an abort; what the association had stored before stays."""
    with dock.peer(listener) as peer:
        dock.take(peer, dock.image())
        item = dock.image()
        peer.say(begun(item, 50), p_data(pdv(3, item.data[50:101], command=False, last=False)))
        assert peer.hear_all() == aborted(INVALID_PARAMETER)
    said_so = f"{listener}: SCANNER at 127.0.0.1 sent 1 image, 1 broken off (aborted: a fragment of odd length"
    wait_for("a line in the log", lambda: said_so in dock.dock.log())
    dock.unharmed()


def pauses(dock: Scene) -> Iterator[tuple[Image, bytes, bytes]]:
    """Images in two parts: cut before the command, after it, between two fragments, within a PDU."""
    item = dock.image()
    yield item, b"", request(item)
    item = dock.image()
    yield item, said(command_of(item), command=True), said(item.data)
    item = dock.image()
    yield item, begun(item, 100), said(item.data[100:])
    item = dock.image()
    yield item, request(item)[:-100], request(item)[-100:]


def test_t21_a_pause_in_mid_series(odd_dock: Scene) -> None:
    """A pause of five sixths of the idle limit does no harm, wherever it falls; who says nothing more is aborted."""
    with ExitStack() as stack:

        def begin(listener: str) -> Raw:
            peer = stack.enter_context(odd_dock.peer(listener))
            odd_dock.take(peer, odd_dock.image())
            return peer

        paused = [(begin(listener), *parts) for listener in LISTENERS for parts in pauses(odd_dock)]
        silent = [begin(listener) for listener in LISTENERS]
        for peer, _, first, _ in paused:  # all pauses begin now, however long the images took
            peer.echo()
            peer.say(first)
        heard, _, _ = select.select([peer.sock for peer, *_ in paused], [], [], PAUSE)
        assert heard == []
        for peer, _, _, rest in paused:
            peer.say(rest)
        for peer, item, _, _ in paused:
            assert peer.answer().status == SUCCESS
            odd_dock.note(item)
        for peer in silent:
            peer.sock.settimeout(60)
            assert peer.hear_all() == aborted(0)
    wait_for(
        "a line in the log",
        lambda: f"aborted: nothing came for {IDLE} s while waiting for a message" in odd_dock.dock.log(),
    )
    odd_dock.unharmed()


@pytest.mark.parametrize("end", ["release", "close", "reset"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t21_an_association_for_each_image(dock: Scene, listener: str, end: str) -> None:
    """Thirty associations of one image each, three times as many as one peer may have at once; some never release."""
    for _ in range(30):
        with dock.peer(listener) as peer:
            dock.take(peer, dock.image())
            if end == "release":
                peer.release()
            elif end == "reset":
                peer.reset()
    dock.unharmed()


@pytest.mark.peer
@pytest.mark.parametrize("listener", LISTENERS)
def test_t21_storescu_that_aborts_instead_of_releasing(
    dock: Scene, listener: str, images: MakeImages, need_tool: NeedTool
) -> None:
    """storescu ends with an A-ABORT: everything that was acknowledged stays."""
    files = images(5, seed=f"t21 {listener}")
    with dock.sending(listener) as recorder:
        clients.storescu(need_tool, "--abort")(recorder.port, files)
    assert len(recorder.acknowledged()) == 5
    dock.unharmed()


# ---- T22, T25 ----

PREAMBLES = {
    "PE": b"MZ\x90\0" + b"\x01" * 124,
    "ELF": b"\x7fELF\2\1\1".ljust(128, b"\x02"),
    "script": b"#!/bin/sh\ntouch /tmp/owned\n".ljust(128, b"\n"),
    "HTML": b"<html><script>alert(1)</script>".ljust(128),
    "TIFF": b"II*\0\x08\0\0\0".ljust(128, b"\x03"),
}


@pytest.mark.peer
@pytest.mark.parametrize("sender", ["storescu", "dcmsend", "ours"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t22_the_preamble_of_a_stored_file_is_zeros(
    dock: Scene, listener: str, sender: str, images: MakeImages, need_tool: NeedTool
) -> None:
    """Files with a program, a page or a TIFF in their preamble are sent: stored is one of 128 zeros, whatever came."""
    files = images(len(PREAMBLES), seed=f"t22 {listener} {sender}")
    for path, preamble in zip(files, PREAMBLES.values(), strict=True):
        path.write_bytes(preamble + path.read_bytes()[128:])
    send = {"storescu": clients.storescu(need_tool), "dcmsend": clients.dcmsend(need_tool), "ours": clients.ours}
    with dock.sending(listener) as recorder:
        send[sender](recorder.port, files)
    assert len(recorder.acknowledged()) == len(PREAMBLES)
    dock.unharmed()
    for path in dock.files():
        assert path.read_bytes()[:132] == bytes(128) + b"DICM"


@pytest.mark.parametrize("what", ["instance", "class", "class of the context", "no instance", "no class"])
@pytest.mark.parametrize("listener", LISTENERS)
def test_t25_command_context_and_data_set_disagree(dock: Scene, listener: str, what: str) -> None:
    """UID or class of command, presentation context and data set differ: refused with 0xA900, nothing kept."""
    item = dock.image()
    sent = {
        "instance": replace(item, uid=f"{item.uid}.9"),
        "class": replace(dock.image({SOP_CLASS: ("UI", CT)}), uid=item.uid),
        "class of the context": replace(dock.image(sop_class=CT), sop_class=CT),
        "no instance": replace(item, uid=""),
        "no class": replace(item, sop_class=""),
    }[what]
    before = len(dock.quarantined())
    with dock.peer(listener) as peer:
        dock.refuse(peer, sent, MISMATCH)
        dock.take(peer, item)
        peer.release()
    assert len(dock.quarantined()) == before
    dock.unharmed()
