"""Receiving into the store: the network's handler. Success is answered when an image is on disk, not before.

An image goes: memory (or, when large, a file in ``incoming/``) -> header walked to the end -> file complete and
fsynced -> renamed into its study's directory -> directory fsynced -> Success. Its row in the index follows a moment
later: the file is the truth, and a start after a crash brings the index up to it.
"""

from __future__ import annotations

import errno
import itertools
import logging
import mmap
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.dicom.sop_classes import file_prefix
from mrdock.dicom.values import is_uid
from mrdock.dock import quarantine
from mrdock.dock.complaints import Complaints
from mrdock.dock.entries import Closed, Noted, Opened
from mrdock.dock.headers import ImageHeader, read_header
from mrdock.dock.journal import Arrival, Journal
from mrdock.dock.placing import Placed, place
from mrdock.dock.record import PRIVATE_CREATOR, Receipt
from mrdock.dock.settings import Settings
from mrdock.dock.store import Store, StudyDirectories
from mrdock.dock.visit import Visit
from mrdock.dock.words import counted
from mrdock.errors import DicomError
from mrdock.files.durable import begin_writing_out, write_all
from mrdock.network.association import Context
from mrdock.network.dimse import Command, Status
from mrdock.network.handler import Caller, Outcome

log = logging.getLogger("mrdock.receive")

SPILL: Final = 1 << 20
"""Objects up to this size are held in memory until they are whole."""

_FLUSH: Final = 32 << 20
_ASSOCIATIONS_A_MINUTE: Final = 300
"""So many are noted in the index before they have sent anything; more only once they send."""


SUCCESS: Final = Outcome(Status.SUCCESS)


class Receiver:
    """The handler of one worker process."""

    def __init__(self, store: Store, settings: Settings, journal: Journal) -> None:
        """Keep what arrives in ``store`` and tell ``journal``."""
        self.disk = store
        self.settings = settings
        self.journal = journal
        self.directories = StudyDirectories(store)
        self.serial = itertools.count()
        self._visits: dict[str, Visit] = {}
        self._complaints = Complaints()
        self._openings = Complaints(most=_ASSOCIATIONS_A_MINUTE)
        self.quarantine = quarantine.Room(store)

    def opened(self, caller: Caller) -> None:
        """Note a new association."""
        visit = self._visits[caller.association] = Visit(store=self.disk, directories=self.directories)
        if self._openings.let_through("", time.monotonic())[-1:] == [""]:
            self._note_opening(caller, visit)
        log.debug("association %s opened", caller.association, extra=_who(caller))

    def _note_opening(self, caller: Caller, visit: Visit) -> None:
        visit.noted = True
        self.journal.put(
            Opened(
                caller.association,
                caller.listener,
                caller.calling,
                caller.called,
                caller.host,
                visit.began,
                self.journal.worker,
            )
        )

    def store(self, caller: Caller, context: Context, command: Command) -> ImageSink:
        """A sink for one image."""
        visit = self._visits[caller.association]
        if not visit.noted:
            self._note_opening(caller, visit)
        return ImageSink(self, visit, caller, context, command)

    def closed(self, caller: Caller, how: str) -> None:
        """Note the end of an association and let go of its directories."""
        visit = self._visits.pop(caller.association)
        visit.release()
        if visit.noted:
            self.journal.put(Closed(caller.association, time.time(), how, visit.stored, visit.refused))
        said = (
            f"{caller.listener}: {caller.calling or '?'} at {caller.host} sent {counted(visit.stored, 'image')}"
            + (f", {visit.refused} refused" if visit.refused else "")
            + (f", {visit.broken_off} broken off" if visit.broken_off else "")
            + f" ({how})"
        )
        about = {**_who(caller), "stored": visit.stored, "refused": visit.refused}
        if visit.stored:
            log.info("%s", said, extra=about)
        elif how == "released" and not visit.refused and not visit.broken_off:
            log.debug("%s", said, extra=about)
        else:
            for text in self._complaints.let_through(said, time.monotonic()):
                log.info("%s", text, extra=about)

    def refused(self, host: str, calling: str, why: str) -> None:
        """Note a connection that never became an association."""
        self.complain(f"refused {calling or 'a connection'} at {host}: {why}", {"host": host, "calling": calling})

    def complain(self, said: str, about: dict[str, str]) -> None:
        """Log and note that something was refused; of a flood, only so many a minute."""
        for text in self._complaints.let_through(said, time.monotonic()):
            log.warning("%s", text, extra=about)
            self.journal.put(Noted(time.time(), "refused", None, text))


