"""PAR/REC: reading into an array against nibabel; then dcm2par and dcms2e against `cp` and `sync`. One run, ratios.

    python -m benchmarks.parrec [FILE.PAR...] [--images N] [--size PIXELS] [--repeat N] [--work DIR]

FILEs are read beside a generated pair of N (default 20,000) images of PIXELS x PIXELS (default 96), in dynamics of 50
slices, and a scanner's own that nibabel brings. Medians of the repeats, in turns; files are in the page cache.

read       the PAR alone: general information and a table
stored     pixel values, sorted into dimensions
float      floating point values in float32, sorted; nibabel: `load(scaling="fp", strict_sort=True)` and
           `get_fdata(dtype=float32)`
write      the text of PAR

`benchmarks._dcm2par` and `benchmarks._dcms2e` each have ``rows(repeat: int, keep: str) -> list[Row]``, which measure in
the directory ``keep`` and leave nothing in it; ``Row`` is (what, seconds, seconds of the peer, name of the peer).
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

Row = tuple[str, float, float, str]

SLICES = 50
MORE = ("benchmarks._dcm2par", "benchmarks._dcms2e")


def generate(folder: Path, images: int, size: int) -> Path:
    """A pair of magnitude images in dynamics of 50 slices; the path of its PAR."""
    from mrdock.parrec.general import General
    from mrdock.parrec.writing import format_par
    from tests.parrec.support import table_of

    slices = next(number for number in range(SLICES, 0, -1) if images % number == 0)
    table = table_of(size, size, slice_number=slices, dynamic_scan_number=images // slices)
    table["dyn_scan_begin_time_s"] = (table["dynamic_scan_number"] - 1) * 1.25
    table["window_center"] = 900.0 + table["slice_number"]
    path = folder / "generated.PAR"
    general = General(max_slices=slices, max_dynamics=images // slices, max_gradient_orients=1)
    path.write_bytes(format_par(general, table, dataset_name="generated"))
    plane = np.random.default_rng(1).integers(0, 4096, (slices, size, size)).astype("<u2")
    with path.with_suffix(".REC").open("wb") as stream:
        for _ in range(images // slices):
            stream.write(plane.tobytes())
    return path


def in_turns(repeat: int, *works: Callable[[], Any]) -> list[float]:
    """The median seconds of each work, done in turns after a first one that does not count."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(repeat + 1):
        for work, taken in zip(works, times, strict=True):
            gc.collect()
            began = time.perf_counter()
            done = work()
            if number:
                taken.append(time.perf_counter() - began)
            del done
    return [median(taken) for taken in times]


def reading(path: Path, repeat: int) -> list[Row]:
    """Reading one pair."""
    from nibabel.parrec import PARRECHeader, PARRECImage

    from mrdock.parrec.reading import read
    from mrdock.parrec.writing import format_par

    def header() -> Any:
        with path.open() as stream:
            return PARRECHeader.from_fileobj(stream, permit_truncated=True, strict_sort=True)

    def image() -> Any:
        return PARRECImage.load(str(path), scaling="fp", permit_truncated=True, strict_sort=True)

    par = read(str(path))

    def stored() -> Any:
        return image().dataobj.get_unscaled()

    def single() -> Any:
        return image().get_fdata(dtype=np.float32, caching="unchanged")

    works: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "read": (lambda: read(str(path)), header),
        "stored": (lambda: read(str(path)).data("stored"), stored),
        "float": (lambda: read(str(path)).data("float"), single),
    }
    name = f"{path.stem} ({len(par.lines)} images)"
    rows: list[Row] = []
    for what, (ours, theirs) in works.items():
        seconds, peer = in_turns(repeat, ours, theirs)
        rows.append((f"{what}  {name}", seconds, peer, "nibabel"))
    (seconds,) = in_turns(repeat, lambda: format_par(par.general, par.columns, dataset_name=path.stem))
    print(f"write  {name}: {seconds:.3f} s")
    return rows


def show(rows: list[Row]) -> None:
    """One line for each; a ratio below 1 is less than the peer takes."""
    for what, ours, theirs, peer in rows:
        print(f"{what:<48} {ours:8.3f} s  {peer:<14} {theirs:8.3f} s   ratio {ours / theirs:.3f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="PAR/REC against nibabel, cp and sync")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--only", choices=["reading", "dcm2par", "dcms2e"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel says what it tolerates, and leaves files open
        if options.only in (None, "reading"):
            from tests.parrec.support import NIBABEL

            own = [NIBABEL / "phantom_EPI_asc_CLEAR_2_1.PAR"]
            for path in [*(options.files or own), generate(Path(name), options.images, options.size)]:
                show(reading(path, options.repeat))
        for path in Path(name).iterdir():
            path.unlink()
        for module in MORE:
            if options.only in (None, module.rpartition("_")[2]) and find_spec(module) is not None:
                show(import_module(module).rows(options.repeat, name))


if __name__ == "__main__":
    main()
