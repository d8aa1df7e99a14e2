"""Sending many files to one peer: which associations they need, what is tried again, and when to give up.

Files go out in rounds. A file whose transfer fails is put aside and tried in the next round, up to `Policy.tries` times
in all, so that a peer which is out of resources has time to recover while the others go on. A lost association is
opened again for what is left. What was answered as stored is never sent twice; what was under way when an association
broke has no answer, and is sent again. From the second round on one image is under way at a time, so that one which
makes the peer abort takes no others with it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mrdock.errors import AbortedError, MrdockError, NetworkError, RejectedError, UnacceptedError
from mrdock.files.names import printable
from mrdock.network.meanings import Meaning, meaning
from mrdock.network.outgoing import MOST_CONTEXTS, ImageFile, Pair
from mrdock.network.policy import Peer, Policy, Sent
from mrdock.network.requester import Requester, Stored

_STEP: Final = 0.1  # seconds by which the delay between two images grows with each error


Told = Callable[[Sent], None]
Prepare = Callable[[ImageFile, frozenset[Pair]], tuple[ImageFile, str]]
"""Makes of a file what the peer takes, given the accepted pairs; and says what was changed.

Raises `UnacceptedError` where the peer takes it in no way, and `MrdockError` or OSError where the file cannot be read.
"""
Alternatives = Callable[[str], Iterable[str]]
"""The transfer syntaxes that files of one can be sent in, where they are not taken as they are."""


def as_it_is(item: ImageFile, accepted: frozenset[Pair]) -> tuple[ImageFile, str]:
    """The file's own data set, byte for byte. Raises `UnacceptedError`."""
    if (item.meta.sop_class, item.meta.transfer_syntax) not in accepted:
        raise UnacceptedError("the peer does not take its SOP class in its transfer syntax")
    return item, ""


@dataclass(slots=True)
class _Job:
    """A file that is not settled yet."""

    item: ImageFile
    tries: int = 0
    status: int | None = None
    words: str = ""
    note: str = ""
    earlier: list[str] = field(default_factory=list)

    def sent(self, *, stored: bool) -> Sent:
        return Sent(self.item, stored, self.status, self.words, self.tries, self.note, tuple(self.earlier))


@dataclass(slots=True)
class _Round:
    """The files of one round that share their presentation contexts, as they are taken by several associations.

    again: to be tried in the next round.
    serving: associations that are open or being opened.
    """

    waiting: deque[_Job]
    pairs: Sequence[Pair]
    one_at_a_time: bool
    again: list[_Job] = field(default_factory=list)
    serving: int = 1

    def take(self) -> _Job | None:
        with suppress(IndexError):
            return self.waiting.popleft()
        return None


