"""Exports that are no DICOM, as dcmcleanup names them. First which it is: XML/REC, the sidecar of a NIfTI file, PAR."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.sorting.cleanup_companions import gather
from mrdock.sorting.finding import Entry
from mrdock.sorting.safe import safe

ENDINGS = ((".XML", ".REC"), (".json", ".nii"), (".PAR", ".REC"))
XML = (
    b'<PRIDE_V5><Series_Info><Attribute Name="Aquisition Number" Tag="0x2001107B">2</Attribute>'
    b'<Attribute Tag="0x2001101D">3</Attribute><Attribute Tag="0x00181030">WIP T1 &lt;</Attribute>'
    b'<Attribute Tag="0x00400244">2026.01.05</Attribute><Attribute Tag="0x00400245">10:15:00</Attribute></Series_Info>'
)
SIDECAR = b'{"Manufacturer": "Philips", "SeriesNumber": 203, "SeriesDescription": "T1", "AcquisitionDateTime": "2026"}'
PAR = b"# === GENERAL INFORMATION ===\n.    Protocol name                      :   T1\n.    Acquisition nr    :   2\n"


@cache
def folder() -> str:
    path = tempfile.mkdtemp(prefix="mrdock-fuzz-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def check(data: bytes) -> None:
    """Nothing raises; each file is in one group at most; a name is one on any system."""
    if not data:
        return
    described, beside = ENDINGS[data[0] % len(ENDINGS)]
    paths = [os.path.join(folder(), f"x{ending}") for ending in (described, beside)]
    for path, content in zip(paths, (data[1:], b"pixels"), strict=True):
        with open(path, "wb") as out:
            out.write(content)
    try:
        found = gather([Entry(path, os.path.getsize(path), 0) for path in paths], {}, [])
    finally:
        for path in paths:
            os.unlink(path)
    grouped = [entry.path for group in found.groups for entry in group.entries]
    assert len(set(grouped)) == len(grouped)
    for group in found.groups:
        assert group.label
        assert safe(group.label, 80) == group.label
        assert group.date == "" or (len(group.date) == 8 and group.date.isdecimal())


def seeds(_: Traffic) -> Iterable[bytes]:
    """One of each kind."""
    return [bytes((number,)) + content for number, content in enumerate((XML, SIDECAR, PAR))]


TARGET = Target(check, seeds, words=(b'Tag="0x2001107B">', b"</Attribute>", b'"SeriesNumber": ', b"&#x0;", b"WIP "))
