"""The processes of a dock: one supervisor, one worker a listener, one keeper. A fault in one leaves the others up.

The supervisor has the store's lock and the listening sockets, has no threads, and starts again what dies. Children
are forked from it, so they share its memory; they die with it.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from mrdock.dicom.sop_classes import DEFLATED, REFUSED_BY_CLASSIC, STORAGE_CLASSES, TRANSFER_SYNTAXES
from mrdock.dicom.values import is_uid
from mrdock.dock import clock
from mrdock.dock.database import open_index
from mrdock.dock.destination import is_below
from mrdock.dock.journal import Journal, JournalReader
from mrdock.dock.keeper import Keeper, run_beside
from mrdock.dock.libc import die_with, share_one_heap
from mrdock.dock.lock import describe, exclusive
from mrdock.dock.receive import Receiver
from mrdock.dock.reconcile import Report
from mrdock.dock.settings import ListenerSettings, Settings
from mrdock.dock.startup import bring_up, catch_up
from mrdock.dock.store import Store, open_store
from mrdock.errors import DockError, SettingsError, StaleIndexError, StoreError
from mrdock.network.accepting import Acceptable
from mrdock.network.server import StorageServer

log = logging.getLogger("mrdock.dock")

GRACE: Final = 7.0
"""Seconds that running associations have to end after SIGTERM."""

PATIENCE: Final = 9.0
"""Seconds after which the supervisor ends a child that does not stop."""

_LAST_PATIENCE: Final = 5.0
"""The same for those that end last, from when all others have: a copy may hang in the kernel."""

_TICK: Final = 1.0
_DRAIN: Final = 0.2
_AFTER_TROUBLE: Final = 5.0
_COPIES_END: Final = 2.0
_LOOK: Final = 0.5
_DIES: Final = 0.4  # what is not dead by then hangs in the kernel, on a disk that does not answer
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_ALL: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
_STANDARD_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_STANDARD: Final = "1.2.840.10008."


@dataclass(frozen=True, slots=True)
class Listening:
    """An open listening socket and the listener it belongs to, with the port it really has."""

    listener: ListenerSettings
    sock: socket.socket


@dataclass(slots=True)
class Child:
    """A process that the supervisor keeps running."""

    name: str
    run: Callable[[], None]
    foreign: tuple[int, ...] = ()
    """Descriptors that it does not inherit: a child that hangs must hold no other's port, and not the lock."""

    ends_last: bool = False
    """It is told to stop when all others have."""

    pid: int = 0
    last_pid: int = 0
    started: float = 0.0
    pause: float = 0.0
    again_at: float = 0.0


