"""Packages that are not part of the small installation."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from mrdock.errors import MissingPackageError

EXTRAS: Final = {
    "xarray": "xarray",
    "netCDF4": "xarray",
    "zarr": "xarray",
    "nibabel": "nifti",
    "scipy": "matlab",
}
"""Which extra brings a package."""


def needed(name: str) -> Any:
    """The module; raises `MissingPackageError`, which says how to install it."""
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        message = f"needs {package}, which is not installed: pip install 'mrdock[{EXTRAS[package]}]'"
        raise MissingPackageError(message, name=package) from None
