"""PAR files, and what is asked of them without REC."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

import numpy as np

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.errors import ChoiceError, ParRecError
from mrdock.parrec.general import General
from mrdock.parrec.parsing import parse
from mrdock.parrec.places import root_of
from mrdock.parrec.reading import ParRec
from mrdock.parrec.rec import scaling_of
from mrdock.parrec.table import VERSIONS, columns
from mrdock.parrec.writing import format_par
from tests.parrec.support import table_of


def check(data: bytes) -> None:
    """A table of numbers in which every image has its cell; once printed, it is read and printed the same again."""
    root_of(data[:4096])
    par = _read(data)
    if par is None:
        return
    for column in columns(par.version):
        values = par.columns[column.key]
        assert values.shape == ((len(par.lines), column.size) if column.size > 1 else (len(par.lines),))
        assert np.isfinite(values).all()
    assert sorted(par.cells.images.ravel().tolist()) == list(range(len(par.lines)))
    assert all(text.isprintable() for text in par.remarks)
    _geometry(par)
    second = _read(_printed(par))
    assert second is not None
    third = _read(_printed(second))
    assert third is not None
    assert _printed(third) == _printed(second)


def _read(data: bytes) -> ParRec | None:
    try:
        return ParRec("scan.PAR", parse(BytesIO(data), "scan.PAR"))
    except ParRecError as error:
        said = str(error)
    assert said.isprintable()
    return None


def _printed(par: ParRec) -> bytes:
    return format_par(par.general, par.columns, dataset_name="scan", version=par.version)


def _geometry(par: ParRec) -> None:
    """Shape, scale and affines, or a documented error."""
    try:
        assert par.layout.size > 0
        assert np.isfinite(par.affines).all()
        assert par.affine is None or np.isfinite(par.affine).all()
        scaling_of(par.columns, "float", par.lines, par.path)
    except (ParRecError, ChoiceError):
        return


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """Small scans of each version and kind."""
    del traffic  # nothing of it is PAR
    for version in VERSIONS:
        for keys in ({"slice_number": 3}, {"dynamic_scan_number": 2, "echo_number": 2, "slice_number": 2}):
            table = table_of(**keys)
            yield format_par(General("x", "y", "WIP z"), table, dataset_name="scan", version=version)
    cut = {key: values[:-1] for key, values in table_of(dynamic_scan_number=2, slice_number=3).items()}
    yield format_par(General(repetition_time_ms=(25.0, 125.0)), cut, dataset_name="scan").replace(b"\r", b"")
    yield b'<?xml version="1.0"?><!-- x --><PRIDE_V5>'


TARGET = Target(
    check,
    seeds,
    words=(
        b"V3",
        b"V4.1",
        b"image export tool",
        b"END OF DATA DESCRIPTION",
        b".    Repetition time [msec] :",
        b"1e30",
        b"-0.0",
        b"nan",
        b"\r",
        b"<PRIDE_V5>",
        b"<!--",
    ),
)
