"""Words of DICOM and the numbers that a PAR file has for them.

The numbers are the 0-based codes of Philips' own enumerations: where a dimension of an Enhanced file points to one, its
Dimension Index Values are these codes (M 0, P 3, B0 18; FFE 2, UNSPECIFIED 5; release 5.7).
"""

from __future__ import annotations

from typing import Final


def _numbered(words: str) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split())}


IMAGE_TYPES: Final = _numbered(
    "M R I P CR T0 T1 T2 RHO SPECTRO DERIVED ADC RCBV RCBF MTT TTP FA EADC B0 DELAY MAXRELENH RELENH MAXENH WASHIN "
    "WASHOUT BREVENH AREACURV ANATOMIC T_TEST STD_DEVIATION PERFUSION T2_STAR R2 R2_STAR W IP OP F SPARE1 SPARE2"
)
"""(2005,1011) of Philips MR Imaging DD 001: image_type_mr."""

COMPONENTS: Final = {"MAGNITUDE": 0, "REAL": 1, "IMAGINARY": 2, "PHASE": 3}
"""Complex Image Component (0008,9208), for a file without Philips' type."""

FIELD_MAP: Final = "FIELD_MAP"
"""The fourth value of Frame Type (0008,9007) of a B0 map."""

SEQUENCES: Final = _numbered("IR SE FFE DERIVED PCA UNSPECIFIED SPECTRO SI B0 B1")
"""(2005,106E) of Philips MR Imaging DD 001: scanning sequence."""

PULSES: Final = {"SPIN": SEQUENCES["SE"], "GRADIENT": SEQUENCES["FFE"]}
"""Echo Pulse Sequence (0018,9008), for a file without Philips' scanning sequence."""

CONTRASTS: Final = _numbered(
    "DIFFUSION FLOW_ENCODED FLUID_ATTENUATED PERFUSION PROTON_DENSITY STIR TAGGING T1 T2 T2_STAR TOF UNKNOWN MIXED"
)
"""Acquisition Contrast (0008,9209): contrast type."""

LABELS: Final = {"": 1, "CONTROL": 1, "LABEL": 2}
"""(2005,1429) of Philips MR Imaging DD 005: label type. In the enumeration CONTROL is 0; a PAR file counts from 1."""

DISPLAYS: Final = _numbered("NONE RIGHT90 RIGHT180 LEFT90 VM RIGHT90VM RIGHT180VM LEFT90VM")
"""(2005,1004) of Philips MR Imaging DD 001: image_display_orientation."""

PHASES_OF_HEART: Final = {"ED": 0, "ES": 1, "U": 2}
"""(2001,1007) of Philips Imaging DD 001: image_type_ed_es."""

ANISOTROPIES: Final = {"": 0, "FRACTIONAL": 0, "RELATIVE": 1, "VOLUME_RATIO": 2}
"""Diffusion Anisotropy Type (0018,9147)."""

TRANSVERSE, SAGITTAL, CORONAL = 1, 2, 3

VIEW_AXES: Final = {"FH": TRANSVERSE, "RL": SAGITTAL, "AP": CORONAL}
"""(2005,1081) of a stack: slice orientation."""

ORIENTATIONS: Final = {"TRANSVERSAL": TRANSVERSE, "SAGITTAL": SAGITTAL, "CORONAL": CORONAL}
"""(2001,100B) of Philips Imaging DD 001, empty in Enhanced files."""

DIRECTIONS: Final = {"AP": "Anterior-Posterior", "RL": "Right-Left", "FH": "Feet-Head"}
"""(2005,107B) of a stack: preparation direction."""

_FIRST: Final = {"HF": "Head First", "FF": "Feet First"}
_POSED: Final = {"S": "Supine", "P": "Prone", "DR": "Decubitus Right", "DL": "Decubitus Left"}


def patient_position(code: str) -> str:
    """Patient Position (0018,5100) in words: ``HFS`` is ``Head First Supine``; what is none stays as it is."""
    first, posed = _FIRST.get(code[:2]), _POSED.get(code[2:])
    return f"{first} {posed}" if first and posed else code
