"""Enhanced MR written as npy, npz, NIfTI, MATLAB, netCDF and zarr: beside the target first, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.enhanced.extras import needed
from mrdock.enhanced.image import EnhancedImage, c_order
from mrdock.enhanced.nifti import empty_image, layout_of
from mrdock.enhanced.plan import Plan, read_cells
from mrdock.errors import ChoiceError, PlaceError
from mrdock.files.durable import begin_writing_out, move_new, sync_names
from mrdock.files.names import printable
from mrdock.files.writing import already_there, check_free

_MOST_MATLAB: Final = (1 << 31) - 1
_STORE: Final = ".zarr"  # a directory
_BLOCK: Final = 1 << 20
_WRITE_OUT: Final = 16 << 20
_CHUNK: Final = 4 << 20
_NIFTI_DATA: Final = 352  # where the data of a file with nothing behind the header begins


def save(image: EnhancedImage, path: str, *, force: bool = False) -> None:
    """See `EnhancedImage.save`."""
    ending, write = check_target(path, force=force)
    folder = os.path.dirname(os.path.abspath(path))
    beside = os.path.join(folder, f".{os.getpid()}.{threading.get_ident()}.part{ending}")
    try:
        write(image, beside)
        _put(beside, path, force=force)
    except OSError as error:
        _remove(beside)
        if error.filename is not None and not os.path.basename(error.filename).startswith(os.path.basename(beside)):
            raise
        raise OSError(error.errno, error.strerror or str(error), path) from None  # the name that the user knows
    except BaseException:
        _remove(beside)
        raise


def check_target(path: str, *, force: bool) -> tuple[str, Callable[[EnhancedImage, str], None]]:
    """What the name ends with, and what writes files of that kind.

    Raises `ChoiceError` where nothing does, `PlaceError` where the file exists and is not to be replaced,
    FileNotFoundError where its directory does not.
    """
    ending = next((ending for ending in WRITERS if path.lower().endswith(ending)), None)
    if ending is None:
        raise ChoiceError(f"{printable(path)}: an output's name ends with {', '.join(WRITERS)}")
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):  # which some writers would make
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if ending != _STORE:
        check_free(path, force=force)
    elif os.path.lexists(path):
        if not force:
            raise already_there(path)
        if os.path.isdir(path) and os.listdir(path) and not any(map(os.path.lexists, _marks(path))):
            raise PlaceError(f"{printable(path)}: is a directory that holds something else than zarr")
    return ending, WRITERS[ending]


def _marks(path: str) -> Iterator[str]:
    """What zarr's directories hold."""
    return (os.path.join(path, name) for name in (".zgroup", ".zarray", "zarr.json"))


def _put(beside: str, path: str, *, force: bool) -> None:
    """Give what was written its name."""
    if os.path.isdir(beside):
        _put_directory(beside, path, force=force)
    else:
        with open(beside, "rb+") as stream:
            os.fsync(stream.fileno())
        try:
            (os.replace if force else move_new)(beside, path)
        except FileExistsError:
            raise already_there(path) from None
    sync_names(os.path.dirname(beside))


def _put_directory(beside: str, path: str, *, force: bool) -> None:
    """No system replaces a directory that holds anything: the old one steps aside first."""
    old = f"{beside}.old"
    if force and os.path.lexists(path):
        os.rename(path, old)
    elif os.path.lexists(path):
        raise already_there(path)
    os.rename(beside, path)
    _remove(old)