def listen(listener: ListenerSettings) -> Listening:
    """Bind a listener's socket. Raises `SettingsError`, one sentence, where the address or port cannot be had."""
    place = f"listener {listener.name!r}"
    try:
        found = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        sock = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be a name"
        raise SettingsError(f"{place}: {listener.host} is no address of this machine ({reason})") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(256)
    except OSError as error:
        sock.close()
        reason = (
            "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        )
        raise SettingsError(f"{place}: port {listener.port} on {listener.host} {reason}") from None
    return Listening(replace(listener, port=sock.getsockname()[1]), sock)


def acceptable(listener: ListenerSettings, settings: Settings) -> Acceptable:
    """The SOP classes and transfer syntaxes of a listener."""
    classic = listener.accepts == "classic"
    classes = set(STORAGE_CLASSES) - (REFUSED_BY_CLASSIC if classic else set())
    syntaxes = [*TRANSFER_SYNTAXES, *([DEFLATED] if settings.receive.deflated else [])]

    def unknown(uid: str) -> bool:
        """A class that no table has: private, or a storage class newer than the table; not another service."""
        if not is_uid(uid) or (classic and uid in REFUSED_BY_CLASSIC):
            return False
        return uid.startswith(_STANDARD_STORAGE) or not uid.startswith(_STANDARD)

    return Acceptable(sorted(classes), syntaxes, unknown if settings.receive.accept_unknown else None)


def serve(settings: Settings, ready: Callable[[Settings, Report | None], None]) -> int:
    """Run a dock until it is told to stop; ``ready`` is called when it listens. Returns the exit code.

    Raises `SettingsError`, `StoreError` or `BusyError` where it cannot start.
    """
    os.umask(0o027)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    share_one_heap()
    with ExitStack() as stack:
        for mount in settings.route.mount_points:
            if is_below(str(settings.root), str(mount)) and not os.path.ismount(mount):
                raise StoreError(f"{settings.root}: {mount} is not mounted")
        store = open_store(settings.root, settings.store.minimum_free, create=True)
        stack.callback(store.close)
        lock = stack.enter_context(exclusive(store, "another dock"))
        listening = []
        for listener in settings.listeners:
            listening.append(listen(listener))
            stack.callback(listening[-1].sock.close)
        settings = replace(settings, listeners=tuple(item.listener for item in listening))
        report = _prepare(store, settings)
        ports = [item.sock.fileno() for item in listening]
        children = [
            Child(
                item.listener.name,
                lambda item=item: _receive(store, settings, item),  # type: ignore[misc]
                tuple(port for port in ports if port != item.sock.fileno()),
            )
            for item in listening
        ]
        keeper = Child("keeper", lambda: _keep(store, settings, _prepared()), (*ports, lock), ends_last=True)

        def _prepared() -> bool:
            """Whether the index is up to the files: not when the one before died, of a damaged index perhaps."""
            return report is not None and not keeper.last_pid

        children.append(keeper)
        with suppress(OSError):  # on a full disk status knows less, and that is all
            _describe(lock, settings)
        gc.collect()
        gc.freeze()
        with _signals() as wake:
            supervisor = Supervisor(store, children, wake)
            supervisor.start()
            ready(settings, report)
            return supervisor.run()


def _prepare(store: Store, settings: Settings) -> Report | None:
    """After a crash or a clean stop alike: clear what was half done, bring the index up to the files.

    None where the index cannot be used now (a full disk, a database that is down): images are received all the same,
    and the keeper does it as soon as it can.
    """
    store.sweep_incoming()
    try:
        return bring_up(store, settings)
    except StoreError as error:
        log.error("%s; images are received, and the index will be brought up later", error)  # noqa: TRY400
        return None


def _describe(lock: int, settings: Settings) -> None:
    """Say in the store what runs on it, for ``mrdock status``."""
    listeners = [
        {"name": item.name, "host": item.host, "port": item.port, "title": item.title, "accepts": item.accepts}
        for item in settings.listeners
    ]
    describe(lock, {"who": "another dock", "pid": os.getpid(), "started": time.time(), "listeners": listeners})


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that becomes readable, one byte (its number) a signal, while the block runs."""
    read, write = os.pipe()
    for descriptor in (read, write):
        os.set_blocking(descriptor, False)
    before = {number: signal.signal(number, lambda *_: None) for number in _ALL}
    old = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


class Supervisor:
    """Keeps the children running and stops them."""

    def __init__(self, store: Store, children: list[Child], wake: int) -> None:
        """``wake`` tells of signals."""
        self._store = store
        self._children = children
        self._wake = wake
        self._stop_at: float | None = None
        self._interrupts = 0

    def start(self) -> None:
        """Start all children."""
        for child in self._children:
            self._fork(child)

    def run(self) -> int:
        """Watch the children until they were told to stop and have; returns the exit code."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            while self._stop_at is None or any(child.pid for child in self._children):
                left = _LOOK if self._stop_at is None else self._stop_at - time.monotonic()
                selector.select(min(max(left, 0.0), _LOOK))
                with suppress(BlockingIOError):
                    for number in os.read(self._wake, 64):
                        self._signalled(number)
                self._reap()
                if self._stop_at is not None and not any(child.pid and not child.ends_last for child in self._children):
                    self._signal_children(signal.SIGTERM, last=True)
                    self._stop_at = min(self._stop_at, time.monotonic() + _LAST_PATIENCE)
                if self._stop_at is not None and time.monotonic() >= self._stop_at:
                    self._kill()
                    break
                self._restart()
        self._store.sweep_incoming()
        log.info("the dock has stopped")
        return 0

    def _signalled(self, number: int) -> None:
        if number == signal.SIGINT:
            self._interrupts += 1
        if number == signal.SIGHUP and not os.isatty(0):
            log.info("settings are read at the start: restart the dock to change them")
            return
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) and self._stop_at is None:
            log.info("stopping: running associations may end within %g seconds", GRACE)
            self._stop_at = time.monotonic() + PATIENCE
            self._signal_children(signal.SIGTERM, last=False)
        elif self._interrupts > 1:
            self._stop_at = time.monotonic()

    def _signal_children(self, number: int, *, last: bool) -> None:
        """Signal those that end last, or those that do not."""
        for child in self._children:
            if child.pid and child.ends_last is last:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)

    def _kill(self) -> None:
        for last in (False, True):
            self._signal_children(signal.SIGKILL, last=last)
        deadline = time.monotonic() + _DIES
        while any(child.pid for child in self._children) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            child.last_pid, child.pid = child.pid, 0
            if self._stop_at is None:
                lived = time.monotonic() - child.started
                child.pause = _FIRST_PAUSE if lived > 60 else min(max(child.pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
                child.again_at = time.monotonic() + child.pause
                code = os.waitstatus_to_exitcode(status)
                log.error("%s ended unexpectedly (%d); starting it again in %g s", child.name, code, child.pause)

    def _restart(self) -> None:
        for child in self._children:
            if not child.pid and self._stop_at is None and time.monotonic() >= child.again_at:
                self._store.sweep_incoming(f"{child.last_pid}-")
                self._fork(child)

    def _fork(self, child: Child) -> None:
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)  # a signal must not meet the parent's handlers in the child
        try:
            pid = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)
            log.error("%s cannot be started: %s", child.name, error.strerror)  # noqa: TRY400 - tried again
            child.again_at = time.monotonic() + _LONGEST_PAUSE
            return
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)
            child.pid, child.started = pid, time.monotonic()
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            die_with(parent)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor decides
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)
            for descriptor in child.foreign:
                os.close(descriptor)
            child.run()
            code = 0
        except DockError as error:
            log.error("%s: %s", child.name, error)  # noqa: TRY400 - expected
        except Exception:  # the edge of a process: said, and started again
            log.exception("%s ended by an error of ours", child.name)
        finally:
            os._exit(code)


