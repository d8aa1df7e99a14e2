"""Whole programs that read five tags of every file in a folder and keep them, as gdcmscanner does.

python -m benchmarks._five_tags mrdock|pydicom FOLDER
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

TAGS = {
    0x00080018: "SOPInstanceUID",
    0x00100020: "PatientID",
    0x0020000E: "SeriesInstanceUID",
    0x00200011: "SeriesNumber",
    0x00200013: "InstanceNumber",
}


def files(folder: str) -> Iterator[str]:
    """Every file below, in the order in which the file system gives them."""
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry.path


def by_mrdock(folder: str) -> dict[str, list[str | None]]:
    """The texts of each file by our reading."""
    from mrdock.dicom.reading import FileHeader, read_many
    from mrdock.dicom.scan import Wanted

    wanted = Wanted([(tag, "LO") for tag in TAGS])
    found = {}
    for path, header in read_many(files(folder), wanted):
        if isinstance(header, FileHeader):
            text = header.header.text
            found[path] = [text(tag) for tag in TAGS]
    return found


def by_pydicom(folder: str) -> dict[str, list[str]]:
    """The same by pydicom's."""
    from pydicom import dcmread

    found = {}
    for path in files(folder):
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
        found[path] = [str(header[tag].value) for tag in TAGS]
    return found


if __name__ == "__main__":
    print(len(by_mrdock(sys.argv[2]) if sys.argv[1] == "mrdock" else by_pydicom(sys.argv[2])))
