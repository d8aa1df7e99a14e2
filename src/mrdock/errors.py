"""What can go wrong, as one tree. Every message is one sentence and names the path, UID or peer it is about.

MrdockError
├── SettingsError        a settings file or an option says something that cannot be used
├── TagError             a tag is written as none that is known
├── ChoiceError          an argument asks for what the data do not have
├── MissingPackageError  a package that an extra brings is needed and not installed
├── PlaceError           a file or directory that cannot be used as asked
│   └── JournalError     a journal of moved files cannot be used
├── BusyError            another process holds what is needed
├── StoppedError         the user asked to stop before the work was done
├── DicomError           bytes that are not the DICOM they claim to be
│   ├── NotDicomError    no DICOM at all
│   ├── UnsuitableError  DICOM of another kind than what is asked for
│   └── MalformedError   DICOM whose structure is broken, cut or beyond the limits
│       └── CutShortError  DICOM that ends before its elements do
├── ExamCardError        an ExamCard that cannot be read
├── ParRecError          files that are not the PAR/REC they claim to be
│   └── NotParError      no PAR file at all
├── NetworkError         the other end of an association
│   ├── ConnectError     no TCP connection
│   ├── RejectedError    the association was rejected
│   │   └── UnacceptedError  the peer takes the association, but no such object
│   └── AbortedError     the association ended before its time
└── DockError            the dock and its store
    ├── StoreError       the store or its index cannot be used
    │   └── StaleIndexError  the index is damaged or of another layout, and can be rebuilt
    └── UnknownStudyError  no study, or several, answer to a name
"""

from __future__ import annotations


class MrdockError(Exception):
    """The base of all errors that a user may see; its text is one sentence."""


class SettingsError(MrdockError):
    """A settings file or an option says something that cannot be used."""


class TagError(MrdockError):
    """A tag is written as none that is known."""


class ChoiceError(MrdockError):
    """An argument asks for what the data do not have."""


class MissingPackageError(MrdockError, ModuleNotFoundError):
    """A package that one of the extras brings is needed and not installed."""


class PlaceError(MrdockError):
    """A file or directory cannot be used as asked."""


class JournalError(PlaceError):
    """A journal of moved files cannot be used."""


class BusyError(MrdockError):
    """Another process holds what is needed."""


class StoppedError(MrdockError):
    """The user asked to stop before the work was done."""


class DicomError(MrdockError):
    """Bytes that are not the DICOM they claim to be."""


class NotDicomError(DicomError):
    """No DICOM at all."""


class UnsuitableError(DicomError):
    """DICOM of another kind than what is asked for."""


class MalformedError(DicomError):
    """DICOM whose structure is broken, cut short or beyond the limits."""


class CutShortError(MalformedError):
    """DICOM that ends before its elements do: a transfer that was cut, or one that goes on."""


class ExamCardError(MrdockError):
    """An ExamCard cannot be read: no XML, XML of something else, or beyond the limits."""


class ParRecError(MrdockError):
    """A PAR file that cannot be read, or a REC file that does not go with it."""


class NotParError(ParRecError):
    """No PAR file at all."""


class NetworkError(MrdockError):
    """The other end of an association did not do what it should."""


class ConnectError(NetworkError):
    """No TCP connection came about."""


class RejectedError(NetworkError):
    """The peer rejected the association; it would do so again, unless ``lasting`` is false."""

    lasting = True


class UnacceptedError(RejectedError):
    """The peer takes the association, but no object of that SOP class, or not in that transfer syntax."""


class AbortedError(NetworkError):
    """The association ended before its time: aborted, closed, timed out or out of protocol."""


class DockError(MrdockError):
    """The dock and its store."""


class StoreError(DockError):
    """The store or its index cannot be used."""


class StaleIndexError(StoreError):
    """The index is damaged or was made by another version; it can be rebuilt from the files."""


class UnknownStudyError(DockError):
    """No study, or more than one, answers to a name."""
