"""Pixels, scaling and geometry against nibabel; and pairs that do not fit together."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nibabel import parrec as nib
from numpy.typing import NDArray

from mrdock.errors import ChoiceError, NotParError, ParRecError, PlaceError
from mrdock.parrec.reading import ParRec, read
from mrdock.parrec.rec import Scale
from tests.parrec.support import EDITED, NIBABEL, REC_FILES, RELEASE_11, SCANNERS, Table, noise, table_of, write_pair

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

CUT = "ASL_3D_Multiecho"
"""8 of 30 slices are left, and the midslice is that of all 30: nibabel's affine is 11 slices off."""
ANGLES_LEFT_OUT = "umass_anonymized"
"""Its general lines have no angles and no midslice; its image lines have."""


def theirs(path: Path, scaling: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """All images as nibabel loads them (images, rows, columns), and which line each comes from.

    nibabel leaves its file open until the image is gone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = nib.PARRECImage.load(str(path), scaling=scaling, permit_truncated=True)
        data = np.asarray(image.dataobj)
        lines = image.header.get_sorted_slice_indices()
        del image
        gc.collect()
    return data.reshape(*data.shape[:2], -1, order="F").transpose(2, 1, 0), lines


def with_rec(folder: Path, name: str) -> Path:
    """A scanner's PAR with its REC, or with one of noise."""
    par = read(str(NIBABEL / f"{name}.PAR"))
    if name in REC_FILES:
        return NIBABEL / f"{name}.PAR"
    path = folder / f"{name}.PAR"
    path.write_bytes((NIBABEL / f"{name}.PAR").read_bytes())
    path.with_suffix(".REC").write_bytes(noise(par.columns).tobytes())
    return path


def by_line(par: ParRec, data: NDArray[Any]) -> NDArray[Any]:
    """(images, rows, columns) in the order of the lines."""
    planes = data.reshape(-1, *data.shape[-2:])
    order = np.argsort(par.cells.images.ravel())
    found: NDArray[Any] = planes[order]
    return found


@pytest.mark.parametrize("name", sorted({*EDITED, RELEASE_11, *SCANNERS} - {"NA", "T1_dual_echo"}))
def test_values_are_those_that_nibabel_loads(tmp_path: Path, name: str) -> None:
    path = with_rec(tmp_path, name)
    par = read(str(path))
    kinds: dict[str, Scale] = {"dv": "display", "fp": "float"}
    for scaling, scale in kinds.items():
        expected, lines = theirs(path, scaling)
        found = par.data(scale, np.float64)
        assert found.shape == par.shape
        assert np.array_equal(by_line(par, found)[lines], expected)
        single = par.data(scale)
        assert single.dtype == np.float32
        assert np.allclose(single, found, rtol=1e-6, atol=1e-6 * float(np.abs(found).max()))
    stored = par.data("stored")
    assert stored.dtype == np.uint16
    assert np.array_equal(
        by_line(par, stored), np.fromfile(par.rec_path or "", "<u2").reshape(len(par.lines), *par.shape[-2:])
    )


@pytest.mark.parametrize("name", sorted({*EDITED, RELEASE_11, *SCANNERS} - {"NA"}))
def test_the_affine_is_nibabel_s(name: str) -> None:
    """Theirs counts (column, row, slice) and is in RAS."""
    path = NIBABEL / f"{name}.PAR"
    par = read(str(path))
    with warnings.catch_warnings(), path.open() as stream:
        warnings.simplefilter("ignore")
        header = nib.PARRECHeader.from_fileobj(stream, permit_truncated=True)
    assert par.affine is not None
    ours = (LPS @ par.affine)[:, [1, 0, 2, 3]]
    expected = header.get_affine("scanner")
    if name == RELEASE_11:
        assert par.remarks
    elif name == CUT:
        assert np.allclose(ours - expected, np.outer([*expected[:3, 2], 0], [0, 0, 0, -11.0]), atol=0.01)
    elif name == ANGLES_LEFT_OUT:
        assert np.allclose(np.linalg.norm(ours[:3, :3], axis=0), np.linalg.norm(expected[:3, :3], axis=0))
    else:
        assert np.allclose(ours, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SCANNERS)
def test_the_affine_fits_the_image_lines(name: str) -> None:
    par = read(str(NIBABEL / f"{name}.PAR"))
    if par.affine is None:
        assert name == "NA"
        return
    slices = par.columns["slice_number"] - par.columns["slice_number"].min()
    corners = np.array([[r, c, 0, 1] for r in (0, par.layout.rows - 1) for c in (0, par.layout.columns - 1)], float)
    for image in range(len(slices)):
        through = corners + np.array([0, 0, slices[image], 0])
        assert np.abs(par.affine @ through.T - par.affines[image] @ corners.T).max() < 0.1


# ---- pairs of our own ----


@pytest.fixture
def table() -> Table:
    return table_of(slice_number=3, dynamic_scan_number=2)


@pytest.mark.parametrize("bits", [8, 16])
def test_both_sizes_of_pixels(tmp_path: Path, table: Table, bits: int) -> None:
    table["image_pixel_size_bits"][:] = bits
    table["rescale_slope"][:] = [1.0, 0.5, 2.0, 1.0, 1.0, 1.0]
    table["rescale_intercept"][:] = [0.0, 0.0, -5.0, 0.0, 0.0, 0.0]
    par = read(str(write_pair(tmp_path, table)))
    pixels = noise(table)
    assert par.dims == ("dynamic_scan_number", "slice_number", "row", "column")
    assert par.data("stored").dtype == pixels.dtype
    assert np.array_equal(par.rec(), pixels)
    assert np.array_equal(par.data("stored").reshape(6, 4, 6), pixels)
    display = pixels * table["rescale_slope"][:, None, None] + table["rescale_intercept"][:, None, None]
    assert np.allclose(par.data("display").reshape(6, 4, 6), display)
    assert np.allclose(
        par.data().reshape(6, 4, 6), display / (table["rescale_slope"] * 0.004)[:, None, None], rtol=1e-6
    )


def test_an_image_of_one_byte_order_everywhere(tmp_path: Path, table: Table) -> None:
    par = read(str(write_pair(tmp_path, table, pixels=np.full((6, 4, 6), 0x0102, "<u2"))))
    assert (par.data("stored") == 258).all()


def test_rec_is_a_map_that_cannot_be_written(tmp_path: Path, table: Table) -> None:
    par = read(str(write_pair(tmp_path, table)))
    assert isinstance(par.rec(), np.memmap)
    assert not par.rec().flags.writeable
    assert par.data("stored").flags.writeable


def test_images_are_found_through_their_index(tmp_path: Path, table: Table) -> None:
    order = np.array([4, 1, 0, 5, 2, 3])
    table["index_in_rec_file"][:] = order
    pixels = noise(table)
    par = read(str(write_pair(tmp_path, table, pixels=pixels)))
    assert par.rec_places().tolist() == order.tolist()
    assert par.rec_remark() == ""
    assert np.array_equal(par.data("stored").reshape(6, 4, 6), pixels[order])


def test_a_rec_that_holds_more_is_read_through_the_index(tmp_path: Path, table: Table) -> None:
    """Lines were cut out of PAR, but no images out of REC."""
    pixels = noise(table)
    kept = {key: values[[0, 2, 3, 5]] for key, values in table.items()}
    par = read(str(write_pair(tmp_path, kept, pixels=pixels)))
    assert np.array_equal(par.data("stored").reshape(4, 4, 6), pixels[[0, 2, 3, 5]])


def test_a_pair_that_was_cut_is_read_in_the_order_of_lines(tmp_path: Path, table: Table) -> None:
    pixels = noise(table)[[0, 2, 3, 5]]
    kept = {key: values[[0, 2, 3, 5]] for key, values in table.items()}
    par = read(str(write_pair(tmp_path, kept, pixels=pixels)))
    assert par.rec_remark() == "lists images up to number 5, REC holds 4: they are taken in the order of lines"
    assert np.array_equal(par.data("stored").reshape(4, 4, 6), pixels)


def test_an_index_that_says_nothing_is_left_aside(tmp_path: Path, table: Table) -> None:
    table["index_in_rec_file"][:] = 0
    par = read(str(write_pair(tmp_path, table)))
    assert par.rec_remark().startswith("has no index of REC")
    assert np.array_equal(par.data("stored").reshape(6, 4, 6), noise(table))


def test_a_pair_is_read_by_either_name(tmp_path: Path, table: Table) -> None:
    par = write_pair(tmp_path, table)
    for name in ("scan.PAR", "scan.REC", "scan.rec", "scan"):
        found = read(str(tmp_path / name))
        assert (found.path, found.rec_path) == (str(par), str(par.with_suffix(".REC")))
    other = tmp_path / "scan"
    other.mkdir()
    assert read(str(other)).path == str(par)


def test_a_par_may_have_any_name(tmp_path: Path, table: Table) -> None:
    path = write_pair(tmp_path, table).rename(tmp_path / "scan.txt")
    assert len(read(str(path)).lines) == 6
    (tmp_path / "scan.REC").unlink()
    assert read(str(path)).rec_path is None


SPOILED: dict[str, Callable[[Table], Any]] = {
    "scan.PAR: line 104 has another matrix or pixel size": lambda table: table["recon_resolution"].__setitem__(3, 8),
    "scan.PAR: line 105 has another matrix or pixel size": lambda t: t["image_pixel_size_bits"].__setitem__(4, 8),
    "scan.PAR: line 101 has pixels of 12 bits; 8 and 16 can be read": lambda t: t["image_pixel_size_bits"].fill(12),
    "scan.PAR: line 101 has a matrix of 0 x 0": lambda table: table["recon_resolution"].fill(0),
    "scan.PAR: line 101 has a matrix of 99999 x 99999": lambda table: table["recon_resolution"].fill(99999),
    "scan.REC: holds 6 images; scan.PAR lists one at 9": lambda t: t["index_in_rec_file"].__setitem__(2, 9),
}


@pytest.mark.parametrize("text", SPOILED)
def test_images_that_cannot_be_read_are_named(tmp_path: Path, table: Table, text: str) -> None:
    pixels = noise(table)
    SPOILED[text](table)
    par = read(str(write_pair(tmp_path, table, pixels=pixels)))
    with pytest.raises(ParRecError) as error:
        par.data()
    assert str(error.value) == f"{tmp_path}/{text}"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "holds no image of 6 x 4"),
        (47, "holds no image of 6 x 4"),
        (287, "holds 5 of the 6 images that scan.PAR lists"),
    ],
)
def test_a_short_rec_is_refused(tmp_path: Path, table: Table, size: int, text: str) -> None:
    par = write_pair(tmp_path, table)
    rec = par.with_suffix(".REC")
    rec.write_bytes(rec.read_bytes()[:size])
    found = read(str(par))
    asked: list[Callable[[], Any]] = [found.rec, found.rec_places, found.data]
    for ask in asked:
        with pytest.raises(ParRecError) as error:
            ask()
        assert str(error.value) == f"{rec}: {text}"


