"""mrdock: a DICOM dock for MR research centres, and the tools people use on what arrived."""

from __future__ import annotations

__version__ = "0.1.0"
