"""Raw Data Storage with Philips BLOBs: the ExamCard of a study, and the parameters of one acquisition."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence

from pydicom.dataset import FileDataset

from . import layout
from .elements import Header, Template, Value, dataset, encode, sequence
from .examcard import ExamCardScan, parameter_block, parameters, wrapper
from .identity import StudyIdentity
from .scan import Scan

RAW_DATA_STORAGE = "1.2.840.10008.5.1.4.1.1.66"
PRIVATE_MR_SERIES_DATA = "1.3.46.670589.11.0.0.12.2"
PRIVATE_MR_EXAMCARD = "1.3.46.670589.11.0.0.12.4"

Blob = tuple[str, str, bytes]  # name, type, data


def raw_data(
    identity: StudyIdentity,
    *,
    series_number: int = 0,
    examcard_name: str = "mrdock demo",
    sop_class: str = RAW_DATA_STORAGE,
    scans: Sequence[ExamCardScan] | None = None,
    **overrides: object,
) -> FileDataset:
    """Return the raw file that carries a study's ExamCard.

    As in `104165610_ExamCard_Raw.dcm` (release 5.7.1.1): series 0, protocol `ExamCard`, one BLOB whose stated size is
    the buffer, NULs behind the XML. With the private class 1.3.46.670589.11.0.0.12.4 it is that of a classic export:
    BLOB names have VR PN and Creator-Version UID is absent. `scans` defaults to what `demo_study` holds. The name may
    be empty, as on some scanners. `overrides` are attributes by keyword, set last; None removes.
    """
    found = demo_scans(identity) if scans is None else scans
    card = wrapper(examcard_name, found)
    card += b"\0" * (-len(card) % 16384)
    values: dict[str, Value] = {
        **Scan(identity, series_number, description="").common_values(),
        "sop_class": sop_class,
        "sop_instance": identity.uid("examcard", series_number),
        "protocol_name": "ExamCard",
        "examcard_name": examcard_name,
        "creator_version": PRIVATE_MR_EXAMCARD,
    }
    table = layout.COMMON + layout.REFERENCES + layout.RAW_DATA + layout.EXAMCARD_PRIVATE
    return _raw_file(table, values, [("ExamCardBlob", "", card)], {"PatientPosition": None, **overrides})


def raw_series(
    identity: StudyIdentity,
    *,
    series_number: int = 201,
    description: str = "fMRI",
    sop_class: str = RAW_DATA_STORAGE,
    slices: int = 4,
    dynamics: int = 3,
    blobs: Sequence[Blob] | None = None,
    **overrides: object,
) -> FileDataset:
    """Return the raw file of one acquisition; it has the Series Instance UID of the images.

    As in `2001_WIP_fcMRI_Field_Mapping_Raw.dcm` (release 5.7.1), with five of its twelve BLOBs, in its order: a
    parameter block, an empty one, JSON of odd length, the coils and the hardware numbers. `blobs` replaces them by
    (name, type, data). The private class 1.3.46.670589.11.0.0.12.2 is that of a classic export.
    """
    scan = Scan(identity, series_number, slices=slices, dynamics=dynamics, description=description)
    values: dict[str, Value] = {
        **scan.common_values(),
        "sop_class": sop_class,
        "sop_instance": identity.uid("raw", series_number),
        "creator_version": PRIVATE_MR_SERIES_DATA,
    }
    card = ExamCardScan(description, scan.acquisition_number, slices=slices, dynamics=dynamics)
    table = layout.COMMON + layout.REFERENCES + layout.RAW_DATA + layout.SERIES_PRIVATE
    return _raw_file(table, values, acquisition_blobs(identity, card) if blobs is None else blobs, overrides)


def demo_scans(identity: StudyIdentity) -> list[ExamCardScan]:
    """Return the scans of the demo's card: a prescan, the classic series 201, the Enhanced series 301."""
    return [
        ExamCardScan("CoilSurveyScan", slices=1, seconds=2.0),
        ExamCardScan("fMRI", 2, identity.series_uid(201), dynamics=3, summary="TRA    FEEPI 2000     30     70"),
        ExamCardScan("Enhanced fMRI", 3, identity.series_uid(301), dynamics=3, summary="TRA    FEEPI 2000     30"),
    ]


def acquisition_blobs(identity: StudyIdentity, scan: ExamCardScan) -> list[Blob]:
    """Return the BLOBs of one acquisition; raw files hold no token lists."""
    return [
        ("PDF_EXAM_PARS", "IEEE_PDF", parameter_block(parameters(scan), tokens=False)),
        ("PDF_PRESCAN_COIL_PARS", "IEEE_PDF", b""),
        ("PDF_USED_PRESCAN_RESPONSES", "IEEE_PDF", _prescan_responses(identity)),
        ("COILSTATE", "IEEE_PDF", _coil_state()),
        ("HARDWARE_CONFIG", "IEEE_PDF", _hardware_config()),
    ]


def _prescan_responses(identity: StudyIdentity) -> bytes:
    """Return JSON objects, each followed by `#:#`, the whole NUL-terminated; made of odd length on purpose."""
    request = {"frameOfReferenceUID": identity.frame_of_reference_uid, "patientSetup": 1}
    pair = {"request": request, "hasResponse": False, "response": {}}
    names = ("CoilSelectionRequest,CoilSelectionResponse", "B0MapRequest,ScanResponse")
    text = "".join(json.dumps({f"RequestResponsePair<{name}>": pair}) + "#:#" for name in names)
    data = text.encode("ascii") + b"\0"
    return data if len(data) % 2 else b" " + data


def _coil_state() -> bytes:
    """Return sockets with one coil each: path, 1, coil name, part number, serial number, flag."""
    coils = (("/SCC.ConnQBC", "BODY_QUAD", "", "", 0), ("/SBM.DCC1", "HEAD1_32", "000000000000", "0", 1))
    data = struct.pack("<II", 1, len(coils))
    for path, name, part, serial, flag in coils:
        data += _counted(path) + struct.pack("<I", 1) + _counted(name) + _counted(part) + _counted(serial)
        data += struct.pack("<B", flag)
    return data


def _hardware_config() -> bytes:
    """Return eleven numbers, the software version, and a one: 57 bytes as in all real files."""
    return struct.pack("<11I", 1, 7, 15, 10, 10, 0, 1, 9, 10, 2, 1) + _counted("5.7.1") + struct.pack("<I", 1)


def _counted(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("ascii")


def _raw_file(table: str, values: dict[str, Value], blobs: Iterable[Blob], overrides: dict[str, object]) -> FileDataset:
    private = str(values["sop_class"]).startswith("1.3.46.670589.")
    if private:
        table = "\n".join(line for line in table.splitlines() if not line.startswith("00089123"))
    header = Template(table, values).header()
    array = sequence(0x20051132, [encode(_blob(blob, "PN" if private else "LO")) for blob in blobs])
    header[array.tag] = array
    return dataset(header, overrides)


def _blob(blob: Blob, text_vr: str) -> Header:
    name, kind, data = blob
    table = layout.BLOB.replace("{text_vr}", text_vr)
    if not data:  # an empty BLOB has no (2005,1144)
        table = "\n".join(line for line in table.splitlines() if not line.startswith("20051144"))
    return Template(table, {"name": name, "type": kind, "size": len(data), "data": data}).header()
