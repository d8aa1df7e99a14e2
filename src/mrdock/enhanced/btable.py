"""B-tables as text: one line a direction, or the files that FSL and MRtrix read.

With g the direction as the header has it (the patient's frame: x to the left, y to the back, z to the head), r the
direction of the rows (along a row, to the right of the picture), c that of the columns (down the picture) and
n = r x c, all unit vectors of the same frame:

========  =========================  ==========================
format    ``patient``                ``image``
========  =========================  ==========================
table     gx gy gz                   g.r  g.c  g.n
mrtrix    -gx -gy gz (x right,       g.r  g.c  g.n
          y front: the scanner's)
fsl       gx gy gz                   g.r  -(g.c)  g.n
========  =========================  ==========================

FSL counts along the voxels of an image, with x the other way where the image's matrix has a positive determinant. NIfTI
files of MR images, as dcm2niix writes them, have their rows from the bottom up and their slices along n: the matrix has
a negative determinant, and what is left is the sign of c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mrdock.enhanced.gradients import Gradient, Gradients, Vector, gradients_of
from mrdock.enhanced.source import open_source
from mrdock.errors import UnsuitableError
from mrdock.files.names import printable
from mrdock.files.writing import written_together

Format = Literal["table", "fsl", "mrtrix"]
Frame = Literal["patient", "image"]

OWN_FRAME: Final[dict[Format, Frame]] = {"table": "patient", "fsl": "image", "mrtrix": "patient"}
"""The frame in which a format is meant to be."""

ENDINGS: Final = (".btable", ".bval", ".bvec", ".b")
"""What the names of the files end with."""

_SIGNS: Final[dict[tuple[Format, Frame], Vector]] = {
    ("mrtrix", "patient"): (-1.0, -1.0, 1.0),
    ("fsl", "image"): (1.0, -1.0, 1.0),
}


@dataclass(frozen=True)
class BTable:
    """The b-table of one file.

    ``rows`` has a b-value (s/mm^2) and a direction for each line. ``left_out`` are the averages that are not in it.
    """

    path: str
    form: Format
    rows: tuple[tuple[float, Vector], ...]
    left_out: tuple[Gradient, ...]

    def files(self) -> dict[str, str]:
        """What the format's files hold, by what is appended to the stem."""
        if self.form == "fsl":
            b_values, *vectors = self._fsl()
            return {".bval": f"{b_values}\n", ".bvec": "\n".join(vectors) + "\n"}
        return {".b" if self.form == "mrtrix" else ".btable": "".join(f"{line}\n" for line in self.lines())}

    def lines(self) -> list[str]:
        """The lines; FSL's are the b-values and the three components, a column a volume."""
        if self.form == "fsl":
            return self._fsl()
        if self.form == "mrtrix":
            return [" ".join(map(_short, (*direction, b_value))) for b_value, direction in self.rows]
        return [" ".join(map(_exact, (b_value, *direction))) for b_value, direction in self.rows]

    def _fsl(self) -> list[str]:
        table = [(b_value, *direction) for b_value, direction in self.rows]
        return [" ".join(map(_short, row)) for row in zip(*table, strict=True)]


def b_table(path: str, form: Format = "table", frame: Frame | None = None, *, averages: bool = False) -> BTable:
    """The b-table of an Enhanced MR file; ``averages`` keeps the isotropic and trace volumes in it.

    ``table`` has a line for each direction, the others one for each volume in time. Raises `DicomError`, whose message
    names the file, or OSError.
    """
    frame = frame or OWN_FRAME[form]
    with open_source(path, "dcm2btable") as source:
        found = gradients_of(source)
    chosen = found.entries if form == "table" else found.volumes
    kept = [gradient for gradient in chosen if averages or not gradient.average]
    left_out = tuple(gradient for gradient in chosen if gradient.average and not averages)
    return BTable(path, form, tuple(_rows(path, kept, found, form, frame)), left_out)


def _rows(
    path: str, kept: Sequence[Gradient], found: Gradients, form: Format, frame: Frame
) -> list[tuple[float, Vector]]:
    axes = found.axes
    if frame == "image" and axes is None:
        raise UnsuitableError(
            f"{printable(path)}: its slices have no orientation that all share, so there is no frame of the image; "
            "--frame patient needs none"
        )
    rows = []
    for gradient in kept:
        x, y, z = gradient.direction
        if frame == "image" and axes is not None:
            x, y, z = (round(float(part), 12) for part in axes @ (x, y, z))
        a, b, c = _SIGNS.get((form, frame), (1.0, 1.0, 1.0))
        rows.append((gradient.b_value, (a * x + 0.0, b * y + 0.0, c * z + 0.0)))
    return rows


def _exact(number: float) -> str:
    """The fewest digits that say this very number."""
    return repr(number).removesuffix(".0")


def _short(number: float) -> str:
    return f"{number:.6g}"


def save(table: BTable, stem: str, *, force: bool = False) -> list[str]:
    """Write the format's files, whose names are the stem with their endings, and return the names.

    Raises `PlaceError` where one exists and is not to be replaced, before any is written, and OSError.
    """
    files = {stem + ending: text for ending, text in table.files().items()}
    with written_together(list(files), force=force) as streams:
        for stream, text in zip(streams, files.values(), strict=True):
            stream.write(text.encode("ascii"))
    return list(files)