def _remove(path: str) -> None:
    with suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def _npy(image: EnhancedImage, path: str) -> None:
    descr = np.lib.format.dtype_to_descr(image.data.dtype.newbyteorder("<"))
    header = {"descr": descr, "fortran_order": False, "shape": image.data.shape}
    with open(path, "xb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for block in c_order(image.data):
            stream.write(memoryview(block.data).cast("B"))


def _npz(image: EnhancedImage, path: str) -> None:
    arrays: dict[str, Any] = {"data": image.data, "dims": np.array(image.dims), "items": image.items}
    arrays["matlab_names"] = np.array(image.matlab_names)
    if image.affine is not None:
        arrays["affine"] = image.affine
    for name, labels in zip(image.dims, image.matlab_indexes, strict=True):
        arrays[f"labels_{name}"] = np.array(labels, dtype=np.str_)
    arrays |= {f"coord_{name}": values for name, values in image.coords.items()}
    np.savez(path, allow_pickle=False, **arrays)


def _nifti(image: EnhancedImage, path: str) -> None:
    """The bytes that nibabel writes, without its copies: the planes lie in memory as NIfTI wants them.

    An image that is not in memory is read on the way, few planes at a time. The header comes last, when nibabel is
    loaded.
    """
    plan = image.plan
    layout = layout_of(plan)
    cells = layout.arranged(plan.cells, 0).T.reshape(-1)
    with open(path, "xb") as stream:
        if image.is_read or plan.pixels.encoded or not hasattr(os, "pwrite"):
            _begin(stream, image.to_nifti())
            _write_array(stream, np.asarray(image.to_nifti().dataobj).T)
            return
        with ThreadPoolExecutor(1) as helper:
            written = helper.submit(_write_cells, stream.fileno(), plan, cells)
            header = empty_image(plan, layout)
            written.result()
        _begin(stream, header)


def _begin(stream: BinaryIO, nifti: Any) -> None:
    """Write all that stands before the data."""
    nifti.update_header()
    nifti.header.set_slope_inter(1, 0)
    nifti.header.write_to(stream)
    stream.write(bytes(_NIFTI_DATA - stream.tell()))
    stream.flush()


def _write_cells(descriptor: int, plan: Plan, cells: NDArray[np.int64]) -> None:
    """Write planes one after the other."""
    size = plan.pixels.rows * plan.pixels.columns * plan.dtype.itemsize
    step = max(1, _CHUNK // size)

    def write(start: int) -> None:
        data = read_cells(plan, cells[start : start + step])
        view, at = memoryview(data.transpose(2, 0, 1).data).cast("B"), _NIFTI_DATA + start * size
        while len(view):
            count = os.pwrite(descriptor, view, at)
            view, at = view[count:], at + count

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(0, len(cells), step)))


def _write_array(stream: BinaryIO, values: NDArray[Any]) -> None:
    """An array in C order, on its way to the disk while the rest is written."""
    if values.flags.c_contiguous:
        blocks: Iterable[NDArray[Any]] = [values]
    else:
        blocks = (np.ascontiguousarray(values[index]) for index in np.ndindex(values.shape[:-2]))
    at = written = stream.tell()
    for block in blocks:
        view = memoryview(block.reshape(-1).data).cast("B")
        for start in range(0, len(view), _BLOCK):
            at += stream.write(view[start : start + _BLOCK])
            if at - written >= _WRITE_OUT:
                stream.flush()
                begin_writing_out(stream.fileno(), written, at - written)
                written = at


def _nifti_packed(image: EnhancedImage, path: str) -> None:
    image.to_nifti().to_filename(path)


def _matlab(image: EnhancedImage, path: str) -> None:
    if image.data.nbytes > _MOST_MATLAB:
        raise ChoiceError(f"{printable(image.path)}: {image.data.nbytes / 1e9:.3g} GB; a mat file holds 2.1 GB: use nc")
    cells = [_cell(labels) for labels in image.matlab_indexes]
    content = {
        "data": image.data,
        "MatlabNames": _cell(image.matlab_names),
        "MatlabIndexes": _cell(cells),
        "MatlabItems": image.items.astype(np.float64),
        "dims": _cell(image.dims),
    }
    if image.affine is not None:
        content["affine"] = image.affine
    needed("scipy.io").savemat(path, content, oned_as="column")


def _cell(values: Any) -> Any:
    """A row of MATLAB cells."""
    found = np.empty((1, len(values)), dtype=object)
    found[0, :] = values
    return found


def _netcdf(image: EnhancedImage, path: str) -> None:
    needed("netCDF4")
    image.to_xarray().to_netcdf(path, engine="netcdf4")


def _zarr(image: EnhancedImage, path: str) -> None:
    needed("zarr")
    image.to_xarray().to_dataset().to_zarr(path, mode="w-", zarr_format=2, consolidated=True)


WRITERS: Final[dict[str, Callable[[EnhancedImage, str], None]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".nii": _nifti,
    ".nii.gz": _nifti_packed,
    ".mat": _matlab,
    ".nc": _netcdf,
    _STORE: _zarr,
}
"""What writes a file, by the end of its name."""
