"""Many files to one peer that does what a script says: what is tried again, when it waits, what is never sent twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.errors import AbortedError, ConnectError, NetworkError, RejectedError, UnacceptedError
from mrdock.network import pdu
from mrdock.network.dimse import Command, decode_command
from mrdock.network.outgoing import ImageFile, Pair, image_file
from mrdock.network.policy import Peer, Policy, Sent
from mrdock.network.sending import Sending, as_it_is

from . import messages
from .messages import EXPLICIT, IMPLICIT, MR
from .scripted import Line, scp

QUICK = Policy(max_delay=0)
Script = Callable[[Line], None]
Statuses = dict[str, list[int]]


def files(folder: Path, count: int, *, sop_class: str = MR, size: int = 100) -> list[ImageFile]:
    """Files whose instances are 1.2.0, 1.2.1 ..."""
    items = []
    for number in range(count):
        path = folder / f"{sop_class[-6:]}.{number}"
        path.write_bytes(encode_file_meta(FileMeta(sop_class, f"1.2.{number}", EXPLICIT)) + bytes(size))
        items.append(image_file(path))
    return items


class Run:
    """One run, and what was told of it."""

    def __init__(self, port: int, *, timeout: float = 20, **options: object) -> None:
        self.told: list[Sent] = []
        self.waits: list[float] = []
        options = {"policy": QUICK, "wait": self.waits.append} | options
        peer = Peer("127.0.0.1", port, "ARCHIVE", "SENDER", timeout)
        self.sending = Sending(peer, self.told.append, **options)  # type: ignore[arg-type]

    def send(self, items: Sequence[ImageFile]) -> Run:
        self.sending.run(items)
        assert len(self.told) == len({sent.item for sent in self.told}), "a file was counted twice"
        return self

    @property
    def fates(self) -> dict[str, tuple[bool, int]]:
        """Of each instance whether it was stored, and how many tries it took."""
        return {sent.item.meta.sop_instance: (sent.stored, sent.tries) for sent in self.told}


def answers(heard: list[str], *statuses: int, then: int = 0) -> Script:
    """Accept, answer each store with the next status and then always with the last; note the instances."""
    left = list(statuses)

    def script(line: Line) -> None:
        line.accept()
        while True:
            kind, instance, request = message(line)
            if not kind:
                return
            heard.append(instance)
            line.answer(request, left.pop(0) if left else then)

    return script


def message(line: Line) -> tuple[bool, str, Command]:
    """The next store; the reply to a release where that comes instead."""
    kind, body = line.hear()
    if kind == pdu.RELEASE_RQ:
        line.say(messages.pdu(6, bytes(4)))
    if kind != pdu.P_DATA:
        return False, "", Command(0)
    command = decode_command(body[6:])
    while True:
        kind, body = line.hear()
        if body[5] & 2:
            return True, command.sop_instance, command


def breaks(heard: list[str], after: int) -> Script:
    """Accept, answer so many stores with Success, abort in the next."""

    def script(line: Line) -> None:
        line.accept()
        for number in range(after + 1):
            _, instance, request = message(line)
            heard.append(instance)
            if number < after:
                line.answer(request)
        line.say(pdu.abort(0))

    return script


# ---- tries ----


def test_all_is_well(tmp_path: Path) -> None:
    heard: list[str] = []
    with scp(answers(heard)) as port:
        run = Run(port).send(files(tmp_path, 5))
    assert heard == [f"1.2.{n}" for n in range(5)]
    assert run.fates == {f"1.2.{n}": (True, 1) for n in range(5)}
    assert run.waits == []
    assert run.sending.associations == 1


def test_a_failure_that_may_pass_is_tried_again_when_the_others_are_through(tmp_path: Path) -> None:
    heard: list[str] = []
    with scp(answers(heard, 0, 0xA700, 0), answers(heard)) as port:
        run = Run(port).send(files(tmp_path, 4))
    assert heard == ["1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.2.1"]
    assert run.fates["1.2.1"] == (True, 2)
    assert run.told[-1].earlier == ("it has no room or no resources at the moment (0xA700)",)
    assert run.waits == [0.5]


def test_four_tries_and_no_more(tmp_path: Path) -> None:
    heard: list[str] = []
    with scp(*(answers(heard, 0xA700) for _ in range(4))) as port:
        run = Run(port).send(files(tmp_path, 1))
    assert heard == ["1.2.0"] * 4
    assert run.fates == {"1.2.0": (False, 4)}
    assert len(run.told[0].earlier) == 3
    assert run.waits == [0.5, 2.0, 5.0]


@pytest.mark.parametrize("status", [0xA900, 0xA9FF, 0xC000, 0xCFFF, 0x0122, 0x0111])
def test_what_cannot_get_better_is_not_repeated(tmp_path: Path, status: int) -> None:
    heard: list[str] = []
    with scp(answers(heard, status)) as port:
        run = Run(port).send(files(tmp_path, 2))
    assert heard == ["1.2.0", "1.2.1"]
    assert run.fates == {"1.2.0": (False, 1), "1.2.1": (True, 1)}
    assert run.told[0].status == status


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0xBABE])
def test_warnings_count_as_sent(tmp_path: Path, status: int) -> None:
    with scp(answers([], status)) as port:
        run = Run(port).send(files(tmp_path, 1))
    assert run.fates == {"1.2.0": (True, 1)}
    assert f"0x{status:04X}" in run.told[0].words


def test_the_peers_comment_is_told(tmp_path: Path) -> None:
    def script(line: Line) -> None:
        line.accept()
        request = message(line)[2]
        head = messages.command(messages.STORE_RESPONSE, message=None, responded=request.message_id, status=0xC001)
        body = head[12:] + messages.element(0x0902, b"no \x1b[31m studies here")
        whole = messages.element(0, len(body).to_bytes(4, "little")) + body
        line.say(messages.p_data(messages.pdv(1, whole, command=True, last=True)))
        message(line)

    with scp(script) as port:
        run = Run(port).send(files(tmp_path, 1))
    assert run.told[0].words == r"it cannot understand the data set (0xC001: no \x1b[31m studies here)"


def test_the_delay_grows_with_each_error_up_to_the_longest(tmp_path: Path) -> None:
    with scp(answers([], 0, *[0xC000] * 7)) as port:
        run = Run(port, policy=Policy(max_delay=0.45)).send(files(tmp_path, 10))
    assert run.waits == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.45, 0.45, 0.45, 0.45])


# ---- associations that break ----


def test_a_lost_association_is_opened_again_for_what_is_left(tmp_path: Path) -> None:
    heard: list[str] = []
    with scp(breaks(heard, 2), answers(heard), answers(heard)) as port:
        run = Run(port).send(files(tmp_path, 6))
    assert heard == ["1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5", "1.2.2"]
    assert run.fates == {f"1.2.{n}": (True, 2 if n == 2 else 1) for n in range(6)}
    assert "aborted the association" in run.told[-1].earlier[0]
    assert run.sending.associations == 3


def test_an_image_that_makes_the_peer_abort_takes_no_others_with_it(tmp_path: Path) -> None:
    """It is tried four times; those that were under way with it are sent in the next round, one at a time."""

    def script(line: Line) -> None:
        line.accept(more=messages.item(0x53, bytes((0, 4, 0, 1))))
        while True:
            there, instance, request = message(line)
            if not there:
                return
            if instance == "1.2.1":
                line.say(pdu.abort(0))
                return
            line.answer(request)

    with scp(*[script] * 9) as port:
        run = Run(port, policy=replace(QUICK, reopen=(0, 0))).send(files(tmp_path, 6))
        scripts_left(port, 9 - run.sending.associations)
    assert run.fates["1.2.1"] == (False, 4)
    assert all(run.fates[f"1.2.{n}"][0] for n in (0, 2, 3, 4, 5))
    assert max(tries for _, tries in run.fates.values()) == 4


def scripts_left(port: int, count: int) -> None:
    """Use up the connections that a server still expects."""
    for _ in range(count):
        Peer("127.0.0.1", port).associate([]).release()


def test_a_peer_that_is_gone(tmp_path: Path) -> None:
    """What was not sent is told, with the reason, each file once."""
    heard: list[str] = []
    with scp(breaks(heard, 2)) as port:
        run = Run(port).send(files(tmp_path, 5))
    assert [sent.stored for sent in run.told] == [True, True, False, False, False]
    assert all("Connection refused" in sent.words for sent in run.told[3:])
    assert "aborted" in run.told[2].words or "closed" in run.told[2].words
    assert run.waits == list(Policy().reopen)


def test_a_peer_that_never_was_there(tmp_path: Path) -> None:
    with scp(lambda line: None) as port:
        Peer("127.0.0.1", port).tls  # noqa: B018
        with pytest.raises(AbortedError, match="no association; check that this is the port of a DICOM server"):
            Run(port).send(files(tmp_path, 1))
    run = Run(port)
    with pytest.raises(ConnectError, match="nothing listens there"):
        run.send(files(tmp_path, 1))
    assert (run.told, run.waits) == ([], [])


def test_a_peer_that_is_busy_at_first(tmp_path: Path) -> None:
    def busy(line: Line) -> None:
        line.hear()
        line.say(pdu.reject(2, 3, 2))

    with scp(busy, busy, answers([])) as port:
        run = Run(port).send(files(tmp_path, 1))
    assert run.fates == {"1.2.0": (True, 1)}
    assert run.waits == [1.0, 2.0]


def test_a_rejection_for_good_is_not_repeated(tmp_path: Path) -> None:
    def rejects(line: Line) -> None:
        line.hear()
        line.say(pdu.reject(1, 1, 3))

    with scp(rejects) as port, pytest.raises(RejectedError, match="does not know our AE title 'SENDER'"):
        Run(port).send(files(tmp_path, 1))


# ---- several at once ----


def test_several_associations_share_the_files(tmp_path: Path) -> None:
    heard: list[str] = []
    both = threading.Barrier(2)

    def script(line: Line) -> None:
        line.accept()
        both.wait(20)
        script_rest(line)

    def script_rest(line: Line) -> None:
        while True:
            there, instance, request = message(line)
            if not there:
                return
            heard.append(instance)
            line.answer(request)

    with scp(script) as first, scp(script) as second:
        ports = [first, second]

        class Two(Peer):
            def associate(self, pairs: object) -> object:  # type: ignore[override]
                return Peer("127.0.0.1", ports.pop()).associate(pairs)  # type: ignore[arg-type]

        told: list[Sent] = []
        Sending(Two("127.0.0.1", 0), told.append, policy=replace(QUICK, parallel=2)).run(files(tmp_path, 30))
    assert sorted(heard) == sorted(f"1.2.{n}" for n in range(30))
    assert all(sent.stored for sent in told)
    assert len(told) == 30


def test_where_no_association_of_several_comes_about_that_is_said_once(tmp_path: Path) -> None:
    with scp(lambda line: None) as port:
        scripts_left_broken(port)
    run = Run(port, policy=replace(QUICK, parallel=4))
    with pytest.raises(ConnectError):
        run.send(files(tmp_path, 8))
    assert run.told == []


def scripts_left_broken(port: int) -> None:
    with pytest.raises(NetworkError):
        Peer("127.0.0.1", port).associate([])


# ---- stopping ----


def test_a_stop_waits_for_what_is_under_way_and_begins_nothing_more(tmp_path: Path) -> None:
    stop = threading.Event()
    heard: list[str] = []

    def script(line: Line) -> None:
        line.accept(more=messages.item(0x53, bytes((0, 3, 0, 1))))
        requests = [message(line) for _ in range(3)]
        stop.set()
        for _, instance, request in requests:
            heard.append(instance)
            line.answer(request)
        assert message(line)[0] is False

    with scp(script) as port:
        run = Run(port, stop=stop, wait=stop.wait).send(files(tmp_path, 9))
    assert heard == ["1.2.0", "1.2.1", "1.2.2"]
    assert run.fates == dict.fromkeys(heard, (True, 1))


def test_a_stop_ends_the_waits(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with scp(answers([], 0xA700)) as port:
        run = Run(port, policy=replace(QUICK, pauses=(60,)), stop=stop, wait=stop.wait).send(files(tmp_path, 1))
    assert run.told == []


# ---- files ----


def test_a_file_that_went_away_or_became_shorter_takes_no_others_with_it(tmp_path: Path) -> None:
    """In the middle of a data set nothing else can follow: the association is given up, and another one opened."""
    items = files(tmp_path, 4)
    long = files(tmp_path, 1, sop_class=MR, size=3 << 20)[0]
    items[0] = long
    os.truncate(long.path, 2 << 20)
    items[2].path.unlink()
    heard: list[str] = []

    def given_up(line: Line) -> None:
        line.accept()
        while (kind := line.hear()[0]) == pdu.P_DATA:
            pass
        assert kind == pdu.ABORT

    with scp(given_up, answers(heard)) as port:
        run = Run(port).send(items)
    assert run.fates == {"1.2.0": (False, 1), "1.2.1": (True, 1), "1.2.2": (False, 1), "1.2.3": (True, 1)}
    words = {sent.item.meta.sop_instance: sent.words for sent in run.told}
    assert words["1.2.0"] == "the file became shorter while it was sent"
    assert words["1.2.2"] == "No such file or directory"


def test_what_the_peer_does_not_take_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    other = "1.2.840.10008.5.1.4.1.1.2"
    items = files(tmp_path, 1) + [
        replace(one, meta=replace(one.meta, sop_instance="1.3")) for one in files(tmp_path, 1, sop_class=other)
    ]

    def script(line: Line) -> None:
        line.accept(only=(1,))
        line.answer(message(line)[2])
        assert message(line)[0] is False

    with scp(script) as port:
        run = Run(port).send(items)
    assert run.fates == {"1.2.0": (True, 1), "1.3": (False, 1)}


def test_more_contexts_than_one_association_carries(tmp_path: Path) -> None:
    """300 SOP classes, each in two transfer syntaxes, and one with 200 transfer syntaxes."""
    path = tmp_path / "image"
    path.write_bytes(encode_file_meta(FileMeta(MR, "1.2", EXPLICIT)) + bytes(10))
    pairs = [(f"1.2.3.{number}", EXPLICIT) for number in range(150)] + [(MR, f"1.9.{n}") for n in range(200)]
    items = [
        replace(image_file(path), meta=FileMeta(*pair, data_set_at=path.stat().st_size - 10))
        for pair in map(meta, pairs)
    ]
    proposed: list[Pair] = []
    counts: list[int] = []

    def script(line: Line) -> None:
        request = line.accept()
        counts.append(len(request.proposals))
        proposed.extend((one.abstract_syntax, one.transfer_syntaxes[0]) for one in request.proposals[:-1])
        while (got := message(line))[0]:
            line.answer(got[2])

    with scp(*[script] * 4) as port:
        run = Run(port, alternatives=lambda uid: (EXPLICIT, IMPLICIT) if uid == EXPLICIT else ()).send(items)
    assert len(run.told) == 350
    assert all(sent.stored for sent in run.told)
    assert len(counts) == 4
    assert max(counts) <= 128
    assert {*pairs, *((name, IMPLICIT) for name, syntax in pairs if syntax == EXPLICIT)} == set(proposed)


def meta(pair: Pair) -> tuple[str, str, str]:
    return pair[0], "1.2", pair[1]


def test_as_it_is() -> None:
    item = ImageFile(Path("x"), FileMeta(MR, "1.2", EXPLICIT), 0)
    assert as_it_is(item, frozenset({(MR, EXPLICIT)})) == (item, "")
    with pytest.raises(UnacceptedError):
        as_it_is(item, frozenset({(MR, IMPLICIT)}))


# ---- answers that came before the end ----


def test_what_was_answered_before_the_association_broke_is_not_sent_again(tmp_path: Path) -> None:
    """Three were under way at once; two were answered, then the peer aborts: only the third goes out again."""
    heard: list[str] = []

    def script(line: Line) -> None:
        line.accept(more=messages.item(0x53, bytes((0, 3, 0, 1))))
        requests = [message(line) for _ in range(3)]
        heard.extend(instance for _, instance, _ in requests)
        for _, _, request in requests[1:]:
            line.answer(request)
        line.say(pdu.abort(0))

    with scp(script, answers(heard)) as port:
        run = Run(port).send(files(tmp_path, 3))
    assert heard == ["1.2.0", "1.2.1", "1.2.2", "1.2.0"]
    assert run.fates == {"1.2.0": (True, 2), "1.2.1": (True, 1), "1.2.2": (True, 1)}


def test_no_association_of_several_is_no_stop(tmp_path: Path) -> None:
    with scp(lambda line: None) as port:
        scripts_left_broken(port)
    stop = threading.Event()
    with pytest.raises(ConnectError):
        Run(port, policy=replace(QUICK, parallel=3), stop=stop).send(files(tmp_path, 3))
    assert not stop.is_set()