def _receive(store: Store, settings: Settings, item: Listening) -> None:
    """A listener's worker process."""
    sys.setswitchinterval(0.0005)  # an association that computes keeps the others waiting no longer (else 5 ms)
    journal = Journal(store)
    access, accepted = settings.access(item.listener), acceptable(item.listener, settings)
    receiver = Receiver(store, settings, journal)
    server = StorageServer(item.listener.name, item.sock, access, accepted, receiver, settings.server_limits())
    signal.signal(signal.SIGTERM, lambda *_: server.stop(GRACE))
    server.run()
    journal.close()


def _keep(store: Store, settings: Settings, prepared: bool) -> None:
    """The keeper's process; unless ``prepared`` it brings the index up first."""
    stop_read, stop_write = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(stop_write, b"x"))
    with selectors.DefaultSelector() as selector:
        selector.register(stop_read, selectors.EVENT_READ)
        while not prepared:
            try:
                bring_up(store, settings, beside_workers=True)
                prepared = True
            except StoreError as error:
                log.error("%s", error)  # noqa: TRY400 - expected, and tried again
                if selector.select(_LONGEST_PAUSE):
                    return
        index = open_index(store.index_path, settings.index.url, store_id=store.id)
        keeper = Keeper(store, index, settings, run_beside)
        reader = JournalReader(store, index, settings.route)
        due = 0.0
        while not selector.select(_DRAIN):
            now = clock.now()
            try:
                reader.drain(now.wall)
                if reader.incomplete:
                    catch_up(store, index, settings)
                    reader.incomplete = False
                if now.monotonic >= due:
                    due = now.monotonic + _TICK
                    keeper.tick(now)
                else:
                    keeper.go_on(now)
            except StaleIndexError:
                raise  # the next keeper makes the index anew from the files
            except StoreError as error:
                log.error("%s", error)  # noqa: TRY400 - expected, and tried again
                if selector.select(_AFTER_TROUBLE):
                    break
    keeper.stop()
    with suppress(StoreError):
        reader.drain(time.time())  # the workers have ended: this is their last word
    deadline = time.monotonic() + _COPIES_END
    while keeper.busy and time.monotonic() < deadline:
        time.sleep(0.05)
