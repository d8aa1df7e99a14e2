"""The PAR/REC that lies beside a directory of classic images, under the same name."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.dcms2e_images import root_of
from mrdock.convert.dcms2e_match import check_general, check_images, lines_of, whole_dynamics
from mrdock.convert.dcms2e_scan import Scan
from mrdock.errors import ParRecError, PlaceError
from mrdock.files.names import printable
from mrdock.parrec.places import pair_of
from mrdock.parrec.reading import ParRec, read


@dataclass(frozen=True, slots=True)
class Opened:
    """A PAR/REC that is of the scan.

    ``lines`` (slices, dynamics) says which image of the PAR each is. ``dropped`` are partial dynamics at the end that
    were left out, ``remarks`` what a user may want to know, a sentence each.
    """

    par: ParRec
    rec_path: str
    lines: NDArray[np.int64]
    dropped: tuple[int, ...]
    remarks: tuple[str, ...]


def open_pair(folder: str, scan: Scan, *, drop_partial: bool = False) -> Opened:
    """The PAR and REC of the directory's name, in any case of letters, beside it.

    Raises PlaceError where one is missing or several could be meant, ParRecError, with the reason, where they are not
    whole or not of the scan, and OSError.
    """
    root = root_of(folder)
    par_path, name = pair_of(root).par, printable(os.path.basename(root))
    if par_path is None:
        raise PlaceError(f"{printable(folder)}: there is no {name}.PAR beside it; --classic does without")
    par = read(par_path)
    if par.rec_path is None:
        raise PlaceError(f"{printable(par_path)}: there is no {name}.REC beside it")
    lines = lines_of(par, scan)
    check_general(par, scan)
    lines, dropped = whole_dynamics(lines, par, drop_partial=drop_partial)
    check_images(par, lines, scan)
    unplaced = par.rec_remark()
    if unplaced:  # what its reader would do then is a guess
        raise ParRecError(f"{printable(par_path)}: its index of images in the REC cannot be used: it {unplaced}")
    remarks = [f"{printable(par_path)}: {remark}" for remark in par.remarks]
    planned = par.general.max_dynamics
    if planned > lines.shape[1] + len(dropped):
        remarks.append(f"{printable(par_path)}: {planned} dynamics were planned; {lines.shape[1]} are there")
    if len(par.rec()) > len(par.lines):
        remarks.append(f"{printable(par.rec_path)}: holds {len(par.rec())} images, its PAR lists {len(par.lines)}")
    return Opened(par, par.rec_path, lines, dropped, tuple(remarks))
