"""Enhanced MR written as npy, npz, NIfTI, MATLAB, netCDF and zarr: beside the target first, then renamed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np

from mrdock.enhanced.extras import needed
from mrdock.enhanced.image import EnhancedImage, c_order
from mrdock.errors import ChoiceError
from mrdock.files.durable import move_new
from mrdock.files.names import printable
from mrdock.files.writing import already_there

_MOST_MATLAB: Final = (1 << 31) - 1


def save(image: EnhancedImage, path: str, *, force: bool = False) -> None:
    """See `EnhancedImage.save`."""
    write = check_target(path, force=force)
    folder, name = os.path.split(os.path.abspath(path))
    beside = os.path.join(folder, f".{os.getpid()}.{threading.get_ident()}.part.{name}")
    try:
        write(image, beside)
        _put(beside, path, force=force)
    except BaseException:
        _remove(beside)
        raise


def check_target(path: str, *, force: bool) -> Callable[[EnhancedImage, str], None]:
    """What writes the kind of file that the name ends with.

    Raises `ChoiceError` where nothing does, `PlaceError` where the file exists and is not to be replaced.
    """
    lower = path.lower()
    write = next((function for ending, function in WRITERS.items() if lower.endswith(ending)), None)
    if write is None:
        raise ChoiceError(f"{printable(path)}: an output's name ends with {', '.join(WRITERS)}")
    if os.path.lexists(path) and not force:
        raise already_there(path)
    return write


def _put(beside: str, path: str, *, force: bool) -> None:
    """Give what was written its name."""
    if os.path.isdir(beside):
        _put_directory(beside, path, force=force)
        return
    with open(beside, "rb+") as stream:
        os.fsync(stream.fileno())
    if force:
        os.replace(beside, path)
        return
    try:
        move_new(beside, path)
    except FileExistsError:
        raise already_there(path) from None


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
    ".nii.gz": _nifti,
    ".mat": _matlab,
    ".nc": _netcdf,
    ".zarr": _zarr,
}
"""What writes a file, by the end of its name."""
