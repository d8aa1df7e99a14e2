"""Small synthetic Philips-like DICOM files, for the tests and for `make demo`.

Imports only the standard library, numpy and pydicom.
"""

from .bulk import bulk_classic, enhanced_large
from .elements import part10
from .enhanced import enhanced_mr
from .examcard import ExamCardScan, Parameter, parameter_block
from .geometry import Geometry, phantom
from .identity import StudyIdentity
from .philips import classic_fmri, demo_study, presentation_state, write
from .rawdata import PRIVATE_MR_EXAMCARD, PRIVATE_MR_SERIES_DATA, RAW_DATA_STORAGE, raw_data, raw_series

__all__ = [
    "PRIVATE_MR_EXAMCARD",
    "PRIVATE_MR_SERIES_DATA",
    "RAW_DATA_STORAGE",
    "ExamCardScan",
    "Geometry",
    "Parameter",
    "StudyIdentity",
    "bulk_classic",
    "classic_fmri",
    "demo_study",
    "enhanced_large",
    "enhanced_mr",
    "parameter_block",
    "part10",
    "phantom",
    "presentation_state",
    "raw_data",
    "raw_series",
    "write",
]
