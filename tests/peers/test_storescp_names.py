"""DCMTK's ``storescp`` and ``file_prefix`` agree: ``storescp`` is sent one instance of every class in the table."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt

from mrdock.dicom.sop_classes import STORAGE_CLASSES, UNKNOWN_PREFIX, file_prefix

pytestmark = pytest.mark.peer

NO_SUCH_CLASS = "2.25.4711"
CONTEXTS = 128  # the most of one association (their identifiers are odd bytes), and of a storescp profile

# Where DCMTK 3.6.7, which Debian 12 has, and DCMTK's newest source differ, the table follows the newest source.
CHANGED_AFTER_3_6_7 = {
    "1.2.840.10008.5.1.4.1.1.200.3": "PA",  # Protocol Approval: now PAp, since Photoacoustic Image has become PA
}
ADDED_AFTER_3_6_7 = {
    "1.2.840.10008.5.1.4.1.1.2.3",  # CT For Processing
    "1.2.840.10008.5.1.4.1.1.2.4",  # Enhanced CT For Processing
    "1.2.840.10008.5.1.4.1.1.2.5",  # Legacy Converted Enhanced CT For Processing
    "1.2.840.10008.5.1.4.1.1.6.3",  # Photoacoustic Image
    "1.2.840.10008.5.1.4.1.1.9.1.4",  # General 32-bit ECG Waveform
    "1.2.840.10008.5.1.4.1.1.9.100.1",  # Waveform Presentation State
    "1.2.840.10008.5.1.4.1.1.9.100.2",  # Waveform Acquisition Presentation State
    "1.2.840.10008.5.1.4.1.1.11.12",  # Variable Modality LUT Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
    "1.2.840.10008.5.1.4.1.1.66.8",  # Height Map Segmentation
    "1.2.840.10008.5.1.4.1.1.77.1.8",  # Confocal Microscopy Image
    "1.2.840.10008.5.1.4.1.1.77.1.9",  # Confocal Microscopy Tiled Pyramidal Image
    "1.2.840.10008.5.1.4.1.1.88.77",  # Waveform Annotation SR
    "1.2.840.10008.5.1.4.1.1.201.1",  # Inventory
    "1.2.840.10008.5.1.4.1.1.481.23",  # Enhanced RT Image
    "1.2.840.10008.5.1.4.1.1.481.24",  # Enhanced Continuous RT Image
    "1.2.840.10008.5.1.4.1.1.481.25",  # RT Patient Position Acquisition Instruction
    "1.2.840.10008.5.1.4.1.1.601.3",  # Thermography Image
    "1.2.840.10008.5.1.4.1.1.601.4",  # Thermography Multi-frame Image
    "1.2.840.10008.5.1.4.1.1.601.5",  # Ultrasound Waveform
}
NEVER_IN_DCMTK = {
    "1.2.840.10008.5.1.4.1.1.12.77",  # Zeiss OPT File, retired without a name
    "1.2.840.10008.5.1.4.1.1.40",  # MR Image Storage Zero Padded, retired without a name
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _configuration(classes: Iterable[str]) -> str:
    """A ``storescp`` profile with exactly these classes.

    Its promiscuous mode is not enough: it takes unknown classes and those for patients' data, and refuses classes
    that it knows to be something else, such as protocols and implant templates.
    """
    contexts = "".join(f"PresentationContext{n} = {uid}\\Plain\n" for n, uid in enumerate(classes, start=1))
    return (
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LittleEndianExplicit\n"
        f"[[PresentationContexts]]\n[All]\n{contexts}"
        "[[Profiles]]\n[Default]\nPresentationContexts = All\n"
    )


@contextmanager
def _storescp(program: str, configuration: Path, folder: Path) -> Iterator[int]:
    """A running ``storescp`` that writes to ``folder``; its port."""
    port = _free_port()
    arguments = ["--config-file", str(configuration), "Default", "--output-directory", str(folder), str(port)]
    with subprocess.Popen(
        [program, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TCP_NODELAY": "1"},  # DCMTK's own switch, 40 ms an instance
    ) as process:
        try:
            _wait_until_it_answers(process, port)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "storescp ended at once: is its port taken?"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("storescp does not listen")


def _instance(sop_class: str, sop_instance: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_instance
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _send_at_once(event: evt.Event) -> None:
    """Switch off Nagle's algorithm on our side too, for another 40 ms an instance."""
    transport = event.assoc.dul.socket
    assert transport is not None
    assert transport.socket is not None
    transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _send(port: int, instances: Mapping[str, str]) -> None:
    """Send one instance of each class; the peers now and then lose their association, so what is left goes again."""
    left = dict(instances)
    for _ in range(3):
        left = _send_some(port, left)
    assert not left


def _send_some(port: int, instances: Mapping[str, str]) -> dict[str, str]:
    """Send over one association; what was not answered."""
    entity = AE(ae_title="MRDOCK_TEST")
    entity.dimse_timeout = 10
    for sop_class in instances.values():
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    if not instances:
        return {}
    association = entity.associate("127.0.0.1", port, evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)])
    left = dict(instances)
    try:
        for sop_instance, sop_class in instances.items():
            if not association.is_established:
                break
            status = association.send_c_store(_instance(sop_class, sop_instance))
            if "Status" not in status:
                break
            assert status.Status == 0x0000, (sop_class, status)
            del left[sop_instance]
    finally:
        association.release()
    return left


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The prefix that ``storescp`` chose, by class; one class is made up, so that it cannot know it."""
    program = shutil.which("storescp")
    if program is None:
        pytest.skip("DCMTK's storescp is not installed")
    folder = tmp_path_factory.mktemp("storescp")
    instances = {f"2.25.{number}": uid for number, uid in enumerate([*STORAGE_CLASSES, NO_SUCH_CLASS], start=1)}
    names = list(instances)
    for first in range(0, len(names), CONTEXTS):
        part = {name: instances[name] for name in names[first : first + CONTEXTS]}
        configuration = tmp_path_factory.mktemp("configuration") / "storescp.cfg"
        configuration.write_text(_configuration(part.values()), encoding="ascii")
        with _storescp(program, configuration, folder) as port:
            _send(port, part)
    prefixes = {}
    for path in folder.iterdir():
        prefix, _, name = path.name.partition(".")
        prefixes[instances[name]] = prefix
    return prefixes


def test_every_class_of_the_table_was_sent_and_written(written: Mapping[str, str]) -> None:
    assert set(written) == {*STORAGE_CLASSES, NO_SUCH_CLASS}


def test_storescp_and_the_table_give_the_same_prefix(written: Mapping[str, str]) -> None:
    differ = {
        uid: (theirs, file_prefix(uid))
        for uid, theirs in written.items()
        if theirs not in (UNKNOWN_PREFIX, file_prefix(uid), CHANGED_AFTER_3_6_7.get(uid))
    }
    assert differ == {}


def test_the_standard_classes_that_storescp_does_not_know_are_the_listed_ones(written: Mapping[str, str]) -> None:
    unknown = {uid for uid, theirs in written.items() if theirs == UNKNOWN_PREFIX and uid.startswith("1.2.840.10008.")}
    assert NEVER_IN_DCMTK <= unknown <= NEVER_IN_DCMTK | ADDED_AFTER_3_6_7


def test_both_say_the_same_of_a_class_that_nobody_knows(written: Mapping[str, str]) -> None:
    assert written[NO_SUCH_CLASS] == file_prefix(NO_SUCH_CLASS) == UNKNOWN_PREFIX
