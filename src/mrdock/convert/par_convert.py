"""From Enhanced MR, or classic images of one series, to PAR/REC V4.2."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from mrdock.convert.par_columns import Described, Table, columns_of, keys_of
from mrdock.convert.par_general import general_of
from mrdock.convert.par_images import Images, Ints, open_images
from mrdock.convert.par_limits import ORDER, note_limits
from mrdock.convert.par_notes import Notes
from mrdock.convert.par_rec import writing_rec
from mrdock.files.writing import check_free, written_together
from mrdock.parrec.general import General
from mrdock.parrec.writing import format_par


@dataclass(frozen=True, slots=True)
class Options:
    """How to convert.

    ``anonymous`` leaves the patient's name out, ``force`` replaces files that exist, ``check`` reads the result back,
    ``thorough`` also looks for attributes that a PAR file has no place for, which takes time.
    """

    anonymous: bool = False
    force: bool = False
    check: bool = False
    thorough: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """One pair of files that was written.

    ``notes`` say what could not be carried over or is not in the source, ``found`` what a check found.
    """

    source: str
    par: str
    rec: str
    images: int
    notes: tuple[str, ...]
    found: tuple[str, ...]


def convert(path: str, stem: str, options: Options | None = None) -> Converted:
    """Write ``stem`` ``.PAR`` and ``.REC`` from an Enhanced MR file, or a directory of one classic series.

    Both appear, or neither; their directory is made where it is missing. Raises `DicomError`, `PlaceError` or OSError.
    """
    options = options or Options()
    par, rec = f"{stem}.PAR", f"{stem}.REC"
    for output in (rec, par):
        check_free(output, force=options.force)
    notes = Notes()
    with open_images(path) as images:
        keys = keys_of(images, notes)
        order = line_order(keys)
        os.makedirs(os.path.dirname(par) or os.curdir, exist_ok=True)
        with (
            written_together([rec, par], force=options.force) as (rec_stream, par_stream),
            writing_rec(images, order, rec_stream, rec),  # the rest is done while the disk is busy
        ):
            described = columns_of(images, keys, notes)
            general = general_of(images, described.table, described.geometry, notes, anonymous=options.anonymous)
            par_stream.write(_content(described, general, order, os.path.basename(stem)))
        note_limits(images, described, order, notes, thorough=options.thorough)
        found = _checked(images, described, general, order, par) if options.check else ()
    return Converted(path, par, rec, images.count, notes.lines, found)


def _checked(images: Images, described: Described, general: General, order: Ints, par: str) -> tuple[str, ...]:
    from mrdock.convert.par_check import check_pair

    return check_pair(images, described, general, order, par)


def _content(described: Described, general: General, order: Ints, name: str) -> bytes:
    """The PAR file."""
    table = {key: values[order] for key, values in described.table.items()}
    table["index_in_rec_file"] = np.arange(len(order))
    return format_par(general, table, dataset_name=name)


def line_order(table: Table) -> Ints:
    """The images in the order of the lines: slices fastest, dynamics slowest; images that are alike stay in order."""
    order: Ints = np.lexsort([table[key] for key in reversed(ORDER)])
    return order
