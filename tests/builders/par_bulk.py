"""A large fMRI scan as `dcms2e` takes it: classic files of the first dynamic, and a PAR/REC of all dynamics."""

from __future__ import annotations

import os
import random

import numpy as np

from .identity import StudyIdentity
from .par_of_classic import BEGIN_TIME, DYNAMIC, INDEX, image_line, par_of_classic
from .philips import classic_fmri, write


def bulk_par_rec(
    folder: str | os.PathLike[str],
    *,
    slices: int = 63,
    dynamics: int = 318,
    rows: int = 96,
    columns: int = 96,
    repetition_time_ms: float = 1259.232421875,
    shuffled: bool = False,
) -> int:
    """Write the files of the first dynamic into ``folder``, a PAR and a REC of its name beside it.

    Returns the number of images. The pixels of a dynamic are those of the first, each higher by the dynamic's number
    less 1. Images are volume after volume, or ``shuffled`` in REC and PAR. Memory grows with one volume and the PAR.
    """
    planned = {(number, dynamic) for number in range(1, slices + 1) for dynamic in range(2, dynamics + 1)}
    files = classic_fmri(
        StudyIdentity("bulk"),
        slices=slices,
        dynamics=dynamics,
        rows=rows,
        columns=columns,
        missing=planned,
        repetition_time_ms=repetition_time_ms,
    )
    write(files, folder)
    pair = par_of_classic(files)
    first = np.stack([np.frombuffer(image.pixels, "<u2") for image in pair.images])
    order = list(range(slices * dynamics))
    if shuffled:
        random.Random(dynamics).shuffle(order)
    lines = [""] * len(order)
    with open(f"{os.fspath(folder)}.REC", "wb") as rec:
        for index, image in enumerate(order):
            dynamic, number = divmod(image, slices)
            values = list(pair.images[number].columns)
            begin = round(dynamic * repetition_time_ms) / 1000
            values[DYNAMIC], values[BEGIN_TIME], values[INDEX] = dynamic + 1, begin, index
            lines[image] = image_line(values)
            rec.write((first[number] + np.uint16(dynamic)).astype("<u2").tobytes())
    start, _, rest = pair.par().partition(image_line(pair.images[0].columns).encode())
    end = rest[rest.rindex(b"\r\n\r\n") :]
    with open(f"{os.fspath(folder)}.PAR", "wb") as par:
        par.write(start + "\r\n".join(lines).encode() + end)
    return len(order)
