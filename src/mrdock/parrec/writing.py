"""PAR files as scanners print them, releases up to 5: every line, blank and sign of zero.

The layout is that of 23 scanner files V4.2 in nibabel's tests: read and printed again they are the same, but for two
blanks at the end of a line that are gone from the four that were anonymised by hand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.parrec.general import General
from mrdock.parrec.table import Column, GeneralField, Kind, Version, columns, general_fields

BANNER: Final = """\
# === DATA DESCRIPTION FILE ======================================================
#
# CAUTION - Investigational device.
# Limited by Federal Law to investigational use.
#
# Dataset name: %s
#
# CLINICAL TRYOUT             Research image export tool     %s
#
# === GENERAL INFORMATION ========================================================
#
"""
PIXEL_VALUES: Final = """\
#
# === PIXEL VALUES =============================================================
#  PV = pixel value in REC file, FP = floating point value, DV = displayed value on console
#  RS = rescale slope,           RI = rescale intercept,    SS = scale slope
#  DV = PV * RS + RI             FP = DV / (RS * SS)
#
# === IMAGE INFORMATION DEFINITION =============================================
#  The rest of this file contains ONE line per image, this line contains the following information:
#
"""
HEADING: Final = (
    "#  sl ec  dyn ph ty    idx pix scan% rec size                (re)scale              window        angulation"
    "              offcentre        thick   gap   info      spacing     echo     dtime   ttime    diff  avg  flip"
    "    freq   RR-int  turbo delay"
)
HEADING_4_1: Final = " b grad cont anis         diffusion"
HEADING_4_2: Final = "       L.ty"
IMAGES: Final = """\
#
# === IMAGE INFORMATION ==========================================================
%s

"""
END: Final = """
# === END OF DATA DESCRIPTION FILE ===============================================
"""

LABEL_WIDTH: Final = 35
NAME_WIDTH: Final = 41
LONGEST_WORD: Final = 49
"""Longer words are cut: dcm2niix reads them into 50 bytes."""

_LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d"}
)


def format_par(general: General, table: Mapping[str, Any], *, dataset_name: str, version: Version = "V4.2") -> bytes:
    """A PAR file: ASCII, lines ended by CRLF.

    ``table`` has an array for each key of the `table.columns` of the version: (images,), or (images, n) where a key
    stands for n columns; values along (ap, fh, rl) or (x, y). The lines have the order of the arrays, which is to be
    that of the images in REC: readers ignore ``index_in_rec_file``. ``dataset_name`` is the path without extension,
    for the banner.

    Older versions get their lines and columns in the widths of V4.2. Texts are made plain by `plain`. Raises
    ValueError for a table that lacks a key, has other shapes, or numbers that are not finite (or not whole, in columns
    that are).
    """
    parts = [BANNER % (plain(dataset_name, longest=None), version)]
    parts += [general_line(field, getattr(general, field.name)) for field in general_fields(version)]
    parts.append(PIXEL_VALUES)
    parts += [f"#  {column.name:<{NAME_WIDTH}}({column.kind})\n" for column in columns(version)]
    heading = HEADING + HEADING_4_1 * (version != "V4") + HEADING_4_2 * (version == "V4.2")
    parts.append(IMAGES % heading)
    parts += image_lines(table, version)
    parts.append(END)
    return "".join(parts).replace("\n", "\r\n").encode("ascii")


def plain(text: str, *, longest: int | None = LONGEST_WORD) -> str:
    """A text as a PAR file can hold it: ASCII, on one line, no word longer than ``longest``.

    Letters lose their accents; other characters become ``?``, control characters blanks.
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.translate(_LETTERS)) if not unicodedata.combining(c))
    found = "".join(c if c.isprintable() else " " for c in bare).encode("ascii", "replace").decode("ascii")
    if longest is None:
        return found
    return " ".join(word[:longest] for word in found.split(" "))


def general_line(field: GeneralField, value: Any) -> str:
    """One general line with its line feed: the colon is its 41st character."""
    return f".    {field.label:<{LABEL_WIDTH}}:   {_general_value(field, value)}\n"


def _general_value(field: GeneralField, value: Any) -> str:
    if field.kind is Kind.TEXT:
        return plain(str(value))
    values = [value] if field.size == 1 else list(value)
    if field.size and len(values) != field.size:
        raise ValueError(f"{field.name} has {len(values)} values; {field.size} are printed")
    if not np.isfinite(values).all():
        raise ValueError(f"{field.name} is {value}")
    if field.name == "scan_duration_s" and round(value) >= 1000:
        return f"{value:.0f}"  # three digits would need an exponent
    if field.size == 0:
        return "".join(f"{field.form}  " % each for each in values)
    return "  ".join(field.form % each for each in values)


def image_lines(table: Mapping[str, Any], version: Version = "V4.2") -> list[str]:
    """The image lines, each with its line feed; raises ValueError as `format_par` does."""
    values: list[Sequence[Any]] = []
    forms: list[str] = []
    images: int | None = None
    for column in columns(version):
        array = _array(column, table, images)
        images = len(array)
        for at, form in enumerate(column.form):
            numbers = array[:, at]
            parted = _parted(form) if forms else form
            if _constant(numbers):
                forms.append(parted % _printed(numbers[:1], form)[0])
            else:
                forms.append(parted)
                values.append(_printed(numbers, form))
    form = "".join(forms) + "\n"
    if not values:
        return [form] * (images or 0)
    return [form % line for line in zip(*values, strict=True)]


def _constant(numbers: NDArray[Any]) -> bool:
    """Whether all numbers print alike; they are then printed once, which makes long scans faster."""
    if not len(numbers) or (numbers != numbers[0]).any():
        return False
    signs = np.signbit(numbers)  # zeros have one
    return bool((signs == signs[0]).all())


def _printed(numbers: NDArray[Any], form: str) -> Sequence[Any]:
    """What the format is filled with."""
    values: list[Any] = numbers.tolist()
    return [_with_exponent(each, form) for each in values] if form.endswith("e") else values


def _array(column: Column, table: Mapping[str, Any], images: int | None) -> NDArray[Any]:
    """The values of a column, (images, columns), checked."""
    if column.key not in table:
        raise ValueError(f"the table lacks {column.key}")
    array = np.asarray(table[column.key])
    if array.ndim == 1 and column.size == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[1] != column.size or images not in (None, len(array)):
        raise ValueError(f"{column.key} has the shape {array.shape}")
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(f"{column.key} has values that are no numbers")
    if column.whole and array.dtype.kind == "f":
        rounded = np.rint(array)
        if (rounded != array).any():
            raise ValueError(f"{column.key} has values that are not whole")
        array = rounded.astype(np.int64)
    return array


def _parted(form: str) -> str:
    """A format that always begins with a blank: a number that is too wide pushes the rest of its line to the right.

    (The Phantom_EPI_3mm_cor_SENSE_8_1 of nibabel's tests has a window of 369991 643162.)
    """
    width, dot, rest = form[1:-1].partition(".")
    if form.endswith("e"):
        return "%s"  # as `_with_exponent` prints it
    return f" %{int(width) - 1}{dot}{rest}{form[-1]}"


def _with_exponent(value: float, form: str) -> str:
    """A number whose exponent has three digits."""
    width = int(form[1:].partition(".")[0])
    mantissa, exponent = (form % value).strip().split("e")
    return f" {mantissa}e{exponent[0]}{exponent[1:]:0>3}".rjust(width)
