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
import stat
import time
from contextlib import suppress
from typing import Final

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.dicom.sop_classes import file_prefix
from mrdock.dicom.values import is_uid
from mrdock.dock import quarantine
from mrdock.dock.complaints import Complaints
from mrdock.dock.entries import Closed, Noted, Opened
from mrdock.dock.headers import ImageHeader, read_header
from mrdock.dock.images import image_digest, same_image
from mrdock.dock.journal import Arrival, Journal
from mrdock.dock.record import PRIVATE_CREATOR, Receipt
from mrdock.dock.settings import Settings
from mrdock.dock.store import FILE_MODE, Store, StudyDirectories, StudyDirectory
from mrdock.dock.visit import Visit
from mrdock.dock.words import counted
from mrdock.errors import DicomError
from mrdock.files.durable import opened, rename_new, write_all
from mrdock.network.association import Context
from mrdock.network.dimse import Command, Status
from mrdock.network.handler import Caller, Outcome

log = logging.getLogger("mrdock.receive")

SPILL: Final = 1 << 20
"""Objects up to this size are held in memory until they are whole."""

_FLUSH: Final = 32 << 20
_DIRECTORIES_PER_ASSOCIATION: Final = 8
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
        visit = self._visits[caller.association] = Visit(self.directories)
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

    def finish(self) -> Outcome:
        """Keep the whole data set; the answer is final."""
        try:
            if self._refused is not None:
                raise self._refused
            try:
                outcome = self._keep()
            except OSError as error:
                raise self._failed(error) from error
            self._visit.stored += 1
        except _Refused as refused:
            self._report(refused)
            outcome = Outcome(refused.status, refused.why)
            self._visit.refused += 1
        finally:
            self._leave_nothing()
        return outcome

    def discard(self) -> None:
        """The data set will not be whole."""
        self._visit.broken_off += 1
        self._leave_nothing()

    # ---- keeping ----

    def _keep(self) -> Outcome:
        header = self._identify()
        if (header.uid, header.sop_class) != (self._command.sop_instance, self._command.sop_class):
            raise _Refused(Status.MISMATCH, "SOP Class or Instance UID of command and data set differ")
        if self._file < 0:
            self._open_file(self._memory)
        name = f"{file_prefix(header.sop_class)}.{header.uid}"
        directory = self._visit.directory(header)
        if not self._store.holds(directory):
            # somebody took the study's whole directory while the association was open: it gets a new one
            self._visit.forget(directory)
            directory = self._visit.directory(header)
        placed, mark = self._place(name, directory)
        try:
            # where the same image is there already, whoever brought it may still be making it durable
            directory.entries.sync()
        except OSError as error:
            self._disk_failed(error)
            if placed is not None and directory.entries.successes == mark:
                with suppress(OSError):  # nobody can have been told Success for it
                    os.unlink(placed, dir_fd=directory.descriptor)
            raise
        if placed is not None:
            self._tell(header, directory, placed, differs=placed != name)
        return SUCCESS

    def _place(self, name: str, directory: StudyDirectory) -> tuple[str | None, int]:
        """Give the file its name, or one beside it where something else has that; None where the same image has it.

        With it comes how many syncs of the directory had succeeded before.
        """
        mark = directory.entries.successes
        for beside in (False, True):
            candidate = f"{name}_{image_digest(self._file)}" if beside else name
            if not os.access(candidate, os.F_OK, dir_fd=directory.descriptor, follow_symlinks=False):
                self._fsync()
                with suppress(FileExistsError):  # another association was faster
                    rename_new(self._name, candidate, source_dir=self._store.incoming, target_dir=directory.descriptor)
                    self._name = ""
                    return candidate, mark
            if self._is_same(candidate, directory):
                return None, mark
        raise FileExistsError(errno.EEXIST, "both names are taken by other images", name)

    def _is_same(self, name: str, directory: StudyDirectory) -> bool:
        """Whether the same image has this name; a pipe, a link or a directory is something else."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with opened(name, flags, directory=directory.descriptor) as other:
                return stat.S_ISREG(os.fstat(other).st_mode) and same_image(self._file, other)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                return False
            raise

    def _identify(self) -> ImageHeader:
        settings = self._receiver.settings
        syntax, nesting = self._context.transfer_syntax, settings.limits.nesting
        try:
            if self._file < 0:
                return read_header(self._memory, syntax, settings.route, depth=nesting)
            with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
                return read_header(data, syntax, settings.route, start=self._meta_length, depth=nesting)
        except DicomError as error:
            raise _Refused(Status.CANNOT_UNDERSTAND, str(error), keep=True) from None

    def _tell(self, header: ImageHeader, directory: StudyDirectory, name: str, *, differs: bool) -> None:
        log.debug("%s/%s stored", directory.name, name, extra=_who(self._caller))
        syntax, size = self._context.transfer_syntax, self._written
        self._receiver.journal.put(
            Arrival(header.found, directory.name, name, syntax, size, self._receipt, differs, time.monotonic())
        )
        if differs:
            said = f"another data set came under the same SOP Instance UID; both are kept, the new one as {name}"
            log.warning("%s: %s", directory.name, said, extra=_who(self._caller))
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
        name = f"{os.getpid()}-{next(self._receiver.serial)}.part"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(name, flags, FILE_MODE, dir_fd=self._store.incoming)
        self._name = name
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
            os.close(self._file)
            self._file = -1
        self._memory = bytearray()

    # ---- refusing ----

    def _report(self, refused: _Refused) -> None:
        kept = refused.keep and self._quarantine(refused)
        said = f"refused with 0x{refused.status:04X}: {refused.why}" + (f"; kept as {kept}" if kept else "")
        said = f"{self._caller.listener}: an image of {self._caller.calling} {said}"
        self._receiver.complain(said, _who(self._caller))

    def _quarantine(self, refused: _Refused) -> str:
        """Keep the bytes; return where, empty if there is no room or no way."""
        size, limit = self._written or len(self._memory), self._receiver.settings.store.quarantine_size
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
            if self._file < 0:
                self._open_file(self._memory)
            self._fsync()
            name = f"{self._caller.association}_{next(self._receiver.serial)}"
            kept = quarantine.keep(self._store, self._name, name, about)
        except OSError:
            return ""
        self._name = ""
        return kept
