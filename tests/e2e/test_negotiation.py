"""What each listener takes: from the point of view of a scanner that would rather send Enhanced MR."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from mrdock.dicom.sop_classes import REFUSED_BY_CLASSIC, STORAGE_CLASSES
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, raw_data, write
from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.clients import run
from tests.e2e.dock_process import Dock, Place, data_set_of, wait_for
from tests.e2e.wire import recording

MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
VERIFICATION = "1.2.840.10008.1.1"
PRIVATE_RAW = sorted(
    uid
    for uid in STORAGE_CLASSES
    if uid.startswith("1.3.46.670589.5.0.") or uid in {f"1.3.46.670589.11.0.0.12.{n}" for n in (1, 2, 4)}
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("negotiation"), quiet=600)


@pytest.fixture(scope="module")
def dock(place: Place) -> Iterator[Dock]:
    with place.dock() as running:
        yield running


def accepted(port: int, classes: list[str], syntaxes: list[str] | None = None) -> dict[str, str]:
    """The classes that a listener accepts of those proposed, with the transfer syntax it chose."""
    entity = AE(ae_title="SCANNER")
    for uid in classes:
        entity.add_requested_context(uid, syntaxes or [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    association = entity.associate("127.0.0.1", port, ae_title="MRDOCK")
    assert association.is_established
    found = {str(c.abstract_syntax): str(c.transfer_syntax[0]) for c in association.accepted_contexts}
    association.release()
    return found


def test_the_first_listener_takes_enhanced_and_classic_the_second_classic_alone(dock: Dock) -> None:
    both = [ENHANCED_MR, MR, VERIFICATION]
    assert set(accepted(dock.enhanced, both)) == set(both)
    assert set(accepted(dock.classic, both)) == {MR, VERIFICATION}


def test_explicit_little_endian_is_preferred_whatever_the_order(dock: Dock) -> None:
    assert accepted(dock.enhanced, [MR])[MR] == ExplicitVRLittleEndian
    assert accepted(dock.enhanced, [MR], [ImplicitVRLittleEndian])[MR] == ImplicitVRLittleEndian


def test_every_storage_class_is_taken_by_the_first_and_the_refused_ones_not_by_the_second(dock: Dock) -> None:
    classes = sorted(STORAGE_CLASSES)
    first: set[str] = set()
    second: set[str] = set()
    for start in range(0, len(classes), 128):
        first |= accepted(dock.enhanced, classes[start : start + 128]).keys()
        second |= accepted(dock.classic, classes[start : start + 128]).keys()
    assert first == set(classes)
    assert second == set(classes) - REFUSED_BY_CLASSIC


@pytest.mark.peer
@pytest.mark.parametrize("listener", ["enhanced", "classic"])
def test_storescu_is_told_the_same(dock: Dock, listener: str, need_tool: NeedTool, tmp_path: Path) -> None:
    """storescu proposes what its configuration says; its verbose output shows what was accepted."""
    configuration = tmp_path / "storescu.cfg"
    configuration.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LittleEndianExplicit\n"
        "[[PresentationContexts]]\n[Scanner]\n"
        "PresentationContext1 = EnhancedMRImageStorage\\Plain\nPresentationContext2 = MRImageStorage\\Plain\n"
        "[[Profiles]]\n[Default]\nPresentationContexts = Scanner\n"
    )
    (path,) = write(classic_fmri(StudyIdentity(listener), slices=1, dynamics=1), tmp_path)
    words = ("-d", "-xf", str(configuration), "Default", "-aec", "MRDOCK", "127.0.0.1", str(dock.ports[listener]), path)
    done = run(need_tool("storescu"), *words)
    assert done.returncode == 0, done.stdout
    shown = re.findall(r"Context ID: +\d+ \(([^)]*)\)\s*\n.*Abstract Syntax: =(\w+)", done.stdout)
    said = {name: result for result, name in shown if result != "Proposed"}
    refused = "Abstract Syntax Not Supported"
    assert said == {
        "EnhancedMRImageStorage": "Accepted" if listener == "enhanced" else refused,
        "MRImageStorage": "Accepted",
    }, done.stdout


@pytest.mark.peer
def test_echoscu_is_answered_by_both(dock: Dock, need_tool: NeedTool) -> None:
    for port in dock.ports.values():
        done = run(need_tool("echoscu"), "-v", "-aec", "MRDOCK", "127.0.0.1", str(port))
        assert done.returncode == 0
        assert "Success" in done.stdout


@pytest.mark.parametrize("listener", ["enhanced", "classic"])
def test_the_private_raw_data_classes_arrive(dock: Dock, place: Place, listener: str, tmp_path: Path) -> None:
    """The scanner's own classes, sent by pynetdicom, to either listener."""
    assert {f"1.3.46.670589.11.0.0.12.{n}" for n in (1, 2, 4)} < set(PRIVATE_RAW)
    assert len(PRIVATE_RAW) > 15
    identity = StudyIdentity(f"raw {listener}")
    sets = [
        raw_data(identity, sop_class=uid, series_number=number, SOPInstanceUID=identity.uid("raw", number))
        for number, uid in enumerate(PRIVATE_RAW)
    ]
    files = [Path(path) for path in write(sets, tmp_path)]
    with recording(dock.ports[listener]) as recorder:
        clients.pynetdicom(recorder.port, files)
    images = place.images()
    for item in sets:
        path = images[str(item.SOPInstanceUID)]
        assert recorder.sent[str(item.SOPInstanceUID)] == [data_set_of(path)]
        stored = dcmread(path)
        assert stored.file_meta.MediaStorageSOPClassUID == item.SOPClassUID == stored.SOPClassUID
        if item.SOPClassUID.startswith("1.3.46.670589.11."):
            assert path.name.startswith("RAW.")


def test_an_enhanced_file_goes_to_the_first_and_its_classic_twin_to_the_second(
    dock: Dock, place: Place, tmp_path: Path
) -> None:
    identity = StudyIdentity("twins")
    enhanced = [Path(path) for path in write([enhanced_mr(identity, series_number=201)], tmp_path / "enhanced")]
    classic = [Path(path) for path in write(classic_fmri(identity, series_number=201), tmp_path / "classic")]
    clients.pynetdicom(dock.enhanced, enhanced)
    clients.pynetdicom(dock.classic, classic)
    wait_for("13 images in the index", lambda: place.studies().get(identity.study_uid, {}).get("images") == 13)
    study = place.studies()[identity.study_uid]
    assert study["series"] == 1
    names = [path.name for path in (place.store / study["directory"]).iterdir()]
    assert sum(name.startswith("MRe.") for name in names) == 1
    assert sum(name.startswith("MR.") for name in names) == 12