class Sending:
    """One run.

    ``told`` is called once for each file, when its fate is settled, never by two threads at once. When ``stop`` is set
    nothing more is begun, but the answers to what is under way are waited for: files of which ``told`` was not called
    were not sent. ``wait`` sleeps; it ends early when the run is to stop.
    """

    def __init__(
        self,
        peer: Peer,
        told: Told,
        *,
        policy: Policy | None = None,
        prepare: Prepare = as_it_is,
        alternatives: Alternatives = lambda _: (),
        stop: threading.Event | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Nothing is opened yet."""
        self._peer = peer
        self._told = told
        self._policy = policy or Policy()
        self._prepare = prepare
        self._alternatives = alternatives
        self._stop = stop or threading.Event()
        self._wait = wait or self._stop.wait
        self._lock = threading.Lock()
        self._errors = 0
        self._connected = False
        self._gone: NetworkError | None = None
        self.associations = 0
        """How many were opened."""
        self._moved = 0
        self._peers: list[Requester] = []

    def run(self, items: Iterable[ImageFile]) -> None:
        """Send all. Raises `NetworkError` where not even the first association can be opened."""
        self._begin_run()
        jobs = [_Job(item) for item in items]
        for number in range(self._policy.tries):
            if number:
                self._wait(self._policy.pauses[min(number, len(self._policy.pauses)) - 1])
            jobs = self._round(jobs, one_at_a_time=number > 0)
            if not jobs or self._gone is not None or self._stop.is_set():
                break
        if self._gone is not None and not self._stop.is_set():
            for job in jobs:
                job.words = job.words or str(self._gone)
                self._settle(job, stored=False)

    def _begin_run(self) -> None:
        self._connected = False
        self._gone = None

    @property
    def moved(self) -> int:
        """Bytes that went out so far, whatever became of them."""
        with self._lock:
            return self._moved + sum(peer.moved for peer in self._peers)

    # ---- rounds ----

    def _round(self, jobs: list[_Job], *, one_at_a_time: bool) -> list[_Job]:
        """Try each once; returns those that are not settled."""
        left: list[_Job] = []
        for group, pairs in self._groups(jobs):
            one = _Round(deque(group), pairs, one_at_a_time)
            if self._gone is None and not self._stop.is_set():
                self._by_all(one)
            left += one.again
            left += one.waiting
        return left

    def _groups(self, jobs: Iterable[_Job]) -> Iterator[tuple[list[_Job], list[Pair]]]:
        """The files in groups whose presentation contexts fit into one association, each with those contexts."""
        classes: dict[str, dict[str, list[_Job]]] = {}
        for job in jobs:
            classes.setdefault(job.item.meta.sop_class, {}).setdefault(job.item.meta.transfer_syntax, []).append(job)
        group: list[_Job] = []
        pairs: dict[Pair, None] = {}
        for sop_class, syntaxes in classes.items():
            for syntax, members in syntaxes.items():
                wanted = dict.fromkeys((sop_class, one) for one in (syntax, *self._alternatives(syntax)))
                if len(pairs | wanted) >= MOST_CONTEXTS:
                    yield group, list(pairs)
                    group, pairs = [], {}
                group += members
                pairs |= wanted
        if group:
            yield group, list(pairs)

    def _by_all(self, one: _Round) -> None:
        """Serve a round by as many associations as are wanted."""
        one.serving = max(1, min(self._policy.parallel, len(one.waiting)))
        if one.serving == 1:
            self._serve(one)
            return
        failures: list[BaseException] = []

        def served() -> None:
            try:
                self._serve(one)
            except NetworkError as error:
                failures.append(error)
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                failures.append(error)
                self._stop.set()

        threads = [threading.Thread(target=served, daemon=True) for _ in range(one.serving)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._stop.set()
            raise
        if failures:
            raise failures[0]

    # ---- associations ----

    def _serve(self, one: _Round) -> None:
        """Open associations until nothing waits or the peer is gone."""
        while one.waiting and not self._stop.is_set():
            peer = self._open(one)
            if peer is None:
                return
            self._on(peer, one)
        with self._lock:
            one.serving -= 1

    def _open(self, one: _Round) -> Requester | None:
        """An association, None where others go on without this one or the peer is gone.

        Only the last one has patience: where the others were accepted, the peer takes no more at once.
        """
        pauses: Iterator[float] | None = None
        while True:
            try:
                peer = self._peer.associate(one.pairs)
            except NetworkError as error:
                with self._lock:
                    if one.serving > 1:
                        one.serving -= 1
                        return None
                if pauses is None:
                    pauses = iter(self._patience(error))
                pause = next(pauses, None)
                if pause is None and not self._connected:
                    raise
                if pause is None:
                    self._gone = error
                    return None
                if self._wait(pause) and self._stop.is_set():
                    return None
            else:
                with self._lock:
                    self._connected = True
                    self.associations += 1
                return peer

    def _patience(self, error: NetworkError) -> Sequence[float]:
        if self._connected:
            return self._policy.reopen
        return self._policy.busy if isinstance(error, RejectedError) and not error.lasting else ()

    def _on(self, peer: Requester, one: _Round) -> None:
        """Send over one association until nothing waits or it breaks."""
        with self._lock:
            self._peers.append(peer)
        try:
            self._over(peer, one)
        finally:
            with self._lock:
                self._peers.remove(peer)
                self._moved += peer.moved

    def _over(self, peer: Requester, one: _Round) -> None:
        under_way: deque[tuple[int, _Job]] = deque()
        window = 1 if one.one_at_a_time else peer.window
        try:
            while True:
                if len(under_way) < window and not self._stop.is_set() and (job := one.take()) is not None:
                    self._begin(peer, job, under_way, one)
                elif under_way:
                    message, job = under_way[0]
                    answer = peer.stored(message)
                    under_way.popleft()
                    self._answered(job, answer, one)
                else:
                    break
        except NetworkError as error:
            peer.abort()
            self._error()
            for message, job in under_way:
                if (came := peer.came(message)) is not None:
                    self._answered(job, came, one)
                else:
                    self._failed(job, None, str(error), one.again)
        except BaseException:
            peer.abort()
            raise
        else:
            peer.release()

    # ---- files ----

    def _begin(self, peer: Requester, job: _Job, under_way: deque[tuple[int, _Job]], one: _Round) -> None:
        delay = min(self._errors * _STEP, self._policy.max_delay)
        if delay and self._wait(delay) and self._stop.is_set():
            one.waiting.appendleft(job)
            return
        job.tries += 1
        if job.words:
            job.earlier.append(job.words)
            job.words = ""
        try:
            prepared, job.note = self._prepare(job.item, peer.accepted)
        except (MrdockError, OSError) as error:
            self._unsendable(job, error)
            return
        under_way.append((0, job))  # without an answer from here on, whatever happens
        try:
            under_way[-1] = (peer.begin_store(prepared), job)
        except OSError as error:
            under_way.pop()
            self._unsendable(job, error)
            if not peer.open:
                raise AbortedError(f"the association was given up: {job.item.path} could not be read") from None

    def _unsendable(self, job: _Job, error: MrdockError | OSError) -> None:
        """A file that cannot be sent at all: its own fault, or the peer takes none of its kind."""
        job.status = None
        job.words = str(error.strerror or error) if isinstance(error, OSError) else str(error)
        self._settle(job, stored=False)

    def _answered(self, job: _Job, answer: Stored, one: _Round) -> None:
        said = meaning(answer.status)
        if said.stored:
            job.status, job.words = answer.status, _sentence(said, answer) if said.warns else ""
            self._settle(job, stored=True)
            return
        self._error()
        self._failed(job, answer.status, _sentence(said, answer), one.again if said.again else None)

    def _failed(self, job: _Job, status: int | None, words: str, again: list[_Job] | None) -> None:
        job.status, job.words = status, words
        if again is None or job.tries >= self._policy.tries:
            self._settle(job, stored=False)
        else:
            again.append(job)

    def _error(self) -> None:
        with self._lock:
            self._errors += 1

    def _settle(self, job: _Job, *, stored: bool) -> None:
        with self._lock:
            self._told(job.sent(stored=stored))


def _sentence(said: Meaning, answer: Stored) -> str:
    """What the status says, and in brackets what the peer adds."""
    comment = f": {printable(answer.comment)}" if answer.comment else ""
    return f"{said.words} (0x{answer.status:04X}{comment})"
