"""Real traffic to begin with: what other senders and ours say to a dock, and the files that it writes."""

from __future__ import annotations

import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from fuzz.recorder import Conversation, recording
from mrdock.network import pdu
from tests.builders import StudyIdentity, bulk_classic, enhanced_mr, presentation_state
from tests.e2e import clients
from tests.e2e.dock_process import Place

LONGEST_SEED = 1 << 15
_MOST_REAL = 40
_PROGRAMS = ("echoscu", "storescu", "dcmsend")


@dataclass
class Traffic:
    """What was recorded: conversations, Part 10 files as they were sent, and records of studies."""

    conversations: list[Conversation] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)

    def pdus(self, kind: int) -> Iterator[bytes]:
        """The bodies of all PDUs of one type."""
        for conversation in self.conversations:
            for stream in (conversation.asked, conversation.answered):
                at = 0
                while at + pdu.HEADER <= len(stream):
                    (length,) = struct.unpack_from(">I", stream, at + 2)
                    if stream[at] == kind:
                        yield stream[at + pdu.HEADER : at + pdu.HEADER + length]
                    at += pdu.HEADER + length

    def commands(self) -> Iterator[bytes]:
        """All command sets; each was sent in one fragment."""
        for body in self.pdus(pdu.P_DATA):
            yield from (bytes(value.data) for value in pdu.pdvs(memoryview(body)) if value.is_command)


def record(say: Callable[[str], None]) -> Traffic:
    """Start a dock and let everybody here send to it; what is missing is said."""
    traffic = Traffic()
    with tempfile.TemporaryDirectory(prefix="mrdock-fuzz-") as name:
        folder = Path(name).resolve()
        made = list(_written(folder / "made", _made()))
        real = list(_written(folder / "real", _real(say)))
        place = Place(folder, quiet=0.2, roots=[folder / "research"], more="[receive]\ndeflated = true\n")
        (folder / "research").mkdir()
        with place.dock() as dock, recording(dock.enhanced, traffic.conversations) as port:
            for send in _senders(say):
                send(port, made)
            clients.acknowledged_until_it_breaks(port, real)  # not all of them have to be taken
            study = pydicom.dcmread(made[0]).StudyInstanceUID
            place.wait_for_state("held", "kept", study=study)
        traffic.files = [path.read_bytes() for path in [*made, *real]]
        traffic.records = [path.read_bytes() for path in sorted(place.store.glob("*/.mrdock-study"))]
    return traffic


def _written(folder: Path, contents: Iterable[bytes]) -> Iterator[Path]:
    folder.mkdir()
    for number, content in enumerate(contents):
        path = folder / f"IM_{number:04d}"
        path.write_bytes(content)
        yield path


def _made() -> Iterator[bytes]:
    """Small images of every kind and layout, some with a route."""
    identity = StudyIdentity("fuzz")
    classic = list(bulk_classic(4, identity, rows=4, columns=4, study_description="#-#/somewhere/else"))
    yield from classic[:2]
    for number, syntax in enumerate((ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)):
        yield _in_syntax(classic[2 + number % 2], syntax, number)
    compressed = pydicom.dcmread(BytesIO(classic[3]))
    compressed.compress(RLELossless)
    yield _bytes(compressed, 7)
    yield from _others(identity)


def _others(identity: StudyIdentity) -> Iterator[bytes]:
    yield _bytes(enhanced_mr(identity, slices=2, dynamics=1, rows=4, columns=4, series_number=501), 8)
    yield _bytes(presentation_state(identity), 9)


def _in_syntax(content: bytes, syntax: pydicom.uid.UID, number: int) -> bytes:
    dataset = pydicom.dcmread(BytesIO(content))
    for element in dataset.iterall():  # decode all before they are encoded in another byte order
        str(element.value)
    dataset.file_meta.TransferSyntaxUID = syntax
    return _bytes(dataset, number)


def _bytes(dataset: pydicom.Dataset, number: int) -> bytes:
    """A Part 10 file of a data set under a UID of its own."""
    uid = pydicom.uid.generate_uid(entropy_srcs=["fuzz", str(number)])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    out = BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def _real(say: Callable[[str], None]) -> Iterator[bytes]:
    """Real files that are small enough, evenly from the folder that $MRDOCK_TEST_DATA names."""
    folder = os.environ.get("MRDOCK_TEST_DATA")
    if not folder:
        say("MRDOCK_TEST_DATA names no real files: the corpus is made of synthetic ones")
        return
    small = [path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.stat().st_size < LONGEST_SEED]
    dicom = [path for path in small if path.read_bytes()[128:132] == b"DICM"]
    seen: set[str] = set()
    for path in dicom[:: max(1, len(dicom) // _MOST_REAL)]:
        header = pydicom.dcmread(path, specific_tags=["SOPClassUID", "SOPInstanceUID"])
        if header.get("SOPClassUID") and header.get("SOPInstanceUID") not in seen:
            seen.add(header.SOPInstanceUID)
            yield path.read_bytes()


def _senders(say: Callable[[str], None]) -> Iterator[clients.Send]:
    yield clients.ours
    yield clients.pynetdicom
    tools = {name: shutil.which(name, path="/usr/bin:/usr/local/bin") for name in _PROGRAMS}
    if missing := [name for name, path in tools.items() if path is None]:
        say(f"{', '.join(missing)} of DCMTK is not here: the corpus has none of its traffic")
    echoscu, storescu, dcmsend = (tools[name] for name in _PROGRAMS)
    if echoscu:
        yield lambda port, _: _run(echoscu, "-aec", "MRDOCK", "--repeat", "2", "127.0.0.1", str(port))
    if storescu:
        for options in (["-xi"], ["-xb"], ["-R", "-pdu", "4096"], ["-xr"]):
            yield lambda port, files, options=options: _run(  # type: ignore[misc]
                storescu, *options, "-nh", "-aec", "MRDOCK", "127.0.0.1", str(port), *map(str, files)
            )
    if dcmsend:
        yield lambda port, files: _run(dcmsend, "-aec", "MRDOCK", "127.0.0.1", str(port), *map(str, files))


def _run(program: str, *words: str) -> None:
    """Run a program; that it does not like some of the files does not matter."""
    clients.run(program, *words)


def wrong_types(line: bytes) -> Iterator[bytes]:
    """A JSON object with each of its values replaced by one of another kind: no change of some bytes leads there."""
    said = json.loads(line)
    others: tuple[object, ...] = (None, 5, -1e300, 1 << 70, "x", "\ud800", [5], [["a", "b", 5]], {}, True)
    for key in said:
        for value in others:
            yield json.dumps({**said, key: value}).encode()


def layouts() -> tuple[pydicom.uid.UID, ...]:
    """The transfer syntaxes that have a layout of their own."""
    return (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
