"""The odd and broken files that come with pydicom; its own function for them would download more."""

from __future__ import annotations

from pathlib import Path

import pydicom


def pydicom_files(pattern: str) -> list[str]:
    """Their paths."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    return [str(path) for path in sorted(folder.rglob(pattern)) if path.is_file()]