def _who(caller: Caller) -> dict[str, str]:
    return {
        "listener": caller.listener,
        "calling": caller.calling,
        "host": caller.host,
        "association": caller.association,
    }


class _Refused(Exception):
    """The image is not taken; ``keep`` says that its bytes go to the quarantine."""

    def __init__(self, status: Status, why: str, keep: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.keep = keep


class ImageSink:
    """Takes one data set and keeps it, or says why not."""

    def __init__(self, receiver: Receiver, visit: Visit, caller: Caller, context: Context, command: Command) -> None:
        """Begin; what is refused already is passed over without a byte written."""
        self._receiver = receiver
        self._store = receiver.disk
        self._visit = visit
        self._caller = caller
        self._context = context
        self._command = command
        self._receipt = Receipt(time.time(), caller.association)
        self._memory = bytearray()
        self._file = -1
        self._name = ""
        self._meta_length = 0
        self._written = 0
        self._unflushed = 0
        self._header: ImageHeader | None = None
        self._placed: Placed | None = None
        self._refused: _Refused | None = None
        trouble = self._store.trouble()
        if trouble is not None:
            self._refused = _Refused(Status.OUT_OF_RESOURCES, trouble)
        elif command.sop_class != context.abstract_syntax:
            self._refused = _Refused(Status.MISMATCH, "SOP Class of command and presentation context differ")

    # ---- the network's side ----

    def write(self, fragment: memoryview) -> None:
        """Take a fragment of the data set."""
        if self._refused is not None:
            return
        try:
            if self._file >= 0:
                self._write_on(fragment)
            else:
                self._memory += fragment
                if len(self._memory) > SPILL:
                    self._open_file(self._memory)
                    self._memory = bytearray()
        except OSError as error:
            self._refused = self._failed(error)
            self._leave_nothing()

    def seal(self) -> None:
        """Write what is still in memory, and see whose image it is."""
        self._try(self._seal)

    def place(self) -> None:
        """Make the file durable and give it its name."""
        self._try(self._place)

    def finish(self) -> Outcome:
        """Make the name durable; the answer is final."""
        self._try(self._finish)
        if self._refused is None:
            self._visit.stored += 1
            return SUCCESS
        self._visit.refused += 1
        self._report(self._refused)
        return Outcome(self._refused.status, self._refused.why)

    def settle(self) -> None:
        """Tell the index, and tidy up."""
        self._leave_nothing()
        self._tell()
        if self._refused is None:
            self._visit.prepare_part()

    def discard(self) -> None:
        """The data set will not be whole."""
        self._visit.broken_off += 1
        self._leave_nothing()
        self._tell()

    # ---- keeping ----

    def _try(self, step: Callable[[], None]) -> None:
        """Take a step unless one before it failed."""
        if self._refused is not None:
            return
        try:
            step()
        except OSError as error:
            self._refused = self._failed(error)
        except _Refused as refused:
            refused.__context__ = None  # it would keep the data set in memory, as would the traceback
            self._refused = refused.with_traceback(None)

    def _seal(self) -> None:
        if self._file < 0:
            self._open_file(self._memory)
        begin_writing_out(self._file, self._written - self._unflushed)  # the disk works while the header is read
        self._header = header = self._identify()
        if (header.uid, header.sop_class) != (self._command.sop_instance, self._command.sop_class):
            raise _Refused(Status.MISMATCH, "SOP Class or Instance UID of command and data set differ")

    def _place(self) -> None:
        header = self._header
        assert header is not None
        directory = self._visit.directory(header)
        if not self._store.holds(directory):
            # somebody took the study's whole directory while the association was open: it gets a new one
            self._visit.forget(directory)
            directory = self._visit.directory(header)
        name = f"{file_prefix(header.sop_class)}.{header.uid}"
        self._placed = place(self._name, self._store.incoming, self._file, name, directory, self._fsync)
        if self._placed.name is not None:
            self._name = ""

    def _finish(self) -> None:
        assert self._placed is not None
        try:
            self._placed.sync()
        except OSError as error:
            self._disk_failed(error)
            raise
        self._placed.check()
        if self._placed.name is None and self._store.broken is not None:
            # the sync of one who brought the same image may have failed: ours is no proof
            raise OSError(errno.EIO, self._store.broken)

    def _identify(self) -> ImageHeader:
        settings = self._receiver.settings
        syntax, nesting = self._context.transfer_syntax, settings.limits.nesting
        received, self._memory = self._memory, bytearray()  # the file has it: others may wait long for their turn
        try:
            if received:
                return read_header(received, syntax, settings.route, depth=nesting)
            with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
                return read_header(data, syntax, settings.route, start=self._meta_length, depth=nesting)
        except DicomError as error:
            raise _Refused(Status.CANNOT_UNDERSTAND, str(error), keep=True) from None

    def _tell(self) -> None:
        """Tell of the image that got its name: also where nobody was told Success for it, as long as it is there."""
        header, placed = self._header, self._placed
        if header is None or placed is None or placed.name is None or (self._refused is not None and not placed.stands):
            return
        log.debug("%s/%s stored", placed.directory.name, placed.name, extra=_who(self._caller))
        self._receiver.journal.put(
            Arrival(
                header.found,
                placed.directory.name,
                placed.name,
                self._context.transfer_syntax,
                self._written,
                self._receipt,
                placed.differs,
                time.monotonic(),
            )
        )
        if placed.differs:
            said = f"another data set came under the same SOP Instance UID; both are kept, the new one as {placed.name}"
            log.warning("%s: %s", placed.directory.name, said, extra=_who(self._caller))
            self._receiver.journal.put(Noted(self._receipt.received, "differs", header.study, said))

    # ---- the file ----

    def _open_file(self, data: bytearray) -> None:
        """Begin the file with its meta information and what there is of the data set."""
        meta = FileMeta(
            sop_class=self._command.sop_class,
            sop_instance=self._command.sop_instance,
            transfer_syntax=self._context.transfer_syntax,
            source_ae=self._caller.calling,
            private_creator=PRIVATE_CREATOR,
            private=self._receipt.encode(),
        )
        head = encode_file_meta(meta)
        self._meta_length = len(head)
        self._name, self._file = self._visit.part()
        self._write_on(head + data)

    def _write_on(self, data: bytes | bytearray | memoryview) -> None:
        write_all(self._file, data)
        self._written += len(data)
        self._unflushed += len(data)
        if self._unflushed >= _FLUSH:
            # a large object goes to disk while it arrives, so that its end does not wait for all of it
            trouble = self._store.trouble()
            if trouble is not None:
                raise OSError(errno.ENOSPC, trouble)
            self._fsync()

    def _fsync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            self._disk_failed(error)
            raise
        self._unflushed = 0

    def _disk_failed(self, error: OSError) -> None:
        said = self._store.failed(error)
        if said:
            log.error("%s", said)
            self._receiver.journal.put(Noted(time.time(), "broken", None, said))

    def _failed(self, error: OSError) -> _Refused:
        return _Refused(Status.OUT_OF_RESOURCES, f"cannot be stored: {error.strerror or error}")

    def _leave_nothing(self) -> None:
        if self._name:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._store.incoming)
            self._name = ""
        if self._file >= 0:
            descriptor, self._file = self._file, -1
            with suppress(OSError):  # NFS tells of writes that came late; what was to last was synced
                os.close(descriptor)
        self._memory = bytearray()

    # ---- refusing ----

    def _report(self, refused: _Refused) -> None:
        kept = refused.keep and self._quarantine(refused)
        said = f"refused with 0x{refused.status:04X}: {refused.why}" + (f"; kept as {kept}" if kept else "")
        said = f"{self._caller.listener}: an image of {self._caller.calling} {said}"
        self._receiver.complain(said, _who(self._caller))

    def _quarantine(self, refused: _Refused) -> str:
        """Keep the bytes; return where, empty if there is no room or no way."""
        size, limit = self._written - self._meta_length, self._receiver.settings.store.quarantine_size
        about = {
            "why": refused.why,
            "transfer_syntax": self._context.transfer_syntax,
            "sop_class": self._command.sop_class if is_uid(self._command.sop_class) else "",
            "sop_instance": self._command.sop_instance if is_uid(self._command.sop_instance) else "",
            "calling": self._caller.calling,
            "host": self._caller.host,
        }
        try:
            if not size or not self._receiver.quarantine.take(size, limit):
                return ""
            self._fsync()
            name = f"{self._caller.association}_{next(self._receiver.serial)}"
            kept = quarantine.keep(self._store, self._name, name, about)
        except OSError:
            return ""
        self._name = ""
        return kept
