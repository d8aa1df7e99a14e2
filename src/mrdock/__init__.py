"""mrdock: a DICOM dock for MR research centres, and the tools people use on what arrived.

What is public is named in ``__all__`` and loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mrdock.version import __version__

if TYPE_CHECKING:
    from mrdock.enhanced.image import EnhancedImage, dicomeread

__all__ = ["EnhancedImage", "__version__", "dicomeread"]

_HOMES: Final = {
    "EnhancedImage": "mrdock.enhanced.image",
    "dicomeread": "mrdock.enhanced.image",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