def test_bytes_behind_the_last_image_do_no_harm(tmp_path: Path, table: Table) -> None:
    par = write_pair(tmp_path, table)
    with par.with_suffix(".REC").open("ab") as stream:
        stream.write(bytes(47))
    assert read(str(par)).rec().shape == (6, 4, 6)


def test_without_rec_there_is_the_table(tmp_path: Path, table: Table) -> None:
    path = write_pair(tmp_path, table)
    path.with_suffix(".REC").unlink()
    par = read(str(path))
    assert par.shape == (2, 3, 4, 6)
    assert par.affine is not None
    with pytest.raises(ParRecError) as error:
        par.data()
    assert str(error.value) == f"{path}: there is no REC file beside"


def test_other_names_and_files_are_refused(tmp_path: Path, table: Table) -> None:
    path = write_pair(tmp_path, table)
    lonely = tmp_path / "lonely.REC"
    lonely.write_bytes(bytes(10))
    with pytest.raises(ParRecError, match=r"lonely.REC: there is no PAR file of that name"):
        read(str(lonely))
    path.write_bytes(bytes(1000))
    with pytest.raises(NotParError, match=r"scan.PAR: is no PAR file"):
        read(str(path))
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "none.par"))
    with pytest.raises(IsADirectoryError):
        read(str(tmp_path))
    (tmp_path / "scan.rec").write_bytes(b"")
    if len(list(tmp_path.glob("scan.[rR]*"))) == 2:
        (tmp_path / "scan.Rec").write_bytes(b"")
        path.rename(tmp_path / "scan.pAr").write_bytes((NIBABEL / "T1.PAR").read_bytes())
        with pytest.raises(PlaceError, match="could be meant"):
            read(str(tmp_path / "scan.pAr")).rec()


def test_choices_that_cannot_be_are_refused(tmp_path: Path, table: Table) -> None:
    table["scale_slope"][4] = 0.0
    par = read(str(write_pair(tmp_path, table)))
    assert par.data("display").shape == (2, 3, 4, 6)
    with pytest.raises(ChoiceError, match=r"line 105 has a slope of 0, so there are no floating point values"):
        par.data("float")
    with pytest.raises(ChoiceError, match="scale is one of stored, display, float, not 'fp'"):
        par.data("fp")  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="of a floating point type, not int16"):
        par.data("display", np.int16)


def test_values_beyond_single_precision_are_infinite(tmp_path: Path, table: Table) -> None:
    table["scale_slope"][:] = 1e-200
    par = read(str(write_pair(tmp_path, table, pixels=np.ones((6, 4, 6), "<u2"))))
    assert np.isinf(par.data("float")).all()
    assert np.allclose(par.data("float", np.float64), 1e200)
